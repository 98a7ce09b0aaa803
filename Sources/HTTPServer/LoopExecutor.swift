import NIOCore

/// Runs requests on their connection's own event loop, which saves two changes of thread. Handlers keep the rule of the house for it: nothing slow and
/// nothing that waits on a thread; hashing, signing and storage have threads of their own.
final class LoopExecutor: TaskExecutor {
    typealias Work = @Sendable () async -> Void
    private struct Standing {
        /// The next job is the beginning of a request, which whoever began it runs.
        var isBeginning = false
        var beginning: UnownedJob?
        var isRunning = false
        var idle: [LoopWorker] = []
        var isClosed = false
    }
    private let loop: any EventLoop
    private let standing: NIOLoopBoundBox<Standing>
    /// Workers that wait for work, on each loop: each keeps the memory of the deepest request that it ran.
    private static let mostIdle = 64

    init(_ loop: any EventLoop) {
        self.loop = loop
        standing = .makeBoxSendingValue(Standing(), eventLoop: loop)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if loop.inEventLoop, standing.value.isBeginning {
            standing.value.isBeginning = false
            standing.value.beginning = job
        } else {
            loop.execute { self.run(job) }
        }
    }

    private func run(_ job: UnownedJob) {
        standing.value.isRunning = true
        job.runSynchronously(on: asUnownedTaskExecutor())
        standing.value.isRunning = false
    }

    /// Begins `work` on the loop's own thread and comes back when it first waits, or is over: most of what a request asks is answered from memory,
    /// and need not queue behind the other connections first. `keep` gets what cancels it before any of it runs. Within another request it queues, and
    /// where it is not to begin `atOnce`.
    func begin(atOnce: Bool, _ work: @escaping Work, keep: (LoopWorker.Turn) -> Void) {
        standing.value.isBeginning = atOnce && !standing.value.isRunning
        let worker = standing.value.idle.popLast() ?? LoopWorker(loop)
        let turn = worker.begin(work, on: self)
        standing.value.isBeginning = false
        keep(turn)
        if let job = standing.value.beginning {
            standing.value.beginning = nil
            run(job)
        }
    }

    /// Whether a worker whose work is over may wait for more.
    fileprivate func keeps(_ worker: LoopWorker) -> Bool {
        guard !standing.value.isClosed, standing.value.idle.count < Self.mostIdle else { return false }
        standing.value.idle.append(worker)
        return true
    }

    /// Lets the workers go. Those that are at work end with it.
    func close() {
        loop.execute { [self] in
            standing.value.isClosed = true
            for worker in standing.value.idle { worker.dismiss() }
            standing.value.idle = []
        }
    }
}

/// A task that runs one request after the other. What a task costs, most of all memory for the frames of what it calls, it costs once and not with each
/// request. Lives on one loop.
final class LoopWorker: Sendable {
    /// One work of a worker's.
    struct Turn {
        fileprivate let worker: LoopWorker
        fileprivate let number: UInt64
        /// Cancels the work if it is not over; the worker ends with it.
        func cancel() { worker.cancel(number) }
    }
    private struct Standing {
        var number: UInt64 = 0
        var isAtWork = false
        var work: LoopExecutor.Work?
        var waiting: UnsafeContinuation<Bool, Never>?
        var task: Task<Void, Never>?
    }
    private let standing: NIOLoopBoundBox<Standing>

    fileprivate init(_ loop: any EventLoop) { standing = .makeBoxSendingValue(Standing(), eventLoop: loop) }

    fileprivate func begin(_ work: @escaping LoopExecutor.Work, on executor: LoopExecutor) -> Turn {
        standing.value.number &+= 1
        standing.value.isAtWork = true
        standing.value.work = work
        if let waiting = standing.value.waiting {
            standing.value.waiting = nil
            waiting.resume(returning: true)
        } else {
            standing.value.task = Task(executorPreference: executor) { await self.live(executor) }
        }
        return Turn(worker: self, number: standing.value.number)
    }

    private func live(_ executor: LoopExecutor) async {
        while await doWork(), !Task.isCancelled, await isCalled(by: executor) {}
    }
    /// Waits for more work. False: none will come.
    private func isCalled(by executor: LoopExecutor) async -> Bool {
        await withUnsafeContinuation { waiting in
            // Nobody gives work to a worker that does not wait yet.
            if executor.keeps(self) { standing.value.waiting = waiting } else { waiting.resume(returning: false) }
        }
    }
    /// By itself, so that nothing of what is done is kept while the worker waits. False: it was let go.
    private func doWork() async -> Bool {
        guard let work = standing.value.work else { return false }
        standing.value.work = nil
        await work()
        standing.value.isAtWork = false
        return true
    }

    fileprivate func dismiss() {
        standing.value.waiting?.resume(returning: false)
        standing.value.waiting = nil
    }
    private func cancel(_ number: UInt64) { if standing.value.isAtWork, standing.value.number == number { standing.value.task?.cancel() } }
}
