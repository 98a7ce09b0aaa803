import KeyValue
import RedisTesting
import Testing
import Vocabulary

@testable import KeyValueRedis

private let start = Timestamp(seconds: 1_800_000_000)

private struct StillClock: Clock {
    func now() -> Timestamp { start }
    func monotonic() -> Duration { .zero }
}

private func store(_ server: RedisServer) throws -> RedisKeyValue {
    RedisKeyValue(client: try client(server.url) { $0.bounds.longestPause = .milliseconds(1) }, clock: StillClock())
}

private struct Steps {
    var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
    mutating func next(_ below: UInt64) -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state % below
    }
}

@Suite("Limits and facts, shared")
struct SharedStoreTests {
    @Test("every decision on a limit is the one of a single process", arguments: [0, 1, 3, 60, 128, 129, 500])
    func sameLimits(limit: Int) async throws {
        let server = try await RedisServer.start()
        let (alone, shared) = (InProcessKeyValue(), try store(server))
        var steps = Steps(seed: UInt64(limit) + 3)
        var now = start
        var refused = 0
        for step in 0..<700 {
            now = now + .microseconds(Int64(steps.next(UInt64(2 * 60_000_000 / max(1, limit)))))
            // Now and then the clock steps back.
            if step % 97 == 96 { now = now - .seconds(Int64(steps.next(90))) }
            let count = limit > 128 ? limit : max(0, limit - (step % 41 == 40 ? 1 : 0))
            let rule = RateLimit(count, per: .minutes(1))
            let (left, right) = (
                try await alone.take("user:a", limit: rule, now: now), try await shared.take("user:a", limit: rule, now: now)
            )
            #expect(left == right, "step \(step)")
            refused += right.isAllowed ? 0 : 1
        }
        #expect(refused > 20)
    }

    @Test("of 64 parallel takes of five in four processes, exactly five are let through")
    func parallelTakes() async throws {
        let server = try await RedisServer.start()
        let stores = try (0..<4).map { _ in try store(server) }
        let allowed = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<64 {
                group.addTask { try await stores[number % 4].take("login:a", limit: RateLimit(5, per: .minutes(1)), now: start).isAllowed }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(allowed == 5)
    }

    @Test("a value is there until its end and not at it, for every process; a later end holds; removed is gone")
    func facts() async throws {
        let server = try await RedisServer.start()
        let (one, other) = (try store(server), try store(server))
        try await one.set("revoked:a", [1, 0, 2], expires: start + .seconds(10))
        #expect(try await other.get("revoked:a", now: start + .microseconds(9_999_999)) == [1, 0, 2])
        #expect(try await other.get("revoked:a", now: start + .seconds(10)) == nil)
        try await one.set("revoked:a", [2], expires: start + .seconds(100))
        #expect(try await other.get("revoked:a", now: start + .seconds(50)) == [2])
        try await other.remove("revoked:a")
        #expect(try await one.get("revoked:a", now: start) == nil)
        await #expect(throws: KeyValueFault.oversized) { try await one.set(String(repeating: "k", count: 513), [], expires: start) }
    }

    @Test("a full server refuses a fact and keeps the others")
    func full() async throws {
        let server = try await RedisServer.start(["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"])
        let store = try store(server)
        try await store.set("revoked:first", [7], expires: start + .hours(1))
        await #expect(throws: KeyValueFault.full) {
            for number in 0..<200 {
                try await store.set("revoked:\(number)", [UInt8](repeating: 1, count: 60_000), expires: start + .hours(1))
            }
        }
        #expect(try await store.get("revoked:first", now: start) == [7])
    }

    @Test("while the server is killed or frozen limits are counted alone, facts fail and caches miss; then all is as before")
    func away() async throws {
        for isKilled in [true, false] {
            let server = try await RedisServer.start(isLasting: true)
            let client = try client(server.url) {
                $0.bounds.timeout = .milliseconds(500)
                $0.bounds.longestPause = .milliseconds(1)
            }
            let store = RedisKeyValue(client: client, clock: StillClock())
            let limit = RateLimit(2, per: .minutes(1))
            try await store.set("revoked:a", [1], expires: start + .hours(1))
            for _ in 0..<2 { #expect(try await store.take("login:a", limit: limit, now: start).isAllowed) }
            if isKilled { server.kill() } else { server.freeze() }
            let alone = [
                try await store.take("login:a", limit: limit, now: start), try await store.take("login:a", limit: limit, now: start),
                try await store.take("login:a", limit: limit, now: start),
            ].map(\.isAllowed)
            #expect(alone == [true, true, false])
            await #expect(throws: KeyValueFault.away) { try await store.get("revoked:a", now: start) }
            await #expect(throws: KeyValueFault.away) { try await store.set("revoked:b", [1], expires: start + .hours(1)) }
            #expect(try await store.get("cache:a", now: start) == nil)
            try await store.set("cache:a", [1], expires: start + .hours(1))
            if isKilled { try await server.restart() } else { server.thaw() }
            #expect(try await eventually { try await store.get("revoked:a", now: start) } == [1])
            #expect(try await !store.take("login:a", limit: limit, now: start).isAllowed)
        }
    }
}
