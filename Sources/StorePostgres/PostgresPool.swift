import Foundation
import Store
import Synchronization

/// One transaction on its way to a connection: may be cancelled while it waits and while it runs.
final class PostgresTicket: Sendable {
    private struct State {
        var isCancelled = false
        var canceller: PostgresCanceller?
    }
    private let state = Mutex(State())

    func check() throws { if state.withLock({ $0.isCancelled }) { throw CancellationError() } }
    func runs(_ canceller: PostgresCanceller) { state.withLock { $0.canceller = canceller } }
    func ends() { state.withLock { $0.canceller = nil } }
    func cancel() {
        let running = state.withLock { state in
            state.isCancelled = true
            return state.canceller
        }
        guard running != nil else { return }
        // A connection of its own to the server: not for the thread of whoever cancels. Held, so that what runs next is not hit.
        DispatchQueue.global().async { [self] in state.withLock { $0.canceller?.cancel() } }
    }
}

/// Connections, each on its own thread, fed from one bounded queue.
final class PostgresPool: Sendable {
    typealias Job = @Sendable (PostgresSession) -> Void
    private let queue: WorkQueue<Job>
    private let finished = DispatchSemaphore(value: 0)
    private let count: Int
    private let limits: PostgresLimits

    init(name: String, count: Int, _ limits: PostgresLimits, make: () -> PostgresSession) {
        self.limits = limits
        queue = WorkQueue(name: name, limit: limits.queue)
        self.count = max(1, count)
        for number in 0..<self.count {
            let worker = PostgresWorker(make(), queue)
            let thread = Thread { [finished] in
                worker.work()
                finished.signal()
            }
            thread.name = "store-\(name)-\(number)"
            thread.stackSize = 4 << 20
            thread.start()
        }
    }

    var standing: StorePool { queue.standing(workers: count) }

    func submit<Value: Sendable>(
        _ access: PostgresAccess, _ scope: PostgresScope,
        _ body: @escaping @Sendable (PostgresSession) throws -> Value,
        done: @escaping @Sendable (PostgresSession) -> Void
    ) async throws -> Value {
        let (ticket, work) = (PostgresTicket(), PostgresWork(access, scope, limits))
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                do {
                    try queue.push { session in
                        let result = Result { try session.transact(work, ticket) { try body(session) } }
                        ticket.ends()
                        if case .success = result { done(session) }
                        continuation.resume(with: result)
                    }
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        } onCancel: {
            ticket.cancel()
        }
    }

    func stop() { queue.close() }

    func close() async {
        stop()
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { [finished, count] in
                for _ in 0..<count { finished.wait() }
                for _ in 0..<count { finished.signal() }
                continuation.resume()
            }
        }
    }
}

private final class PostgresWorker: @unchecked Sendable {  // made by the opener, then used by its own thread alone
    private let session: PostgresSession
    private let queue: WorkQueue<PostgresPool.Job>

    init(_ session: PostgresSession, _ queue: WorkQueue<PostgresPool.Job>) {
        self.session = session
        self.queue = queue
    }
    func work() {
        while let job = queue.take(1)?.first { job(session) }
        session.disconnect()
    }
}
