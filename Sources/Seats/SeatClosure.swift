import Store
import Tenancy
import Vocabulary

extension Leases {
    /// Every seat of a tenant that leaves is given back, but for those that are out with a file: they end by themselves.
    package func closure(store: any Store, forgetting: @escaping @Sendable (TenantID) async throws -> Void) -> RoomClosure {
        RoomClosure(
            "seats", store: store,
            rows: [
                TenantRows("seat_wait_all", by: "device"), TenantRows("seat_reservation_member_all", by: "user_id"),
                TenantRows("seat_reservation_all", by: "reservation_id"), TenantRows("seat_pool_all", by: "license_id"),
                TenantRows("seat_beat_tally_all", by: "second"), TenantRows("seat_history_all", by: "session_id"),
                TenantRows("seat_all", by: "slot"), TenantRows("seat_aboard_all", by: "tenant_id"),
            ],
            revoking: { [self] tenant, act in try await releaseAll(LeaseQuery(tenant: tenant, limit: 100), note: "tenant_leaving", act) },
            clearing: { [self] tenant, act in
                try await releaseAll(LeaseQuery(tenant: tenant, limit: 100), note: "tenant_leaving", act)
                try await forgetting(tenant)
                return []
            })
    }

    /// Gives back what is held; a seat that nobody can call home stays out.
    func releaseAll(_ first: LeaseQuery, note: String, _ act: Act) async throws {
        var query = first
        while true {
            let held = try await ledger.leases(query, now: act.now)
            for view in held {
                do { _ = try await ledger.release(view.lease.id, tenant: query.tenant, by: nil, note: note, act) } catch let problem
                    as Problem where problem.status < 500
                { continue }
            }
            guard held.count >= query.limit, let last = held.last else { return }
            query.after = last.lease.id
        }
    }
}

extension SharedLeaseLedger {
    /// Nothing of the tenant stays in the shared store.
    package func forget(_ tenant: TenantID) async throws {
        known.withLock { $0.forget(tenant) }
        try await memory.wipe(tenant)
    }
}
