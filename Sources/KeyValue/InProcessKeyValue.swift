import Synchronization
import Vocabulary

/// The bounds of `InProcessKeyValue`.
package struct KeyValueBounds: Sendable, Hashable {
    /// Keys with a live limit, per kind of key (the part before the first colon).
    package var limitedKeys = 65_536
    /// Facts that must not be forgotten before their end: revocations.
    package var facts = 500_000
    package var factBytes = 134_217_728
    /// Values under `cache:`, which may be forgotten at any time.
    package var cached = 65_536
    package var cachedBytes = 33_554_432
    package init() {}
}

/// A value that cannot be kept. The caller fails; it never goes on as if it had been.
package enum KeyValueFault: Error, Sendable, Hashable {
    /// No room, and everything held is still in force.
    case full
    /// A key above 512 bytes or a value above 64 KiB.
    case oversized
    /// The shared store cannot be reached in time; what was asked of it may have been done all the same.
    case away
}

/// Limits and facts of a single process: sharded, each step linearizable per key, memory bounded.
///
/// What is never forgotten before its end: everything set under a key that does not begin with `cache:`. When the bound of
/// such facts is reached, `set` throws `KeyValueFault.full` and the act that wanted it fails (a logout answers 503); an entry that still
/// holds is never dropped to make room. Only `cache:` values and limit windows are evicted, each from a store of its own, so that
/// no flood of keys reaches a revocation. Limits are kept apart by the kind of their key, the text before the first colon.
package final class InProcessKeyValue: KeyValue {
    private struct State: Sendable {
        var limits: [Substring: LimitTable] = [:]
        var facts: ValueTable
        var cached: ValueTable
    }
    private final class Shard: Sendable {
        let state: Mutex<State>
        init(_ state: sending State) { self.state = Mutex(state) }
    }
    private static let shardCount = 16
    /// Kinds of limited keys that get a table of their own; more share one.
    private static let maxKinds = 32
    private let shards: [Shard]
    private let limitedKeysPerTable: Int
    /// The last time that a caller named, so that `set` can drop what has ended.
    private let lastSeen = Atomic<Int64>(.min)

    package init(bounds: KeyValueBounds = KeyValueBounds()) {
        let share = { (total: Int) in max(1, total / Self.shardCount) }
        limitedKeysPerTable = share(bounds.limitedKeys)
        shards = (0..<Self.shardCount).map { _ in
            Shard(
                State(
                    facts: ValueTable(maxEntries: share(bounds.facts), maxBytes: share(bounds.factBytes), evicts: false),
                    cached: ValueTable(maxEntries: share(bounds.cached), maxBytes: share(bounds.cachedBytes), evicts: true)))
        }
    }

    package func take(_ key: String, limit: RateLimit, now: Timestamp) async throws -> RateDecision {
        guard key.utf8.count <= 512 else { throw KeyValueFault.oversized }
        let kind = key.prefix { $0 != ":" }
        let window = max(1, limit.window.microseconds)
        lastSeen.store(now.microseconds, ordering: .relaxed)
        return shard(key).state.withLock { state in
            let table = state.limits[kind] != nil || state.limits.count < Self.maxKinds ? kind : ""
            return state.limits[table, default: LimitTable(capacity: limitedKeysPerTable)]
                .take(key, limit: max(0, limit.count), window: window, now: now.microseconds)
        }
    }

    package func set(_ key: String, _ value: [UInt8], expires: Timestamp) async throws {
        guard key.utf8.count <= 512, value.count <= 65_536 else { throw KeyValueFault.oversized }
        let now = lastSeen.load(ordering: .relaxed)
        let isKept = shard(key).state.withLock { state in
            if key.utf8.starts(with: "cache:".utf8) {
                state.cached.purge(now)
                return state.cached.set(key, value, expires: expires.microseconds)
            }
            state.facts.purge(now)
            return state.facts.set(key, value, expires: expires.microseconds)
        }
        guard isKept else { throw KeyValueFault.full }
    }

    package func get(_ key: String, now: Timestamp) async throws -> [UInt8]? {
        lastSeen.store(now.microseconds, ordering: .relaxed)
        return shard(key).state.withLock { state in
            if key.utf8.starts(with: "cache:".utf8) {
                state.cached.purge(now.microseconds)
                return state.cached.get(key, now: now.microseconds)
            }
            state.facts.purge(now.microseconds)
            return state.facts.get(key, now: now.microseconds)
        }
    }

    package func remove(_ key: String) async throws {
        shard(key).state.withLock { state in
            state.facts.remove(key)
            state.cached.remove(key)
        }
    }

    /// Entries held now: limited keys, facts, cached values.
    package var counts: (limited: Int, facts: Int, cached: Int) {
        shards.reduce(into: (0, 0, 0)) { sum, shard in
            shard.state.withLock { state in
                sum.0 += state.limits.values.reduce(0) { $0 + $1.count }
                sum.1 += state.facts.count
                sum.2 += state.cached.count
            }
        }
    }

    private func shard(_ key: String) -> Shard { shards[Int(truncatingIfNeeded: UInt(bitPattern: key.hashValue) % UInt(shards.count))] }
}
