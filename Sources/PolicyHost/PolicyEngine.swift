import Foundation
import HookEngine
import LuaShim
import Synchronization
import Vocabulary

/// What becomes of the policy directory while the server runs.
package enum PolicyNews: Sendable {
    /// A set is live; `data` is what its data files hold.
    case live(PolicySetHash, data: [String: HookValue])
    /// A changed directory was refused; the set before it goes on.
    case refused([PolicyFinding])
    /// The live set failed too often, and the one before is live again.
    case withdrawn(PolicyWithdrawal)
    /// A candidate was asked enough to say what it is worth; the folder is the one that it was read from.
    case judged(PolicyShadowReport, URL)
}

/// Answers hooks by the policies of a directory. Every decision is recorded before it is used; a policy that fails, a full queue or a
/// record that cannot be kept make the hook's fail mode hold.
package final class PolicyEngine: Hooks {
    package struct Limits: Sendable {
        package var decision: LuaLimits
        /// Warm states, and so questions at once.
        package var states: Int
        /// Questions that may wait for a thread.
        package var queue: Int
        /// Between two looks at the directory; a change is read after it has rested for one.
        package var look: Duration
        /// Questions that may wait for a candidate; beyond them they are dropped.
        package var shadowQueue: Int
        /// Looks at the candidate's door before a question is dropped: nobody waits there for a thread that has no processor.
        package var shadowTries = 50
        package var tenants: TenantLayer.Limits
        package var probation: Probation
        package var modules = ModuleThreads.Limits()
        package init(
            decision: LuaLimits = .decision, states: Int = 16, queue: Int = 256, look: Duration = .milliseconds(500),
            shadowQueue: Int = 1_024, probation: Probation = .init(), tenants: TenantLayer.Limits = .init()
        ) {
            self.tenants = tenants
            self.shadowQueue = shadowQueue
            self.probation = probation
            self.decision = decision
            self.states = states
            self.queue = queue
            self.look = look
        }
    }

    /// A new set has proved itself after so many decisions, of which so many may fail.
    package struct Probation: Sendable {
        package let decisions: Int
        package let failures: Int
        package init(decisions: Int = 1_000, failures: Int = 10) {
            self.decisions = decisions
            self.failures = failures
        }
    }

    struct Live {
        var set: PolicySet?
        var watch: PolicyWatch?
        var refused: [PolicyFinding] = []
        var listeners: [@Sendable (PolicyNews) -> Void] = []
        var archive: PolicyArchive?
        var verdicts = PolicyVerdicts()
        var shadow: PolicyShadow?
        var probation: PolicyProbation?
    }

    private let plainBuilder: PolicySetBuilder
    /// Tries nothing again that is known to have passed.
    var builder: PolicySetBuilder {
        var builder = plainBuilder
        builder.verdicts = live.withLock { $0.verdicts }
        return builder
    }
    let directory: URL
    private let sink: any DecisionSink
    private let entropy: BufferedEntropy
    let clock: any Clock
    let limits: Limits
    private let threads: PolicyThreads
    let live = Mutex(Live())
    /// The calendar of the second that was asked for last.
    private let moment = Mutex<(seconds: Int64, value: HookValue)>((.min, .null))
    private let loading = NSLock()
    /// Whether hostile policies are contained here; what tenants upload waits until they are known to be.
    package let containment: ContainmentWatch
    /// The tenants' own policies, asked last.
    package let tenants: TenantLayer
    package let modules: ModuleLayer

    package init(
        definitions: [HookDefinition], directory: URL, sink: any DecisionSink, entropy: any Entropy, clock: any Clock,
        data: [DataFile] = [], limits: Limits = Limits()
    ) {
        self.plainBuilder = PolicySetBuilder(definitions: definitions, dataFiles: data, limits: limits.decision, states: limits.states)
        self.directory = directory
        self.sink = sink
        self.entropy = BufferedEntropy(entropy)
        self.clock = clock
        self.limits = limits
        self.threads = PolicyThreads(threads: 2, bound: limits.queue)
        containment = ContainmentWatch()
        modules = ModuleLayer(limits.modules)
        tenants = TenantLayer(definitions, containment, limits.tenants, decision: limits.decision)
    }

    // MARK: The set

    /// Compiles, checks, runs the policies' own tests, then swaps the set between two questions. The set before goes on if anything is wrong.
    /// A set that was withdrawn stays away unless somebody insists on it. Gives the hash of what is live then.
    @discardableResult package func load(insisting: Bool = false) throws(PolicyRefusal) -> PolicySetHash {
        loading.lock()
        defer { loading.unlock() }
        let seen = Fingerprint(directory)
        let result = PolicyThreads.runAndWait { [builder, directory] in
            Result { () throws(PolicyRefusal) in try builder.build(directory) }
        }
        switch result {
        case .failure(let refusal):
            let listeners = live.withLock { live in
                live.refused = refusal.findings
                if live.watch == nil { live.watch = PolicyWatch(live: seen) }
                return live.listeners
            }
            for listener in listeners { listener(.refused(refusal.findings)) }
            throw refusal
        case .success(let built):
            let kept = history(of: built.set.hash, insisting: insisting)
            if let withdrawal = kept.withdrawal, let back = kept.before {
                put(back, [finding(withdrawal)], seen, before: nil)
                return back.hash
            }
            // A disk that is full keeps nobody from mending a policy.
            if let archive = live.withLock({ $0.archive }) { try? archive.store(built.files, built.set.hash) }
            put(built.set, [], seen, before: kept.before)
            return built.set.hash
        }
    }

    private func put(_ set: PolicySet, _ findings: [PolicyFinding], _ seen: Fingerprint, before: PolicySet?) {
        if let archive = live.withLock({ $0.set?.hash == set.hash ? nil : $0.archive }) { archive.tries(set.hash, before: before?.hash) }
        let listeners = live.withLock { live in
            if live.set?.hash != set.hash {
                live.shadow = live.shadow?.again()
                live.probation = before.map {
                    PolicyProbation(before: $0, count: .init(limits.probation))
                }
            }
            live.set = set
            live.refused = findings
            live.watch = PolicyWatch(live: seen)
            return live.listeners
        }
        for listener in listeners {
            listener(.live(set.hash, data: set.data))
            if !findings.isEmpty { listener(.refused(findings)) }
        }
    }

    /// As `load`; a refusal is told to the listeners and kept in `refused`.
    package func reload() { _ = try? load() }

    /// Hears of every load from now on. Called on the loading thread, after the swap.
    package func onNews(_ listener: @escaping @Sendable (PolicyNews) -> Void) { live.withLock { $0.listeners.append(listener) } }

    /// Keeps every set that goes live from now on, to roll back and replay to.
    package func keep(in archive: PolicyArchive) { live.withLock { $0.archive = archive } }

    /// From now on tests and contracts that passed before, over restarts too, are not tried again; in memory alone until then.
    package func believe(_ verdicts: PolicyVerdicts) { live.withLock { $0.verdicts = verdicts } }

    package var hash: PolicySetHash? { live.withLock { $0.set?.hash } }
    /// Why the directory as it is now is not live; empty where it is.
    package var refused: [PolicyFinding] { live.withLock { $0.refused } }
    /// What a data file holds in the live set.
    package func data(_ name: String) -> HookValue? { live.withLock { $0.set?.data[name] } }

    /// Watches the directory until cancelled.
    package func run() async throws {
        while !Task.isCancelled {
            do { try await Task.sleep(for: limits.look) } catch { return }
            look()
        }
    }

    /// One look at the directory; reads it if a change has come to rest.
    package func look() {
        let now = Fingerprint(directory)
        if live.withLock({ $0.watch?.observe(now) ?? false }) { reload() }
    }

    // MARK: Questions

    package func decide<Hook: DecideHook>(
        _ hook: Hook.Type, _ input: Hook.Input, _ subject: HookSubject
    ) async throws -> Verdict<Hook.Terms> {
        let definition = Hook.definition
        let record = await settle(definition, Hook.encode(input), subject) { evaluation, record in
            let folded = Folding.decide(evaluation.answers, definition)
            record.decidedBy = folded.decidedBy
            record.terms = folded.terms
            switch folded.verdict {
            case .allow: record.outcome = .allow
            case .deny(let reason, let seconds): record.outcome = .deny(reason: reason, retryAfterSeconds: seconds)
            }
        }
        let terms = Hook.terms(.object(record.terms))
        func verdict(_ outcome: Verdict<Hook.Terms>.Outcome, _ terms: Hook.Terms) -> Verdict<Hook.Terms> {
            Verdict(
                decision: record.id, outcome: outcome, terms: terms, policyHash: record.policyHash,
                tenantPolicyHash: record.tenantPolicyHash)
        }
        switch record.outcome {
        case .allow, .plan: return verdict(.allow, terms)
        case .deny(let reason, let seconds): return verdict(.deny(reason: reason, retryAfterSeconds: seconds), terms)
        case .failed(let code):
            let outcome: Verdict<Hook.Terms>.Outcome =
                definition.whenFailing == .allow ? .allow : .deny(reason: DecisionFailure.code(code), retryAfterSeconds: nil)
            return verdict(outcome, Hook.terms(.object([])))
        }
    }

    package func plan<Hook: PlanHook>(_ hook: Hook.Type, _ input: Hook.Input, _ subject: HookSubject) async throws -> Plan {
        let definition = Hook.definition
        let record = await settle(definition, Hook.encode(input), subject) { evaluation, record in
            let folded = Folding.plan(evaluation.answers) { Hook.shippedPlan(input) }
            record.decidedBy = folded?.decidedBy
            record.outcome = .plan(folded?.actions ?? Hook.shippedPlan(input))
        }
        guard case .plan(let actions) = record.outcome else {
            if case .failed(let why) = record.outcome { throw HookFailure(hook: definition.name, reason: why) }
            throw HookFailure(hook: definition.name, reason: DecisionFailure.policy)
        }
        return Plan(decision: record.id, actions: actions, policyHash: record.policyHash)
    }

    /// Asks, folds, records. The record's outcome is `failed` where anything went wrong on the way.
    private func settle(
        _ definition: HookDefinition, _ input: HookValue, _ subject: HookSubject,
        fold: (PolicySet.Evaluation, inout DecisionRecord) -> Void
    ) async -> DecisionRecord {
        let began = clock.monotonic()
        let (set, shadow, isOnProbation) = live.withLock { ($0.set, $0.shadow, $0.probation != nil) }
        var record = DecisionRecord(
            id: entropy.id(subject.now), time: subject.now, hook: definition.name, kind: definition.kind, subject: subject,
            input: withNow(input, subject.now), answers: [], outcome: .failed(DecisionFailure.notLoaded), terms: [], decidedBy: nil,
            policyHash: set?.hash.hex ?? "", seed: entropy.seed(), fuel: 0, microseconds: 0)
        if let set, let plan = set.hooks[definition.name] {
            var evaluation = await modules.ask(definition, record) ?? PolicySet.Evaluation()
            if !evaluation.isSettled { evaluation.append(await evaluate(set, plan, record.input, subject.tier, record.seed)) }
            if definition.isOpenToTenants, subject.asksTenant, let tenant = subject.tenant,
                let hash = tenants.inForce(tenant, definition.name)
            {
                record.tenantPolicyHash = hash.hex
                if !evaluation.isSettled { evaluation.append(await tenants.ask(tenant, hash, record)) }
            }
            record.answers = evaluation.answers
            record.fuel = evaluation.fuel
            if let failure = evaluation.failure {
                record.outcome = .failed(failure)
                record.decidedBy = evaluation.failedAt
            } else {
                fold(evaluation, &record)
            }
        } else if set != nil {
            record.outcome = .failed("\(definition.name) is not a hook of this server")
        }
        record.microseconds = (clock.monotonic() - began).microseconds
        shadow?.offer(record, record.tenantPolicyHash.flatMap { tenants.held(PolicySetHash(hex: $0)) })
        if isOnProbation { judge(record) }
        do {
            try await sink.record(record)
        } catch {
            record.outcome = .failed(DecisionFailure.notRecorded)
            record.terms = []
        }
        return record
    }

    /// The input with `now` as its last member.
    private func withNow(_ input: HookValue, _ now: Timestamp) -> HookValue {
        guard case .object(var members) = input else { return input }
        let seconds = now.seconds
        let value = moment.withLock { last in
            if last.seconds != seconds { last = (seconds, CivilTime(now).input(epochSeconds: seconds)) }
            return last.value
        }
        members.append((CommonInput.now.name, value))
        return .object(members)
    }

    /// On this thread where its stack is large enough and a state is free; else on an own thread.
    private func evaluate(
        _ set: PolicySet, _ plan: HookPlan, _ input: HookValue, _ tier: String?, _ seed: UInt64
    ) async -> PolicySet.Evaluation {
        if plan.platform.isEmpty, plan.tiers[tier ?? ""] == nil { return PolicySet.Evaluation() }
        if luashim_stack_left() >= Int(LUASHIM_STACK_BYTES), let done = Self.ask(set, plan, input, tier, seed, beyond: false) {
            return done
        }
        let answered = await threads.run { Self.ask(set, plan, input, tier, seed, beyond: true) }
        return (answered ?? nil) ?? PolicySet.Evaluation(failure: DecisionFailure.overloaded)
    }

    /// Nil where no state is free.
    private static func ask(
        _ set: PolicySet, _ plan: HookPlan, _ input: HookValue, _ tier: String?, _ seed: UInt64, beyond: Bool
    ) -> PolicySet.Evaluation? {
        do {
            guard let state = try set.pool.take(beyond: beyond) else { return nil }
            let (evaluation, isAlive) = set.evaluate(plan, input, tier: tier, seed: seed, on: state)
            set.pool.give(state, isAlive: isAlive)
            return evaluation
        } catch {
            return PolicySet.Evaluation(failure: error.text)
        }
    }
}

// MARK: For authors

extension PolicyEngine {
    /// Everything wrong in a directory, failing tests included; empty where it could go live.
    package static func check(directory: URL, definitions: [HookDefinition], data: [DataFile] = []) -> [PolicyFinding] {
        PolicyThreads.runAndWait {
            do throws(PolicyRefusal) {
                _ = try author(definitions, data).build(directory)
                return []
            } catch {
                return error.findings
            }
        }
    }

    /// The policies' own tests, and what kept any from running.
    package static func test(
        directory: URL, definitions: [HookDefinition], data: [DataFile] = []
    ) -> (results: [PolicyTestResult], findings: [PolicyFinding]) {
        let (_, results, findings, _) = PolicyThreads.runAndWait { author(definitions, data).examine(directory) }
        return (results, findings)
    }

    private static func author(_ definitions: [HookDefinition], _ data: [DataFile]) -> PolicySetBuilder {
        PolicySetBuilder(definitions: definitions, dataFiles: data, limits: .decision, states: 1)
    }
}

/// Draws entropy a few hundred bytes at a time: an id and a seed for each decision would cost more than the decision.
final class BufferedEntropy: Entropy {
    private let source: any Entropy
    private let held = Mutex<(bytes: [UInt8], next: Int)>(([], 0))
    init(_ source: any Entropy) { self.source = source }

    func bytes(_ count: Int) -> [UInt8] {
        held.withLock { held in
            if held.next + count > held.bytes.count { held = (source.bytes(max(240, count)), 0) }
            held.next += count
            return Array(held.bytes[(held.next - count)..<held.next])
        }
    }
    func seed() -> UInt64 { bytes(8).reduce(0) { $0 << 8 | UInt64($1) } }
}
