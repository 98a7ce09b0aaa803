import PluginKit

/// When a child that died is started again.
package struct ChildRules: Sendable, Hashable {
    /// The pause after the first death; each further death within `window` doubles it, up to `longestPause`.
    package var firstPause: Duration = .milliseconds(200)
    package var longestPause: Duration = .seconds(10)
    /// That many deaths within `window` open the breaker: for `openFor` nobody tries.
    package var deathsToOpen = 5
    package var window: Duration = .seconds(60)
    package var openFor: Duration = .seconds(30)
    /// A call waits for a child that comes back within this time; otherwise it is answered at once.
    package var patience: Duration = .seconds(2)
    package init() {}
}

/// How a child has fared, and so how it is treated. Pure: what happened and when comes in, the pause comes out.
///
///     closed ── deaths ≥ deathsToOpen within window ──▶ open ── openFor is over ──▶ trial ── a call came back ──▶ closed
///                                                         ◀────────────── it died ──────┘
package struct ChildStanding: Sendable, Hashable {
    package enum Breaker: String, Sendable, Hashable, CaseIterable {
        /// Started again after a pause.
        case closed
        /// Left alone.
        case open
        /// Started once, one call is let in.
        case trial
    }
    package private(set) var breaker = Breaker.closed
    /// The deaths within the window.
    package private(set) var deaths: [Timestamp] = []
    package private(set) var deathsEver = 0
    private let rules: ChildRules

    package init(_ rules: ChildRules) { self.rules = rules }

    /// The pause until the next start. `spread` (0 … 1) keeps children that died together from coming back together.
    package mutating func died(at now: Timestamp, spread: Double) -> Duration {
        deathsEver += 1
        deaths.append(now)
        deaths.removeAll { now - $0 > rules.window }
        if breaker == .trial || deaths.count >= rules.deathsToOpen {
            breaker = .open
            return rules.openFor
        }
        var pause = rules.firstPause
        for _ in 1..<max(2, deaths.count) where pause < rules.longestPause && deaths.count > 1 { pause = pause * 2 }
        pause = min(pause, rules.longestPause)
        return pause / 2 + .microseconds(Int64(Double((pause / 2).microseconds) * min(max(0, spread), 1)))
    }
    /// The pause is over: it is started.
    package mutating func started() { if breaker == .open { breaker = .trial } }
    /// A call came back.
    package mutating func proved() {
        guard breaker == .trial else { return }
        breaker = .closed
        deaths = []
    }
}
