import Licensing
import Store
import Vocabulary

/// How a life ends before its time, and how a seat leaves the house.
extension SQLLeaseLedger {
    private static let releaseReason = KernelReason("seats.release")
    private static let borrowReason = KernelReason("seats.borrow")

    @discardableResult
    package func release(_ id: Lease.ID, tenant: TenantID, by user: UserID?, note: String?, _ act: Act) async throws -> ForcedEnd? {
        try await decision(tenant, Self.releaseReason) { [self] db in
            let now = try time.advance(in: db)
            return try db.within(tenant) { db in try finish(id, by: user, note: note, now, in: db, act) }
        }
    }

    func finish(
        _ id: Lease.ID, by user: UserID?, note: String?, _ now: LedgerTime, in db: any TenantScope, _ act: Act
    ) throws -> ForcedEnd? {
        let lease = try db.row(SeatTable.bySession, id).map(Self.lease)
        let over = lease?.releasedAt == nil && lease != nil ? nil : try db.row(SeatTable.endedBySession, id).map(Self.ended)
        switch LeasePool.release(lease, ended: over, by: user, at: act.now, now: now) {
        case .refuse(let refusal): throw SeatProblems.problem(refusal)
        case .isBorrowed(let until): throw SeatProblems.borrowed.with(["borrowed_until": .string(until.iso8601)])
        case .nothing: return nil
        case .linger(let until):
            guard let lease else { return nil }
            try end(lease, .released, note: nil, in: db, act)
            try db.run(SeatTable.linger, lease.license, lease.slot, act.now, until)
            return nil
        case .vacate(let reason):
            guard let lease else { return nil }
            if lease.isBorrowed(at: act.now), user != nil { try checkEarlyReturn(lease, in: db, act) }
            var book = try SeatBook(lease.license, now, in: db)
            try book.vacate(lease.slot)
            var forced: ForcedEnd?
            if reason == .forced {
                let count = try book.receipt(total: try licenses.seatLicense(lease.license, in: db)?.seats ?? 0)
                forced = ForcedEnd(license: lease.license, epoch: lease.epoch, count: count)
            }
            try book.close()
            try end(lease, reason, note: reason == .forced ? note : nil, sequence: forced?.count.sequence, in: db, act)
            if reason == .forced {
                var told = SeatTold(tenant: db.tenant, step: .released, license: lease.license)
                (told.session, told.reason) = (lease.id.description, note)
                try db.emit(told, act)
            }
            return forced
        }
    }

    /// The file of a seat that came home early still counts on its device. So one device has at most one such file out.
    private func checkEarlyReturn(_ lease: Lease, in db: any TenantScope, _ act: Act) throws {
        guard let row = try db.row(SeatTable.returnedEarly, lease.license, lease.device.bytes, act.now) else { return }
        throw SeatProblems.returnedBefore.with(["until": .string(try row.time(0).iso8601)])
    }

    /// Flushed to disk before the answer: the file works for days without us.
    package func borrow(_ claim: BorrowClaim, _ act: Act) async throws -> BorrowGrant {
        try await decision(claim.tenant, Self.borrowReason, .flushed) { [self] db in
            let now = try time.advance(in: db)
            return try db.within(claim.tenant) { db in try db.once(act) { try lend(claim, now, in: db, act) } }
        }
    }

    func lend(_ claim: BorrowClaim, _ now: LedgerTime, in db: any TenantScope, _ act: Act) throws -> BorrowGrant {
        let lease = try db.row(SeatTable.bySession, claim.lease).map(Self.lease)
        let over = lease?.releasedAt == nil && lease != nil ? nil : try db.row(SeatTable.endedBySession, claim.lease).map(Self.ended)
        let license = try lease.flatMap { try licenses.seatLicense($0.license, in: db) }
        if let license, let refusal = LicenseProblems.refusal(license.status(at: act.now)) { throw refusal }
        let seats = license?.seats ?? 0
        let borrowed = try lease.flatMap { try db.row(SeatTable.borrowedCount, $0.license, act.now, $0.slot)?.int(0) } ?? 0
        let most = LeasePool.mostBorrowed(seats: seats, lowWaterPercent: settings[SeatSettings.borrowLowWaterPercent])
        switch LeasePool.borrow(lease, ended: over, by: claim.user, borrowed: borrowed, most: most, now: now) {
        case .refuse(let refusal): throw SeatProblems.problem(refusal)
        case .lowWater(let most):
            throw SeatProblems.borrowLimit.with(["borrowed": .int(Int64(borrowed)), "borrow_limit": .int(Int64(most))])
        case .lend: break
        }
        guard let lease, let license else { throw CommonProblems.notFound }
        guard lease.device == claim.device else { throw SeatProblems.otherDevice }
        let issued = Timestamp(seconds: act.now.seconds)
        // The file ends by the wall clock, the seat by ledger time, which is never ahead: nobody gets it before the file is over.
        let span = Duration.hours(Int64(claim.hours))
        let until = max(issued + span, lease.isBorrowed(at: act.now) ? lease.borrowedUntil ?? issued : issued)
        guard try db.row(SeatTable.lend, lease.license, lease.slot, until, now + (until - issued) + .seconds(1)) != nil else {
            throw StoreFault.corrupt("the seat of a lease is gone")
        }
        var book = try SeatBook(lease.license, now, in: db)
        let count = try book.receipt(total: license.seats)
        try book.close()
        try db.journal(
            JournalEntry(
                "seat.borrowed", subject: "lease:\(lease.id)",
                details: [
                    "license": .string(lease.license.description), "epoch": .int(lease.epoch), "until": .string(until.iso8601),
                    "receipt": .int(count.sequence),
                ], decision: claim.asked?.decision), act)
        var told = SeatTold(tenant: db.tenant, step: .borrowed, license: lease.license)
        (told.session, told.until) = (lease.id.description, until)
        try db.emit(told, act)
        return BorrowGrant(
            license: lease.license, session: lease.id, epoch: lease.epoch, issuedAt: issued, expiresAt: until, count: count,
            asked: claim.asked)
    }
}
