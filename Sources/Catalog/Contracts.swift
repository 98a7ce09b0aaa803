import Foundation
import Store
import Tenancy
import Vocabulary

/// Keeps what was agreed with single tenants. A contract is never edited: each change is a version with a reason, in the tenant's own journal,
/// and what is read of a tier follows at the moment that the contract names, without a job having to run.
package struct Contracts: Sendable {
    /// Of one tenant; more is a mistake of a program.
    package static let most = 50
    static let kind = "catalog.turn_contract"
    static let mostTermsBytes = 8_000

    let store: any Store
    package let catalog: Catalog
    let entropy: any Entropy
    let isTenant: @Sendable (TenantID) async throws -> Bool

    package init(
        store: any Store, catalog: Catalog, entropy: any Entropy,
        isTenant: @escaping @Sendable (TenantID) async throws -> Bool = { _ in true }
    ) {
        self.isTenant = isTenant
        self.store = store
        self.catalog = catalog
        self.entropy = entropy
    }

    // MARK: - Staff

    package func agree(_ order: ContractOrder, with tenant: TenantID, _ act: Act) async throws -> Contract {
        let id: Contract.ID = entropy.id(act.now)
        guard try await isTenant(tenant) else { throw CommonProblems.notFound }
        let checked = try check(order, act)
        let made = try await store.kernel(Self.agreeing, .flushed) { db in
            try db.once(act) {
                try db.within(tenant) { db in
                    let others = try db.rows(ContractTable.list).map(Contract.init)
                    guard others.count < Self.most else { throw CatalogProblems.tooManyContracts }
                    try Self.refuseOverlap(checked, others)
                    try db.run(
                        ContractTable.insert, db.tenant, id, checked.tier.name, checked.terms, checked.start, checked.end, act.now)
                    try write(id, 1, checked, order.reason, "contract.agreed", db, act)
                    return id
                }
            }
        }
        return try await find(made, of: tenant)
    }

    /// Puts another version in place of `version`: what two people write at once is not lost by either.
    package func revise(
        _ id: Contract.ID, version: Int, _ order: ContractOrder, with tenant: TenantID, _ act: Act
    ) async throws -> Contract {
        let checked = try check(order, act)
        try await store.tenant(tenant, .flushed) { db in
            let all = try db.rows(ContractTable.list).map(Contract.init)
            guard let held = all.first(where: { $0.id == id }) else { throw CommonProblems.notFound }
            guard held.tier == checked.tier else {
                throw CommonProblems.invalid("tier", "is not changed by a version: agree another contract")
            }
            guard held.version == version else { throw CatalogProblems.contractChanged.with(["version": .int(Int64(held.version))]) }
            try Self.refuseOverlap(checked, all.filter { $0.id != id })
            guard
                try db.row(ContractTable.write, id, version + 1, checked.terms, checked.start, checked.end, act.now) != nil
            else { throw CatalogProblems.contractChanged }
            try write(id, version + 1, checked, order.reason, "contract.revised", db, act)
        }
        return try await find(id, of: tenant)
    }

    // MARK: - Reading

    /// Newest first, each with its versions.
    package func list(of tenant: TenantID) async throws -> [Contract] {
        try await store.tenantRead(tenant) { db in
            try db.rows(ContractTable.list).map(Contract.init).map { try whole($0, db) }
        }
    }
    /// The same for the platform's own people; that they looked stands in the tenant's journal.
    package func listForStaff(_ tenant: TenantID, _ act: Act) async throws -> [Contract] {
        guard try await isTenant(tenant) else { throw CommonProblems.notFound }
        let contracts = try await list(of: tenant)
        if !contracts.isEmpty {
            try await store.tenant(tenant) { db in
                try db.journal(JournalEntry("contracts.seen_by_staff", subject: "tenant:\(tenant)"), act)
            }
        }
        return contracts
    }
    private func find(_ id: Contract.ID, of tenant: TenantID) async throws -> Contract {
        try await store.tenantRead(tenant) { db in
            guard let row = try db.row(ContractTable.find, id) else { throw CommonProblems.notFound }
            return try whole(try Contract(row), db)
        }
    }
    private func whole(_ contract: Contract, _ db: any TenantScope) throws -> Contract {
        var contract = contract
        contract.versions = try db.rows(ContractTable.versions, contract.id).map(Contract.Version.init)
        return contract
    }

    /// Whether something that was agreed with the tenant holds at this moment, or will.
    package func isBound(in db: any TenantScope, from moment: Timestamp) throws -> Bool {
        try db.rows(ContractTable.list).map(Contract.init).contains { contract in
            contract.startsAt != contract.endsAt && contract.endsAt.map { $0 > moment } ?? true
        }
    }

    /// The same, by itself.
    package func isBound(_ tenant: TenantID, from moment: Timestamp) async throws -> Bool {
        try await store.tenantRead(tenant) { try isBound(in: $0, from: moment) }
    }

    /// The tier as the contract makes it; nil where the table of tiers has gone on and no longer fits.
    package func tier(under contract: Contract) -> Tier? {
        catalog.current.readable(contract.tier, under: contract.terms)
    }

    // MARK: - Rules

    private struct Checked: Sendable {
        let tier: TierID
        let terms: String
        let start: Timestamp
        let end: Timestamp?
    }

    private func check(_ order: ContractOrder, _ act: Act) throws -> Checked {
        guard let tier = catalog[order.tier] else { throw CatalogProblems.unknownTier }
        let reason = order.reason.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !reason.isEmpty, order.reason.unicodeScalars.count <= 200 else { throw CommonProblems.invalid("reason", "must say why") }
        guard let fields = order.terms.object, !fields.isEmpty else {
            throw CommonProblems.invalid("terms", "must name a field of the tier")
        }
        let terms = try JSONCoding.encode(order.terms)
        guard terms.count <= Self.mostTermsBytes else {
            throw CommonProblems.invalid("terms", "must be \(Self.mostTermsBytes) bytes or less")
        }
        do throws(TierTableRefused) {
            _ = try catalog.current.tier(tier.id, underContract: order.terms)
        } catch {
            let complaints = error.complaints.prefix(20).map { JSONValue.string(String($0.prefix(300))) }
            throw CatalogProblems.termsRefused.with(["complaints": .array(complaints)])
        }
        let start = order.startsAt ?? act.now
        if let end = order.endsAt, end < start { throw CommonProblems.invalid("ends_at", "must not lie before starts_at") }
        return Checked(tier: tier.id, terms: String(decoding: terms, as: UTF8.self), start: start, end: order.endsAt)
    }

    private static func refuseOverlap(_ checked: Checked, _ others: [Contract]) throws {
        if checked.end == checked.start { return }
        let period = (start: checked.start, end: checked.end)
        guard let other = others.first(where: { $0.tier == checked.tier && $0.startsAt != $0.endsAt && $0.meets(period) }) else { return }
        throw CatalogProblems.contractOverlaps.with(["contract_id": .string(other.id.description)])
    }

    private func write(
        _ id: Contract.ID, _ version: Int, _ checked: Checked, _ reason: String, _ action: String, _ db: any TenantScope, _ act: Act
    ) throws {
        try db.run(
            ContractTable.insertVersion, db.tenant, id, version, checked.terms, checked.start, checked.end, reason, act.now)
        try db.journal(
            JournalEntry(
                action, subject: "contract:\(id)",
                details: [
                    "tier": .string(checked.tier.name), "version": .int(Int64(version)), "terms": try Contract.terms(checked.terms),
                    "starts_at": .string(checked.start.iso8601), "ends_at": checked.end.map { .string($0.iso8601) } ?? .null,
                    "reason": .string(reason),
                ]), act)
        // Now for what it changes at once; later for its beginning and its end.
        try db.emit(ContractChanged(tenant: db.tenant, contract: id, tier: checked.tier.name), act)
        for (turn, moment) in [(Turn.begins, checked.start), (Turn.ends, checked.end)] {
            guard let moment, moment > act.now else { continue }
            try db.enqueue(
                NewJob(
                    Self.kind, key: "\(id):\(version):\(turn.rawValue)", tenant: db.tenant,
                    payload: Job(contract: id, version: version, turn: turn), runAt: moment), act)
        }
    }

    // MARK: - By time

    private enum Turn: String, Codable { case begins, ends }
    private struct Job: Codable {
        let contract: Contract.ID
        let version: Int
        let turn: Turn
    }
    private static let agreeing = KernelReason("catalog.agree_contract")

    /// Says when a contract begins and ends. What is read of a tier has changed by itself by then: this is for who keeps something of it.
    package func jobs() -> [JobHandler] {
        [
            JobHandler(Self.kind) { delivery, act in
                guard let tenant = delivery.tenant else { throw PermanentFailure("a contract's turn names no tenant") }
                let job = try delivery.decode(Job.self)
                try await store.tenant(tenant, .flushed) { db in
                    if let held = try db.row(ContractTable.find, job.contract).map(Contract.init), held.version == job.version {
                        try db.journal(
                            JournalEntry(
                                job.turn == .begins ? "contract.began" : "contract.ended", subject: "contract:\(held.id)",
                                details: ["tier": .string(held.tier.name), "version": .int(Int64(held.version))]), act)
                        try db.emit(ContractChanged(tenant: tenant, contract: held.id, tier: held.tier.name), act)
                    }
                    try db.settle(delivery)
                }
            }
        ]
    }

    package var closure: RoomClosure {
        RoomClosure(
            "catalog", store: store,
            rows: [TenantRows("catalog_contract_version_all", by: "contract_id"), TenantRows("catalog_contract_all", by: "id")])
    }
}
