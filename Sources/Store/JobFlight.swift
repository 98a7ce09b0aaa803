import Synchronization

/// Counts attempts in flight and lets one caller wait until there are none.
final class JobFlight: Sendable {
    private struct State {
        var count = 0
        var waiter: CheckedContinuation<Void, Never>?
    }
    private let state = Mutex(State())

    var count: Int { state.withLock { $0.count } }
    func enter() { state.withLock { $0.count += 1 } }
    func leave() {
        let waiter = state.withLock { state in
            state.count -= 1
            guard state.count == 0 else { return nil as CheckedContinuation<Void, Never>? }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
    func empty() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if state.count > 0 { state.waiter = continuation }
                return state.count == 0
            }
            if isEmpty { continuation.resume() }
        }
    }
}
