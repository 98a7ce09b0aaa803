import NIOCore

/// Runs a request's task on its connection's own event loop, which saves two changes of thread. Handlers keep the rule of the
/// house for it: nothing slow and nothing that waits on a thread; hashing, signing and storage have threads of their own.
final class LoopExecutor: TaskExecutor {
    private struct Standing {
        /// The next job is the beginning of a task, which whoever began it runs.
        var isBeginning = false
        var beginning: UnownedJob?
        var isRunning = false
    }
    private let loop: any EventLoop
    private let standing: NIOLoopBoundBox<Standing>

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
    /// and need not queue behind the other connections first. `keep` gets the task before any of it runs. Within another task it queues, and where it is
    /// not to begin `atOnce`.
    func begin(atOnce: Bool, _ work: @escaping @Sendable () async -> Void, keep: (Task<Void, Never>) -> Void) {
        standing.value.isBeginning = atOnce && !standing.value.isRunning
        let task = Task(executorPreference: self, operation: work)
        standing.value.isBeginning = false
        keep(task)
        if let job = standing.value.beginning {
            standing.value.beginning = nil
            run(job)
        }
    }
}
