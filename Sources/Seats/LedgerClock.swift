import Store
import Synchronization
import Vocabulary

/// Ledger time: one stored number, which only the ticks of monotonic clocks advance.
///
/// A step of the wall clock moves nothing. Once `tick` is called, it must be called every second: a longer silence means that
/// this process did not run, and of such a gap only `longestGap` counts, so that a frozen process does not wake up to find every
/// lease expired. After a restart time goes on where the last write left it: what the outage took, the leases get back. Ledger
/// time is therefore never ahead of real time, and no lease ends before its holder was told.
///
/// Every decision writes its time down, so far as the last that was written is older than `writesEvery`: decisions of many processes would
/// else stand in each other's way at this one row. Where several processes share a store, each also writes its ticks: the highest reading
/// wins, a frozen process holds nobody up, and none is behind the others by more than the second since their last tick.
package final class LedgerClock: Sendable {
    private struct State {
        var reading: Int64 = 0
        var seen: Duration
        var isTicked = false
        /// The highest that is known to stand in the store, or is on its way there.
        var written = Int64.min
    }
    private let clock: any Clock
    private let longestGap: Duration
    private let writesEvery: Int64
    private let state: Mutex<State>

    /// For stores that several processes share.
    package static let sharedPace = Duration.milliseconds(250)

    package init(clock: any Clock, settings: Settings, writesEvery: Duration = .zero) {
        self.clock = clock
        self.writesEvery = writesEvery.microseconds
        longestGap = .seconds(Int64(settings[SeatSettings.longestTickGapSeconds]))
        state = Mutex(State(seen: clock.monotonic()))
    }

    /// Says that the process is running.
    package func tick() { _ = advance(isTick: true) }

    /// Takes up the number where the last process left it, so that from now on every second counts. To be called once, at start;
    /// without it, time begins to count again at the first use of the ledger.
    package func begin(_ store: any Store) async throws {
        let stored = try await store.kernelRead(KernelReason("seats.ledger_time")) { db in try db.row(SeatTable.readTime)?.integer(0) }
        if let stored { _ = adopt(stored) }
    }

    /// The same, written down for other processes.
    package func tick(sharing store: any Store) async throws {
        tick()
        try await store.kernel(KernelReason("seats.tick")) { [self] db in _ = try write(advance(), in: db) }
    }

    /// Ticks until the task is cancelled. `store`: given where other processes share it; one alone needs no writing while nobody asks.
    package func run(sharing store: (any Store)? = nil) async {
        while !Task.isCancelled {
            if let store {
                // A tick that cannot be written still counts here; the next one writes both.
                try? await tick(sharing: store)
            } else {
                tick()
            }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// The time now, written down with the caller's transaction where that is due.
    func advance(in db: any KernelScope) throws -> LedgerTime {
        let mine = advance()
        if !isDue(mine), let row = try db.row(SeatTable.readTime) { return adopt(try row.integer(0)) }
        return try write(mine, in: db)
    }

    /// Should the transaction that takes it upon itself be undone, the next one comes a pace later, and a tick within the second.
    private func isDue(_ reading: Int64) -> Bool {
        guard writesEvery > 0 else { return true }
        return state.withLock { state in
            guard state.written == .min || reading - state.written >= writesEvery else { return false }
            state.written = reading
            return true
        }
    }

    private func write(_ mine: Int64, in db: any KernelScope) throws -> LedgerTime {
        if let row = try db.row(SeatTable.advanceTime, mine) { return adopt(try row.integer(0)) }
        try db.run(SeatTable.beginTime, mine)
        return LedgerTime(microseconds: mine)
    }

    /// The time now, for those who only look.
    func look(in db: any KernelScope) throws -> LedgerTime {
        let mine = advance()
        guard let row = try db.row(SeatTable.readTime) else { return LedgerTime(microseconds: mine) }
        return adopt(try row.integer(0))
    }

    /// The time now as this process alone knows it: behind that of the Store by what others have written since it last looked.
    func reckon() -> LedgerTime { LedgerTime(microseconds: advance()) }

    private func advance(isTick: Bool = false) -> Int64 {
        let ticks = clock.monotonic()
        return state.withLock { state in
            let gap = max(.zero, ticks - state.seen)
            state.reading += (state.isTicked ? min(gap, longestGap) : gap).microseconds
            state.seen = max(state.seen, ticks)
            state.isTicked = state.isTicked || isTick
            return state.reading
        }
    }

    private func adopt(_ stored: Int64) -> LedgerTime {
        state.withLock { state in
            state.reading = max(state.reading, stored)
            state.written = max(state.written, stored)
            return LedgerTime(microseconds: state.reading)
        }
    }
}
