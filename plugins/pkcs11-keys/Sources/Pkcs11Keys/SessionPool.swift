import Dispatch
import Foundation
import PluginKit
import Synchronization

/// Threads with a session each: what blocks blocks here, not on Swift's pool. The queue is bounded, and whoever waits too long is answered
/// though the HSM is not: an HSM that hangs costs its own threads and nobody else's time.
final class SessionPool: Sendable {
    private struct Job {
        let number: Int
        let work: @Sendable (TokenSession) -> Void
    }
    private struct Waiting {
        let until: Timestamp
        let giveUp: @Sendable () -> Void
    }
    private struct State {
        var queue: [Job] = []
        var waiting: [Int: Waiting] = [:]
        var last = 0
        var threads = 0
        var isClosed = false
    }
    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)
    private let width: Int
    private let depth: Int
    private let clock: any PluginClock
    private let running = DispatchGroup()
    private let session: @Sendable () -> TokenSession

    init(width: Int, depth: Int, clock: any PluginClock, session: @escaping @Sendable () -> TokenSession) {
        self.width = width
        self.depth = depth
        self.clock = clock
        self.session = session
    }

    /// What `work` gives on a thread with a session, or `unavailable` after so many seconds.
    func run<Value: Sendable>(
        _ seconds: Int = KeyServiceLimits.answerSeconds, _ work: @escaping @Sendable (TokenSession) throws -> Value
    ) async throws -> Value {
        let until = clock.now() + .seconds(Int64(seconds))
        return try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Value, any Error>) in
            let outcome: KeyServiceError? = state.withLock { state in
                if state.isClosed { return .unavailable("the plugin is stopping") }
                guard state.queue.count < depth else { return .unavailable("\(depth) signatures wait for the HSM already") }
                state.last += 1
                let number = state.last
                state.waiting[number] = Waiting(until: until) {
                    continuation.resume(throwing: KeyServiceError.unavailable("the HSM did not answer within \(seconds) s"))
                }
                state.queue.append(
                    Job(number: number) { [self] session in
                        let result = Result { try work(session) }
                        // Only one of worker and watch answers.
                        if self.state.withLock({ $0.waiting.removeValue(forKey: number) }) != nil { continuation.resume(with: result) }
                    })
                if state.threads < width {
                    state.threads += 1
                    start()
                }
                return nil
            }
            if let outcome { continuation.resume(throwing: outcome) } else { wake.signal() }
        }
    }

    /// Once a second: answers those whose time is over.
    func sweep() {
        let now = clock.now()
        let late = state.withLock { state in
            let late = state.waiting.filter { $0.value.until <= now }
            for number in late.keys { state.waiting[number] = nil }
            state.queue.removeAll { late[$0.number] != nil }
            return late
        }
        for waiting in late.values { waiting.giveUp() }
    }

    /// Takes nothing more; the threads end once the queue is empty, and close their sessions.
    func close() {
        let threads = state.withLock { state in
            state.isClosed = true
            return state.threads
        }
        for _ in 0..<threads { wake.signal() }
    }

    /// Returns once the threads have ended, or after two seconds, because a call into a module may never come back. A process that ends while
    /// a thread is still in the module may crash in what the module does at the end.
    func ended() async {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { [running] in
                _ = running.wait(timeout: .now() + 2)
                continuation.resume()
            }
        }
    }

    private func start() {
        running.enter()
        let thread = Thread { [self] in
            defer { running.leave() }
            var own: TokenSession?
            while true {
                wake.wait()
                let (job, isOver) = state.withLock { state in (state.queue.isEmpty ? nil : state.queue.removeFirst(), state.isClosed) }
                guard let job else {
                    if isOver { break }
                    continue
                }
                let session = own ?? self.session()
                own = session
                job.work(session)
            }
            own?.drop()
        }
        thread.name = "pkcs11"
        thread.stackSize = 1 << 20
        thread.start()
    }
}
