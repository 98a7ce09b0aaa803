import KeyValue
import Licensing
import Store
import Synchronization
import Vocabulary

/// The ledger of many processes: the Store says who holds which seat, the shared store until when.
///
/// A seat's row whose lease stands in the shared store is *held*: its end in the row is no time but a number that no other life of
/// the row ever has, and for every rule of the Store it is live. A heartbeat moves the end in the shared store alone, and is answered
/// only if the row still holds the very number that it moved. A seat is given on only after a script has ended its lease there and the
/// deciding transaction has found that number in the row. So nothing that the shared store forgets gives a seat away: what is lost
/// leaves rows that are held, and each of these gets a full term from the moment at which the loss is noticed.
package final class SharedLeaseLedger: KeptLedger {
    let inner: SQLLeaseLedger
    let memory: LeaseMemory
    let clock: any Clock
    let beats = Gathering<SharedBeat, BeatOutcome?>()
    let desk = AcquireDesk()
    let surveys = TenantGatherings<Asker, Survey>(most: 32, longest: 1_024)
    /// Where each tenant stood when it was last looked up: nothing is decided by it that the deciding transaction does not look up again.
    let known = Mutex(Known())
    let tallies = Mutex<(counts: [BeatDesk.Tally: Int64], act: Act?)>(([:], nil))
    private let retryAt = Mutex<Duration>(.zero)
    private let log: @Sendable (String) -> Void

    static let lookReason = KernelReason("seats.berth")
    static let memoryReason = KernelReason("seats.memory")
    /// How long the shared store is left alone after it could not be reached.
    static let pause = Duration.seconds(5)
    /// How far apart the ledger times of two processes may be when a beat is answered; what comes home gets so much more.
    static let slack = Duration.seconds(1)
    /// The end of a held row is this and its number.
    static let held: Int64 = 1 << 61
    private static let mostMemories = 32

    package init(inner: SQLLeaseLedger, scripts: any ScriptRunner, clock: any Clock, log: @escaping @Sendable (String) -> Void) {
        self.inner = inner
        memory = LeaseMemory(scripts: scripts)
        self.clock = clock
        self.log = log
    }

    // MARK: What the Store knows of the shared store

    /// One tenant's standing in it.
    struct Berth: Sendable {
        var generation: Int64 = 0
        var memories: [String] = []
        var token: Int64 = 0
        var aboard: Int64 = 0
        /// Nil: its ends stand in the rows.
        var marker: LeaseMemory.Marker? {
            aboard == generation && generation > 0 ? LeaseMemory.Marker(generation: generation, token: token) : nil
        }
        /// Its ends stood there, and what is there now counts no more.
        var isLost: Bool { aboard != 0 && aboard != generation }
    }

    /// What of it this process remembers. Which memories are believed is one thing for all tenants, and another in each generation.
    struct Known {
        private var generation: Int64 = 0
        private var memories: [String] = []
        private var markers: [TenantID: LeaseMemory.Marker] = [:]

        func marker(_ tenant: TenantID) -> LeaseMemory.Marker? { markers[tenant] }
        /// Nil where it is not known, or has been overtaken.
        func berth(_ tenant: TenantID) -> Berth? {
            guard let marker = markers[tenant], marker.generation == generation else { return nil }
            return Berth(generation: generation, memories: memories, token: marker.token, aboard: generation)
        }
        mutating func keep(_ berth: Berth, _ tenant: TenantID) {
            if berth.generation >= generation { (generation, memories) = (berth.generation, berth.memories) }
            if markers.count > 100_000 { markers = [:] }
            markers[tenant] = berth.marker
        }
        mutating func forget(_ tenant: TenantID) { markers[tenant] = nil }
    }

    static func berth(_ tenant: TenantID, in db: any KernelScope) throws -> Berth {
        var berth = Berth()
        if let row = try db.row(SeatTable.memory) {
            (berth.generation, berth.memories) = (try row.integer(0), try row.text(1).split(separator: " ").map(String.init))
        }
        if let row = try db.row(SeatTable.aboard, tenant) { (berth.aboard, berth.token) = (try row.integer(0), try row.integer(1)) }
        return berth
    }
    func berth(_ tenant: TenantID) async throws -> Berth {
        try await inner.store.kernelRead(Self.lookReason) { db in try Self.berth(tenant, in: db) }
    }

    /// Brings every held row home, each for a full term from now.
    static func land(_ tenant: TenantID, _ berth: Berth, _ now: LedgerTime, in db: any KernelScope) throws {
        try db.within(tenant) { db in try db.run(SeatTable.landAll, now + slack) }
        try db.run(SeatTable.stayAboard, tenant, 0 as Int64, berth.token)
    }

    var isNear: Bool { retryAt.withLock { $0 <= clock.monotonic() } }

    /// The tenant's marker, after it went aboard if it was not; nil where the shared store is away.
    private func goAboard(_ tenant: TenantID) async throws -> Berth {
        var berth = try await berth(tenant)
        for _ in 0..<4 where berth.marker == nil && isNear {
            berth = try await inner.store.kernel(Self.memoryReason) { [inner] db in
                let now = try inner.time.advance(in: db)
                var berth = try Self.berth(tenant, in: db)
                guard berth.marker == nil else { return berth }
                if berth.isLost { try Self.land(tenant, berth, now, in: db) }
                if berth.generation == 0 {
                    berth.generation = 1
                    try db.run(SeatTable.beginMemory, berth.generation, "")
                }
                (berth.aboard, berth.token) = (berth.generation, berth.token + 1)
                if berth.token == 1 {
                    try db.run(SeatTable.goAboard, tenant, berth.aboard, berth.token)
                } else {
                    try db.run(SeatTable.stayAboard, tenant, berth.aboard, berth.token)
                }
                return berth
            }
            guard let marker = berth.marker else { continue }
            let told: LeaseMemory.Told<Bool>
            do { told = try await memory.open(tenant, marker, inner.time.reckon()) } catch {
                try await retreat(from: berth.generation, error)
                // Nobody believed in anything yet, so nothing was given up: this tenant goes ashore by itself.
                try await disembark(tenant, marker)
                berth = try await self.berth(tenant)
                continue
            }
            if told.value == nil {
                try await disembark(tenant, marker)
            } else if !berth.memories.contains(told.memory) {
                try await believe(told.memory, since: berth.generation)
            }
            berth = try await self.berth(tenant)
        }
        known.withLock { $0.keep(berth, tenant) }
        return berth
    }

    /// As it is known, or looked up.
    private func nearBerth(_ tenant: TenantID) async throws -> Berth {
        if isNear, let berth = known.withLock({ $0.berth(tenant) }) { return berth }
        return try await goAboard(tenant)
    }

    /// Takes a memory that nobody has met as one that may have forgotten something: whatever stood in the others counts no more.
    private func believe(_ name: String, since generation: Int64) async throws {
        try await inner.store.kernel(Self.memoryReason) { db in
            guard let row = try db.row(SeatTable.memory), try row.integer(0) == generation else { return }
            var memories = try row.text(1).split(separator: " ").map(String.init)
            guard !memories.contains(name) else { return }
            memories = Array((memories + [name]).suffix(Self.mostMemories))
            try db.run(SeatTable.keepMemory, generation + 1, memories.joined(separator: " "))
        }
    }

    /// One tenant's ends are lost, by a flush or an eviction.
    private func disembark(_ tenant: TenantID, _ marker: LeaseMemory.Marker) async throws {
        try await inner.store.kernel(Self.memoryReason) { [inner] db in
            let now = try inner.time.advance(in: db)
            let berth = try Self.berth(tenant, in: db)
            if berth.marker == marker { try Self.land(tenant, berth, now, in: db) }
        }
    }

    /// The shared store is away: from here on nothing that stands there counts, and the Store decides alone.
    func retreat(from generation: Int64, _ error: any Error) async throws {
        retryAt.withLock { $0 = clock.monotonic() + Self.pause }
        let isFirst = try await inner.store.kernel(Self.memoryReason) { db in
            guard let row = try db.row(SeatTable.memory), try row.integer(0) == generation, try !row.text(1).isEmpty else { return false }
            try db.run(SeatTable.keepMemory, generation + 1, "")
            return true
        }
        if isFirst { log("the shared store of seats is away: \(error)") }
    }

    // MARK: One decision

    private struct Again: Error {}
    enum Own: Sendable {
        case nobody
        case session(Lease.ID)
        case device(License.ID, DeviceHandle)
    }
    struct Decided<Value: Sendable>: Sendable {
        var value: Value
        /// When the next lease in the shared store ends.
        var next: LedgerTime?
    }

    /// Settles what stands in the shared store, lets `body` decide in one transaction over rows that say the truth, and sends the leases
    /// that it names back there.
    func decide<Value: Sendable>(
        _ tenant: TenantID, _ own: Own, _ reason: KernelReason, _ durability: Durability = .written,
        _ body: @escaping @Sendable (any KernelScope, LedgerTime) throws -> (Value, [Lease])
    ) async throws -> Decided<Value> {
        for attempt in 0..<5 {
            let berth = attempt == 0 ? try await nearBerth(tenant) : attempt < 4 ? try await goAboard(tenant) : Berth()
            var settled: (found: LeaseMemory.Settled, marker: LeaseMemory.Marker, memory: String)?
            if let marker = berth.marker {
                let session = try await session(own, tenant)
                let told: LeaseMemory.Told<LeaseMemory.Settled>
                do { told = try await memory.settle(session, tenant, marker, inner.time.reckon()) } catch {
                    try await retreat(from: marker.generation, error)
                    continue
                }
                guard berth.memories.contains(told.memory) else {
                    try await believe(told.memory, since: berth.generation)
                    continue
                }
                guard let found = told.value else {
                    try await disembark(tenant, marker)
                    continue
                }
                settled = (found, marker, told.memory)
            }
            let seen = settled
            do {
                let (value, entries) = try await inner.decision(tenant, reason, durability) { [self] db in
                    try commit(tenant, own, seen, in: db, body)
                }
                if let seen { await send(entries, forgetting: seen.found.dead, tenant, seen.marker) }
                return Decided(value: value, next: seen?.found.next)
            } catch is Again { continue }
        }
        throw SeatProblems.busy.retry(afterSeconds: 1)
    }

    private func commit<Value>(
        _ tenant: TenantID, _ own: Own, _ seen: (found: LeaseMemory.Settled, marker: LeaseMemory.Marker, memory: String)?,
        in db: any KernelScope, _ body: (any KernelScope, LedgerTime) throws -> (Value, [Lease])
    ) throws -> (Value, [LeaseMemory.Entry]) {
        let now = try inner.time.advance(in: db)
        let berth = try Self.berth(tenant, in: db)
        if let seen {
            guard berth.marker == seen.marker, berth.memories.contains(seen.memory) else { throw Again() }
        } else if berth.aboard != 0 {
            try Self.land(tenant, berth, now, in: db)
        }
        try db.within(tenant) { db in
            for one in seen?.found.dead ?? [] { try db.run(SeatTable.setEnd, one.session, one.held, one.end) }
            guard let lease = try ownLease(own, in: db), lease.expiresAt.microseconds >= Self.held else { return }
            // One that the shared store never heard of, or under another number, is live: only a script ends a held one.
            let isSame = seen?.found.own?.held == lease.expiresAt.microseconds
            let end = isSame ? seen?.found.own?.end ?? now + lease.ttl : now + lease.ttl + Self.slack
            try db.run(SeatTable.setEnd, lease.id, lease.expiresAt, end)
        }
        let (value, kept) = try body(db, now)
        guard seen != nil, !kept.isEmpty else { return (value, []) }
        return (value, try db.within(tenant) { db in try kept.compactMap { try hold($0, now, in: db) } })
    }

    /// Nil where its end is to stand in the row, and where it is not in its seat any more.
    private func hold(_ lease: Lease, _ now: LedgerTime, in db: any TenantScope) throws -> LeaseMemory.Entry? {
        guard lease.releasedAt == nil, lease.borrowedUntil == nil, lease.expiresAt > now, lease.expiresAt.microseconds < Self.held else {
            return nil
        }
        let number = inner.entropy.bytes(7).reduce(0 as Int64) { $0 << 8 | Int64($1) }
        guard try db.row(SeatTable.setEnd, lease.id, lease.expiresAt, Self.held + number) != nil else { return nil }
        return LeaseMemory.Entry(session: lease.id, held: Self.held + number, ttl: lease.ttl, end: lease.expiresAt)
    }

    /// What does not arrive is found again: a held row that the shared store knows nothing of is live, and its next beat writes it down.
    private func send(
        _ entries: [LeaseMemory.Entry], forgetting dead: [LeaseMemory.Dead], _ tenant: TenantID, _ marker: LeaseMemory.Marker
    ) async {
        guard !entries.isEmpty || !dead.isEmpty else { return }
        do {
            try await withThrowingTaskGroup(of: Void.self) { [memory, inner] group in
                // The dead first, and with them the first that lives: an entry never undoes one that came before it.
                _ = try await memory.enter(entries.first, forgetting: dead, tenant, marker, inner.time.reckon())
                for entry in entries.dropFirst() {
                    group.addTask { _ = try await memory.enter(entry, forgetting: [], tenant, marker, inner.time.reckon()) }
                }
                try await group.waitForAll()
            }
        } catch { try? await retreat(from: marker.generation, error) }
    }

    private func ownLease(_ own: Own, in db: any TenantScope) throws -> Lease? {
        switch own {
        case .nobody: nil
        case .session(let session): try db.row(SeatTable.bySession, session).map(SQLLeaseLedger.lease)
        case .device(let license, let device): try db.row(SeatTable.byDevice, license, device.bytes).map(SQLLeaseLedger.lease)
        }
    }
    private func session(_ own: Own, _ tenant: TenantID) async throws -> Lease.ID? {
        switch own {
        case .nobody: return nil
        case .session(let session): return session
        case .device:
            return try await inner.store.tenantRead(tenant) { [self] db in
                try ownLease(own, in: db).flatMap { $0.expiresAt.microseconds >= Self.held ? $0.id : nil }
            }
        }
    }

    /// Lets the rows say the truth, so far as anything is past its end.
    /// - Parameter isLook: nothing is decided by it, so that the tenant's standing need not be the newest.
    @discardableResult
    func sweep(_ tenant: TenantID, isLook: Bool = false) async throws -> LedgerTime? {
        let remembered = isLook && isNear ? known.withLock { $0.berth(tenant) } : nil
        let berth: Berth
        if let remembered { berth = remembered } else { berth = try await self.berth(tenant) }
        guard berth.aboard != 0 else { return nil }
        if let marker = berth.marker, let told = try? await memory.settle(nil, tenant, marker, inner.time.reckon()),
            let found = told.value, found.dead.isEmpty, berth.memories.contains(told.memory)
        {
            return found.next
        }
        var next: LedgerTime?
        // As many as one answer holds at a time.
        while true {
            let decided = try await decide(tenant, .nobody, Self.lookReason) { _, _ in (true, []) }
            next = decided.next
            guard let marker = try await self.berth(tenant).marker,
                let found = try? await memory.settle(nil, tenant, marker, inner.time.reckon()).value, !found.dead.isEmpty
            else { return next }
        }
    }
}
