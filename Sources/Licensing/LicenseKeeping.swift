import Catalog
import Foundation
import LicenseFormat
import Store
import Vocabulary

/// A tier that no catalog names: the event waits until the operator has put it back.
package struct UnknownTier: Error, Sendable { package let tier: String }

extension Licenses {
    private static let standingReason = KernelReason("licensing.standing_changed")
    private static let verifiedReason = KernelReason("licensing.user_verified")
    private static let holdReason = KernelReason("licensing.hold")
    private static let contractReason = KernelReason("licensing.contract_changed")
    private static let revokeReason = KernelReason("licensing.revoke")

    /// What the room hears.
    package func subscribers() -> [EventSubscriber] {
        [
            EventSubscriber(StandingChanged.self, subscriber: "licensing") { event, delivery, act in
                try await apply(event, settling: delivery, act)
            },
            EventSubscriber(UserVerified.self, subscriber: "licensing") { event, delivery, act in
                try await grantFree(to: event.tenant, settling: delivery, act)
            },
            EventSubscriber(ContractChanged.self, subscriber: "licensing") { event, delivery, act in
                try await regrant(event, settling: delivery, act)
            },
        ]
    }
    package func jobs() -> [JobHandler] {
        [JobHandler(Self.keyEndKind) { delivery, act in try await fillKeyEnds(delivery, act) }]
    }

    /// Brings the subscription's licence to what billing says. Snapshots may repeat and come in any order: the highest version
    /// wins, and the first one ever that entitles issues the licence, whatever the newest says by then.
    package func apply(_ event: StandingChanged, settling delivery: Delivery? = nil, _ act: Act) async throws {
        try await store.kernel(Self.standingReason, .flushed) { db in
            let issued = try db.within(event.tenant) { db in
                let record = try merge(event, in: db)
                let origin = License.Origin.subscription(event.subscription)
                if let row = try db.row(LicenseTable.licenseOf, origin.text) {
                    try change(try license(row, catalog.inForce(in: db), tenant: db.tenant), to: record.latest, in: db, act)
                    return nil as Issued?
                }
                guard record.wasEntitled else { return nil }
                let issued = try issue(origin, record.latest, terms: record.latest.terms, in: db, act)
                try endFree(replacedBy: issued.id, in: db, act)
                return issued
            }
            if let issued { try route(issued, of: event.tenant, db) }
            if let delivery { try db.settle(delivery) }
        }
    }

    /// Gives the tenant the free tier: once, and never beside or after a paid one.
    package func grantFree(to tenant: TenantID, settling delivery: Delivery? = nil, _ act: Act) async throws {
        let name = settings[LicenseSettings.freeTier]
        let tier = name.isEmpty ? nil : catalog[name]
        try await store.kernel(Self.verifiedReason, .flushed) { db in
            if let tier {
                let issued = try db.within(tenant) { db in
                    guard try db.rows(LicenseTable.licenses).isEmpty else { return nil as Issued? }
                    let snapshot = StandingChanged.Snapshot(
                        version: 0, standing: .active, tier: tier.id.name, quantity: 1, periodEnd: act.now)
                    return try issue(.free, snapshot, terms: LicenseTerms(standing: .active, periodEnd: nil), in: db, act)
                }
                if let issued { try route(issued, of: tenant, db) }
            }
            if let delivery { try db.settle(delivery) }
        }
    }

    /// Keeps what a contract grants now, and says so; what is read of a licence follows the contract without this.
    private func regrant(_ event: ContractChanged, settling delivery: Delivery, _ act: Act) async throws {
        try await store.kernel(Self.contractReason, .flushed) { db in
            try db.within(event.tenant) { db in
                for license in try licenses(in: db)
                where license.tier == event.tier && license.terms.standing != .cancelled && license.terms.revokedAt == nil {
                    try write(license, terms: license.terms, details: ["contract": .string(event.contract.description)], in: db, act)
                }
            }
            try db.settle(delivery)
        }
    }

    /// Ends the licence for good and gives it as it is then. Repeating it changes nothing: the first reason stays.
    @discardableResult
    package func revoke(_ id: License.ID, tenant: TenantID, reason: String, _ act: Act) async throws -> License {
        try await store.kernel(Self.revokeReason, .flushed) { db in
            try db.within(tenant) { db in
                guard let license = try license(id, in: db) else { throw CommonProblems.notFound }
                var terms = license.terms
                guard terms.revokedAt == nil else { return license }
                terms.revokedAt = act.now
                try write(license, terms: terms, details: ["reason": .string(reason)], in: db, act)
                try db.emit(LicenseRevoked(tenant: tenant, license: id, reason: reason), act)
                return try self.license(id, in: db) ?? license
            }
        }
    }

    /// Keeps the licence from being used until staff lets go of it, whatever billing says meanwhile, and tells the tenant's owners why.
    /// Repeating either changes nothing: the first reason stays.
    package func hold(_ id: License.ID, tenant: TenantID, reason: String, _ act: Act) async throws -> License {
        try await setHold(id, tenant: tenant, held: true, reason: reason, act)
    }
    package func release(_ id: License.ID, tenant: TenantID, reason: String, _ act: Act) async throws -> License {
        try await setHold(id, tenant: tenant, held: false, reason: reason, act)
    }

    private func setHold(_ id: License.ID, tenant: TenantID, held: Bool, reason: String, _ act: Act) async throws -> License {
        try await store.kernel(Self.holdReason, .flushed) { db in
            try db.within(tenant) { db in
                guard let license = try license(id, in: db) else { throw CommonProblems.notFound }
                guard license.terms.revokedAt == nil else { throw LicenseProblems.revoked }
                var terms = license.terms
                guard (terms.heldAt != nil) != held else { return license }
                terms.heldAt = held ? act.now : nil
                try write(
                    license, terms: terms, details: ["reason": .string(reason), "held_by_staff": .bool(held)], in: db, act)
                var template = "license_suspended"
                if !held { template = "license_reinstated" }
                try db.emit(
                    MailRequested(
                        recipient: .owners(tenant), template: template,
                        values: ["license_id": id.description, "tier_name": license.grant.tierName, "reason": reason],
                        key: "\(template):\(id):\(act.now.microseconds)"), act)
                return try self.license(id, in: db) ?? license
            }
        }
    }

    /// A page of any tenant's licences for the platform's own people; that they looked stands in that tenant's journal.
    package func listForStaff(_ tenant: TenantID, after: License.ID?, limit: Int, _ act: Act) async throws -> LicensePage {
        let page = try await list(tenant, after: after, limit: limit)
        // A tenant that is none has nothing to see, and no journal.
        if !page.licenses.isEmpty { try await noteSeen(tenant, act) }
        return page
    }
    func noteSeen(_ tenant: TenantID, _ act: Act) async throws {
        try await store.tenant(tenant) { db in
            try db.journal(JournalEntry("license.seen_by_staff", subject: "tenant:\(tenant)"), act)
        }
    }

    // MARK: Steps of one transaction

    private struct Issued {
        let id: License.ID
        let digest: [UInt8]
        let keyEnd: [UInt8]
    }
    private func route(_ issued: Issued, of tenant: TenantID, _ db: any KernelScope) throws {
        try db.run(LicenseTable.routeKey, issued.digest, tenant, issued.id, issued.keyEnd)
    }

    private func merge(_ event: StandingChanged, in db: any TenantScope) throws -> StandingRecord {
        let row = try db.row(LicenseTable.standing, event.subscription)
        let known = try row.map { row in
            StandingRecord(
                latest: try JSONCoding.decode(StandingChanged.Snapshot.self, Data(try row.text(2).utf8)), wasEntitled: try row.bool(1))
        }
        let merged = known?.merged(event.snapshot) ?? StandingRecord(event.snapshot)
        guard merged != known else { return merged }
        let snapshot = String(decoding: try JSONCoding.encode(merged.latest), as: UTF8.self)
        if known == nil {
            try db.run(LicenseTable.insertStanding, db.tenant, event.subscription, merged.latest.version, merged.wasEntitled, snapshot)
        } else {
            try db.run(LicenseTable.writeStanding, event.subscription, merged.latest.version, merged.wasEntitled, snapshot)
        }
        return merged
    }

    private func issue(
        _ origin: License.Origin, _ snapshot: StandingChanged.Snapshot, terms: LicenseTerms, in db: any TenantScope, _ act: Act
    ) throws -> Issued {
        let catalog = try catalog.inForce(in: db, at: act.now)
        guard let tier = catalog[snapshot.tier], let grant = grant(snapshot.tier, quantity: snapshot.quantity, catalog) else {
            throw UnknownTier(tier: snapshot.tier)
        }
        let id: License.ID = entropy.id(act.now)
        let key = LicenseKey.make(prefix: tier.key.prefix, groups: tier.key.groups, entropy: entropy)
        let box = try sealer.seal(Array(key.utf8), context: Self.keyContext(id))
        try db.run(
            LicenseTable.insert, db.tenant, id, origin.text, snapshot.tier, snapshot.quantity, snapshot.version, terms.standing.rawValue,
            terms.periodEnd, terms.graceUntil, terms.cancelsAt, String(decoding: try JSONCoding.encode(grant), as: UTF8.self), box, act.now)
        try db.journal(
            JournalEntry(
                LicenseTransition.issue.action, subject: "license:\(id)",
                details: details(tier: snapshot.tier, quantity: snapshot.quantity, terms).merging(["origin": .string(origin.text)])), act)
        try db.emit(LicenseIssued(tenant: db.tenant, license: id, tier: snapshot.tier), act)
        if terms.status(at: act.now).isUsable {
            try mail(LicenseTransition.issue, id, tierName: grant.tierName, version: snapshot.version, in: db, act)
        }
        return Issued(
            id: id, digest: sealer.digest(Array(try LicenseKey.canonical(key).utf8), purpose: Self.keyPurpose),
            keyEnd: keyEndDigest(try Self.keyEnd(ofKey: key)))
    }

    private func change(_ license: License, to snapshot: StandingChanged.Snapshot, in db: any TenantScope, _ act: Act) throws {
        guard snapshot.version > license.version else { return }
        var terms = snapshot.terms
        terms.revokedAt = license.terms.revokedAt
        terms.heldAt = license.terms.heldAt
        if terms.standing == .active || terms.standing == .grace, try db.row(LicenseTable.closed) != nil { terms.standing = .suspended }
        let changed = License(
            id: license.id, tenant: license.tenant, origin: license.origin, tier: snapshot.tier, quantity: snapshot.quantity,
            version: snapshot.version, terms: license.terms, grant: license.grant, issuedAt: license.issuedAt)
        let catalog = try catalog.inForce(in: db, at: act.now)
        guard
            let grant = grant(snapshot.tier, quantity: snapshot.quantity, catalog) ?? (snapshot.tier == license.tier ? license.grant : nil)
        else {
            throw UnknownTier(tier: snapshot.tier)
        }
        var extra: JSONValue = [:]
        if snapshot.tier != license.tier { extra = ["tier_before": .string(license.tier)] }
        if snapshot.quantity != license.quantity { extra = extra.merging(["quantity_before": .int(Int64(license.quantity))]) }
        try write(changed, terms: terms, grant: grant, details: extra, in: db, act)
    }

    /// Writes the licence's new terms with the journal entry and the mail that belong to what was done.
    func write(
        _ license: License, terms: LicenseTerms, grant: TierGrant? = nil, details extra: JSONValue, in db: any TenantScope, _ act: Act
    ) throws {
        let grant = grant ?? license.grant
        try db.run(
            LicenseTable.write, license.id, license.tier, license.quantity, license.version, terms.standing.rawValue, terms.periodEnd,
            terms.graceUntil, terms.cancelsAt, terms.revokedAt, String(decoding: try JSONCoding.encode(grant), as: UTF8.self), act.now,
            terms.heldAt)
        let transition = LicenseTransition.between(license.terms, terms, now: act.now)
        try db.journal(
            JournalEntry(
                transition?.action ?? "license.changed", subject: "license:\(license.id)",
                details: details(tier: license.tier, quantity: license.quantity, terms).merging(extra)), act)
        if let transition { try mail(transition, license.id, tierName: grant.tierName, version: license.version, in: db, act) }
        if let step = transition.map({ $0.step }) ?? (extra.object?.isEmpty == false ? .changed : nil) {
            try db.emit(
                LicenseChanged(
                    tenant: db.tenant, license: license.id, step: step, tier: license.tier, quantity: license.quantity,
                    status: terms.status(at: act.now).rawValue, expiresAt: terms.effectiveEnd), act)
        }
    }

    /// A paid licence takes the free one's place.
    private func endFree(replacedBy paid: License.ID, in db: any TenantScope, _ act: Act) throws {
        guard let row = try db.row(LicenseTable.licenseOf, License.Origin.free.text) else { return }
        let free = try license(row, catalog.inForce(in: db), tenant: db.tenant)
        guard free.terms.standing != .cancelled, free.terms.revokedAt == nil else { return }
        var terms = free.terms
        terms.standing = .cancelled
        terms.cancelsAt = act.now
        try write(free, terms: terms, details: ["replaced_by": .string(paid.description)], in: db, act)
    }

    private func details(tier: String, quantity: Int, _ terms: LicenseTerms) -> JSONValue {
        [
            "tier": .string(tier), "quantity": .int(Int64(quantity)), "standing": .string(terms.standing.rawValue),
            "expires_at": terms.effectiveEnd.map { .string($0.iso8601) } ?? .null,
        ]
    }

    private func mail(
        _ transition: LicenseTransition, _ id: License.ID, tierName: String, version: Int64, in db: any TenantScope, _ act: Act
    ) throws {
        guard let template = transition.mail else { return }
        try db.emit(
            MailRequested(
                recipient: .owners(db.tenant), template: template, values: ["license_id": id.description, "tier_name": tierName],
                key: "\(template):\(id):\(version)"), act)
    }
}

extension JSONValue {
    /// This object with the members of another.
    fileprivate func merging(_ other: JSONValue) -> JSONValue {
        .object((object ?? [:]).merging(other.object ?? [:]) { _, new in new })
    }
}
