import Store
import Synchronization

/// Rows kept in memory that are never older than the last change this process made and told with `forget`.
///
/// Exact under this contract: whoever changes a row calls `forget(key)` after the commit and before answering. A load that was under
/// way when `forget` was called is not kept. With a capacity of 0 every look-up loads. At most twice the capacity is held.
///
/// Looking something up is inlinable, so that other rooms compile it for their own keys: each request looks up five.
package final class FreshCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    @usableFromInline package struct State {
        @usableFromInline var young: [Key: Value] = [:]
        @usableFromInline var old: [Key: Value] = [:]
        /// Loads under way, by ticket; those that a change overtook are dropped from here.
        var loading: [UInt64: Key] = [:]
        var nextTicket: UInt64 = 0
    }
    @usableFromInline let state = Mutex(State())
    @usableFromInline let capacity: Int

    package init(capacity: Int) { self.capacity = capacity }

    /// The value, from memory or else from `load`. What `load` does not find is not remembered.
    @inlinable package func value(_ key: Key, load: () async throws -> Value?) async throws -> Value? {
        if let hit = peek(key) { return hit }
        return try await loaded(key, load: load)
    }

    @usableFromInline func loaded(_ key: Key, load: () async throws -> Value?) async throws -> Value? {
        let ticket = state.withLock { state in
            state.nextTicket += 1
            state.loading[state.nextTicket] = key
            return state.nextTicket
        }
        do {
            let value = try await ReadLag.refused(load)
            keep(value, key, ticket)
            return value
        } catch {
            keep(nil, key, ticket)
            throw error
        }
    }

    @inlinable package func peek(_ key: Key) -> Value? {
        state.withLock { state in
            if let hit = state.young[key] { return hit }
            guard let hit = state.old.removeValue(forKey: key) else { return nil }
            insert(key, hit, &state)
            return hit
        }
    }

    package func forget(_ key: Key) {
        state.withLock { state in
            state.young[key] = nil
            state.old[key] = nil
            if !state.loading.isEmpty { state.loading = state.loading.filter { $0.value != key } }
        }
    }

    package func forgetAll() {
        state.withLock { state in
            state.young = [:]
            state.old = [:]
            state.loading = [:]
        }
    }

    /// Replaces a value that is still held, in one step with the look.
    package func update(_ key: Key, _ change: (inout Value) -> Void) {
        state.withLock { state in
            if var value = state.young[key] {
                change(&value)
                state.young[key] = value
            }
        }
    }

    private func keep(_ value: Value?, _ key: Key, _ ticket: UInt64) {
        state.withLock { state in
            guard state.loading.removeValue(forKey: ticket) != nil, let value, capacity > 0 else { return }
            insert(key, value, &state)
        }
    }

    @inlinable func insert(_ key: Key, _ value: Value, _ state: inout State) {
        if state.young.count >= capacity {
            state.old = state.young
            state.young = [:]
        }
        state.young[key] = value
    }
}
