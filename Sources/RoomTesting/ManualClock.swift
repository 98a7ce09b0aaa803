import Vocabulary

/// A clock that stands still until a test moves it. Wall and monotonic time move together unless `step` moves the wall alone.
package final class ManualClock: Clock {
    private struct State {
        var wall: Timestamp
        var ticks: Duration
    }
    private let state: Guarded<State>

    package init(at start: Timestamp = Timestamp(seconds: 1_800_000_000)) {
        state = Guarded(State(wall: start, ticks: .seconds(1_000)))
    }
    package func now() -> Timestamp { state.with { $0.wall } }
    package func monotonic() -> Duration { state.with { $0.ticks } }
    package func advance(by span: Duration) {
        state.with {
            $0.wall = $0.wall + span
            $0.ticks += span
        }
    }
    /// Moves the wall clock alone, as an administrator or NTP would.
    package func step(by span: Duration) { state.with { $0.wall = $0.wall + span } }
}
