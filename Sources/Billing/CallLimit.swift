import Synchronization
import Vocabulary

/// Gives what `work` gives, or throws `unreachable` after `limit`; then nobody waits for `work` any more, and it is cancelled.
enum CallLimit {
    static func within<Value: Sendable>(_ limit: Duration, _ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
        let turn = Turn<Value>()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                turn.begin(continuation)
                let task = Task {
                    do { turn.end(.success(try await work())) } catch { turn.end(.failure(error)) }
                }
                let timer = Task {
                    guard (try? await Task.sleep(for: limit)) != nil else { return }
                    turn.end(.failure(PaymentProviderError.unreachable("no answer within \(limit)")))
                }
                turn.hold([task, timer])
            }
        } onCancel: {
            turn.end(.failure(PaymentProviderError.unreachable("the caller went away")))
        }
    }

    private final class Turn<Value: Sendable>: Sendable {
        private struct State {
            var continuation: CheckedContinuation<Value, any Error>?
            var outcome: Result<Value, any Error>?
            var tasks: [Task<Void, Never>] = []
        }
        private let state = Mutex(State())

        func begin(_ continuation: CheckedContinuation<Value, any Error>) {
            let early = state.withLock { state in
                if state.outcome == nil { state.continuation = continuation }
                return state.outcome
            }
            if let early { continuation.resume(with: early) }
        }
        func hold(_ tasks: [Task<Void, Never>]) {
            let isOver = state.withLock { state in
                if state.outcome == nil { state.tasks = tasks }
                return state.outcome != nil
            }
            if isOver { for task in tasks { task.cancel() } }
        }
        func end(_ outcome: Result<Value, any Error>) {
            let (waiting, tasks) = state.withLock { state -> (CheckedContinuation<Value, any Error>?, [Task<Void, Never>]) in
                guard state.outcome == nil else { return (nil, []) }
                state.outcome = outcome
                defer { (state.continuation, state.tasks) = (nil, []) }
                return (state.continuation, state.tasks)
            }
            waiting?.resume(with: outcome)
            for task in tasks { task.cancel() }
        }
    }
}
