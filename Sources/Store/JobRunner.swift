import Foundation
import Synchronization
import Vocabulary

extension EventSubscriber {
    /// The kind of the job that delivers an event of `topic` to `subscriber`.
    package static func kind(topic: String, subscriber: String) -> String { "event:\(topic)>\(subscriber)" }
    package var kind: String { EventSubscriber.kind(topic: topic, subscriber: subscriber) }
}

/// How hard the runner tries.
package struct JobRules: Sendable {
    /// Jobs in flight at once.
    package var concurrency = 8
    /// An attempt that takes longer loses its job to the next.
    package var lease = Duration.seconds(60)
    package var maxAttempts = 12
    package var backoff = Backoff()
    /// The longest sleep of the service loop, should a signal get lost.
    package var poll = Duration.seconds(30)
    package init() {}
}

/// Runs durable jobs and delivers events, each at least once, under a lease. One runner a process; any number of processes.
package final class JobRunner: Sendable {
    private let store: any Store
    private let handlers: [String: @Sendable (Delivery, Act) async throws -> Void]
    private let names: [String]
    private let kinds: JobKinds
    private let without = Mutex<[Set<String>: JobKinds]>([:])
    private let clock: any Clock
    private let entropy: any Entropy
    private let rules: JobRules
    private let log: @Sendable (String) -> Void

    private static let claiming = KernelReason("jobs.claim")
    private static let settling = KernelReason("jobs.settle")
    private static let looking = KernelReason("jobs.look")

    package init(
        store: any Store, handlers: [JobHandler], subscribers: [EventSubscriber], clock: any Clock, entropy: any Entropy,
        rules: JobRules = JobRules(), log: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.store = store
        self.clock = clock
        self.entropy = entropy
        self.rules = rules
        self.log = log
        var known = Dictionary(handlers.map { ($0.kind, $0.run) }, uniquingKeysWith: { first, _ in first })
        for subscriber in subscribers { known[subscriber.kind] = subscriber.run }
        self.handlers = known
        names = known.keys.sorted()
        kinds = JobKinds(names)
    }

    private func kinds(besides others: Set<String>) -> JobKinds {
        if others.isEmpty { return kinds }
        return without.withLock { made in
            if let known = made[others] { return known }
            let left = JobKinds(names.filter { !others.contains($0) })
            made[others] = left
            return left
        }
    }

    /// Runs everything due now, and what that makes due, until nothing is; answers how many attempts were made.
    /// - Parameter others: kinds that are left for later.
    @discardableResult package func runDue(besides others: Set<String> = []) async throws -> Int {
        let wanted = kinds(besides: others)
        var attempts = 0
        while true {
            let jobs = try await claim(rules.concurrency, of: wanted)
            if jobs.isEmpty { return attempts }
            attempts += jobs.count
            await withTaskGroup(of: Void.self) { group in
                for job in jobs { group.addTask { await self.attempt(job) } }
            }
        }
    }

    /// Serves until the task is cancelled; attempts in flight then still finish.
    package func run() async {
        let flight = JobFlight()
        while !Task.isCancelled {
            var pause = rules.poll
            do {
                let free = rules.concurrency - flight.count
                let jobs = free > 0 ? try await claim(free, of: kinds) : []
                for job in jobs {
                    flight.enter()
                    // Not a child: cancelling the service must not cancel an attempt half way.
                    Task.detached { [self] in
                        await attempt(job)
                        flight.leave()
                        store.jobSignal.raise()
                    }
                }
                if !jobs.isEmpty { continue }
                if free > 0, let next = try await nextDue(of: kinds) { pause = min(pause, max(.milliseconds(1), next - clock.now())) }
            } catch {
                log("jobs: the store does not answer, trying again in a second: \(error)")
                pause = .seconds(1)
            }
            await store.jobSignal.wait(atMost: pause)
        }
        await flight.empty()
    }

    /// Makes due at once what a process that is no more held under lease. Only for a store that no other process shares, before `run`.
    package func takeOver() async throws {
        let now = clock.now()
        try await store.kernel(JobRunner.claiming) { [rules] in try $0.ledger.takeOver(now: now, maxAttempts: rules.maxAttempts) }
    }

    /// When the next job is due whose kind is not among `others`; nil: none waits.
    package func nextDue(besides others: Set<String>) async throws -> Timestamp? {
        try await nextDue(of: kinds(besides: others))
    }

    /// Jobs that were given up, newest first.
    package func dead(limit: Int = 100) async throws -> [DeadJob] {
        try await store.kernelRead(JobRunner.looking) { try $0.ledger.deadJobs(limit: limit) }
    }

    /// What waits, by kind.
    package func backlog() async throws -> [JobBacklog] { try await store.kernelRead(JobRunner.looking) { try $0.ledger.backlog() } }

    /// Makes a dead job due again. False if there is none with this id.
    package func retry(_ id: UUID) async throws -> Bool {
        let now = clock.now()
        return try await store.kernel(JobRunner.settling) { try $0.ledger.revive(id, now: now) }
    }

    private func claim(_ limit: Int, of kinds: JobKinds) async throws -> [LeasedJob] {
        let now = clock.now()
        // Looking first costs a read; an idle process writes nothing.
        guard let due = try await nextDue(of: kinds), due <= now, !Task.isCancelled else { return [] }
        let claim = JobClaim(kinds: kinds, now: now, leaseUntil: now + rules.lease, limit: limit, maxAttempts: rules.maxAttempts)
        return try await store.kernel(JobRunner.claiming) { try $0.ledger.claim(claim) }
    }

    private func nextDue(of kinds: JobKinds) async throws -> Timestamp? {
        try await store.kernelRead(JobRunner.looking) { try $0.ledger.nextDue(kinds: kinds) }
    }

    private func attempt(_ job: LeasedJob) async {
        let delivery = job.delivery
        let act = Act(actor: .system("jobs"), requestID: job.requestID, now: clock.now())
        do {
            guard let handler = handlers[delivery.kind] else { return }
            do {
                try await withLease { try await TraceContext.$current.withValue(job.trace) { try await handler(delivery, act) } }
            } catch {
                return try await fail(delivery, error)
            }
            do {
                try await store.kernel(JobRunner.settling) { try $0.settle(delivery) }
            } catch StoreFault.leaseLost {
                // Settled by the handler in its own transaction, or taken over after the lease ran out.
            }
        } catch {
            log("jobs: \(delivery.kind) \(delivery.key), attempt \(delivery.attempt), could not be settled: \(error)")
        }
    }

    /// Cancels the attempt when its lease is over by the real clock: it could settle nothing any more and would hold its place.
    private func withLease(_ attempt: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await attempt() }
            group.addTask { [rules] in
                try await Task.sleep(for: rules.lease)
                throw PastLease()
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }
    private struct PastLease: Error {}

    private func fail(_ delivery: Delivery, _ error: any Error) async throws {
        let now = clock.now()
        let permanent = error as? PermanentFailure
        if permanent != nil || delivery.attempt >= rules.maxAttempts {
            let reason = permanent?.reason ?? "attempt \(delivery.attempt) of \(rules.maxAttempts) failed: \(error)"
            let isBuried = try await store.kernel(JobRunner.settling) { try $0.ledger.bury(delivery, reason: reason, now: now) }
            if isBuried { log("jobs: \(delivery.kind) \(delivery.key) is dead: \(reason)") }
            return
        }
        let raw = entropy.bytes(2)
        let delay = rules.backoff.delay(attempt: delivery.attempt, jitter: UInt16(raw[0]) << 8 | UInt16(raw[1]))
        let reason = "attempt \(delivery.attempt) failed: \(error)"
        _ = try await store.kernel(JobRunner.settling) { try $0.ledger.postpone(delivery, until: now + delay, reason: reason) }
        log("jobs: \(delivery.kind) \(delivery.key), \(reason)")
    }
}
