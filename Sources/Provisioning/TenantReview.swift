import Catalog
import Foundation
import HookEngine
import PluginKit
import Store
import Vocabulary

/// Brings what a tenant should have in line with its licence and its members. Any event leads to the same look at how things are now, so
/// events may repeat and overtake each other.
struct TenantReview: Sendable {
    static let kind = "provisioning.review"
    static let sweepKind = "provisioning.sweep"
    private static let reason = KernelReason("provisioning.review")
    private static let sweepReason = KernelReason("provisioning.sweep")
    let parts: ProvisioningParts

    struct Target: Codable { let tenant: TenantID }
    struct Raced: Error {}

    static func job(_ tenant: TenantID, key: String, at moment: Timestamp) throws -> NewJob {
        try NewJob(kind, key: "\(tenant)/\(key)", tenant: tenant, payload: Target(tenant: tenant), runAt: moment)
    }

    func jobs() -> [JobHandler] {
        [
            JobHandler(Self.kind) { delivery, act in
                let tenant = try delivery.decode(Target.self).tenant
                try await review(tenant, act)
            },
            JobHandler(Self.sweepKind) { delivery, act in try await sweep(delivery, act) },
        ]
    }
    func subscribers() -> [EventSubscriber] {
        [
            EventSubscriber(LicenseIssued.self, subscriber: "provisioning") { event, _, act in try await review(event.tenant, act) },
            EventSubscriber(LicenseChanged.self, subscriber: "provisioning") { event, _, act in try await review(event.tenant, act) },
            EventSubscriber(ContractChanged.self, subscriber: "provisioning") { event, _, act in
                try await review(event.tenant, onlyKnown: true, agreed: event.tier, act)
            },
            EventSubscriber(LicenseRevoked.self, subscriber: "provisioning") { event, _, act in try await review(event.tenant, act) },
            EventSubscriber(MembershipChanged.self, subscriber: "provisioning") { event, _, act in
                try await review(event.tenant, onlyKnown: true, act)
            },
            EventSubscriber(MemberAccessChanged.self, subscriber: "provisioning") { event, _, act in
                try await review(event.tenant, onlyKnown: true, act)
            },
        ]
    }

    /// - Parameters:
    ///   - again: a plan that failed is begun anew.
    ///   - onlyKnown: nothing is asked for a tenant for which nothing was ever set up.
    ///   - agreed: a tier that may be another one since a contract about it changed.
    func review(_ tenant: TenantID, again: Bool = false, onlyKnown: Bool = false, agreed: String? = nil, _ act: Act) async throws {
        for _ in 0..<8 where try await attempt(tenant, again, onlyKnown, agreed, act) { return }
        throw Raced()
    }

    private struct Known: Sendable {
        var home: ProvisionHome?
        var hasOpenPlan: Bool
        var failedTier: String?
    }

    /// False where the tenant changed meanwhile: what was asked no longer holds.
    private func attempt(_ tenant: TenantID, _ again: Bool, _ onlyKnown: Bool, _ agreed: String?, _ act: Act) async throws -> Bool {
        let known = try await parts.store.tenantRead(tenant) { db -> Known in
            let books = ProvisioningBooks(db: db, act: act)
            let last = try books.latestPlan()
            return Known(
                home: try books.home(), hasOpenPlan: try books.hasOpenPlan(), failedTier: last?.state == .failed ? last?.tier : nil)
        }
        if known.home == nil, onlyKnown { return true }
        let found = try await parts.survey.tier(tenant, now: act.now)
        let tier = try await parts.store.tenantRead(tenant) { db in
            try found.flatMap { try parts.catalog.inForce(in: db, at: act.now)[$0.name] }
        }
        let isLive = found?.isLive == true && tier?.isFree == false
        guard known.home != nil || isLive else { return true }
        let holders = try await parts.survey.holders(tenant, act)
        let kept = try await parts.survey.kept(tenant, act)
        var planned: (cause: SetupPlan.Cause, tier: String, plan: Plan)?
        if isLive, let tier, !known.hasOpenPlan, again || known.failedTier != tier.id.name,
            let cause = Self.cause(known.home, tier.id.name) ?? Self.cause(known.home, tier, agreed: agreed), known.home?.isClosed != true
        {
            let input = OnProvision.Input(
                tenant: tenant, tier: tier.id.name, region: try await parts.survey.region(tenant), cause: cause.rawValue,
                users: holders.count, workstation: tier.workstation)
            let subject = HookSubject(tenant: tenant, tier: tier.id.name, requestID: act.requestID, now: act.now)
            planned = (cause, tier.id.name, try await parts.floor.hooks.plan(OnProvision.self, input, subject))
        }
        let chosen = planned
        return try await parts.store.tenant(tenant) { db in
            let books = ProvisioningBooks(db: db, act: act)
            let held = try books.home()
            guard held?.version == known.home?.version else { return false }
            var home = held ?? ProvisionHome()
            home.isLive = isLive
            if let chosen { try begin(chosen, before: home, books) }
            try books.save(home)
            try members(holders, kept, home, books)
            return true
        }
    }

    static func cause(_ home: ProvisionHome?, _ tier: String) -> SetupPlan.Cause? {
        guard let home, let before = home.tier else { return .purchased }
        if before != tier { return .changed }
        return home.isLive ? nil : .restored
    }

    /// A contract gave the tier another workstation than the one that is set up.
    static func cause(_ home: ProvisionHome?, _ tier: Tier, agreed: String?) -> SetupPlan.Cause? {
        guard let home, agreed == tier.id.name, home.tier == agreed else { return nil }
        let isSame =
            home.size.map { size in
                tier.workstation.map {
                    $0.machineType == size.machine && $0.diskBytes == size.diskBytes && $0.idleTimeoutSeconds == size.idleSeconds
                } ?? false
            } ?? (tier.workstation == nil)
        return isSame ? nil : .changed
    }

    private func begin(
        _ chosen: (cause: SetupPlan.Cause, tier: String, plan: Plan), before home: ProvisionHome, _ books: ProvisioningBooks
    ) throws {
        let (db, act) = (books.db, books.act)
        let id: SetupPlan.ID = parts.entropy.id(act.now)
        let before = HomeBefore(
            tier: home.tier, namespace: home.namespace, diskBytes: home.diskBytes, size: home.size, key: home.keyID?.description)
        try db.run(
            ProvisioningTable.begin, db.tenant, id, chosen.cause.rawValue, chosen.tier, chosen.plan.decision, try StoredText.of(before),
            act.now)
        for (index, action) in chosen.plan.actions.prefix(32).enumerated() {
            try db.run(
                ProvisioningTable.write, db.tenant, id, index + 1, action.name, try StoredText.of(action.fields.json))
        }
        try db.journal(
            JournalEntry(
                "provisioning.begun", subject: "plan:\(id)",
                details: [
                    "cause": .string(chosen.cause.rawValue), "tier": .string(chosen.tier),
                    "steps": .array(chosen.plan.actions.prefix(32).map { .string($0.name) }),
                ], decision: chosen.plan.decision), act)
        try db.enqueue(try SetupDesk.job(id, db.tenant, at: act.now, round: 0), act)
    }

    /// One workstation for each holder, none for others; what is kept of somebody who left sleeps, and may be opened once it has.
    private func members(
        _ holders: Set<UserID>, _ kept: [UserID: Bool], _ home: ProvisionHome, _ books: ProvisioningBooks
    ) throws {
        let now = books.act.now
        let isOn = home.isLive && !home.isClosed
        let all = try books.workstations()
        var used = all.filter { $0.state != .deleted }.map { $0.size.diskBytes }.reduce(0, +)
        for held in all {
            var one = held
            if !holders.contains(one.user) {
                switch (one.state, one.wish, kept[one.user]) {
                case (.deleted, _, _), (_, .gone, _): break
                case (_, _, nil): one.wish = .gone
                case (.suspended, .suspended, true?): if isOn { one.wish = .stopped }
                case (_, _, true?): if !isOn { one.wish = .suspended }
                case (_, _, false?): one.wish = .suspended
                }
            } else if isOn, let size = home.size {
                switch (one.state, one.wish) {
                case (.deleted, _):
                    one.wish = .running
                    one.size = size
                    one.move(to: .requested, now)
                // What was never finished begins anew, what was stands stopped until its owner wants it.
                case (_, .suspended): one.wish = one.made == nil ? .running : .stopped
                // Back before it was gone: first all of it goes.
                case (_, .gone): break
                default: break
                }
                if one.wish != .gone { one.size = size.over(one.made) }
            } else if one.wish != .gone, one.state != .deleted {
                one.wish = .suspended
            }
            if one != held { try books.save(one, before: held) }
        }
        guard isOn, let size = home.size else { return }
        let having = Set(all.map(\.user))
        for user in holders.subtracting(having).sorted() {
            var one = Workstation(id: parts.entropy.id(now), tenant: books.db.tenant, user: user, size: size, now: now)
            let (sum, overflow) = used.addingReportingOverflow(size.diskBytes)
            if let most = home.diskBytes, overflow || sum > most {
                one.note = "the organization's storage is used up"
                one.move(to: .failed, now)
            } else {
                used = sum
            }
            try books.request(one)
        }
    }

    // MARK: By itself

    func start(_ act: Act) async throws {
        let job = try Self.sweepJob(at: act.now)
        try await parts.store.kernel(Self.sweepReason) { db in try db.enqueue(job, act) }
    }
    private static func sweepJob(at moment: Timestamp) throws -> NewJob {
        try NewJob(sweepKind, key: String(moment.seconds / 86_400), tenant: nil, payload: [String: String](), runAt: moment)
    }

    /// Once a day every tenant is looked at: what no event told, and what stopped by itself.
    private func sweep(_ delivery: Delivery, _ act: Act) async throws {
        var last: [UInt8] = []
        while true {
            let from = last
            let tenants: [TenantID] = try await parts.store.kernelRead(Self.sweepReason) { db in
                try db.rows(ProvisioningTable.homes, from, 500).map { try $0.id(0) }
            }
            for tenant in tenants {
                try await review(tenant, act)
                try await wake(tenant, act)
                try await observe(tenant, act)
            }
            guard let end = tenants.last else { break }
            last = end.uuid.bytes
        }
        let next = try Self.sweepJob(at: act.now + .days(1))
        try await parts.store.kernel(Self.sweepReason) { db in
            try db.enqueue(next, act)
            try db.settle(delivery)
        }
    }

    /// Those that wait since before there was a provisioner have their turn.
    private func wake(_ tenant: TenantID, _ act: Act) async throws {
        guard !parts.isWithoutMaker else { return }
        try await parts.store.tenant(tenant) { db in
            let books = ProvisioningBooks(db: db, act: act)
            for one in try books.workstations() where one.isUntouched && one.hasMore {
                try db.enqueue(try WorkstationDesk.job(one, at: act.now), act)
            }
        }
    }

    /// A provisioner that cannot be asked tells nothing.
    func observe(_ tenant: TenantID, _ act: Act) async throws {
        guard let shown = try? await parts.provisioner()?.list(tenant: tenant.description) else { return }
        let byName = Dictionary(shown.map { ($0.key.name, $0) }) { first, _ in first }
        try await parts.store.tenant(tenant) { db in
            let books = ProvisioningBooks(db: db, act: act)
            for held in try books.workstations() where held.work == nil {
                guard let there = byName[held.id.description] else { continue }
                var one = held
                one.notice(there, act.now)
                if one != held { try books.save(one, before: held) }
            }
        }
    }
}
