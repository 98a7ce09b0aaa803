import Foundation
import HookEngine
import Signing
import Store
import Tenancy
import Vocabulary

/// One job for each offboarding takes it on, step by step. A step is done once its row says when; whoever dies in one begins it again,
/// and every step ends in the same state however often it ran.
extension Offboarding {
    static let advanceJob = "offboarding.advance"
    static let lapseJob = "offboarding.lapse"
    private static let reading = KernelReason("offboarding.read")
    private static let finishing = KernelReason("offboarding.finish_step")

    struct Job: Codable, Sendable {
        let offboarding: LeavingTenant.ID
        let tenant: TenantID
    }
    struct Lapse: Codable, Sendable {
        let tenant: TenantID
        let subscription: SubscriptionID
        let since: Timestamp
    }

    /// In nobody's name: the tenant's own jobs go with the tenant.
    static func advanceLater(
        _ id: LeavingTenant.ID, _ tenant: TenantID, at moment: Timestamp, after step: String = "", _ db: any SQLScope, _ act: Act
    ) throws {
        try db.enqueue(
            try NewJob(
                advanceJob, key: "\(id):\(moment.microseconds):\(step)", tenant: nil, payload: Job(offboarding: id, tenant: tenant),
                runAt: moment), act)
    }

    package func jobs() -> [JobHandler] {
        [
            JobHandler(Self.advanceJob) { delivery, act in
                let job = try delivery.decode(Job.self)
                try await advance(
                    job.offboarding, job.tenant,
                    Act(actor: .system("offboarding"), requestID: act.requestID, now: act.now), isHurried: false)
            },
            JobHandler(Self.lapseJob) { delivery, act in
                try await lapse(
                    try delivery.decode(Lapse.self), Act(actor: .system("offboarding"), requestID: act.requestID, now: act.now))
            },
        ] + exportJobs() + memberJobs() + reviewJobs()
    }

    package func subscribers() -> [EventSubscriber] {
        [
            EventSubscriber(StandingChanged.self, subscriber: "offboarding") { event, delivery, act in
                try await store.kernel(Self.reading) { db in
                    try db.within(event.tenant) { db in try keepLapse(event, db, act) }
                    try db.settle(delivery)
                }
            },
            EventSubscriber(ContractChanged.self, subscriber: "offboarding") { event, delivery, act in
                try await store.kernel(Self.reading) { db in
                    try db.within(event.tenant) { db in
                        try Self.reviewLater("\(event.contract):\(act.now.microseconds)", at: act.now, db, act)
                    }
                    try db.settle(delivery)
                }
            },
        ] + memberSubscribers()
    }

    /// Snapshots come in any order: the highest version counts.
    func keepLapse(_ event: StandingChanged, _ db: any TenantScope, _ act: Act) throws {
        let isOver = event.standing == .suspended || event.standing == .cancelled
        let row = try db.row(OffboardingTable.lapse, event.subscription)
        let isNewest = try row.map { try $0.integer(0) < event.version } ?? true
        let before = try row.flatMap { try $0.optional(1, $0.time) }
        let since = isOver ? before ?? act.now : nil
        if row == nil {
            try db.run(OffboardingTable.insertLapse, db.tenant, event.subscription, event.version, since)
        } else if isNewest {
            try db.run(OffboardingTable.writeLapse, event.subscription, event.version, since)
        }
        let goesOn = event.cancelsAt == nil && event.standing != .cancelled
        if goesOn, try row.map({ try $0.optional(2, $0.integer) ?? 0 < event.version }) ?? true {
            try db.run(OffboardingTable.wentOn, event.subscription, event.version)
        }
        // What goes on concerns only whom something ends or ended for: then also where it comes late.
        if try !goesOn || !isNewest || db.row(OffboardingTable.latest) != nil {
            try Self.reviewLater("\(event.subscription):\(event.version)", at: act.now, db, act)
        }
        guard isNewest, let since, before == nil else { return }
        try lapseLater(event.subscription, since, at: since + lapseTime, db, act)
    }

    private var lapseTime: Duration { .days(Int64(floor.settings[OffboardingSettings.lapseDays])) }
    private func lapseLater(
        _ subscription: SubscriptionID, _ since: Timestamp, at moment: Timestamp, _ db: any TenantScope, _ act: Act
    ) throws {
        try db.enqueue(
            try NewJob(
                Self.lapseJob, key: "\(subscription):\(since.microseconds):\(moment.microseconds)", tenant: db.tenant,
                payload: Lapse(tenant: db.tenant, subscription: subscription, since: since), runAt: moment), act)
    }
    /// Whoever came back has as long again to buy something.
    func lapseAfresh(_ db: any TenantScope, _ act: Act) throws {
        for row in try db.rows(OffboardingTable.lapsed) {
            try lapseLater(try row.id(0), try row.time(1), at: act.now + lapseTime, db, act)
        }
    }

    /// Whoever has had nothing paid for so long leaves; whoever has, stays.
    private func lapse(_ lapse: Lapse, _ act: Act) async throws {
        let (since, latest) = try await store.tenantRead(lapse.tenant) { db in
            (
                try db.row(OffboardingTable.lapse, lapse.subscription).flatMap { try $0.optional(1, $0.time) },
                try db.row(OffboardingTable.latest).map(LeavingTenant.init)
            )
        }
        if let latest, latest.state == .reactivated, latest.changedAt + lapseTime > act.now {
            return try await store.tenant(lapse.tenant) { db in
                try lapseLater(lapse.subscription, lapse.since, at: latest.changedAt + lapseTime, db, act)
            }
        }
        guard since == lapse.since, let tenant = try await tenancy.tenant(lapse.tenant),
            tenant.status == .active || tenant.status == .suspended
        else { return }
        let bought = try await contract.standing(lapse.tenant, now: act.now)
        guard bought.isLapsed else { return }
        if bought.isBound {
            // Somebody talks with them. The day after it is over they leave like everybody else.
            return try await store.tenant(lapse.tenant) { db in
                try lapseLater(lapse.subscription, lapse.since, at: act.now + .days(1), db, act)
            }
        }
        do {
            var wish = Request(reason: .unpaid, feedback: nil, isNow: true)
            wish.cause = .lapsed
            _ = try await request(wish, tenant: lapse.tenant, by: nil, act)
        } catch let problem as Problem where problem.code == OffboardingProblems.alreadyLeaving.code { return }
    }

    /// The first second: what ends access is done before the answer, as far as it goes; the job does the rest, and this again if need be.
    func hurry(_ id: LeavingTenant.ID, _ tenant: TenantID, _ act: Act) async {
        try? await advance(id, tenant, act, isHurried: true)
    }

    /// Takes the offboarding as far as it goes now.
    package func advance(_ id: LeavingTenant.ID, _ tenant: TenantID, _ act: Act, isHurried: Bool) async throws {
        while true {
            let (offboarding, steps) = try await store.tenantRead(tenant) { db in
                (try Self.find(id, in: db), try db.rows(OffboardingTable.steps, id).map(LeavingStep.init))
            }
            let next = steps.first { $0.doneAt == nil && Self.phases[offboarding.state] == $0.phase }
            if let next {
                if isHurried, !Self.isQuick(next.name) { return }
                if next.phase == .purge, try await isHeld(tenant) { return try await wait(id, tenant, act) }
                // A long one goes on, and the next begins, in its own time and under its own lease.
                let turn = try await take(next, offboarding, act)
                if isHurried { continue }
                return try await store.tenant(tenant) { db in
                    try Self.advanceLater(id, tenant, at: act.now, after: "\(next.place)\(turn)", db, act)
                }
            }
            switch offboarding.state {
            case .offered, .scheduled:
                guard act.now >= offboarding.leavesAt else { return try await later(offboarding, offboarding.leavesAt, act) }
                guard try await begin(offboarding, act) else { return }
            case .leaving: try await retain(offboarding, act)
            case .retained:
                guard let until = offboarding.retainedUntil else { return }
                guard act.now >= until else { return try await later(offboarding, until, act) }
                guard !isHurried, try await beginPurge(offboarding, act) else { return }
            case .purging: return try await certify(offboarding, steps, act)
            case .purged, .withdrawn, .reactivated: return
            }
        }
    }
    private static let phases: [LeavingTenant.State: LeavingStep.Phase] = [.leaving: .leave, .purging: .purge, .reactivated: .restore]
    private static func isQuick(_ step: String) -> Bool { step != "revoke:billing" && step != "export" }

    private func isHeld(_ tenant: TenantID) async throws -> Bool {
        try await store.tenantRead(tenant) { db in try db.row(OffboardingTable.isHeld) != nil }
    }
    private func later(_ offboarding: LeavingTenant, _ moment: Timestamp, _ act: Act) async throws {
        try await store.tenant(offboarding.tenant) { db in
            try Self.advanceLater(offboarding.id, offboarding.tenant, at: moment, db, act)
        }
    }
    /// A hold is looked at once a day, and at once when it is lifted.
    private func wait(_ id: LeavingTenant.ID, _ tenant: TenantID, _ act: Act) async throws {
        try await store.tenant(tenant) { db in try Self.advanceLater(id, tenant, at: act.now + .days(1), db, act) }
    }

    // MARK: - From state to state

    /// False where it is not to begin now, by what is known since it was planned.
    private func begin(_ offboarding: LeavingTenant, _ act: Act) async throws -> Bool {
        let contract = try await contract.standing(offboarding.tenant, now: act.now)
        guard try await mayBegin(offboarding, act) else { return false }
        let question = LeavingQuestion(.periodEnd, offboarding.reason, offboarding.cause, hasRefused: offboarding.hasRefused)
        let plan = try await ask(question, contract, offboarding.tenant, act)
        let planned = Set(plan.actions.map(\.name))
        let days = plan.actions.first { $0.name == "retain_data" }?.fields["days"]?.int.map(Int.init) ?? offboarding.retentionDays
        let rooms = work().steps.map(\.name).filter { planned.contains($0 == "billing" ? "end_billing" : "revoke_access") }
        let names = ["close"] + rooms.map { "revoke:\($0)" } + (planned.contains("export_data") ? ["export"] : [])
        try await store.tenant(offboarding.tenant, .flushed) { db in
            // Read again: something may have been paid while the policy thought.
            guard try prospect(in: db, now: act.now).opening(offboarding, act.now) == .begin else { throw CommonProblems.unavailable }
            try move(
                offboarding.id, offboarding.state, to: .leaving, ["retention_days": .int(Int64(days))], db, act, decision: plan.decision)
            try db.run(OffboardingTable.plan, offboarding.id, min(max(days, 0), 3_650))
            try insertSteps(names, .leave, offboarding.id, db)
            try tell(.begun, offboarding.id, until: nil, db, act)
            try carry(plan, offboarding.id, ["days": String(days)], db, act)
            try Self.advanceLater(offboarding.id, offboarding.tenant, at: act.now, db, act)
        }
        let proof = act.now + .days(Int64(days)) + .days(Int64(floor.settings[OffboardingSettings.proofDays]))
        let digest = linkDigest(linkText(offboarding.id))
        try await store.kernel(Self.finishing) { db in
            guard try db.row(OffboardingTable.findLink, digest, act.now) == nil else { return }
            try db.run(OffboardingTable.insertLink, digest, offboarding.tenant, offboarding.id, proof)
        }
        return true
    }

    private func mayBegin(_ offboarding: LeavingTenant, _ act: Act) async throws -> Bool {
        let isDue = try await store.tenantRead(offboarding.tenant) { db in
            try prospect(in: db, now: act.now).opening(offboarding, act.now) == .begin
        }
        if isDue { return true }
        try await store.tenant(offboarding.tenant, .flushed) { db in
            let prospect = try prospect(in: db, now: act.now)
            guard let latest = prospect.latest, latest.id == offboarding.id, latest.state == offboarding.state else { return }
            try settle(prospect.opening(latest, act.now), prospect, db, act)
        }
        return false
    }

    private func retain(_ offboarding: LeavingTenant, _ act: Act) async throws {
        let until = act.now + .days(Int64(offboarding.retentionDays))
        try await store.tenant(offboarding.tenant, .flushed) { db in
            try db.run(OffboardingTable.retain, offboarding.id, until)
            try move(offboarding.id, .leaving, to: .retained, ["until": .string(until.iso8601)], db, act)
            try Self.advanceLater(offboarding.id, offboarding.tenant, at: until, db, act)
        }
    }

    /// False where it waits: a hold stands, or the policy has not said to purge.
    private func beginPurge(_ offboarding: LeavingTenant, _ act: Act) async throws -> Bool {
        let tenant = offboarding.tenant
        let contract = ContractStanding(tier: nil, paidUntil: nil, ageDays: 0, isLapsed: true)
        let question = LeavingQuestion(.retentionOver, offboarding.reason, offboarding.cause, hasRefused: offboarding.hasRefused)
        let plan = try await ask(question, contract, tenant, act)
        guard plan.actions.contains(where: { $0.name == "purge_data" }), try await !isHeld(tenant) else {
            try await store.tenant(tenant) { db in try carry(plan, offboarding.id, [:], db, act) }
            try await wait(offboarding.id, tenant, act)
            return false
        }
        // Whom the last mail reaches must be known before nobody is known any more.
        var addresses: [String] = []
        for owner in try await tenancy.owners(of: tenant) {
            if let address = try await floor.addresses.address(of: owner) { addresses.append(address.email) }
        }
        let box = try floor.sealer.seal(Array(try JSONCoding.encode(addresses)), context: "offboarding.addresses:\(offboarding.id)")
        let names = work().steps.reversed().map { "purge:\($0.name)" } + ["scrub"]
        try await store.tenant(tenant, .flushed) { db in
            // Read again: a hold may have been placed while the policy thought.
            guard try db.row(OffboardingTable.isHeld) == nil else { throw CommonProblems.unavailable }
            try move(offboarding.id, .retained, to: .purging, [:], db, act, decision: plan.decision)
            try db.run(OffboardingTable.keepAddresses, offboarding.id, box)
            try insertSteps(names, .purge, offboarding.id, db)
            try tell(.purging, offboarding.id, until: nil, db, act)
            try Self.advanceLater(offboarding.id, tenant, at: act.now, db, act)
        }
        return true
    }

    func insertSteps(_ names: [String], _ phase: LeavingStep.Phase, _ id: LeavingTenant.ID, _ db: any TenantScope) throws {
        let first = try db.rows(OffboardingTable.steps, id).count
        for (index, name) in names.enumerated() {
            try db.run(OffboardingTable.insertStep, db.tenant, id, first + index, phase.rawValue, name, "[]")
        }
    }

    // MARK: - One step

    /// Empty when the step is done, else what tells this attempt from the next.
    private func take(_ step: LeavingStep, _ offboarding: LeavingTenant, _ act: Act) async throws -> String {
        let tenant = offboarding.tenant
        var remainders: [ClosureRemainder] = []
        let parts = step.name.split(separator: ":", maxSplits: 1).map(String.init)
        let room = parts.count == 2 ? work().steps.first { $0.name == parts[1] } : nil
        switch (parts[0], room) {
        case ("close", _): try await shift(tenant, from: [.active, .suspended], to: .closing, act)
        case ("open", _): try await shift(tenant, from: [.closing], to: .active, act)
        case ("revoke", let room?): try await room.revoke(tenant, act)
        case ("restore", let room?): try await room.restore(tenant, act)
        case ("purge", let room?): remainders = try await room.purge(tenant, act)
        case ("export", _):
            if let turn = try await exportStep(offboarding, act) { return ":\(turn)" }
        case ("scrub", _):
            if try await !work().scrub() {
                remainders = [
                    ClosureRemainder(
                        what: "dead rows in the database server's files and log, sealed where they tell of a person",
                        why: "the server overwrites them in its own time", until: nil)
                ]
            }
        default: break  // a room that this program no longer has: there is nothing of it
        }
        let listed = String(decoding: try JSONCoding.encode(remainders), as: UTF8.self)
        try await store.tenant(tenant, .flushed) { db in
            guard try db.row(OffboardingTable.finish, offboarding.id, step.place, act.now, listed) != nil else { return }
            try note("offboarding.step_done", offboarding.id, ["step": .string(step.name)], nil, db, act)
        }
        return ""
    }

    /// Nothing where it is there already.
    private func shift(_ tenant: TenantID, from: [Tenant.Status], to: Tenant.Status, _ act: Act) async throws {
        guard let status = try await tenancy.tenant(tenant)?.status, status != to else { return }
        guard from.contains(status) else { throw CommonProblems.notFound }
        try await tenancy.move(tenant, from: status, to: to, act)
    }
}
