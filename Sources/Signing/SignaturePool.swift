import Foundation
import Synchronization

/// Makes slow signatures on own threads; a message that is being signed or was signed lately is not signed again.
final class SignaturePool: Sendable {
    struct Key: Hashable, Sendable {
        let keyID: String
        let digest: [UInt8]
    }
    private struct Job: Sendable {
        let key: Key
        let work: @Sendable () throws -> [UInt8]
    }
    private typealias Waiter = CheckedContinuation<[UInt8], any Error>
    private struct State {
        var queue: [Job] = []
        var head = 0
        var waiting: [Key: [Waiter]] = [:]
        var recent: BoundedCache<Key, [UInt8]>
        var threads = 0
        /// Asked of a key service and not answered yet.
        var away = 0
        var isClosed = false

        var queued: Int { queue.count - head }
        mutating func next() -> Job? {
            guard head < queue.count else { return nil }
            defer {
                head += 1
                if head == queue.count || head > 512 {
                    queue.removeFirst(head)
                    head = 0
                }
            }
            return queue[head]
        }
    }

    private let state: Mutex<State>
    private let wake = DispatchSemaphore(value: 0)
    private let width: Int
    private let depth: Int

    init(width: Int, depth: Int, cache: Int) {
        self.width = max(1, width)
        self.depth = depth
        state = Mutex(State(recent: BoundedCache(capacity: cache)))
    }

    /// What `work` gives for `key`; runs it at most once at a time. Throws `SigningFault.busy` when the queue is full.
    func result(for key: Key, _ work: @escaping @Sendable () throws -> [UInt8]) async throws -> [UInt8] {
        if let known = state.withLock({ $0.recent[key] }) { return known }
        return try await withCheckedThrowingContinuation { waiter in
            enum Step { case answer([UInt8]), refuse, wait, run(newThread: Bool) }
            let step = state.withLock { state -> Step in
                if let known = state.recent[key] { return .answer(known) }
                if state.isClosed { return .refuse }
                if state.waiting[key] != nil {
                    state.waiting[key]?.append(waiter)
                    return .wait
                }
                guard state.queued < depth else { return .refuse }
                state.waiting[key] = [waiter]
                state.queue.append(Job(key: key, work: work))
                // Threads come as they are first needed: a process that signs nothing has none.
                let isNew = state.threads < width
                if isNew { state.threads += 1 }
                return .run(newThread: isNew)
            }
            switch step {
            case .answer(let known): waiter.resume(returning: known)
            case .refuse: waiter.resume(throwing: SigningFault.busy)
            case .wait: break
            case .run(let newThread):
                if newThread { start() }
                wake.signal()
            }
        }
    }

    /// The same for work that waits for another machine: in a task, on no thread of ours, as many at a time as may wait in the queue.
    /// `keeps`: whether an equal message may have the same signature again.
    func remote(for key: Key, keeps: Bool, _ work: @escaping @Sendable () async throws -> [UInt8]) async throws -> [UInt8] {
        try await withCheckedThrowingContinuation { waiter in
            enum Step { case answer([UInt8]), refuse, wait, run }
            let step = state.withLock { state -> Step in
                if let known = state.recent[key] { return .answer(known) }
                if state.waiting[key] != nil {
                    state.waiting[key]?.append(waiter)
                    return .wait
                }
                guard !state.isClosed, state.away < depth else { return .refuse }
                state.waiting[key] = [waiter]
                state.away += 1
                return .run
            }
            switch step {
            case .answer(let known): waiter.resume(returning: known)
            case .refuse: waiter.resume(throwing: SigningFault.busy)
            case .wait: break
            case .run:
                Task { [self] in
                    let result: Result<[UInt8], any Error>
                    do { result = .success(try await work()) } catch { result = .failure(error) }
                    state.withLock { $0.away -= 1 }
                    finish(key, result, keeps: keeps)
                }
            }
        }
    }

    /// Ends the threads once the queue is empty; later calls are refused.
    func close() {
        let threads = state.withLock { state in
            state.isClosed = true
            return state.threads
        }
        for _ in 0..<threads { wake.signal() }
    }

    private func start() {
        let thread = Thread { [self] in
            while true {
                wake.wait()
                guard let job = state.withLock({ $0.next() }) else {
                    if state.withLock({ $0.isClosed }) { return }
                    continue
                }
                finish(job.key, Result { try job.work() })
            }
        }
        thread.name = "signing"
        thread.stackSize = 1 << 19
        thread.start()
    }

    private func finish(_ key: Key, _ result: Result<[UInt8], any Error>, keeps: Bool = true) {
        let waiters = state.withLock { state in
            if keeps, case .success(let bytes) = result { state.recent[key] = bytes }
            return state.waiting.removeValue(forKey: key) ?? []
        }
        for waiter in waiters { waiter.resume(with: result) }
    }
}

/// The newest entries in two generations: an entry that is used stays, one that is not is gone after the second turn.
/// Holds at most `capacity` entries, each step takes the same time.
struct BoundedCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private var young: [Key: Value] = [:]
    private var old: [Key: Value] = [:]
    private let half: Int

    init(capacity: Int) { half = capacity / 2 }

    var count: Int { young.count + old.count }

    subscript(key: Key) -> Value? {
        mutating get {
            if let value = young[key] { return value }
            guard let value = old.removeValue(forKey: key) else { return nil }
            insert(value, for: key)
            return value
        }
        set {
            old.removeValue(forKey: key)
            young.removeValue(forKey: key)
            if let newValue { insert(newValue, for: key) }
        }
    }
    mutating func removeAll() {
        young = [:]
        old = [:]
    }

    private mutating func insert(_ value: Value, for key: Key) {
        guard half > 0 else { return }
        if young.count >= half {
            old = young
            young = [:]
        }
        young[key] = value
    }
}
