import Foundation
import HookEngine
import Synchronization
import Vocabulary

/// How a candidate did beside the live set.
package struct PolicyShadowReport: Sendable {
    package enum Verdict: Sendable, Hashable {
        /// Too few questions to say.
        case notYet
        case fit
        case unfit(String)
    }
    /// When a candidate may take the live set's place.
    package struct Thresholds: Sendable {
        package var questions: Int
        /// Answered otherwise than the live set, of ten thousand.
        package var flipBasisPoints: Int
        package var failures: Int
        package init(questions: Int = 1_000, flipBasisPoints: Int = 100, failures: Int = 0) {
            self.questions = questions
            self.flipBasisPoints = flipBasisPoints
            self.failures = failures
        }
    }
    package struct Flip: Sendable, Hashable {
        package let decision: DecisionID
        package let hook: String
        package let tenant: String?
        package let user: String?
        package let before: String
        package let after: String
    }

    package let candidate: PolicySetHash
    package let thresholds: Thresholds
    /// As it stood when there were enough questions to say, or too many failures to go on; `notYet` before.
    package internal(set) var verdict = Verdict.notYet
    package var asked = 0
    package var same = 0
    /// Questions for which the candidate had no time.
    package var dropped = 0
    /// Where the candidate failed and the live set did not.
    package var failures = 0
    package var flips = 0
    package var byChange: [String: Int] = [:]
    /// (tenant, user) of the flips, as many as are kept.
    package var people: Set<String> = []
    /// The newest of them.
    package var listed: [Flip] = []
    package var firstFailure: String?

    static let mostListed = 100
    static let mostChanges = 200
    static let mostPeople = 10_000

    init(_ candidate: PolicySetHash, _ thresholds: Thresholds) {
        self.candidate = candidate
        self.thresholds = thresholds
    }

    /// What the counts come to.
    package func judged(by thresholds: Thresholds) -> Verdict {
        if failures > thresholds.failures { return .unfit("failed \(failures) times, first: \(firstFailure ?? "–")") }
        guard asked >= thresholds.questions else { return .notYet }
        if flips * 10_000 > asked * thresholds.flipBasisPoints { return .unfit("answered \(flips) of \(asked) otherwise") }
        return .fit
    }
}

/// Asks a candidate what the live set was asked, later, on a thread of its own that runs only when nobody else wants the processor.
/// Nothing that it answers, and no time that it takes, is seen by whoever asked: offering waits for no lock and wakes nobody, and what
/// finds no room is dropped and counted.
final class PolicyShadow: Sendable {
    private let lane: Lane
    private let tries: Int
    /// The same candidate, counted anew: for when the live set is another.
    let again: @Sendable () -> PolicyShadow

    /// `told` hears once, when there are enough questions to say; on the candidate's thread.
    init(
        _ set: PolicySet, bound: Int, tries: Int = 50, thresholds: PolicyShadowReport.Thresholds = .init(),
        told: @escaping @Sendable (PolicyShadowReport) -> Void = { _ in }
    ) {
        let lane = Lane(PolicyShadowReport(set.hash, thresholds), bound)
        self.lane = lane
        self.tries = tries
        again = { PolicyShadow(set, bound: bound, tries: tries, thresholds: thresholds, told: told) }
        let thread = Thread {
            var ward = ShadowWard(set, lane, told)
            ward.run()
        }
        thread.stackSize = PolicyThreads.stackBytes
        thread.name = "shadow"
        thread.start()
    }

    deinit {
        lane.isOpen.store(false, ordering: .releasing)
        lane.bell.signal()
    }

    var soFar: PolicyShadowReport {
        var report = lane.report.withLock { $0 }
        report.dropped = lane.dropped.load(ordering: .relaxed)
        return report
    }

    /// Returns when everything that was taken so far was asked.
    func settle() async {
        await withCheckedContinuation { continuation in
            lane.waiting.withLock { $0.settling.append(continuation) }
            lane.bell.signal()
        }
    }

    /// Returns at once. `tenant` is the tenant's own set, where it has one.
    func offer(_ record: DecisionRecord, _ tenant: PolicySet?) {
        // What nobody answered, nobody answers otherwise.
        if case .failed(let why) = record.outcome, DecisionFailure.isUnasked(why) { return }
        // Whoever holds the lock may be the thread that has no processor: nobody waits for it.
        for _ in 0..<tries {
            let isTaken: Bool? = lane.waiting.withLockIfAvailable { waiting in
                guard waiting.records.count < lane.bound else { return false }
                waiting.records.append((record, tenant))
                return true
            }
            if isTaken == true { return }
            if isTaken == false { break }
        }
        lane.dropped.add(1, ordering: .relaxed)
    }
}

/// What the askers and the candidate's thread share.
private final class Lane: Sendable {
    typealias Offered = (record: DecisionRecord, tenant: PolicySet?)
    struct Waiting: Sendable {
        var records: [Offered] = []
        var settling: [CheckedContinuation<Void, Never>] = []
    }
    let bound: Int
    let waiting = Mutex(Waiting())
    let isOpen = Atomic<Bool>(true)
    let dropped = Atomic<Int>(0)
    /// As of the batch before.
    let report: Mutex<PolicyShadowReport>
    /// Rung by whoever settles or ends; an offer rings nobody.
    let bell = DispatchSemaphore(value: 0)

    init(_ report: PolicyShadowReport, _ bound: Int) {
        self.report = Mutex(report)
        self.bound = bound
    }
}

/// The candidate's thread.
private struct ShadowWard {
    private let set: PolicySet
    private let lane: Lane
    private let told: @Sendable (PolicyShadowReport) -> Void
    private var report: PolicyShadowReport
    private var state: LuaState?
    private var tenantStates = TenantStates()
    private var batch: [Lane.Offered] = []

    /// Between two looks at an empty queue.
    private static let look = DispatchTimeInterval.milliseconds(5)

    init(_ set: PolicySet, _ lane: Lane, _ told: @escaping @Sendable (PolicyShadowReport) -> Void) {
        self.set = set
        self.lane = lane
        self.told = told
        report = lane.report.withLock { $0 }
    }

    mutating func run() {
        IdleThread.become()
        while true {
            let settling = take()
            if batch.isEmpty {
                for continuation in settling { continuation.resume() }
                guard lane.isOpen.load(ordering: .acquiring) else { return }
                if settling.isEmpty { _ = lane.bell.wait(timeout: .now() + Self.look) }
                continue
            }
            for offered in batch where lane.isOpen.load(ordering: .relaxed) { ask(offered.record, offered.tenant) }
            batch.removeAll(keepingCapacity: true)
            publish()
        }
    }

    /// Fills the batch with what waits; gives those who wait for the end only when nothing else does.
    private mutating func take() -> [CheckedContinuation<Void, Never>] {
        var taken: [Lane.Offered] = []
        Swift.swap(&taken, &batch)
        defer { Swift.swap(&taken, &batch) }
        return lane.waiting.withLock { waiting in
            Swift.swap(&taken, &waiting.records)
            guard taken.isEmpty else { return [] }
            defer { waiting.settling = [] }
            return waiting.settling
        }
    }

    /// The lock is held for no longer than an exchange takes: whoever reads the report must not wait for this thread's turn.
    private func publish() {
        var copy = report
        lane.report.withLock { Swift.swap(&copy, &$0) }
    }

    private mutating func ask(_ record: DecisionRecord, _ tenantSet: PolicySet?) {
        guard let plan = set.hooks[record.hook] else { return }
        var answered: PolicyRuling?
        if let ready = state ?? (try? set.recipe.make()) {
            // What modules said holds for every set.
            var evaluation = PolicySet.Evaluation(modules: record.answers.filter(\.isModule))
            if !evaluation.isSettled {
                let (own, isAlive) = set.evaluate(plan, record.input, tier: record.subject.tier, seed: record.seed, on: ready)
                state = isAlive ? ready : nil
                evaluation.append(own)
            }
            if let tenant = record.subject.tenant, let tenantSet, !evaluation.isSettled {
                evaluation.append(
                    tenantStates.ask(
                        TenantQuestion(tenant: tenant, set: tenantSet, hook: record.hook, input: record.input, seed: record.seed)))
            }
            answered = evaluation.ruling(plan.definition).ruling
        }
        report.add(record, answered)
        guard report.verdict == .notYet else { return }
        report.verdict = report.judged(by: report.thresholds)
        if report.verdict != .notYet {
            publish()
            told(report)
        }
    }
}

extension PolicyShadowReport {
    fileprivate mutating func add(_ record: DecisionRecord, _ answered: PolicyRuling?) {
        let before = PolicyRuling(record)
        asked += 1
        guard let after = answered, after != before else {
            if answered != nil { same += 1 }
            return
        }
        let tenant = record.subject.tenant?.description
        let user = record.input["user"]?["id"]?.string
        if case .failed(let why) = after.outcome {
            // Where both fail, the candidate is no worse.
            if case .failed = before.outcome {
                same += 1
                return
            }
            failures += 1
            firstFailure = firstFailure ?? why
        } else {
            flips += 1
            if people.count < Self.mostPeople { people.insert("\(tenant ?? "–") \(user ?? "–")") }
        }
        let change = "\(record.hook): \(before.headline) → \(after.headline)"
        if byChange.count < Self.mostChanges || byChange[change] != nil { byChange[change, default: 0] += 1 }
        if listed.count >= Self.mostListed { listed.removeFirst() }
        listed.append(
            Flip(
                decision: record.id, hook: record.hook, tenant: tenant, user: user, before: before.description, after: after.description))
    }
}

/// Threads for work that may wait as long as it must.
enum IdleThread {
    /// The calling thread gets the processor only when nobody else wants it, for the rest of its life.
    static func become() {
        var none = sched_param()
        // SCHED_IDLE of sched(7), which Glibc's module does not show; for the calling thread alone.
        if sched_setscheduler(0, 5, &none) != 0 { _ = nice(19) }
    }
}

extension PolicyRuling {
    /// Of a decision that was just made.
    init(_ record: DecisionRecord) {
        switch record.outcome {
        case .allow: self.init(.allow(record.terms.map { .init(name: $0.0, value: $0.1) }))
        case .deny(let reason, let seconds): self.init(.deny(reason: reason, retryAfterSeconds: seconds))
        case .plan(let actions): self.init(record.decidedBy == nil ? .shippedPlan : .plan(actions))
        case .failed(let why): self.init(.failed(why))
        }
    }
}
