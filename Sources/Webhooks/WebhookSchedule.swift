import Vocabulary

/// When to try, and what an outcome means. Pure.
package enum WebhookSchedule {
    /// Between one try and the next: a little over three days in all.
    package static let delays: [Duration] = [
        .seconds(5), .minutes(5), .minutes(30), .hours(2), .hours(5), .hours(10), .hours(14), .hours(20), .hours(24),
    ]
    /// The longest that an endpoint may ask for by Retry-After.
    static let mostRetryAfter = Duration.hours(24)
    /// Nothing was delivered for so long: nobody is there any more.
    static let patience = Duration.days(5)

    enum Verdict: Sendable, Hashable {
        case delivered
        case again(after: Duration)
        case failed
        /// The endpoint says that it wants no more (410).
        case gone
    }

    /// `tries` counts this one. `jitter` is 0 … 1: neighbours in time do not come back together.
    static func verdict(_ outcome: WebhookOutcome.Result, tries: Int, jitter: Double) -> Verdict {
        var wish = Duration.zero
        if case .answered(let status, let seconds, _) = outcome {
            if (200...299).contains(status) { return .delivered }
            if status == 410 { return .gone }
            if status == 429 || status == 503, let seconds { wish = min(.seconds(max(0, seconds)), mostRetryAfter) }
        }
        guard tries <= delays.count else { return .failed }
        let base = delays[max(0, tries - 1)]
        let spread = Duration.microseconds(base.microseconds / 1_000 * (850 + Int64(300 * min(1, max(0, jitter)))))
        return .again(after: max(spread, wish))
    }
}
