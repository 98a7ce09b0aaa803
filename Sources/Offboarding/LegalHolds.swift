import Store
import Tenancy
import Vocabulary

/// Something may not be deleted while a court, an authority or a dispute may ask for it.
package struct LegalHold: Sendable, Hashable {
    package typealias ID = Identifier<LegalHold>
    package let id: ID
    package let reason: String
    package let placedBy: UserID
    package let placedAt: Timestamp
    package let liftedAt: Timestamp?
}

extension Offboarding {
    private static let holding = KernelReason("offboarding.hold")
    private static let listing = KernelReason("offboarding.list_open")

    /// The newest first.
    package func holds(on tenant: TenantID) async throws -> [LegalHold] {
        try await store.tenantRead(tenant) { db in
            try db.rows(OffboardingTable.holds).map { row in
                LegalHold(
                    id: try row.id(0), reason: try row.text(1), placedBy: try row.id(2), placedAt: try row.time(3),
                    liftedAt: try row.optional(4, row.time))
            }
        }
    }

    /// Stops every purge of the tenant's data that has not begun its last step, and every job of retention, from this commit on.
    package func hold(_ tenant: TenantID, reason: String, by staff: UserID, _ act: Act) async throws -> LegalHold.ID {
        guard let status = try await tenancy.tenant(tenant)?.status, status != .purged else { throw CommonProblems.notFound }
        let id: LegalHold.ID = floor.entropy.id(act.now)
        return try await store.kernel(Self.holding, .flushed) { db in
            let placed = try db.within(tenant) { db in
                try db.once(act) {
                    try db.run(OffboardingTable.placeHold, tenant, id, reason, staff, act.now)
                    try db.journal(
                        JournalEntry("legal_hold.placed", subject: "legal_hold:\(id)", details: ["reason": .string(reason)]), act)
                    return id
                }
            }
            if placed == id { try db.run(KeepTable.insert, tenant, id, TenantKeep.everything, nil as Int?, reason, act.now) }
            return placed
        }
    }

    /// What the jobs of retention see of the holds is as the holds are: a program from before, beside this one, tells them nothing.
    package func start(_ act: Act) async throws {
        try await store.kernel(Self.holding) { db in
            try db.run(OffboardingTable.keepHeld)
            try db.run(OffboardingTable.keepLifted)
        }
    }

    /// A purge that waited for it goes on at once.
    package func lift(_ id: LegalHold.ID, on tenant: TenantID, by staff: UserID, _ act: Act) async throws {
        guard try await holds(on: tenant).contains(where: { $0.id == id }) else { throw CommonProblems.notFound }
        try await store.kernel(Self.holding, .flushed) { db in
            try db.within(tenant) { db in
                guard try db.row(OffboardingTable.liftHold, id, staff, act.now) != nil else { throw OffboardingProblems.holdOver }
                try db.journal(JournalEntry("legal_hold.lifted", subject: "legal_hold:\(id)"), act)
                if let open = try db.row(OffboardingTable.latest).map(LeavingTenant.init), !open.state.isOver {
                    try Self.advanceLater(open.id, tenant, at: act.now, db, act)
                }
            }
            try db.run(KeepTable.drop, tenant, id)
        }
    }

    /// Everybody who is on the way out, in the order of tenants.
    package func open(after: TenantID?, limit: Int) async throws -> [LeavingTenant] {
        try await store.kernelRead(Self.listing) { db in
            try db.rows(OffboardingTable.open, after?.uuid.bytes ?? [], limit).map(LeavingTenant.init)
        }
    }
}
