import Licensing
import Store
import Vocabulary

/// What is asked of the ledger, each as one decision.
extension SharedLeaseLedger {
    private static let acquireReason = KernelReason("seats.acquire")
    private static let releaseReason = KernelReason("seats.release")
    private static let borrowReason = KernelReason("seats.borrow")

    package func acquire(_ claim: LeaseClaim, _ act: Act) async throws -> AcquireOutcome {
        let decided = try await decide(claim.tenant, .device(claim.license, claim.device), Self.acquireReason) { [inner] db, now in
            try db.within(claim.tenant) { db in
                let outcome = try inner.decide(claim, now, in: db, act)
                if case .granted(let grant) = outcome { return (outcome, grant.session) }
                return (outcome, nil)
            }
        }
        // A held row's end is no time: the next one to end stands in the shared store.
        guard let next = decided.next else { return decided.value }
        let wait = LeasePool.wait(until: next, now: inner.time.reckon())
        switch decided.value {
        case .exhausted(let count, let seconds): return .exhausted(count, retryAfterSeconds: min(wait, seconds))
        case .waiting(let place, let count):
            let place = Place(
                position: place.position, retryAfterSeconds: min(wait, place.retryAfterSeconds), claimSeconds: place.claimSeconds)
            return .waiting(place, count)
        case .granted, .unusable: return decided.value
        }
    }

    @discardableResult
    package func release(_ id: Lease.ID, tenant: TenantID, by user: UserID?, note: String?, _ act: Act) async throws -> ForcedEnd? {
        try await decide(tenant, .session(id), Self.releaseReason) { [inner] db, now in
            try db.within(tenant) { db in (try inner.finish(id, by: user, note: note, now, in: db, act), nil) }
        }.value
    }

    /// A lent seat's end stands in its row: nobody beats while it is out.
    package func borrow(_ claim: BorrowClaim, _ act: Act) async throws -> BorrowGrant {
        try await decide(claim.tenant, .session(claim.lease), Self.borrowReason, .flushed) { [inner] db, now in
            try db.within(claim.tenant) { db in (try db.once(act) { try inner.lend(claim, now, in: db, act) }, nil) }
        }.value
    }

    package func deny(_ claim: LeaseClaim, reason: String, _ act: Act) async throws -> SeatCount {
        try await sweep(claim.tenant)
        return try await inner.deny(claim, reason: reason, act)
    }

    // MARK: Looks

    package func recalled(_ act: Act) async throws -> LeaseGrant? { try await inner.recalled(act) }

    package func survey(_ tenant: TenantID, device: DeviceHandle, user: UserID?, now wall: Timestamp) async throws -> Survey {
        try await sweep(tenant)
        return try await inner.survey(tenant, device: device, user: user, now: wall)
    }

    package func leases(_ query: LeaseQuery, now wall: Timestamp) async throws -> [LeaseView] {
        try await sweep(query.tenant)
        let views = try await inner.leases(query, now: wall)
        let sessions = views.filter { $0.lease.expiresAt.microseconds >= Self.held }.map(\.lease.id)
        guard !sessions.isEmpty else { return views }
        let now = inner.time.reckon()
        var ends: [Lease.ID: LedgerTime] = [:]
        if let marker = try await berth(query.tenant).marker,
            let found = try? await memory.ends(sessions, query.tenant, marker, now).value
        {
            for (session, end) in zip(sessions, found) { ends[session] = end }
        }
        return views.map { view in
            guard view.lease.expiresAt.microseconds >= Self.held else { return view }
            var lease = view.lease
            lease.expiresAt = ends[lease.id] ?? now + lease.ttl
            return LeaseView(
                lease: lease, expiresAt: SQLLeaseLedger.wall(lease.expiresAt, now, wall), lastHeartbeatAt: view.lastHeartbeatAt,
                hostname: view.hostname, os: view.os, version: view.version)
        }
    }

    package func history(_ query: LeaseQuery) async throws -> [EndedLease] { try await inner.history(query) }
    package func queue(_ query: LeaseQuery) async throws -> [Waiter] { try await inner.queue(query) }

    package func reservations(_ license: License.ID, tenant: TenantID) async throws -> [ReservationView] {
        try await sweep(tenant)
        return try await inner.reservations(license, tenant: tenant)
    }
    package func reserve(
        _ license: License.ID, name: String, seats: Int, members: [UserID], tenant: TenantID, _ act: Act
    ) async throws {
        try await sweep(tenant)
        try await inner.reserve(license, name: name, seats: seats, members: members, tenant: tenant, act)
    }
    package func dropReservation(_ license: License.ID, name: String, tenant: TenantID, _ act: Act) async throws {
        try await inner.dropReservation(license, name: name, tenant: tenant, act)
    }
}
