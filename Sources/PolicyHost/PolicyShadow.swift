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
        package let before: String
        package let after: String
    }

    package let candidate: PolicySetHash
    package var asked = 0
    package var same = 0
    /// Questions that found the queue full.
    package var dropped = 0
    /// Where the candidate failed and the live set did not.
    package var failures = 0
    package var flips = 0
    package var byChange: [String: Int] = [:]
    /// The newest of them.
    package var listed: [Flip] = []
    package var firstFailure: String?

    static let mostListed = 100
    static let mostChanges = 200

    package func verdict(_ thresholds: Thresholds) -> Verdict {
        if failures > thresholds.failures { return .unfit("failed \(failures) times, first: \(firstFailure ?? "–")") }
        guard asked >= thresholds.questions else { return .notYet }
        if flips * 10_000 > asked * thresholds.flipBasisPoints { return .unfit("answered \(flips) of \(asked) otherwise") }
        return .fit
    }
}

/// Asks a candidate what the live set was asked, later, on a thread of its own. Nothing that it answers, and no time that it takes, is
/// seen by whoever asked: a full queue drops the question and counts it.
final class PolicyShadow: Sendable {
    private let set: PolicySet
    private let thread: PolicyThreads
    private let report: Mutex<PolicyShadowReport>
    private let states: Mutex<Held>
    private struct Held {
        var own: LuaState?
        var tenants = TenantStates()
    }

    init(_ set: PolicySet, bound: Int) {
        self.set = set
        thread = PolicyThreads(threads: 1, bound: bound)
        report = Mutex(PolicyShadowReport(candidate: set.hash))
        states = Mutex(Held())
    }

    var soFar: PolicyShadowReport { report.withLock { $0 } }

    /// Returns when everything offered so far was asked; false where even this found no room.
    func settle() async -> Bool { await thread.run { true } ?? false }

    /// Returns at once. `tenant` is the tenant's own set, where it has one.
    func offer(_ record: DecisionRecord, _ tenant: PolicySet?) {
        // What nobody answered, nobody answers otherwise.
        if case .failed(let why) = record.outcome, DecisionFailure.isUnasked(why) { return }
        let isTaken = thread.post { [weak self] in self?.ask(record, tenant) }
        if !isTaken { report.withLock { $0.dropped += 1 } }
    }

    private func ask(_ record: DecisionRecord, _ tenantSet: PolicySet?) {
        guard let plan = set.hooks[record.hook] else { return }
        let answered: PolicyRuling? = states.withLock { held in
            guard let state = held.own ?? (try? set.recipe.make()) else { return nil }
            var (evaluation, isAlive) = set.evaluate(plan, record.input, tier: record.subject.tier, seed: record.seed, on: state)
            held.own = isAlive ? state : nil
            if let tenant = record.subject.tenant, let tenantSet, !evaluation.isSettled {
                evaluation.append(
                    held.tenants.ask(
                        TenantQuestion(tenant: tenant, set: tenantSet, hook: record.hook, input: record.input, seed: record.seed)))
            }
            return evaluation.ruling(plan.definition).ruling
        }
        let before = PolicyRuling(record)
        report.withLock { report in
            report.asked += 1
            guard let after = answered, after != before else {
                if answered != nil { report.same += 1 }
                return
            }
            if case .failed(let why) = after.outcome {
                // Where both fail, the candidate is no worse.
                if case .failed = before.outcome {
                    report.same += 1
                    return
                }
                report.failures += 1
                report.firstFailure = report.firstFailure ?? why
            } else {
                report.flips += 1
            }
            let change = "\(record.hook): \(before.headline) → \(after.headline)"
            if report.byChange.count < PolicyShadowReport.mostChanges || report.byChange[change] != nil {
                report.byChange[change, default: 0] += 1
            }
            if report.listed.count >= PolicyShadowReport.mostListed { report.listed.removeFirst() }
            report.listed.append(
                PolicyShadowReport.Flip(
                    decision: record.id, hook: record.hook, tenant: record.subject.tenant?.description, before: before.description,
                    after: after.description))
        }
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

/// Looks after a set that has just gone live: one that fails too often gives way to the one before.
struct PolicyProbation: Sendable {
    let before: PolicySet
    var count: Count

    struct Count: Sendable {
        /// The set has proved itself after so many decisions.
        let most: Int
        /// So many of them may fail.
        let mayFail: Int
        private var decisions = 0
        private var failures = 0
        private var first: String?

        init(decisions: Int = 1_000, failures: Int = 10) {
            most = decisions
            mayFail = failures
        }

        mutating func count(failure: String?) -> Outcome {
            decisions += 1
            if let failure {
                failures += 1
                first = first ?? failure
                if failures > mayFail {
                    return .failed("\(failures) of the first \(decisions) decisions failed, first: \(first ?? failure)")
                }
            }
            return decisions >= most ? .proved : .goesOn
        }
    }
    enum Outcome: Sendable { case goesOn, proved, failed(String) }
}
