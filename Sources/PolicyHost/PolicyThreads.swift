import Foundation
import Synchronization
import Vocabulary

/// A few threads of a known stack for questions that cannot be answered where they are asked. The queue is bounded.
final class PolicyThreads: Sendable {
    static let stackBytes = 2 << 20

    private final class Queue: @unchecked Sendable {  // guarded by its condition
        let condition = NSCondition()
        var jobs: [@Sendable () -> Void] = []
        var isOpen = true
        var started = 0
    }
    private let queue = Queue()
    private let threads: Int
    private let bound: Int

    init(threads: Int, bound: Int) {
        self.threads = threads
        self.bound = bound
    }

    deinit {
        queue.condition.lock()
        queue.isOpen = false
        queue.condition.broadcast()
        queue.condition.unlock()
    }

    /// Nil where the queue is full.
    func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value? {
        await withCheckedContinuation { continuation in
            let isTaken = submit { continuation.resume(returning: body()) }
            if !isTaken { continuation.resume(returning: nil) }
        }
    }

    /// Runs the body on a thread of its own and waits; for reading a directory, which is rare.
    static func runAndWait<Value: Sendable>(stackBytes: Int = stackBytes, _ body: @escaping @Sendable () -> Value) -> Value {
        let box = Handover<Value>()
        let done = DispatchSemaphore(value: 0)
        let thread = Thread {
            box.value = body()
            done.signal()
        }
        thread.stackSize = stackBytes
        thread.start()
        done.wait()
        guard let value = box.value else { preconditionFailure("the thread ended without its value") }  // it signals after writing
        return value
    }

    /// The body of each index, over as many threads as there are cores; a few of them on the calling one.
    static func each<Value: Sendable>(_ count: Int, _ body: @escaping @Sendable (Int) -> Value) -> [Value] {
        let cores = Processors.count
        guard count >= 64, cores > 1 else { return (0..<count).map(body) }
        let piece = 32
        let next = Atomic<Int>(0)
        let found = Mutex<[Int: [Value]]>([:])
        let group = DispatchGroup()
        for _ in 0..<cores {
            group.enter()
            let thread = Thread {
                defer { group.leave() }
                while true {
                    let start = next.add(piece, ordering: .relaxed).oldValue
                    guard start < count else { return }
                    let values = (start..<min(start + piece, count)).map(body)
                    found.withLock { $0[start] = values }
                }
            }
            thread.stackSize = stackBytes
            thread.name = "policy"
            thread.start()
        }
        group.wait()
        let pieces = found.withLock { $0 }
        return stride(from: 0, to: count, by: piece).flatMap { pieces[$0] ?? [] }
    }

    /// Runs the body some time later; false where the queue is full.
    func post(_ body: @escaping @Sendable () -> Void) -> Bool { submit(body) }

    private func submit(_ job: @escaping @Sendable () -> Void) -> Bool {
        queue.condition.lock()
        defer { queue.condition.unlock() }
        guard queue.jobs.count < bound else { return false }
        queue.jobs.append(job)
        if queue.started < threads {
            queue.started += 1
            start()
        }
        queue.condition.signal()
        return true
    }

    private func start() {
        let thread = Thread { [queue] in
            while let job = Self.next(queue) { job() }
        }
        thread.stackSize = Self.stackBytes
        thread.name = "policy"
        thread.start()
    }

    private static func next(_ queue: Queue) -> (@Sendable () -> Void)? {
        queue.condition.lock()
        defer { queue.condition.unlock() }
        while queue.jobs.isEmpty, queue.isOpen { queue.condition.wait() }
        return queue.jobs.isEmpty ? nil : queue.jobs.removeFirst()
    }
}

private final class Handover<Value: Sendable>: @unchecked Sendable {  // written before the signal, read after the wait
    var value: Value?
}
