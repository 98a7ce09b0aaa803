import Licensing
import Store
import Vocabulary

/// One licence's seats within one transaction: reads what a decision needs, no further than it needs it, and keeps the pool's row.
struct SeatBook {
    let license: License.ID
    private let now: LedgerTime
    private let db: any TenantScope
    private var isNew: Bool
    private var isChanged = false
    private(set) var highest: Int
    private(set) var occupied: Int
    private(set) var waiting: Int
    private(set) var reserved: Int
    private(set) var sequence: Int64
    /// Rows that hold a lease past its end, as they were counted last; nil: to be counted.
    private var lapsed: Int?

    init(_ license: License.ID, _ now: LedgerTime, in db: any TenantScope) throws {
        self.license = license
        self.now = now
        self.db = db
        let row = try db.row(SeatTable.pool, license)
        isNew = row == nil
        highest = try row?.int(0) ?? 0
        occupied = try row?.int(1) ?? 0
        waiting = try row?.int(2) ?? 0
        reserved = try row?.int(3) ?? 0
        sequence = try row?.integer(4) ?? 0
    }

    // MARK: Looks

    /// Live leases.
    mutating func used() throws -> Int {
        let lapsed = try self.lapsed ?? (occupied == 0 ? 0 : db.row(SeatTable.lapsedCount, license, now)?.int(0) ?? 0)
        self.lapsed = lapsed
        return occupied - lapsed
    }

    func census(ceiling: Int, held: Int) throws -> LeasePool.Census {
        let beyond = highest > ceiling ? try db.row(SeatTable.beyond, license, ceiling, now)?.int(0) ?? 0 : 0
        let wanted = beyond + held + 1
        var census = LeasePool.Census(free: max(0, ceiling - highest), beyond: beyond, held: held, highest: highest)
        if occupied < highest {
            let vacant = try db.rows(SeatTable.vacant, license, ceiling, max(1, wanted - census.free))
            census.vacant = try vacant.first?.int(0)
            census.free += vacant.count
        }
        if census.free < wanted || (census.vacant == nil && highest >= ceiling) {
            let lapsed = try db.rows(SeatTable.lapsed, license, now, ceiling, max(1, wanted - census.free))
            census.lapsed = try lapsed.first?.int(0)
            census.free += lapsed.count
        }
        return census
    }

    func nextExpiry() throws -> LedgerTime? {
        try db.row(SeatTable.nextExpiry, license, now).map { LedgerTime(microseconds: try $0.integer(0)) }
    }

    /// What is kept back from this asker.
    func claim(_ user: UserID, _ device: DeviceHandle, claimTimeout: Duration) throws -> LeasePool.Claim {
        if waiting == 0, reserved == 0 { return LeasePool.Claim(held: 0, reservation: nil) }
        let reservations =
            reserved == 0
            ? []
            : try db.rows(SeatTable.reservations, license, now, user).map {
                ReservationStanding(id: try $0.id(0), seats: try $0.int(1), live: try $0.int(2), isMember: try $0.bool(3))
            }
        return LeasePool.claim(reservations, ahead: try ahead(of: device, claimTimeout: claimTimeout))
    }

    /// Those who wait, are still there, and come before this device.
    func ahead(of device: DeviceHandle, claimTimeout: Duration) throws -> Int {
        guard waiting > 0 else { return 0 }
        let gone = now.microseconds - claimTimeout.microseconds
        let own = try db.row(SeatTable.waiter, license, device.bytes, gone)
        return try db.row(
            SeatTable.ahead, license, gone, device.bytes, try own?.integer(0), try own?.blob(1) ?? [])?.int(0) ?? 0
    }

    // MARK: Changes

    /// A lease came into a seat; `wasEmpty`: nobody, not even somebody late, stood there.
    mutating func took(_ slot: Int, wasEmpty: Bool) {
        highest = max(highest, slot)
        // Somebody late may have stood there.
        if wasEmpty { occupied += 1 } else { lapsed = nil }
        isChanged = true
    }
    mutating func vacate(_ slot: Int) throws {
        guard try db.row(SeatTable.vacate, license, slot) != nil else { throw StoreFault.corrupt("a seat to be emptied has no row") }
        occupied -= 1
        lapsed = nil
        isChanged = true
    }
    /// The numbers for a receipt.
    mutating func receipt(total: Int) throws -> SeatCount {
        sequence += 1
        isChanged = true
        return try count(total: total)
    }
    /// The numbers as they stand, with that of the last receipt.
    mutating func count(total: Int) throws -> SeatCount { SeatCount(used: try used(), total: total, sequence: sequence) }
    mutating func count(reservations: Int) {
        reserved = reservations
        isChanged = true
    }

    // MARK: The queue

    /// Puts the device at the end of the queue, or says that it is still there. False: the queue is full.
    mutating func wait(_ claim: LeaseClaim, ticket: Identifier<Never>, limit: Int, claimTimeout: Duration) throws -> Bool {
        let gone = now.microseconds - claimTimeout.microseconds
        if try db.row(SeatTable.stillWaiting, license, claim.device.bytes, now, gone) != nil { return true }
        // Whoever has left, this device among them, begins at the end when he comes back.
        try dropWaiters(until: gone)
        guard waiting < limit else { return false }
        try db.run(SeatTable.enqueue, db.tenant, license, claim.device.bytes, claim.user, ticket, now)
        waiting += 1
        isChanged = true
        return true
    }
    mutating func leaveQueue(_ device: DeviceHandle) throws {
        guard waiting > 0, try db.row(SeatTable.leaveQueue, license, device.bytes) != nil else { return }
        waiting -= 1
        isChanged = true
    }
    private mutating func dropWaiters(until moment: Int64) throws {
        guard waiting > 0 else { return }
        let gone = try db.rows(SeatTable.dropWaiters, license, moment).count
        waiting -= gone
        isChanged = isChanged || gone > 0
    }

    /// Writes the pool's row, if it is another.
    mutating func close() throws {
        guard isChanged else { return }
        if isNew {
            try db.run(SeatTable.openPool, db.tenant, license, highest, occupied, waiting, reserved, sequence)
            isNew = false
        } else if try db.row(SeatTable.keepPool, license, highest, occupied, waiting, reserved, sequence) == nil {
            throw StoreFault.corrupt("the pool of a licence is gone")
        }
        isChanged = false
    }
}

/// What the requests of one transaction share: a licence and its pool are read once for all of them, and written once.
final class SeatRound {
    let now: LedgerTime
    let db: any TenantScope
    private var books: [License.ID: SeatBook] = [:]
    private var licenses: [License.ID: SeatLicense?] = [:]
    /// The newest lease of each device that was granted or kept.
    private(set) var leases: [Lease.ID: Lease] = [:]

    init(_ now: LedgerTime, in db: any TenantScope) {
        self.now = now
        self.db = db
    }
    func license(_ id: License.ID, _ known: any SeatLicenses) throws -> SeatLicense? {
        if let read = licenses[id] { return read }
        let read = try known.seatLicense(id, in: db)
        licenses[id] = .some(read)
        return read
    }
    func book(_ license: License.ID) throws -> SeatBook { try books[license] ?? SeatBook(license, now, in: db) }
    func keep(_ book: SeatBook, _ lease: Lease? = nil) {
        books[book.license] = book
        if let lease { leases[lease.id] = lease }
    }
    /// Writes every pool that is another.
    func close() throws {
        for license in books.keys { try books[license]?.close() }
    }
}
