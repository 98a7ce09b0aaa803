import Vocabulary

/// What one key took within the last window. Pure: `now` is passed in, in microseconds.
///
/// An entry taken at `t` counts during `[t, t + window)`. Small limits keep every moment and are exact; large ones count in
/// sixtieths of the window, rounded so that a refusal may come one sixtieth early and never late: at most `count` are let
/// through in any window, whatever the limit.
struct SlidingWindow: Sendable {
    /// Up to this count every moment is kept.
    static let exactUpTo = 128
    static let slices = 60

    private enum Record: Sendable {
        /// Moments in ascending order.
        case moments([Int64])
        /// Taken per slice; the first belongs to `first`.
        case slices(counts: [Int32], first: Int64)
    }
    private var record: Record
    private(set) var window: Int64
    private(set) var limit: Int
    private(set) var last: Int64

    init(limit: Int, window: Int64, now: Int64) {
        self.record = limit <= Self.exactUpTo ? .moments([]) : .slices(counts: [], first: 0)
        self.window = window
        self.limit = limit
        self.last = now
    }

    /// True when nothing of this window counts any more.
    func isSpent(at now: Int64) -> Bool { last <= now - window - window / Int64(Self.slices) }
    /// How full it was when last used, in parts of 1,000: what eviction spares.
    var fill: Int {
        switch record {
        case .moments(let moments): limit == 0 ? 1_000 : moments.count * 1_000 / limit
        case .slices(let counts, _): limit == 0 ? 1_000 : counts.reduce(0) { $0 + Int($1) } * 1_000 / limit
        }
    }

    mutating func take(limit: Int, window: Int64, now: Int64) -> RateDecision {
        if window != self.window || (limit <= Self.exactUpTo) != (self.limit <= Self.exactUpTo) {
            self = SlidingWindow(limit: limit, window: window, now: now)
        }
        self.limit = limit
        // A clock that stepped back would otherwise hold what was taken for the length of the step.
        if now < last { restart(at: now) }
        last = now
        if case .moments(var moments) = record {
            record = .moments([])
            defer { record = .moments(moments) }
            let live = moments.firstIndex { $0 > now - window } ?? moments.count
            if live > 0 { moments.removeFirst(live) }
            if moments.count < limit {
                moments.append(now)
                return RateDecision(isAllowed: true, remaining: limit - moments.count, retryAfterSeconds: 0)
            }
            guard limit > 0 else { return Self.refusal(after: window) }
            return Self.refusal(after: moments[moments.count - limit] + window - now)
        }
        return takeSlice(now)
    }

    private mutating func takeSlice(_ now: Int64) -> RateDecision {
        guard case .slices(var counts, var first) = record else { return Self.refusal(after: window) }
        record = .slices(counts: [], first: 0)
        defer { record = .slices(counts: counts, first: first) }
        let width = max(1, window / Int64(Self.slices))
        let current = now / width
        // A slice counts as long as any moment of it may lie within the window.
        let oldest = current - Int64(Self.slices)
        while !counts.isEmpty, first < oldest {
            counts.removeFirst()
            first += 1
        }
        if counts.isEmpty { first = current }
        while first + Int64(counts.count) <= current { counts.append(0) }
        let taken = counts.reduce(0) { $0 + Int($1) }
        if taken < limit {
            counts[counts.count - 1] += 1
            return RateDecision(isAllowed: true, remaining: limit - taken - 1, retryAfterSeconds: 0)
        }
        var freed = 0
        for (index, count) in counts.enumerated() {
            freed += Int(count)
            if taken - freed < limit {
                return Self.refusal(after: (first + Int64(index) + Int64(Self.slices) + 1) * width - now)
            }
        }
        return Self.refusal(after: window)
    }

    private mutating func restart(at now: Int64) {
        switch record {
        case .moments(let moments): record = .moments(moments.map { min($0, now) })
        case .slices(let counts, _):
            let taken = counts.reduce(0) { $0 + $1 }
            record = .slices(counts: [taken], first: now / max(1, window / Int64(Self.slices)))
        }
    }
    private static func refusal(after microseconds: Int64) -> RateDecision {
        RateDecision(isAllowed: false, remaining: 0, retryAfterSeconds: max(1, (microseconds + 999_999) / 1_000_000))
    }
}
