import PluginKit
import Synchronization

/// This version takes no more calls: another one does, or the plugin is stopping. Nothing of the call was done.
struct GateClosed: Error {}

/// Counts what is under way in one plugin, so that draining can wait for it.
final class WorkGate: Sendable {
    private struct State {
        var isClosed = false
        var underWay = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())

    /// False once closed: the caller must not go on.
    func enter() -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            state.underWay += 1
            return true
        }
    }
    func leave() {
        let done = state.withLock { state in
            state.underWay -= 1
            guard state.isClosed, state.underWay == 0 else { return [CheckedContinuation<Void, Never>]() }
            defer { state.waiting = [] }
            return state.waiting
        }
        for waiter in done { waiter.resume() }
    }
    /// Lets nobody in any more and returns when the last has left.
    func close() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                state.isClosed = true
                if state.underWay == 0 { return true }
                state.waiting.append(continuation)
                return false
            }
            if isEmpty { continuation.resume() }
        }
    }
}

/// Gives what `work` gives, or throws `TooSlow` after `limit`; then nobody waits for `work` any more, and it is cancelled.
func bounded<Value: Sendable>(
    _ limit: Duration, _ clock: any PluginClock, _ work: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let race = Race<Value>()
    return try await withCheckedThrowingContinuation { continuation in
        race.begin(continuation)
        let runner = Task {
            do { race.settle(.success(try await work())) } catch { race.settle(.failure(error)) }
        }
        let timer = Task {
            guard (try? await clock.sleep(for: limit)) != nil else { return }
            if race.settle(.failure(TooSlow())) { runner.cancel() }
        }
        race.whenSettled { timer.cancel() }
    }
}

struct TooSlow: Error {}

private final class Race<Value: Sendable>: Sendable {
    private struct State {
        var continuation: CheckedContinuation<Value, any Error>?
        var isSettled = false
        var after: (@Sendable () -> Void)?
    }
    private let state = Mutex(State())

    func begin(_ continuation: CheckedContinuation<Value, any Error>) { state.withLock { $0.continuation = continuation } }
    func whenSettled(_ after: @escaping @Sendable () -> Void) {
        let isSettled = state.withLock { state in
            state.after = after
            return state.isSettled
        }
        if isSettled { after() }
    }
    /// True for the one who came first.
    @discardableResult
    func settle(_ result: Result<Value, any Error>) -> Bool {
        let (first, after) = state.withLock { state in
            defer {
                state.continuation = nil
                state.isSettled = true
            }
            return (state.continuation, state.after)
        }
        guard let first else { return false }
        // The timer goes first: whoever waits on must not find it still running.
        after?()
        first.resume(with: result)
        return true
    }
}
