import Foundation
import Synchronization

/// The threads on which one module answers. Swift cannot be stopped as Lua can: who takes too long is waited for no more, and his thread is
/// given up; when too many were, nobody is asked any more until one comes back.
package final class ModuleThreads: Sendable {
    package struct Limits: Sendable {
        package var threads: Int
        /// Questions that may wait.
        package var waiting: Int
        /// For one answer, from the moment in which its thread takes it up.
        package var patience: Duration
        /// Threads that may be given up at a time.
        package var lost: Int
        package init(threads: Int = 2, waiting: Int = 256, patience: Duration = .milliseconds(50), lost: Int = 4) {
            self.threads = threads
            self.waiting = waiting
            self.patience = patience
            self.lost = lost
        }
    }
    enum Outcome<Value: Sendable>: Sendable {
        case done(Value)
        case late
        case full
    }

    private let floor: Floor
    init(_ limits: Limits) { floor = Floor(limits) }
    deinit { floor.close() }

    func run<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Outcome<Value> {
        await withCheckedContinuation { continuation in
            let waiter = Waiter(continuation)
            let isTaken = floor.submit(Piece(work: { waiter.resume(.done(work())) }, late: { waiter.resume(.late) }))
            if !isTaken { waiter.resume(.full) }
        }
    }

    /// Who asked hears once, whoever comes first.
    private final class Waiter<Value: Sendable>: Sendable {
        private let held: Mutex<CheckedContinuation<Outcome<Value>, Never>?>
        init(_ continuation: CheckedContinuation<Outcome<Value>, Never>) { held = Mutex(continuation) }
        func resume(_ outcome: Outcome<Value>) {
            let continuation = held.withLock { held in
                defer { held = nil }
                return held
            }
            continuation?.resume(returning: outcome)
        }
    }
}

/// One question on its way.
private final class Piece: @unchecked Sendable {  // what changes is guarded by the floor's condition
    let work: @Sendable () -> Void
    let late: @Sendable () -> Void
    var began: ContinuousClock.Instant?
    var isGivenUp = false
    init(work: @escaping @Sendable () -> Void, late: @escaping @Sendable () -> Void) {
        self.work = work
        self.late = late
    }
}

/// What the threads share.
private final class Floor: @unchecked Sendable {  // guarded by its condition
    private let limits: ModuleThreads.Limits
    private let condition = NSCondition()
    private var queue: [Piece] = []
    private var running: [Piece] = []
    private var isOpen = true
    /// Threads that take up questions; those given up do not count.
    private var threads = 0
    private var lost = 0
    private var isWatched = false

    init(_ limits: ModuleThreads.Limits) { self.limits = limits }

    func submit(_ piece: Piece) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard isOpen, lost <= limits.lost, queue.count < limits.waiting else { return false }
        queue.append(piece)
        if threads < limits.threads, queue.count + running.count > threads { start() }
        if !isWatched {
            isWatched = true
            Self.thread("module-watch") { [self] in watch() }
        }
        condition.broadcast()
        return true
    }

    func close() {
        condition.lock()
        isOpen = false
        condition.broadcast()
        condition.unlock()
    }

    private func start() {
        threads += 1
        Self.thread("module") { [self] in serve() }
    }

    private static func thread(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread(block: body)
        thread.stackSize = PolicyThreads.stackBytes
        thread.name = name
        thread.start()
    }

    private func serve() {
        while let piece = next() {
            piece.work()
            condition.lock()
            running.removeAll { $0 === piece }
            let isGivenUp = piece.isGivenUp
            if isGivenUp { lost -= 1 }
            condition.unlock()
            if isGivenUp { return }
        }
    }

    private func next() -> Piece? {
        condition.lock()
        defer { condition.unlock() }
        while queue.isEmpty, isOpen { condition.wait() }
        guard isOpen else { return nil }
        let piece = queue.removeFirst()
        piece.began = .now
        running.append(piece)
        return piece
    }

    /// Looks at what runs, as often as it takes to notice a late answer soon.
    private func watch() {
        condition.lock()
        while isOpen {
            if running.allSatisfy(\.isGivenUp), queue.isEmpty {
                condition.wait()
                continue
            }
            _ = condition.wait(until: Date(timeIntervalSinceNow: 0.005))
            let limit = ContinuousClock.now - limits.patience
            for piece in running where !piece.isGivenUp && piece.began.map({ $0 < limit }) ?? false { giveUp(piece) }
        }
        condition.unlock()
    }

    private func giveUp(_ piece: Piece) {
        piece.isGivenUp = true
        threads -= 1
        lost += 1
        piece.late()
        if lost <= limits.lost {
            start()
        } else {
            for waiting in queue { waiting.late() }
            queue = []
        }
    }
}
