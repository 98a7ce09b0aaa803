import Foundation
import Synchronization
import Vocabulary

/// What a driver does for the runner of jobs. Kernel scope only: in tenant scope every call throws `outOfScope`.
package protocol JobLedger: AnyObject {
    /// Leases up to `claim.limit` due jobs, oldest first; leases that ran out count as due.
    func claim(_ claim: JobClaim) throws -> [LeasedJob]
    /// Makes every leased job due now, or dead after its last attempt: their holder is no more. Only where no other process shares the store.
    func takeOver(now: Timestamp, maxAttempts: Int) throws
    /// Gives a leased job back, due again at `runAt`. False if the lease was lost.
    func postpone(_ delivery: Delivery, until runAt: Timestamp, reason: String) throws -> Bool
    /// Keeps a leased job as dead, with the reason. False if the lease was lost.
    func bury(_ delivery: Delivery, reason: String, now: Timestamp) throws -> Bool
    /// When the next job of these kinds is due: its time to run, or the end of its lease.
    func nextDue(kinds: JobKinds) throws -> Timestamp?
    func deadJobs(limit: Int) throws -> [DeadJob]
    /// How much waits, by kind.
    func backlog() throws -> [JobBacklog]
    /// Makes a dead job due again with all its attempts. False if there is no such dead job.
    func revive(_ id: UUID, now: Timestamp) throws -> Bool
    /// Removes up to `limit` jobs of a tenant, done or not, but for those at work; answers how many.
    func forget(jobsOf tenant: TenantID, limit: Int) throws -> Int
    /// Removes up to `limit` rows of done jobs finished before `doneBefore` and of idempotency results expired at `now`; answers how many.
    func sweep(doneBefore: Timestamp, now: Timestamp, limit: Int) throws -> Int
}

/// Kinds of jobs, written once as the list that statements take.
package struct JobKinds: Sendable, Hashable, ExpressibleByArrayLiteral {
    package let list: String
    package init(_ names: some Sequence<String>) {
        // A list of texts can be encoded.
        list = (try? JSONCoding.encode(names.sorted())).map { String(decoding: $0, as: UTF8.self) } ?? "[]"
    }
    package init(arrayLiteral names: String...) { self.init(names) }
}

package struct JobClaim: Sendable {
    package let kinds: JobKinds
    package let now: Timestamp
    package let leaseUntil: Timestamp
    package let limit: Int
    /// A job whose lease ran out on this attempt is dead.
    package let maxAttempts: Int
    package init(kinds: JobKinds, now: Timestamp, leaseUntil: Timestamp, limit: Int, maxAttempts: Int) {
        self.kinds = kinds
        self.now = now
        self.leaseUntil = leaseUntil
        self.limit = limit
        self.maxAttempts = maxAttempts
    }
}

package struct LeasedJob: Sendable {
    package let delivery: Delivery
    /// Of the request that made the job: joins its journal entries to the cause.
    package let requestID: String
    /// What that request was part of.
    package let trace: TraceContext?
    package init(delivery: Delivery, requestID: String, trace: TraceContext?) {
        self.delivery = delivery
        self.requestID = requestID
        self.trace = trace
    }
}

package struct DeadJob: Sendable, Hashable {
    package let id: UUID
    package let kind: String
    package let key: String
    package let tenant: TenantID?
    package let attempts: Int
    package let reason: String
    package let diedAt: Timestamp
    package init(id: UUID, kind: String, key: String, tenant: TenantID?, attempts: Int, reason: String, diedAt: Timestamp) {
        self.id = id
        self.kind = kind
        self.key = key
        self.tenant = tenant
        self.attempts = attempts
        self.reason = reason
        self.diedAt = diedAt
    }
}

/// What waits of one kind: for metrics, and to see kinds that no runner serves.
package struct JobBacklog: Sendable, Hashable {
    package let kind: String
    package let due: Int
    package let leased: Int
    package let dead: Int
    package let oldestDue: Timestamp?
    package init(kind: String, due: Int, leased: Int, dead: Int, oldestDue: Timestamp?) {
        self.kind = kind
        self.due = due
        self.leased = leased
        self.dead = dead
        self.oldestDue = oldestDue
    }
}

/// Tells waiting runners that a job became due. A signal raised while nobody waits is kept until somebody does.
package final class JobSignal: Sendable {
    private struct State {
        var isRaised = false
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var turn = 0
    }
    private let state = Mutex(State())
    package init() {}

    package func raise() {
        let waiters = state.withLock { state in
            if state.waiters.isEmpty { state.isRaised = true }
            defer { state.waiters.removeAll() }
            return state.waiters.values.map { $0 }
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Returns at the next signal, after `limit` of real time, or at once when the task is cancelled.
    package func wait(atMost limit: Duration) async {
        let turn = state.withLock { state in
            state.turn += 1
            return state.turn
        }
        let timer = Task { [self] in
            try await Task.sleep(for: limit)
            release(turn)
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goOn = state.withLock { state in
                    if state.isRaised || Task.isCancelled {
                        state.isRaised = false
                        return true
                    }
                    state.waiters[turn] = continuation
                    return false
                }
                if goOn { continuation.resume() }
            }
        } onCancel: {
            release(turn)
        }
        timer.cancel()
    }

    private func release(_ turn: Int) { state.withLock { $0.waiters.removeValue(forKey: turn) }?.resume() }
}

/// When a failed attempt is tried again.
package struct Backoff: Sendable {
    package var first: Duration
    package var cap: Duration
    package init(first: Duration = .seconds(1), cap: Duration = .minutes(15)) {
        self.first = first
        self.cap = cap
    }
    /// Doubles with each attempt up to the cap, then loses up to half by `jitter` (0…65535), so that a crowd spreads out.
    package func delay(attempt: Int, jitter: UInt16) -> Duration {
        let doubled = min(cap.microseconds, first.microseconds.multipliedSaturating(by: 1 << Int64(min(max(attempt - 1, 0), 40))))
        return .microseconds(doubled - doubled / 2 * Int64(jitter) / 65_535)
    }
}

extension Int64 {
    fileprivate func multipliedSaturating(by factor: Int64) -> Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}
