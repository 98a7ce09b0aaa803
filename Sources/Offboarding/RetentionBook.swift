import Compliance
import Store
import Tenancy
import Vocabulary

/// Says of every kind of record, and of any single record, how long it stays and why; keeps what a single tenant has to keep for longer.
package struct RetentionBook: Sendable {
    private static let reading = KernelReason("retention.explain")
    private static let keeping = KernelReason("retention.keep")
    /// Of one tenant, holds not counted.
    static let mostDuties = 50

    package let kinds: [RetentionKind]
    let floor: RoomFloor
    let tenancy: Tenancy
    /// Who looks at a tenant's controls, and how far.
    let compliance: Compliance

    package init(_ kinds: [RetentionKind], _ floor: RoomFloor, tenancy: Tenancy, compliance: Compliance) {
        self.kinds = kinds
        self.floor = floor
        self.tenancy = tenancy
        self.compliance = compliance
    }

    package func kind(_ name: String) throws -> RetentionKind {
        guard let kind = kinds.first(where: { $0.name == name }) else { throw OffboardingProblems.noKind }
        return kind
    }

    // MARK: - One record

    package struct Explained: Sendable {
        package let kind: RetentionKind
        package let id: String
        package let tenant: TenantID?
        package let verdict: RetentionVerdict
    }

    /// - Parameter isOwn: a tenant asks for its own records alone.
    package func explain(_ name: String, _ id: String, tenant: TenantID?, isOwn: Bool = false) async throws -> Explained {
        try await RetentionReader(kinds: kinds, settings: floor.settings, store: floor.store).explain(
            try kind(name), id, tenant: tenant, isOwn: isOwn)
    }

    // MARK: - What a tenant keeps for longer

    package func keeps(of tenant: TenantID) async throws -> [TenantKeep] {
        try await floor.store.kernelRead(Self.reading) { db in try db.rows(KeepTable.of, tenant).map(TenantKeep.init) }
    }

    /// A kind's records of this tenant stay for so many days at least. It never shortens anything: the longest duty wins.
    package func oblige(_ tenant: TenantID, _ name: String, days: Int, why: String, _ act: Act) async throws -> TenantKeep.ID {
        guard try await tenancy.tenant(tenant) != nil else { throw CommonProblems.notFound }
        guard try kind(name).canBeLengthened else { throw OffboardingProblems.notLengthened }
        let id: TenantKeep.ID = floor.entropy.id(act.now)
        return try await floor.store.kernel(Self.keeping, .flushed) { db in
            let kept = try db.within(tenant) { db in
                try db.once(act) {
                    try db.journal(
                        JournalEntry(
                            "retention.obliged", subject: "retention:\(name)",
                            details: ["duty": .string("\(id)"), "days": .int(Int64(days)), "why": .string(why)]), act)
                    return id
                }
            }
            guard kept == id else { return kept }
            guard try db.rows(KeepTable.of, tenant).map(TenantKeep.init).count(where: { !$0.isHold }) < Self.mostDuties else {
                throw OffboardingProblems.tooManyDuties
            }
            try db.run(KeepTable.insert, tenant, id, name, days, why, act.now)
            return id
        }
    }

    package func release(_ id: TenantKeep.ID, of tenant: TenantID, _ act: Act) async throws {
        try await floor.store.kernel(Self.keeping, .flushed) { db in
            guard let keep = try db.rows(KeepTable.of, tenant).map(TenantKeep.init).first(where: { $0.id == id }), !keep.isHold else {
                throw CommonProblems.notFound
            }
            try db.run(KeepTable.drop, tenant, id)
            try db.within(tenant) { db in
                try db.journal(
                    JournalEntry("retention.released", subject: "retention:\(keep.kind)", details: ["duty": .string("\(id)")]), act)
            }
        }
    }
}

/// Reads what is known of one record; needs nothing but the store, so that a command beside a server can ask too.
package struct RetentionReader: Sendable {
    private static let reading = KernelReason("retention.explain")
    let kinds: [RetentionKind]
    let settings: Settings
    let store: any Store
    package init(kinds: [RetentionKind], settings: Settings, store: any Store) {
        self.kinds = kinds
        self.settings = settings
        self.store = store
    }

    package func explain(_ kind: RetentionKind, _ id: String, tenant: TenantID?, isOwn: Bool) async throws -> RetentionBook.Explained {
        guard !isOwn || kind.owner == .tenant else { throw OffboardingProblems.noKind }
        guard let probe = kind.probe else { throw OffboardingProblems.notByRecord }
        guard var values = probe.values(id) else { throw CommonProblems.notFound }
        if probe.place == .ofTenant {
            guard let tenant else { throw OffboardingProblems.whoseRecord }
            values.append(tenant.sqlValue)
        }
        let bound = values
        return try await store.kernelRead(Self.reading) { db in
            guard let row = try db.rows(probe.statement(kind), bound).first else { throw CommonProblems.notFound }
            let owner: TenantID? = probe.place == .ofPlatform || row.isNull(0) ? nil : try row.id(0)
            if isOwn || (probe.place == .namesTenant && tenant != nil), owner != tenant { throw CommonProblems.notFound }
            let clocks: [Timestamp?] = try kind.duties.enumerated().map { place, duty in
                duty.clock == nil ? nil : try row.optional(place + 1, row.time)
            }
            let facts = RetentionFacts(
                clocks: clocks, tenantEnd: try owner.map { try Self.end(of: $0, db) } ?? .stays,
                keeps: try owner.map { try db.rows(KeepTable.of, $0).map(TenantKeep.init) } ?? [],
                nextRun: try kind.job.flatMap { job in
                    try db.row(OffboardingTable.nextRun, job.name).flatMap { try $0.optional(0, $0.time) }
                })
            return RetentionBook.Explained(kind: kind, id: id, tenant: owner, verdict: kind.judge(facts, settings))
        }
    }

    private static func end(of tenant: TenantID, _ db: any KernelScope) throws -> RetentionFacts.TenantEnd {
        guard let row = try db.row(OffboardingTable.endOfTenant, tenant) else { return .stays }
        switch LeavingTenant.State(rawValue: try row.text(0)) {
        case .purged: return .purged
        case .retained, .purging: return try row.optional(1, row.time).map { .at($0) } ?? .stays
        default: return .stays
        }
    }
}
