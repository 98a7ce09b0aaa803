import Foundation
import HookEngine
import Synchronization
import Vocabulary

/// Where the layer reads a tenant's policies when it needs them.
package protocol TenantPolicySource: Sendable {
    /// The files of one version; nil where it is gone.
    func files(_ hash: String, of tenant: TenantID) async throws -> [String: String]?
}

/// How a tenant's policies in force have done since they went live in this process.
package struct TenantPolicyHealth: Sendable, Hashable {
    package struct Failure: Sendable, Hashable {
        package let at: Timestamp
        package let decision: DecisionID
        package let hook: String
        /// File, line and what went wrong.
        package let message: String
    }
    package var asked = 0
    package var denied = 0
    package var failed = 0
    package var lastFailure: Failure?
}

/// The narrowest layer: which tenants have policies of their own, and what these answer.
package final class TenantLayer: Sendable {
    package struct Limits: Sendable {
        package var threads: Int
        /// Compiled sets that are kept; twice as many at most.
        package var sets: Int
        package init(threads: Int = 2, sets: Int = 1_000) {
            self.threads = threads
            self.sets = sets
        }
    }
    private struct InForce {
        var hash: PolicySetHash?
        var hooks: Set<String>
        var revision: Int64
        var health = TenantPolicyHealth()
    }
    private struct Sets {
        var young: [PolicySetHash: PolicySet] = [:]
        var old: [PolicySetHash: PolicySet] = [:]
        var loading: [PolicySetHash: Task<PolicySet, any Error>] = [:]
    }

    private let containment: ContainmentWatch
    private let checker: TenantPolicyChecker
    private let threads: TenantThreads
    private let mostSets: Int
    private let inForce = Mutex<[TenantID: InForce]>([:])
    private let sets = Mutex(Sets())
    private let source = Mutex<(any TenantPolicySource)?>(nil)

    init(_ definitions: [HookDefinition], _ containment: ContainmentWatch, _ limits: Limits, decision: LuaLimits) {
        self.containment = containment
        checker = TenantPolicyChecker(definitions: definitions, limits: decision)
        threads = TenantThreads(.init(threads: limits.threads))
        mostSets = limits.sets
    }

    // MARK: What is in force

    package func read(from source: any TenantPolicySource) { self.source.withLock { $0 = source } }

    /// From now on the tenant's questions go to this version too, or to none. News that come late, by their revision, change nothing.
    package func put(_ hash: String?, hooks: [String], revision: Int64, for tenant: TenantID) {
        inForce.withLock { all in
            if let known = all[tenant], known.revision >= revision { return }
            all[tenant] = InForce(hash: hash.map { PolicySetHash(hex: $0) }, hooks: Set(hooks), revision: revision)
        }
    }

    /// Of the version in force; nil where there is none.
    package func health(of tenant: TenantID) -> TenantPolicyHealth? {
        inForce.withLock { all in all[tenant].flatMap { $0.hash == nil ? nil : $0.health } }
    }

    /// Checks a bundle as its upload does. Nil where too many wait. Not before hostile policies are known to be contained.
    package func check(_ bundle: TenantBundle, for tenant: TenantID) async throws(PolicyRefusal) -> CheckedTenantPolicies? {
        try await checker.check(bundle, for: tenant)
    }

    /// Waits until hostile policies were tried; then says whether they are contained.
    package func isContained() async -> Bool { await containment.settled().isContained }

    // MARK: Questions

    /// The tenant's set in force, where it answers the hook.
    func inForce(_ tenant: TenantID, _ hook: String) -> PolicySetHash? {
        inForce.withLock { all in
            guard let found = all[tenant], found.hooks.contains(hook) else { return nil }
            return found.hash
        }
    }

    func ask(_ tenant: TenantID, _ hash: PolicySetHash, _ record: DecisionRecord) async -> PolicySet.Evaluation {
        guard await isContained() else { return PolicySet.Evaluation(failure: DecisionFailure.notContained) }
        let evaluation: PolicySet.Evaluation
        do {
            let set = try await set(hash, of: tenant)
            evaluation =
                await threads.ask(
                    TenantQuestion(tenant: tenant, set: set, hook: record.hook, input: record.input, seed: record.seed))
                ?? PolicySet.Evaluation(failure: DecisionFailure.overloaded)
        } catch let refusal as PolicyRefusal {
            evaluation = PolicySet.Evaluation(failure: refusal.findings.first?.description ?? DecisionFailure.policy)
        } catch {
            evaluation = PolicySet.Evaluation(failure: DecisionFailure.notRead)
        }
        note(tenant, hash, record, evaluation)
        return evaluation
    }

    private func note(_ tenant: TenantID, _ hash: PolicySetHash, _ record: DecisionRecord, _ evaluation: PolicySet.Evaluation) {
        inForce.withLock { all in
            guard all[tenant]?.hash == hash else { return }
            all[tenant]?.health.asked += 1
            if evaluation.answers.contains(where: \.denies) { all[tenant]?.health.denied += 1 }
            guard let failure = evaluation.failure else { return }
            all[tenant]?.health.failed += 1
            all[tenant]?.health.lastFailure = .init(at: record.time, decision: record.id, hook: record.hook, message: failure)
        }
    }

    /// The compiled set, where it is held.
    func held(_ hash: PolicySetHash) -> PolicySet? { sets.withLock { $0.young[hash] ?? $0.old[hash] } }

    /// Sets are named by what is in them: one that was compiled stays right for ever.
    func set(_ hash: PolicySetHash, of tenant: TenantID) async throws -> PolicySet {
        let (held, task) = sets.withLock { sets -> (PolicySet?, Task<PolicySet, any Error>?) in
            if let set = sets.young[hash] { return (set, nil) }
            if let set = sets.old[hash] {
                keep(set, hash, &sets)
                return (set, nil)
            }
            if let task = sets.loading[hash] { return (nil, task) }
            let task = Task { [self] in try await load(hash, of: tenant) }
            sets.loading[hash] = task
            return (nil, task)
        }
        if let held { return held }
        guard let task else { throw PolicyRefusal(findings: []) }
        return try await task.value
    }

    private func load(_ hash: PolicySetHash, of tenant: TenantID) async throws -> PolicySet {
        do {
            guard let files = try await source.withLock({ $0 })?.files(hash.hex, of: tenant) else {
                throw PolicyRefusal(findings: [PolicyFinding(file: "policies", line: 0, message: "\(hash.short) is not kept any more")])
            }
            guard let set = try await checker.compile(TenantBundle(files), for: tenant) else {
                throw PolicyRefusal(findings: [PolicyFinding(file: "policies", line: 0, message: DecisionFailure.overloaded)])
            }
            sets.withLock { sets in
                sets.loading[hash] = nil
                keep(set, hash, &sets)
            }
            return set
        } catch {
            sets.withLock { $0.loading[hash] = nil }
            throw error
        }
    }

    private func keep(_ set: PolicySet, _ hash: PolicySetHash, _ sets: inout Sets) {
        if sets.young.count >= mostSets {
            sets.old = sets.young
            sets.young = [:]
        }
        sets.young[hash] = set
    }
}
