import Synchronization
import Vocabulary

/// Where a platform can die while it reaches out. Whoever comes by there stays for good: nothing drains, nothing is told.
package enum BreakPoint: String, Sendable, Hashable, CaseIterable {
    /// A mail is on its way and nobody took it yet.
    case mail
    /// The mail was taken and the platform does not know yet.
    case afterMail = "after_mail"
    /// The payment provider was not reached yet.
    case provider
    /// The provider has done it and the platform does not know yet.
    case afterProvider = "after_provider"
}

/// Lets through until it is armed; then it blows once, and holds whoever is in it until the platform is gone.
final class Breaker: Sendable {
    /// Thrown to those who were held, once their platform is gone.
    struct Gone: Error {}

    private struct State {
        var armed: BreakPoint?
        var isBlown = false
        var held: [UnsafeContinuation<Void, Never>] = []
        var tell: (@Sendable () -> Void)?
    }
    private let state = Mutex(State())

    func arm(_ point: BreakPoint) { state.withLock { $0.armed = point } }
    var isArmed: Bool { state.withLock { $0.armed != nil } }
    var isBlown: Bool { state.withLock(\.isBlown) }

    /// Called once when it blows, on the thread of whoever blew it.
    func onBlow(_ tell: @escaping @Sendable () -> Void) { state.withLock { $0.tell = tell } }

    func pass(_ point: BreakPoint) async throws {
        let tell: (@Sendable () -> Void)? = state.withLock { state in
            guard !state.isBlown, state.armed == point else { return nil }
            (state.isBlown, state.armed) = (true, nil)
            return state.tell
        }
        tell?()
        guard isBlown else { return }
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let isOver = state.withLock { state in
                if state.isBlown { state.held.append(continuation) }
                return !state.isBlown
            }
            if isOver { continuation.resume() }
        }
        throw Gone()
    }

    /// The platform is gone: whoever was held goes on into nothing. Armed for the next.
    func release() {
        let held = state.withLock { state in
            defer { state = State() }
            return state.held
        }
        for continuation in held { continuation.resume() }
    }
}
