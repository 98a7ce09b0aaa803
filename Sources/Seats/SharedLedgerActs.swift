import Licensing
import Store
import Vocabulary

/// What is asked of the ledger, each as one decision.
extension SharedLeaseLedger {
    private static let acquireReason = KernelReason("seats.acquire")
    private static let releaseReason = KernelReason("seats.release")
    private static let borrowReason = KernelReason("seats.borrow")

    package func acquire(_ claim: LeaseClaim, _ act: Act) async throws -> AcquireOutcome {
        try await desk.decide(claim, act) { [self] batch in try await acquire(batch, of: claim.tenant) }
    }

    /// One by one where a device holds a lease in the shared store already: its end there is to be asked for first.
    private func acquire(_ batch: [SeatAsking], of tenant: TenantID) async throws -> [AcquireDesk.Decided] {
        guard batch.count > 1 else { return try await decide(batch, of: tenant) }
        let isHeld = try await inner.store.tenantRead(tenant) { db in
            try batch.map { asking in
                let own = try db.row(SeatTable.byDevice, asking.claim.license, asking.claim.device.bytes).map(SQLLeaseLedger.lease)
                return own.map { $0.expiresAt.microseconds >= Self.held } ?? false
            }
        }
        let (fresh, held) = (batch.indices.filter { !isHeld[$0] }, batch.indices.filter { isHeld[$0] })
        // Only these can fail together, and come first: nothing has happened then.
        var decided = fresh.isEmpty ? [] : try await decide(fresh.map { batch[$0] }, of: tenant)
        decided += try await AcquireDesk.oneByOne(held.map { batch[$0] }) { [self] in try await decide($0, of: tenant) }
        return zip(fresh + held, decided).sorted { $0.0 < $1.0 }.map(\.1)
    }

    private func decide(_ batch: [SeatAsking], of tenant: TenantID) async throws -> [AcquireDesk.Decided] {
        let alone = batch.count == 1 ? batch[0].claim : nil
        let decided = try await decide(
            tenant, alone.map { .device($0.license, $0.device) } ?? .nobody, Self.acquireReason
        ) { [inner] db, now in
            try db.within(tenant) { db in
                let round = SeatRound(now, in: db)
                return (try inner.decide(batch, round), Array(round.leases.values))
            }
        }
        return decided.value.map { .success(told($0, next: decided.next)) }
    }

    /// A held row's end is no time: the next one to end stands in the shared store.
    private func told(_ outcome: AcquireOutcome, next: LedgerTime?) -> AcquireOutcome {
        guard let next else { return outcome }
        let wait = LeasePool.wait(until: next, now: inner.time.reckon())
        switch outcome {
        case .exhausted(let count, let seconds): return .exhausted(count, retryAfterSeconds: min(wait, seconds))
        case .waiting(let place, let count):
            let place = Place(
                position: place.position, retryAfterSeconds: min(wait, place.retryAfterSeconds), claimSeconds: place.claimSeconds)
            return .waiting(place, count)
        case .granted, .unusable: return outcome
        }
    }

    @discardableResult
    package func release(_ id: Lease.ID, tenant: TenantID, by user: UserID?, note: String?, _ act: Act) async throws -> ForcedEnd? {
        try await decide(tenant, .session(id), Self.releaseReason) { [inner] db, now in
            try db.within(tenant) { db in (try inner.finish(id, by: user, note: note, now, in: db, act), []) }
        }.value
    }

    /// A lent seat's end stands in its row: nobody beats while it is out.
    package func borrow(_ claim: BorrowClaim, _ act: Act) async throws -> BorrowGrant {
        try await decide(claim.tenant, .session(claim.lease), Self.borrowReason, .flushed) { [inner] db, now in
            try db.within(claim.tenant) { db in (try db.once(act) { try inner.lend(claim, now, in: db, act) }, []) }
        }.value
    }

    package func deny(_ claim: LeaseClaim, reason: String, _ act: Act) async throws -> SeatCount {
        try await sweep(claim.tenant)
        return try await inner.deny(claim, reason: reason, act)
    }

    // MARK: Looks

    package func recalled(_ act: Act) async throws -> LeaseGrant? { try await inner.recalled(act) }

    package func survey(_ tenant: TenantID, device: DeviceHandle, user: UserID?, now wall: Timestamp) async throws -> Survey {
        try await surveys.submit(Asker(device: device, user: user, wall: wall), of: tenant) { [self] askers in
            try await sweep(tenant, isLook: true)
            return try await inner.survey(tenant, askers)
        }
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
