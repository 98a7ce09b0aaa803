import Foundation
import Licensing
import Store
import Synchronization
import Vocabulary

/// The ledger on the Store: each decision is one transaction over the seats' rows, with its journal entry.
package final class SQLLeaseLedger: KeptLedger {
    let store: any Store
    let licenses: any SeatLicenses
    let sealer: any Sealer
    let entropy: any Entropy
    let time: LedgerClock
    let settings: Settings
    let reviveWindow: Duration
    let beats = Gathering<Beat, BeatOutcome>()
    let desk = AcquireDesk()
    /// The second whose heartbeats have a job that will journal them, and the day whose ended leases have one that will purge them.
    let tallySecond = Mutex<Int64>(-1)
    let purgeDay = Mutex<Int64>(-1)

    private static let surveyReason = KernelReason("seats.survey")
    private static let acquireReason = KernelReason("seats.acquire")
    private static let denyReason = KernelReason("seats.deny")
    private static let listReason = KernelReason("seats.list")

    package init(
        store: any Store, licenses: any SeatLicenses, sealer: any Sealer, entropy: any Entropy, time: LedgerClock, settings: Settings
    ) {
        self.store = store
        self.licenses = licenses
        self.sealer = sealer
        self.entropy = entropy
        self.time = time
        self.settings = settings
        reviveWindow = .seconds(Int64(settings[SeatSettings.reviveWindowSeconds]))
    }

    /// One transaction over a tenant's seats. Of those that change the same rows, each begins to look when the one before is over.
    func decision<Value: Sendable>(
        _ tenant: TenantID, _ reason: KernelReason, _ durability: Durability = .written,
        _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value {
        try await WriteLanes.alone(tenant).take { try await store.kernel(reason, durability, body) }
    }

    // MARK: Looks

    package func recalled(_ act: Act) async throws -> LeaseGrant? { try await store.recalled(act, as: LeaseGrant.self) }

    package func survey(_ tenant: TenantID, device: DeviceHandle, user: UserID?, now wall: Timestamp) async throws -> Survey {
        let surveys = try await survey(tenant, [Asker(device: device, user: user, wall: wall)])
        return surveys[0]
    }

    /// The same for several devices of one tenant, at one moment.
    func survey(_ tenant: TenantID, _ askers: [Asker]) async throws -> [Survey] {
        try await store.kernelRead(Self.surveyReason) { [time, licenses] db in
            let now = try time.look(in: db)
            return try db.within(tenant) { db in
                var live: [License.ID: Int] = [:]
                for row in try db.rows(SeatTable.survey, now) { live[try row.id(0)] = try row.int(1) }
                let found = try licenses.seatLicenses(in: db)
                return try askers.map { asker in
                    let own = Set(try db.rows(SeatTable.surveyOwn, now, asker.device.bytes).map { row -> License.ID in try row.id(0) })
                    let recent = try asker.user.flatMap {
                        try db.row(SeatTable.recentDevices, $0, asker.wall - .hours(24), asker.device.bytes)?.int(0)
                    }
                    return Survey(
                        standings: found.map { SeatStanding(license: $0, live: live[$0.id] ?? 0, isOwn: own.contains($0.id)) },
                        recentDevices: recent ?? 0)
                }
            }
        }
    }

    package func leases(_ query: LeaseQuery, now wall: Timestamp) async throws -> [LeaseView] {
        try await store.kernelRead(Self.listReason) { [time, sealer] db in
            let now = try time.look(in: db)
            return try db.within(query.tenant) { db in
                try db.rows(SeatTable.list, query.after?.uuid.bytes ?? [], now, query.user, query.license, query.limit, query.only).map {
                    row in
                    let lease = try Self.lease(row)
                    // The name of the machine goes with its person.
                    let hostname = try row.optional(16, row.blob).flatMap {
                        (try? sealer.open($0, person: lease.user, context: Self.hostnameContext)).map {
                            String(decoding: $0, as: UTF8.self)
                        }
                    }
                    return LeaseView(
                        lease: lease, expiresAt: Self.wall(lease.expiresAt, now, wall), lastHeartbeatAt: try row.time(15),
                        hostname: hostname,
                        os: try row.optional(17, row.text), version: try row.optional(18, row.text))
                }
            }
        }
    }

    package func history(_ query: LeaseQuery) async throws -> [EndedLease] {
        try await store.tenantRead(query.tenant) { db in
            try db.rows(SeatTable.history, query.after?.uuid.bytes ?? [], query.user, query.license, query.limit).map(Self.ended)
        }
    }

    // MARK: Acquire

    /// Thrown out of `once`, so that a refusal is not kept as the answer to an Idempotency-Key; caught in the same closure.
    private struct NotGranted: Error {
        let status: LicenseStatus?
        let isUnusable: Bool
    }

    package func acquire(_ claim: LeaseClaim, _ act: Act) async throws -> AcquireOutcome {
        try await desk.decide(claim, act) { [self] batch in
            try await decision(claim.tenant, Self.acquireReason) { [self] db in
                let now = try time.advance(in: db)
                return try db.within(claim.tenant) { db in
                    let round = SeatRound(now, in: db)
                    return try decide(batch, round).map { .success($0) }
                }
            }
        }
    }

    /// Of one tenant, in this order.
    func decide(_ batch: [SeatAsking], _ round: SeatRound) throws -> [AcquireOutcome] {
        let outcomes = try batch.map { asking in try asking.traced { try decide(asking.claim, round, asking.act) } }
        try round.close()
        return outcomes
    }
    private func decide(_ claim: LeaseClaim, _ round: SeatRound, _ act: Act) throws -> AcquireOutcome {
        do {
            return .granted(try round.db.once(act) { try grant(claim, round, act) })
        } catch let refusal as NotGranted {
            if refusal.isUnusable {
                let code = refusal.status.flatMap(LicenseProblems.refusal)?.code ?? CommonProblems.notFound.code
                try journalRefusal(claim, ["reason": .string(code)], in: round.db, act)
                return .unusable(refusal.status)
            }
            return try refuse(claim, round, act)
        }
    }

    /// Where it throws, the round is as it was.
    private func grant(_ claim: LeaseClaim, _ round: SeatRound, _ act: Act) throws -> LeaseGrant {
        let (now, db) = (round.now, round.db)
        guard let license = try round.license(claim.license, licenses) else { throw NotGranted(status: nil, isUnusable: true) }
        let status = license.status(at: act.now)
        guard status.isUsable else { throw NotGranted(status: status, isUnusable: true) }
        let ceiling = license.seats + claim.overdraft
        let own = try db.row(SeatTable.byDevice, claim.license, claim.device.bytes).map(Self.lease)
        var book = try round.book(claim.license)
        let step: LeasePool.AcquireStep
        var reservation = own?.reservation
        if let decided = LeasePool.acquire(own: own, user: claim.user, now: now) {
            step = decided
        } else {
            let kept = try book.claim(claim.user, claim.device, claimTimeout: claimTimeout)
            step = LeasePool.acquire(lapsed: own, census: try book.census(ceiling: ceiling, held: kept.held), ceiling: ceiling)
            reservation = kept.reservation
        }

        var lease: Lease
        switch step {
        case .refuse: throw NotGranted(status: status, isUnusable: false)
        case .keep:
            guard var kept = own else { throw StoreFault.corrupt("a lease kept that is not there") }
            let row = try db.row(SeatTable.keep, claim.license, kept.slot, claim.ttl.microseconds, now + claim.ttl, act.now)
            guard let row else { throw StoreFault.corrupt("the seat of a lease is gone") }
            kept.expiresAt = LedgerTime(microseconds: try row.integer(0))
            kept.ttl = claim.ttl
            lease = kept
        case .renew(let slot), .take(let slot), .open(let slot), .reclaim(let slot):
            lease = try begin(
                claim, slot: slot, ceiling: ceiling, own: own, step: step, reservation: reservation, now: now, &book, in: db, act)
        }
        try book.leaveQueue(claim.device)
        let count = try book.receipt(total: license.seats)
        round.keep(book, lease)
        if step != .keep { try warn(claim, after: count.used, of: license.seats, in: db, act) }
        try db.journal(
            JournalEntry(
                "seat.acquired", subject: "lease:\(lease.id)",
                details: [
                    "license": .string(claim.license.description), "epoch": .int(lease.epoch), "seats_used": .int(Int64(count.used)),
                    "seats_total": .int(Int64(license.seats)), "repeated": .bool(step == .keep), "receipt": .int(count.sequence),
                ], decision: claim.asked?.decision), act)
        return LeaseGrant(
            license: claim.license, session: lease.id, epoch: lease.epoch, count: count, isRepeated: step == .keep, grantedAt: act.now,
            asked: claim.asked, expiresAt: Self.wall(lease.expiresAt, now, act.now), ttlSeconds: claim.ttl.wholeSeconds)
    }

    /// Writes a new life into `slot`, after whatever the seat and the device held before is in the history.
    private func begin(
        _ claim: LeaseClaim, slot: Int, ceiling: Int, own: Lease?, step: LeasePool.AcquireStep, reservation: Reservation.ID?,
        now: LedgerTime, _ book: inout SeatBook, in db: any TenantScope, _ act: Act
    ) throws -> Lease {
        var wasEmpty = true
        if let own {
            try end(own, .superseded, note: nil, in: db, act)
            if own.slot == slot { wasEmpty = false } else { try book.vacate(own.slot) }
        }
        if case .reclaim = step, let other = try db.row(SeatTable.bySlot, claim.license, slot).map(Self.lease) {
            try end(other, .expired, note: nil, in: db, act)
            wasEmpty = false
        }
        let before = try own?.epoch ?? db.row(SeatTable.lastEpoch, claim.license, claim.device.bytes)?.integer(0) ?? 0
        var lease = Lease(
            id: entropy.id(act.now), license: claim.license, slot: slot, device: claim.device, user: claim.user, epoch: before + 1,
            ttl: claim.ttl, expiresAt: now + claim.ttl, acquiredAt: act.now)
        // A file that is out counts on its device to its end, whoever sits at it.
        if let own, own.isBorrowed(at: act.now) {
            lease.borrowedUntil = own.borrowedUntil
            lease.expiresAt = max(lease.expiresAt, own.expiresAt)
        }
        lease.linger = claim.linger
        lease.holdUntil = claim.minimumHold > .zero ? now + claim.minimumHold : nil
        lease.reservation = reservation
        let hostname = try claim.hostname.map { try sealer.seal(Array($0.utf8), person: claim.user, context: Self.hostnameContext) }
        let linger = lease.linger > .zero ? lease.linger.microseconds : nil
        if case .open = step {
            try db.run(
                SeatTable.openSeat, db.tenant, lease.license, slot, ceiling, lease.id, lease.device.bytes, lease.user, lease.epoch,
                lease.ttl.microseconds, lease.expiresAt, act.now, hostname, claim.os, claim.version, linger, lease.holdUntil,
                lease.borrowedUntil, lease.reservation)
        } else {
            // A lease beyond a lowered ceiling that goes on as a new life stays where it was granted.
            let row = try db.row(
                SeatTable.occupy, lease.license, slot, max(ceiling, slot), lease.id, lease.device.bytes, lease.user, lease.epoch,
                lease.ttl.microseconds, lease.expiresAt, act.now, hostname, claim.os, claim.version, linger, lease.holdUntil,
                lease.borrowedUntil, lease.reservation)
            guard row != nil else { throw StoreFault.corrupt("a seat to be taken has no row") }
        }
        book.took(slot, wasEmpty: wasEmpty)
        return lease
    }

    /// No seat: says so, or gives a place in the queue. The refusal, its number and its journal entry are one transaction.
    private func refuse(_ claim: LeaseClaim, _ round: SeatRound, _ act: Act) throws -> AcquireOutcome {
        let (now, db) = (round.now, round.db)
        let total = try round.license(claim.license, licenses)?.seats ?? 0
        var book = try round.book(claim.license)
        let wait = LeasePool.wait(until: try book.nextExpiry(), now: now)
        var place: Place?
        if claim.waits {
            let ticket: Identifier<Never> = entropy.id(act.now)
            let limit = settings[SeatSettings.queueLimit]
            if try book.wait(claim, ticket: ticket, limit: limit, claimTimeout: claimTimeout) {
                let ahead = try book.ahead(of: claim.device, claimTimeout: claimTimeout)
                let seconds = claimTimeout.wholeSeconds
                place = Place(position: ahead + 1, retryAfterSeconds: max(1, min(wait, seconds / 3)), claimSeconds: seconds)
            }
        }
        if let place {
            // A place comes without a receipt, so it takes no number: the customer would see a gap.
            let count = try book.count(total: total)
            round.keep(book)
            try journalRefusal(claim, ["reason": .string("waiting")], in: db, act)
            return .waiting(place, count)
        }
        let count = try book.receipt(total: total)
        round.keep(book)
        try journalRefusal(
            claim, ["reason": .string(SeatProblems.exhausted.code), "receipt": .int(count.sequence)], in: db, act)
        return .exhausted(count, retryAfterSeconds: wait)
    }

    /// The owners hear of it once a day, when use rises over the mark.
    private func warn(_ claim: LeaseClaim, after: Int, of seats: Int, in db: any TenantScope, _ act: Act) throws {
        let percent = settings[SeatSettings.warningPercent]
        guard seats >= 2, after * 100 >= seats * percent, (after - 1) * 100 < seats * percent else { return }
        try db.emit(
            MailRequested(
                recipient: .owners(claim.tenant), template: "seats_nearly_full",
                values: ["license_id": claim.license.description, "seats_used": String(after), "seats_total": String(seats)],
                key: "seats_nearly_full:\(claim.license):\(act.now.seconds / 86_400)"), act)
        var told = SeatTold(tenant: claim.tenant, step: .nearlyFull, license: claim.license)
        (told.seatsUsed, told.seatsTotal) = (after, seats)
        try db.emit(told, act)
    }

    private func journalRefusal(_ claim: LeaseClaim, _ details: [String: JSONValue], in db: any TenantScope, _ act: Act) throws {
        try db.journal(
            JournalEntry(
                "seat.denied", subject: "license:\(claim.license)", outcome: .denied, details: .object(details),
                decision: claim.asked?.decision), act)
    }

    package func deny(_ claim: LeaseClaim, reason: String, _ act: Act) async throws -> SeatCount {
        try await decision(claim.tenant, Self.denyReason) { [self] db in
            let now = try time.look(in: db)
            return try db.within(claim.tenant) { db in
                var book = try SeatBook(claim.license, now, in: db)
                let count = try book.receipt(total: try licenses.seatLicense(claim.license, in: db)?.seats ?? 0)
                try book.close()
                try journalRefusal(
                    claim,
                    [
                        "reason": .string(CommonProblems.policyDenied.code), "policy_reason": .string(reason),
                        "receipt": .int(count.sequence),
                    ], in: db, act)
                return count
            }
        }
    }

    // MARK: Shared steps

    var claimTimeout: Duration { .seconds(Int64(settings[SeatSettings.claimTimeoutSeconds])) }

    /// Remembers a life that is over; its row is the caller's to empty or to fill. One that lingers is remembered already.
    func end(_ lease: Lease, _ reason: LeaseEnd, note: String?, sequence: Int64? = nil, in db: any TenantScope, _ act: Act) throws {
        guard lease.releasedAt == nil else { return }
        try db.run(
            SeatTable.remember, db.tenant, lease.id, lease.license, lease.device.bytes, lease.user, lease.epoch, lease.acquiredAt, act.now,
            reason.rawValue, note, lease.isBorrowed(at: act.now) && reason != .superseded ? lease.borrowedUntil : nil, sequence)
        var details: [String: JSONValue] = [
            "license": .string(lease.license.description), "epoch": .int(lease.epoch), "reason": .string(reason.rawValue),
        ]
        if let note { details["note"] = .string(note) }
        try db.journal(
            JournalEntry(reason == .released ? "seat.released" : "seat.ended", subject: "lease:\(lease.id)", details: .object(details)), act
        )
        try schedulePurge(in: db, act)
    }

    static let hostnameContext = "seat.hostname"

    static func lease(_ row: Row) throws -> Lease {
        try Lease(
            id: try row.id(0), license: try row.id(1), slot: try row.int(2), device: DeviceHandle(try row.blob(3)), user: try row.id(4),
            epoch: try row.integer(5), ttl: .microseconds(try row.integer(6)), expiresAt: LedgerTime(microseconds: try row.integer(7)),
            acquiredAt: try row.time(8), isResurrected: try row.bool(9)
        ).with(row)
    }
    static func ended(_ row: Row) throws -> EndedLease {
        guard let end = LeaseEnd(rawValue: try row.text(6)) else { throw StoreFault.corrupt("a lease that ended for an unknown reason") }
        return EndedLease(
            id: try row.id(0), license: try row.id(1), user: try row.id(2), epoch: try row.integer(3), acquiredAt: try row.time(4),
            endedAt: try row.time(5), end: end, note: try row.optional(7, row.text), sequence: try row.optional(8, row.integer))
    }
    /// A ledger time as the wall clock shows it, in whole seconds rounded down.
    static func wall(_ moment: LedgerTime, _ now: LedgerTime, _ wall: Timestamp) -> Timestamp {
        Timestamp(seconds: (wall + (moment - now)).seconds)
    }
}

extension Lease {
    /// What stands in the columns behind the first ten.
    fileprivate func with(_ row: Row) throws -> Lease {
        var lease = self
        lease.releasedAt = try row.optional(10, row.time)
        lease.linger = .microseconds(try row.optional(11, row.integer) ?? 0)
        lease.holdUntil = try row.optional(12, row.integer).map(LedgerTime.init(microseconds:))
        lease.borrowedUntil = try row.optional(13, row.time)
        lease.reservation = try row.optional(14, row.id)
        return lease
    }
}

extension LedgerTime: SQLBindable { package var sqlValue: SQLValue { .integer(microseconds) } }
