import Foundation
import HookEngine
import Vocabulary

/// The threads on which tenants' own policies run, each with the warm states of its tenants.
///
/// A tenant's work always goes to the same thread. There the tenants that wait are served in turn, one piece each, and each may
/// have only so much waiting: who asks a great deal, or writes policies that burn all they may, keeps nobody else from being answered.
final class TenantThreads: Sendable {
    struct Limits: Sendable {
        var threads: Int
        /// Pieces of work of one tenant that may wait.
        var waitingOfOne: Int
        /// Pieces that may wait for one thread.
        var waiting: Int
        /// Bytes that the warm states of one thread may hold.
        var warmBytes: UInt64
        /// A state that holds more after its answer is not kept.
        var stateBytes: UInt64
        init(threads: Int = 2, waitingOfOne: Int = 64, waiting: Int = 512, warmBytes: UInt64 = 32 << 20, stateBytes: UInt64 = 1 << 20) {
            self.threads = threads
            self.waitingOfOne = waitingOfOne
            self.waiting = waiting
            self.warmBytes = warmBytes
            self.stateBytes = stateBytes
        }
    }

    fileprivate typealias Work = @Sendable (inout TenantStates) -> Void

    private let desks: [Desk]
    init(_ limits: Limits) { desks = (0..<max(1, limits.threads)).map { _ in Desk(limits) } }
    deinit { for desk in desks { desk.close() } }

    /// Nil where too many wait, of this tenant or of all.
    func run<Value: Sendable>(_ tenant: TenantID, _ work: @escaping @Sendable (inout TenantStates) -> Value) async -> Value? {
        let desk = desks[Self.index(tenant, desks.count)]
        return await withCheckedContinuation { continuation in
            let isTaken = desk.submit(tenant) { continuation.resume(returning: work(&$0)) }
            if !isTaken { continuation.resume(returning: nil) }
        }
    }

    func ask(_ question: TenantQuestion) async -> PolicySet.Evaluation? { await run(question.tenant) { $0.ask(question) } }

    /// By the random end of the id: its beginning is the time of sign-up.
    static func index(_ tenant: TenantID, _ count: Int) -> Int {
        let bytes = tenant.uuid.uuid
        return (Int(bytes.14) << 8 | Int(bytes.15)) % count
    }
}

/// One thread and those who wait for it.
private final class Desk: @unchecked Sendable {  // the queue is guarded by its condition, the states are the thread's own
    private let limits: TenantThreads.Limits
    private let condition = NSCondition()
    private var queue: TenantQueue<TenantThreads.Work>
    private var isOpen = true
    private var isStarted = false

    init(_ limits: TenantThreads.Limits) {
        self.limits = limits
        queue = TenantQueue(most: limits.waiting, ofOne: limits.waitingOfOne)
    }

    func submit(_ tenant: TenantID, _ work: @escaping TenantThreads.Work) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard isOpen, queue.append(work, of: tenant) else { return false }
        if !isStarted {
            isStarted = true
            let thread = Thread { [self] in run() }
            thread.stackSize = PolicyThreads.stackBytes
            thread.name = "tenant-policy"
            thread.start()
        }
        condition.signal()
        return true
    }

    func close() {
        condition.lock()
        isOpen = false
        condition.broadcast()
        condition.unlock()
    }

    private func next() -> TenantThreads.Work? {
        condition.lock()
        defer { condition.unlock() }
        while queue.isEmpty, isOpen { condition.wait() }
        return queue.next()
    }

    private func run() {
        var states = TenantStates(bytes: limits.warmBytes, each: limits.stateBytes)
        while let work = next() { work(&states) }
    }
}
