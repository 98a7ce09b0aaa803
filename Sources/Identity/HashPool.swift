import Foundation
import Vocabulary

/// A few threads that do nothing but hash, and a short queue before them. Hashing costs tens of milliseconds and megabytes: on the
/// cooperative pool it would starve every other request, and without a bound a flood of guesses would take the memory.
package final class HashPool: @unchecked Sendable {  // `waiting` and `isClosed` are touched under `condition` only
    private let condition = NSCondition()
    private var waiting: [@Sendable () -> Void] = []
    private var head = 0
    private var isClosed = false
    private let bound: Int

    /// At most `bound` wait beside the `threads` at work.
    package init(threads: Int, bound: Int) {
        self.bound = bound
        for index in 0..<threads {
            // The thread holds the pool until `close`: a pool lives as long as its process, or its test.
            let thread = Thread { [self] in work() }
            thread.name = "identity.hash.\(index)"
            thread.stackSize = 512 << 10
            thread.start()
        }
    }
    package convenience init(_ settings: Settings) {
        self.init(threads: settings[IdentitySettings.hashThreads], bound: settings[IdentitySettings.hashQueue])
    }

    /// Throws `temporarily_unavailable` at once when the queue is full or the pool closed.
    func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let isAccepted = enqueue { continuation.resume(with: Result { try body() }) }
            if !isAccepted { continuation.resume(throwing: CommonProblems.unavailable.retry(afterSeconds: 2)) }
        }
    }

    /// Lets the queue run out, then ends the threads.
    package func close() {
        condition.lock()
        isClosed = true
        condition.broadcast()
        condition.unlock()
    }

    private func enqueue(_ job: @escaping @Sendable () -> Void) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard !isClosed, waiting.count - head < bound else { return false }
        waiting.append(job)
        condition.signal()
        return true
    }

    private func work() {
        while let job = next() { job() }
    }

    private func next() -> (@Sendable () -> Void)? {
        condition.lock()
        defer { condition.unlock() }
        while head == waiting.count {
            if isClosed { return nil }
            condition.wait()
        }
        let job = waiting[head]
        head += 1
        if head == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            head = 0
        }
        return job
    }
}
