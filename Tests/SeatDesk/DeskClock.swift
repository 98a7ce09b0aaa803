import RoomTesting
import Vocabulary

/// The machine's clocks as the schedule moves them: monotonic time, which goes on through every restart, and a wall clock beside it.
final class DeskClock: Clock {
    private struct State {
        var microseconds: Int64
        var offset: Int64
    }
    private let state: Guarded<State>
    /// What the wall shows at moment 0 of the schedule.
    static let wall: Int64 = 1_800_000_000

    init(microseconds: Int64, offset: Int64) { state = Guarded(State(microseconds: microseconds, offset: offset)) }

    func now() -> Timestamp {
        state.with { Timestamp(microseconds: (Self.wall + $0.offset) * 1_000_000 + $0.microseconds) }
    }
    func monotonic() -> Duration { state.with { .microseconds($0.microseconds) } }

    /// Lets time pass up to `moment`; `tick` runs each second, as it does in a process that is not frozen.
    func pass(to moment: Int64, tick: () -> Void) {
        var isThere = false
        while !isThere {
            let isMoved = state.with { state in
                let next = min(moment, state.microseconds + 1_000_000)
                isThere = next == moment || state.microseconds >= moment
                defer { state.microseconds = max(state.microseconds, next) }
                return next > state.microseconds
            }
            if isMoved { tick() }
        }
    }
    /// Time passed while the process was frozen: nobody ticked.
    func jump(to moment: Int64) { state.with { $0.microseconds = max($0.microseconds, moment) } }
    func step(offset: Int64) { state.with { $0.offset = offset } }
}
