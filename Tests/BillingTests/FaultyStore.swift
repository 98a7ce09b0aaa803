import RoomTesting
import Store
import Vocabulary

/// A store whose process dies at a chosen call: before the call, or after its commit and before its answer.
final class FaultyStore: Store {
    enum Moment: CaseIterable, Sendable { case before, after }
    struct Crash: Error {}
    private struct State {
        var calls = 0
        /// Those that took the writer.
        var writes = 0
        var crashAt: Int?
        var moment = Moment.before
        var hasCrashed = false
        var interlude: (call: Int, play: @Sendable () async throws -> Void)?
    }
    private let inner: any Store
    private let state = Guarded(State())

    init(_ inner: any Store) { self.inner = inner }
    var jobSignal: JobSignal { inner.jobSignal }

    /// The `call`th call from now on (counted from 1) crashes, once.
    func crash(at call: Int?, _ moment: Moment) { state.with { $0 = State(crashAt: call, moment: moment) } }
    /// Before the `call`th call from now on, somebody else does something.
    func interrupt(at call: Int, _ play: @escaping @Sendable () async throws -> Void) { state.with { $0 = State(interlude: (call, play)) } }
    var calls: Int { state.with { $0.calls } }
    var writes: Int { state.with { $0.writes } }
    var hasCrashed: Bool { state.with { $0.hasCrashed } }

    private func count(_ moment: Moment) throws {
        let isHit = state.with { state in
            if moment == .before { state.calls += 1 }
            guard !state.hasCrashed, state.calls == state.crashAt, state.moment == moment else { return false }
            state.hasCrashed = true
            return true
        }
        if isHit { throw Crash() }
    }
    private func through<Value: Sendable>(_ call: () async throws -> Value) async throws -> Value {
        try count(.before)
        let play = state.with { state -> (@Sendable () async throws -> Void)? in
            guard let interlude = state.interlude, interlude.call == state.calls else { return nil }
            state.interlude = nil
            return interlude.play
        }
        try await play?()
        let value = try await call()
        try count(.after)
        return value
    }

    func tenant<Value: Sendable>(
        _ id: TenantID, _ durability: Durability, _ body: @escaping @Sendable (any TenantScope) throws -> Value
    ) async throws -> Value {
        state.with { $0.writes += 1 }
        return try await through { try await inner.tenant(id, durability, body) }
    }
    func tenantRead<Value: Sendable>(_ id: TenantID, _ body: @escaping @Sendable (any TenantScope) throws -> Value) async throws -> Value {
        try await through { try await inner.tenantRead(id, body) }
    }
    func kernel<Value: Sendable>(
        _ reason: KernelReason, _ durability: Durability, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value {
        state.with { $0.writes += 1 }
        return try await through { try await inner.kernel(reason, durability, body) }
    }
    func kernelRead<Value: Sendable>(
        _ reason: KernelReason, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value { try await through { try await inner.kernelRead(reason, body) } }
}
