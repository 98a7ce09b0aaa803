import Vocabulary

/// The windows of one kind of key, never more than `capacity`.
///
/// When it is full and nothing in reach is spent, the emptiest window of a small sample makes room: a key that stands at its
/// limit is the last to be forgotten, so a flood of fresh keys cannot wash a lock away.
struct LimitTable: Sendable {
    private struct Slot: Sendable {
        var key: String
        var window: SlidingWindow
    }
    private var slots: ContiguousArray<Slot> = []
    private var index: [String: Int] = [:]
    private var hand = 0
    private let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    var count: Int { slots.count }

    mutating func take(_ key: String, limit: Int, window: Int64, now: Int64) -> RateDecision {
        if let place = index[key] { return slots[place].window.take(limit: limit, window: window, now: now) }
        sweep(now)
        var fresh = SlidingWindow(limit: limit, window: window, now: now)
        let decision = fresh.take(limit: limit, window: window, now: now)
        if slots.count >= capacity {
            let victim = emptiest()
            index.removeValue(forKey: slots[victim].key)
            slots[victim] = Slot(key: key, window: fresh)
            index[key] = victim
        } else {
            index[key] = slots.count
            slots.append(Slot(key: key, window: fresh))
        }
        return decision
    }

    /// Looks at a few slots for each new key, so that spent windows leave without a timer and without a pause.
    private mutating func sweep(_ now: Int64) {
        for _ in 0..<4 where !slots.isEmpty {
            if hand >= slots.count { hand = 0 }
            if slots[hand].window.isSpent(at: now) { remove(hand) } else { hand += 1 }
        }
    }
    private func emptiest() -> Int {
        var best = hand % slots.count
        for step in 1..<16 {
            let place = (hand + step) % slots.count
            let (left, right) = (slots[place].window, slots[best].window)
            if left.fill < right.fill || (left.fill == right.fill && left.last < right.last) { best = place }
        }
        return best
    }
    private mutating func remove(_ place: Int) {
        index.removeValue(forKey: slots[place].key)
        let end = slots.count - 1
        if place != end {
            slots[place] = slots[end]
            index[slots[place].key] = place
        }
        slots.removeLast()
    }
}
