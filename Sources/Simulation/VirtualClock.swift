import Synchronization
import Vocabulary

/// Time that stands still until the simulation moves it, and never goes back.
package final class VirtualClock: Clock {
    private let moment: Mutex<Timestamp>
    private let beginning: Timestamp

    package init(at start: Timestamp) {
        moment = Mutex(start)
        beginning = start
    }
    package func now() -> Timestamp { moment.withLock { $0 } }
    package func monotonic() -> Duration { .seconds(1_000) + (now() - beginning) }
    /// Moves on to a moment; one that is past moves nothing.
    package func move(to later: Timestamp) { moment.withLock { $0 = max($0, later) } }
}

/// The same bytes for the same seed, in the order of the asking (SplitMix64).
package final class Dice: Entropy {
    private let state: Mutex<UInt64>
    package init(_ seed: UInt64) { state = Mutex(seed) }

    package func bytes(_ count: Int) -> [UInt8] {
        var out: [UInt8] = []
        while out.count < count { withUnsafeBytes(of: next().littleEndian) { out.append(contentsOf: $0) } }
        return Array(out.prefix(count))
    }
    /// One of `range`, each as likely as the others but for what 64 bits leave over.
    package func roll(_ range: ClosedRange<Int>) -> Int { range.lowerBound + Int(next() % UInt64(range.count)) }
    /// True in `percent` of a hundred throws.
    package func happens(_ percent: Int) -> Bool { roll(0...99) < percent }
    package func pick<Item>(_ items: [Item]) -> Item { items[roll(0...items.count - 1)] }

    private func next() -> UInt64 {
        state.withLock { seed in
            seed &+= 0x9e37_79b9_7f4a_7c15
            var word = seed
            word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
            word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
            return word ^ (word >> 31)
        }
    }
}
