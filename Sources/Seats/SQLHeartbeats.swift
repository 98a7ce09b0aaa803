import Foundation
import Licensing
import Store
import Vocabulary

extension SQLLeaseLedger {
    private static let beatReason = KernelReason("seats.heartbeat")
    static let tallyJob = "seats.journal_heartbeats"
    static let purgeJob = "seats.purge_history"
    static let retireJob = "seats.retire"

    package func heartbeat(_ beat: Beat) async throws -> BeatOutcome {
        try await beats.submit(beat) { [self] batch in try await write(batch) }
    }

    /// One transaction for all of `batch`. A beat that is refused changes nothing for its neighbours.
    private func write(_ batch: [Beat]) async throws -> [BeatOutcome] {
        let (outcomes, second) = try await WriteLanes.beside(batch.map(\.tenant)).take {
            try await store.kernel(Self.beatReason) { [self] db in
                var desk = BeatDesk(ledger: self, db: db, now: try time.advance(in: db))
                let outcomes = try batch.map { try desk.settle($0) }
                return (outcomes, try desk.close())
            }
        }
        isTallied(second)
        return outcomes
    }
    /// Only after the commit is the job there for sure.
    func isTallied(_ second: Int64?) { if let second { tallySecond.withLock { $0 = second } } }

    // MARK: Jobs

    package func jobs() -> [JobHandler] {
        [
            JobHandler(Self.tallyJob) { [self] delivery, act in try await journalBeats(delivery, act) },
            JobHandler(Self.retireJob) { [self] delivery, act in try await retire(delivery, act) },
            JobHandler(Self.purgeJob) { [self] delivery, act in try await purgeHistory(delivery, act) },
        ]
    }

    /// Puts every finished second of every tenant into its journal, as one entry.
    private func journalBeats(_ delivery: Delivery, _ act: Act) async throws {
        try await store.kernel(KernelReason(Self.tallyJob)) { db in
            let second = act.now.seconds - 1
            let tallies = try db.rows(SeatTable.talliesUntil, second, 5_000)
            for row in tallies {
                let tenant: TenantID = try row.id(0)
                let at = Timestamp(seconds: try row.integer(1))
                try db.journal(
                    JournalEntry(
                        "seat.heartbeats", subject: "tenant:\(tenant)",
                        details: ["second": .string(at.iso8601), "heartbeats": .int(try row.integer(2))]), act, tenant: tenant)
                try db.run(SeatTable.dropTally, tenant, try row.integer(1))
            }
            if tallies.count == 5_000 {
                try db.enqueue(NewJob(Self.tallyJob, key: "\(delivery.key)+", tenant: nil, payload: [String](), runAt: act.now), act)
            }
            try db.settle(delivery)
        }
    }

    // MARK: Leases that expired for good

    /// Ends leases that no heartbeat can bring back, so that the history tells of them in time and nobody counts them again and again.
    /// Nothing depends on it: an expired lease counts no more from the moment at which it expires.
    private func retire(_ delivery: Delivery, _ act: Act) async throws {
        var place: (tenant: [UInt8], license: [UInt8])? = ([], [])
        while let start = place {
            place = try await store.kernel(KernelReason(Self.retireJob)) { [self] db in
                let now = try time.look(in: db)
                let line = LedgerTime(microseconds: now.microseconds - reviveWindow.microseconds)
                let pools = try db.rows(SeatTable.pools, start.tenant, start.license, Self.poolsAtOnce)
                // A few at a time: heartbeats wait for the same writer.
                var (left, last) = (Self.leasesAtOnce, start)
                for row in pools {
                    let license: License.ID = try row.id(1)
                    left -= try db.within(try row.id(0)) { db in try retire(license, before: line, now, limit: left, in: db, act) }
                    // This one may have more: it comes again.
                    if left <= 0 { return last }
                    last = (try row.blob(0), try row.blob(1))
                }
                return pools.count == Self.poolsAtOnce ? last : nil
            }
        }
        let next = act.now + Self.retireEvery
        try await store.kernel(KernelReason(Self.retireJob)) { db in
            try db.settle(delivery)
            try db.enqueue(NewJob(Self.retireJob, key: "all", tenant: nil, payload: [String](), runAt: next), act)
        }
    }
    private static let poolsAtOnce = 50
    private static let leasesAtOnce = 200
    private static let retireEvery = Duration.minutes(10)

    private func retire(
        _ license: License.ID, before line: LedgerTime, _ now: LedgerTime, limit: Int, in db: any TenantScope, _ act: Act
    ) throws -> Int {
        let slots = try db.rows(SeatTable.lapsed, license, line, Int(Int32.max), limit)
        guard !slots.isEmpty else { return 0 }
        var book = try SeatBook(license, now, in: db)
        for slot in slots {
            guard let lease = try db.row(SeatTable.bySlot, license, try slot.int(0)).map(Self.lease) else { continue }
            try end(lease, .expired, note: nil, in: db, act)
            try book.vacate(lease.slot)
        }
        try book.close()
        return slots.count
    }

    /// Makes the job due that goes on by itself.
    package func start(_ act: Act) async throws {
        try await store.kernel(KernelReason(Self.retireJob)) { db in
            try db.enqueue(
                NewJob(Self.retireJob, key: "all", tenant: nil, payload: [String](), runAt: act.now + Self.retireEvery), act)
        }
    }

    /// One purge a day, made due by the leases that end.
    func schedulePurge(in db: any SQLScope, _ act: Act) throws {
        let day = act.now.seconds / 86_400
        // Remembering only saves the asking: the job's key lets two of a day be one, and should one be lost with a transaction
        // that is undone, the next day's purges its part too.
        guard purgeDay.withLock({ $0 != day }) else { return }
        let due = Timestamp(seconds: (day + Int64(settings[SeatSettings.historyDays]) + 1) * 86_400)
        try db.enqueue(NewJob(Self.purgeJob, key: "\(day)", tenant: nil, payload: [String](), runAt: due), act)
        purgeDay.withLock { $0 = day }
    }

    private func purgeHistory(_ delivery: Delivery, _ act: Act) async throws {
        let before = act.now - .days(Int64(settings[SeatSettings.historyDays]))
        var purged = 0
        repeat {
            purged = try await store.kernel(KernelReason(Self.purgeJob)) { db in try db.rows(SeatTable.purgeHistory, before, 1_000).count }
        } while purged == 1_000
        // A legal hold keeps what is left: looked at again tomorrow, since no lease that ends then may do it.
        try await store.kernel(KernelReason(Self.purgeJob)) { db in
            guard try db.row(SeatTable.isHistoryLeft, before) != nil else { return }
            let tomorrow = act.now + .days(1)
            try db.enqueue(
                NewJob(Self.purgeJob, key: "held:\(tomorrow.seconds / 86_400)", tenant: nil, payload: [String](), runAt: tomorrow), act)
        }
    }
}

/// Settles the beats of one transaction: the usual one as it is found, the rest by the rules.
struct BeatDesk {
    let ledger: SQLLeaseLedger
    let db: any KernelScope
    let now: LedgerTime
    /// Licences read in this transaction.
    private var known: [License.ID: SeatLicense?] = [:]
    private var tallies: [Tally: Int64] = [:]
    private var lastAct: Act?
    struct Tally: Hashable {
        let tenant: TenantID
        let second: Int64
    }

    init(ledger: SQLLeaseLedger, db: any KernelScope, now: LedgerTime) {
        self.ledger = ledger
        self.db = db
        self.now = now
    }

    mutating func settle(_ beat: Beat) throws -> BeatOutcome {
        let row = try db.row(SeatTable.beat, beat.tenant, beat.lease, beat.user, now, beat.act.now, beat.epoch ?? 0)
        if let row {
            let license: License.ID = try row.id(0)
            if try status(license, beat)?.isUsable ?? false {
                try db.run(SeatTable.prolong, beat.tenant, license, try row.int(4), now, beat.act.now)
                count(beat)
                return .alive(
                    epoch: try row.integer(1), ttlSeconds: Duration.microseconds(try row.integer(2)).wholeSeconds,
                    isResurrected: try row.bool(3), revived: nil)
            }
        }
        return try settleByRules(beat)
    }

    private mutating func settleByRules(_ beat: Beat) throws -> BeatOutcome {
        let (ledger, now, act) = (ledger, now, beat.act)
        let row = try db.within(beat.tenant) { db in try db.row(SeatTable.bySession, beat.lease) }
        let lease = try row.map(SQLLeaseLedger.lease)
        var license: SeatLicense?
        if let lease { license = try self.license(lease.license, beat.tenant) }
        let outcome: BeatOutcome = try db.within(beat.tenant) { db in
            let ended =
                lease?.releasedAt == nil && lease != nil ? nil : try db.row(SeatTable.endedBySession, beat.lease).map(SQLLeaseLedger.ended)
            var reservation: Reservation.ID?
            let step = try LeasePool.beat(
                lease, ended: ended, by: beat.user, epoch: beat.epoch, license: license?.status(at: act.now), at: act.now, now: now,
                reviveWindow: ledger.reviveWindow
            ) {
                guard let lease, let license else { return false }
                let book = try SeatBook(lease.license, now, in: db)
                let kept = try book.claim(lease.user, lease.device, claimTimeout: ledger.claimTimeout)
                reservation = kept.reservation
                return try book.census(ceiling: license.seats, held: kept.held).hasRoom
            }
            guard let lease else {
                if case .refuse(let refusal) = step { return .refused(refusal, license: ended?.license) }
                return .refused(.unknown, license: nil)
            }
            switch step {
            case .extend:
                // Only a lent one comes here: under a licence that may not be used it goes on, and no refused beat may prolong it.
                let row = try db.row(
                    SeatTable.keep, lease.license, lease.slot, lease.ttl.microseconds, now + lease.ttl, act.now)
                guard row != nil else { throw StoreFault.corrupt("the seat of a lease is gone") }
                return .alive(epoch: lease.epoch, ttlSeconds: lease.ttl.wholeSeconds, isResurrected: lease.isResurrected, revived: nil)
            case .revive:
                // It comes back like a newcomer: whoever passes the queue on a reserved seat takes that one.
                try db.run(SeatTable.revive, lease.license, lease.slot, lease.epoch + 1, now + lease.ttl, act.now, reservation)
                var book = try SeatBook(lease.license, now, in: db)
                let count = try book.receipt(total: license?.seats ?? 0)
                try book.close()
                try db.journal(
                    JournalEntry(
                        "seat.resurrected", subject: "lease:\(lease.id)",
                        details: [
                            "license": .string(lease.license.description), "epoch": .int(lease.epoch + 1), "receipt": .int(count.sequence),
                        ]), act)
                return .alive(
                    epoch: lease.epoch + 1, ttlSeconds: lease.ttl.wholeSeconds, isResurrected: true,
                    revived: Revival(license: lease.license, count: count))
            case .end(let reason):
                try ledger.end(lease, reason, note: nil, in: db, act)
                var book = try SeatBook(lease.license, now, in: db)
                try book.vacate(lease.slot)
                try book.close()
                return .refused(.ended(reason, note: nil), license: lease.license)
            case .refuse(let refusal): return .refused(refusal, license: lease.license)
            }
        }
        if case .alive = outcome { count(beat) }
        return outcome
    }

    private mutating func count(_ beat: Beat) {
        tallies[Tally(tenant: beat.tenant, second: beat.act.now.seconds), default: 0] += 1
        lastAct = beat.act
    }

    private mutating func status(_ id: License.ID, _ beat: Beat) throws -> LicenseStatus? {
        try license(id, beat.tenant)?.status(at: beat.act.now)
    }
    private mutating func license(_ id: License.ID, _ tenant: TenantID) throws -> SeatLicense? {
        if let found = known[id] { return found }
        let (db, licenses) = (db, ledger.licenses)
        let found = try db.within(tenant) { db in try licenses.seatLicense(id, in: db) }
        known[id] = .some(found)
        return found
    }

    /// Leaves the counts beside the effect, and a job that will journal them when their second is over; answers the newest second.
    func close() throws -> Int64? {
        guard let act = lastAct else { return nil }
        return try Self.write(tallies, ledger, in: db, act)
    }
    static func write(_ tallies: [Tally: Int64], _ ledger: SQLLeaseLedger, in db: any KernelScope, _ act: Act) throws -> Int64? {
        for (tally, beats) in tallies { try db.run(SeatTable.tally, tally.tenant, tally.second, beats) }
        for second in Set(tallies.keys.map(\.second)) where ledger.tallySecond.withLock({ $0 != second }) {
            let due = Timestamp(seconds: second + 2)
            try db.enqueue(NewJob(SQLLeaseLedger.tallyJob, key: "\(second)", tenant: nil, payload: [String](), runAt: due), act)
        }
        return tallies.keys.map(\.second).max()
    }
}
