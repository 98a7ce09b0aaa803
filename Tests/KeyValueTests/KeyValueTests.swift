import Testing
import Vocabulary

@testable import KeyValue

private let start = Timestamp(seconds: 1_800_000_000)

@Suite("Limits of a single process")
struct LimitTests {
    @Test("of 64 parallel takes of five, exactly five are let through")
    func parallelTakes() async throws {
        for round in 0..<20 {
            let store = InProcessKeyValue()
            let allowed = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<64 {
                    group.addTask { try await store.take("login:\(round)", limit: RateLimit(5, per: .minutes(1)), now: start).isAllowed }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(allowed == 5)
        }
    }

    @Test(
        "no window of any place and limit holds more than the limit, and what is refused is allowed after the named wait",
        arguments: [1, 3, 5, 60, 128, 129, 1_000])
    func neverMoreThanTheLimit(limit: Int) {
        var window = SlidingWindow(limit: limit, window: 60_000_000, now: 0)
        var random = Steps(seed: UInt64(limit))
        var allowed: [Int64] = []
        var now: Int64 = 0
        for _ in 0..<6_000 {
            now += Int64(random.next() % UInt64(2 * 60_000_000 / limit))
            let decision = window.take(limit: limit, window: 60_000_000, now: now)
            if decision.isAllowed {
                allowed.append(now)
            } else {
                var later = window
                let after = later.take(limit: limit, window: 60_000_000, now: now + decision.retryAfterSeconds * 1_000_000)
                #expect(after.isAllowed)
            }
        }
        var tail = 0
        for (head, moment) in allowed.enumerated() {
            while allowed[tail] <= moment - 60_000_000 { tail += 1 }
            #expect(head - tail + 1 <= limit)
        }
        #expect(allowed.count > 1_000)
    }

    @Test("an exact limit frees the place of the oldest, one at a time, at the very end of its window")
    func slides() {
        var window = SlidingWindow(limit: 2, window: 60_000_000, now: 0)
        let table: [(Int64, Bool, Int64)] = [
            (0, true, 0), (30_000_000, true, 0), (59_999_999, false, 1), (60_000_000, true, 0), (60_000_001, false, 30),
            (90_000_000, true, 0),
        ]
        for (now, isAllowed, retry) in table {
            let decision = window.take(limit: 2, window: 60_000_000, now: now)
            #expect(decision.isAllowed == isAllowed && decision.retryAfterSeconds == retry, "at \(now)")
        }
    }

    @Test("a clock that steps back an hour blocks for one window at most", arguments: [3, 500])
    func stepBack(limit: Int) {
        var window = SlidingWindow(limit: limit, window: 60_000_000, now: 3_600_000_000)
        let take = { (now: Int64) in window.take(limit: limit, window: 60_000_000, now: now).isAllowed }
        for _ in 0..<limit { #expect(take(3_600_000_000)) }
        #expect(!take(0))
        #expect(take(62_000_000))
    }

    @Test("a limit that is lowered or raised holds from the next take on")
    func changes() {
        var window = SlidingWindow(limit: 5, window: 60_000_000, now: 0)
        let take = { (limit: Int, now: Int64) in window.take(limit: limit, window: 60_000_000, now: now).isAllowed }
        for now in 0..<5 { #expect(take(5, Int64(now))) }
        #expect(!take(2, 10))
        #expect(take(6, 11))
        #expect(!take(0, 12))
    }

    @Test("a flood of fresh keys grows no memory and does not wash away a key that stands at its limit")
    func flood() async throws {
        var bounds = KeyValueBounds()
        bounds.limitedKeys = 1_600
        let store = InProcessKeyValue(bounds: bounds)
        let limit = RateLimit(5, per: .minutes(1))
        for _ in 0..<5 { _ = try await store.take("login:victim", limit: limit, now: start) }
        for index in 0..<50_000 { _ = try await store.take("login:\(index)", limit: limit, now: start + .microseconds(Int64(index))) }
        #expect(store.counts.limited <= 1_600)
        #expect(try await !store.take("login:victim", limit: limit, now: start + .seconds(1)).isAllowed)
    }

    @Test("one kind of key does not take the room of another")
    func kinds() async throws {
        var bounds = KeyValueBounds()
        bounds.limitedKeys = 160
        let store = InProcessKeyValue(bounds: bounds)
        _ = try await store.take("login:a", limit: RateLimit(1, per: .minutes(1)), now: start)
        for index in 0..<5_000 { _ = try await store.take("validate:\(index)", limit: RateLimit(60, per: .minutes(1)), now: start) }
        #expect(try await !store.take("login:a", limit: RateLimit(1, per: .minutes(1)), now: start).isAllowed)
    }

    @Test("windows that are spent leave as new keys come")
    func spent() async throws {
        let store = InProcessKeyValue()
        for index in 0..<10_000 { _ = try await store.take("s:\(index)", limit: RateLimit(100, per: .minutes(1)), now: start) }
        let later = start + .minutes(3)
        for index in 10_000..<20_000 { _ = try await store.take("s:\(index)", limit: RateLimit(100, per: .minutes(1)), now: later) }
        #expect(store.counts.limited <= 10_100)
    }
}

@Suite("Facts of a single process")
struct FactTests {
    @Test("a value is there until its end and not at it")
    func expiry() async throws {
        let store = InProcessKeyValue()
        try await store.set("revoked:a", [1, 2], expires: start + .seconds(10))
        #expect(try await store.get("revoked:a", now: start + .microseconds(9_999_999)) == [1, 2])
        #expect(try await store.get("revoked:a", now: start + .seconds(10)) == nil)
        #expect(store.counts.facts == 0)
    }

    @Test("a full store refuses a new fact and forgets none that still holds")
    func neverForgets() async throws {
        var bounds = KeyValueBounds()
        bounds.facts = 160
        let store = InProcessKeyValue(bounds: bounds)
        var kept: [String] = []
        var refused = 0
        for index in 0..<1_000 {
            do {
                try await store.set("revoked:\(index)", [1], expires: start + .hours(24))
                kept.append("revoked:\(index)")
            } catch { refused += error as? KeyValueFault == .full ? 1 : 0 }
        }
        #expect(kept.count == 160 && refused == 840)
        for key in kept { #expect(try await store.get(key, now: start + .hours(23)) == [1]) }
        _ = try await store.get("revoked:0", now: start + .hours(24))
        try await store.set("revoked:new", [2], expires: start + .hours(48))
        #expect(try await store.get("revoked:new", now: start + .hours(25)) == [2])
    }

    @Test("a flood of cached values evicts cached values only")
    func cachesAreEvicted() async throws {
        var bounds = KeyValueBounds()
        bounds.cached = 160
        let store = InProcessKeyValue(bounds: bounds)
        try await store.set("revoked:a", [1], expires: start + .hours(1))
        for index in 0..<10_000 { try await store.set("cache:\(index)", [0], expires: start + .hours(24)) }
        #expect(store.counts.cached <= 160)
        #expect(try await store.get("revoked:a", now: start) == [1])
    }

    @Test("overwriting and removing one key for ever grows nothing, and the bytes are counted right")
    func churn() {
        var table = ValueTable(maxEntries: 10, maxBytes: 1_000, evicts: false)
        let set = { (key: String, size: Int, expires: Int64) in table.set(key, [UInt8](repeating: 0, count: size), expires: expires) }
        for index in 0..<10_000 { #expect(set("k", index % 100, Int64(index))) }
        #expect(table.count == 1 && table.bytes == 1 + 99)
        table.remove("k")
        #expect(table.count == 0 && table.bytes == 0)
        #expect(set("big", 997, 1))
        #expect(!set("k", 1, 1))
        table.purge(1)
        #expect(set("k", 1, 2))
    }

    @Test("a later end of the same key holds, though an earlier one was set before")
    func extended() async throws {
        let store = InProcessKeyValue()
        try await store.set("revoked:a", [1], expires: start + .seconds(1))
        try await store.set("revoked:a", [2], expires: start + .seconds(100))
        #expect(try await store.get("revoked:a", now: start + .seconds(50)) == [2])
    }

    @Test("keys and values beyond their bounds are refused")
    func oversized() async throws {
        let store = InProcessKeyValue()
        await #expect(throws: KeyValueFault.oversized) {
            try await store.set(String(repeating: "k", count: 513), [], expires: start)
        }
        await #expect(throws: KeyValueFault.oversized) {
            try await store.set("k", [UInt8](repeating: 0, count: 65_537), expires: start)
        }
        await #expect(throws: KeyValueFault.oversized) {
            _ = try await store.take(String(repeating: "k", count: 513), limit: RateLimit(1, per: .seconds(1)), now: start)
        }
    }
}

/// A small repeatable sequence.
private struct Steps {
    var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
