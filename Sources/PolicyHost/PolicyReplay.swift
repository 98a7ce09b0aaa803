import Foundation
import HookEngine
import Synchronization
import Vocabulary

/// What became of recorded decisions when a set was asked again.
package struct PolicyReplayReport: Sendable {
    /// One decision that the candidate answers otherwise.
    package struct Flip: Sendable {
        package let id: DecisionID
        package let hook: String
        package let tenant: String?
        package let tier: String?
        package let user: String?
        package let role: String?
        package let before: PolicyRuling
        package let after: PolicyRuling
    }
    /// How a numeric term moved over all decisions that carry it before and after.
    package struct Shift: Sendable, Hashable {
        package var decisions = 0
        package var before: Int64 = 0
        package var after: Int64 = 0
    }

    package var decisions = 0
    /// Answered with the same bytes, fuel and all.
    package var same = 0
    /// The same outcome in other bytes: another policy or line decided, or the way there cost other fuel.
    package var equal = 0
    /// By the set that was recorded, and yet not the same bytes: determinism is broken, or the record was edited.
    package var broken: [DecisionID] = []
    /// Nobody was asked then: the queue was full, or no set was live.
    package var unasked = 0
    /// Of a hook that this server does not have.
    package var unknown = 0
    /// Of tenants whose own policies of then are not kept any more.
    package var gone = 0
    /// Lines that are no record: left by a crash.
    package var torn = 0
    package var flips = 0
    /// The first of them, in the order of the log.
    package var listed: [Flip] = []
    package var byHook: [String: Int] = [:]
    package var byTenant: [String: Int] = [:]
    package var byTier: [String: Int] = [:]
    package var byRole: [String: Int] = [:]
    package var byChange: [String: Int] = [:]
    /// (tenant, user) of the flips.
    package var people: Set<String> = []
    package var shifts: [String: Shift] = [:]
    /// Sum of `payment.amount_minor` of flipped decisions, by currency.
    package var money: [String: Int64] = [:]

    static let mostListed = 10_000

    mutating func add(_ flip: Flip, _ input: HookValue) {
        flips += 1
        if listed.count < Self.mostListed { listed.append(flip) }
        byHook[flip.hook, default: 0] += 1
        byTenant[flip.tenant ?? "–", default: 0] += 1
        byTier[flip.tier ?? "–", default: 0] += 1
        byRole[flip.role ?? "–", default: 0] += 1
        byChange["\(flip.hook): \(flip.before.headline) → \(flip.after.headline)", default: 0] += 1
        people.insert("\(flip.tenant ?? "–") \(flip.user ?? "–")")
        if let payment = input["payment"], let amount = payment["amount_minor"]?.int {
            money[payment["currency"]?.string ?? "–", default: 0] &+= amount
        }
        for (name, value) in flip.before.numbers {
            guard let now = flip.after.numbers.first(where: { $0.name == name })?.value, now != value else { continue }
            shifts[name, default: Shift()].decisions += 1
            shifts[name, default: Shift()].before &+= value
            shifts[name, default: Shift()].after &+= now
        }
    }

    mutating func merge(_ other: Self) {
        decisions += other.decisions
        same += other.same
        equal += other.equal
        broken += other.broken
        unasked += other.unasked
        unknown += other.unknown
        gone += other.gone
        torn += other.torn
        flips += other.flips
        listed += other.listed.prefix(max(0, Self.mostListed - listed.count))
        byHook.merge(other.byHook, uniquingKeysWith: +)
        byTenant.merge(other.byTenant, uniquingKeysWith: +)
        byTier.merge(other.byTier, uniquingKeysWith: +)
        byRole.merge(other.byRole, uniquingKeysWith: +)
        byChange.merge(other.byChange, uniquingKeysWith: +)
        people.formUnion(other.people)
        money.merge(other.money, uniquingKeysWith: &+)
        for (name, shift) in other.shifts {
            shifts[name, default: Shift()].decisions += shift.decisions
            shifts[name, default: Shift()].before &+= shift.before
            shifts[name, default: Shift()].after &+= shift.after
        }
    }
}

extension PolicyRuling {
    /// Without numbers and details, so that like changes count together.
    var headline: String {
        switch outcome {
        case .allow: "allow"
        case .deny(let reason, _): "deny \(reason)"
        case .plan(let actions): actions.isEmpty ? "plan nothing" : "plan " + actions.map(\.name).joined(separator: ", ")
        case .shippedPlan: "the shipped plan"
        case .failed: "failed"
        }
    }
}

/// Asks a set what was asked of another: by the same bytes, with the same seed. Two threads, each with a state of its own.
package struct PolicyReplay: Sendable {
    let bench: PolicyWorkbench
    /// The tenants' own sets that the records name.
    let tenants: [TenantSetName: PolicySet]

    /// `bundles` are the tenants' own policies, as far as the records name them and they are kept. Throws what does not compile.
    package init(_ bench: PolicyWorkbench, tenants bundles: [TenantSetName: TenantBundle] = [:]) throws(PolicyRefusal) {
        self.bench = bench
        tenants = try TenantPolicyChecker.compile(bundles, definitions: bench.definitions)
    }

    private static let chunkBytes = 4 << 20

    /// Over the files in their order; the report lists in that order, however the threads took turns.
    package func run(_ files: [URL], threads: Int = 2) throws -> PolicyReplayReport {
        var whole = PolicyReplayReport()
        for file in files {
            let data = try Data(contentsOf: file, options: .mappedIfSafe)
            whole.merge(try run(data, threads: threads))
        }
        return whole
    }

    func run(_ data: Data, threads: Int) throws -> PolicyReplayReport {
        let chunks = Self.chunks(data)
        let next = Atomic<Int>(0)
        let done = Mutex<[Int: PolicyReplayReport]>([:])
        let failed = Mutex<LuaFault?>(nil)
        let group = DispatchGroup()
        for _ in 0..<max(1, min(threads, chunks.count)) {
            group.enter()
            let thread = Thread { [bench, tenants] in
                defer { group.leave() }
                do throws(LuaFault) {
                    let worker = ReplayWorker(bench.set, tenants, state: try bench.set.recipe.make())
                    while true {
                        let index = next.add(1, ordering: .relaxed).oldValue
                        guard index < chunks.count else { return }
                        var report = PolicyReplayReport()
                        data.withUnsafeBytes { worker.run(UnsafeRawBufferPointer(rebasing: $0[chunks[index]]), &report) }
                        done.withLock { $0[index] = report }
                    }
                } catch {
                    failed.withLock { $0 = error }
                }
            }
            thread.stackSize = PolicyThreads.stackBytes
            thread.start()
        }
        group.wait()
        if let fault = failed.withLock({ $0 }) {
            throw PolicyRefusal(findings: [PolicyFinding(file: "replay", line: 0, message: fault.text)])
        }
        let parts = done.withLock { $0 }
        var whole = PolicyReplayReport()
        for index in chunks.indices { if let part = parts[index] { whole.merge(part) } }
        return whole
    }

    /// Whole lines each.
    private static func chunks(_ data: Data) -> [Range<Int>] {
        data.withUnsafeBytes { bytes in
            var chunks: [Range<Int>] = []
            var start = 0
            while start < bytes.count {
                var end = min(start + chunkBytes, bytes.count)
                while end < bytes.count, bytes[end - 1] != 10 { end += 1 }
                chunks.append(start..<end)
                start = end
            }
            return chunks
        }
    }
}

private final class ReplayWorker {
    private let set: PolicySet
    private let tenants: [TenantSetName: PolicySet]
    private var state: LuaState
    private var tenantStates = TenantStates()

    init(_ set: PolicySet, _ tenants: [TenantSetName: PolicySet], state: LuaState) {
        self.set = set
        self.tenants = tenants
        self.state = state
    }

    func run(_ bytes: UnsafeRawBufferPointer, _ report: inout PolicyReplayReport) {
        var start = 0
        while start < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
            let length =
                memchr(rest.baseAddress!, 10, rest.count).map { rest.baseAddress!.distance(to: UnsafeRawPointer($0)) } ?? rest.count
            line(UnsafeRawBufferPointer(rebasing: rest[..<length]), &report)
            start += length + 1
        }
    }

    private func line(_ line: UnsafeRawBufferPointer, _ report: inout PolicyReplayReport) {
        if line.isEmpty { return }
        guard let recorded = try? RecordedDecision(line) else {
            report.torn += 1
            return
        }
        report.decisions += 1
        guard recorded.wasAsked else {
            report.unasked += 1
            return
        }
        guard let plan = set.hooks[recorded.hook] else {
            report.unknown += 1
            return
        }
        var (evaluation, isAlive) = set.evaluate(plan, recorded.input, tier: recorded.tier, seed: recorded.seed, on: state)
        if !isAlive, let fresh = try? set.recipe.make() { state = fresh }
        if let tenant = recorded.tenant, let hash = recorded.tenantPolicyHash, !evaluation.isSettled {
            guard let own = tenants[TenantSetName(tenant: tenant, hash: hash)] else {
                report.gone += 1
                return
            }
            evaluation.append(
                tenantStates.ask(
                    TenantQuestion(tenant: tenant, set: own, hook: recorded.hook, input: recorded.input, seed: recorded.seed)))
        }
        let (ruling, decidedBy) = evaluation.ruling(plan.definition)
        let again = record(recorded, plan, evaluation, ruling, decidedBy)
        if again.line().withBytes({ $0.count == line.count + 1 && memcmp($0.baseAddress!, line.baseAddress!, line.count) == 0 }) {
            report.same += 1
            return
        }
        let before = PolicyRuling(recorded)
        if recorded.policyHash == set.hash.hex { report.broken.append(recorded.id) }
        guard before != ruling else {
            report.equal += 1
            return
        }
        let flip = PolicyReplayReport.Flip(
            id: recorded.id, hook: recorded.hook, tenant: recorded.tenant?.description, tier: recorded.tier,
            user: recorded.input["user"]?["id"]?.string, role: recorded.input["user"]?["role"]?.string, before: before, after: ruling)
        report.add(flip, recorded.input)
    }

    /// What the log would hold had this set been asked; what does not depend on the set is as it was.
    private func record(
        _ recorded: RecordedDecision, _ plan: HookPlan, _ evaluation: PolicySet.Evaluation, _ ruling: PolicyRuling, _ decidedBy: Int?
    ) -> DecisionRecord {
        let outcome: DecisionRecord.Outcome
        var terms: [(String, HookValue)] = []
        switch ruling.outcome {
        case .allow(let given):
            outcome = .allow
            terms = given.map { ($0.name, $0.value) }
        case .deny(let reason, let seconds): outcome = .deny(reason: reason, retryAfterSeconds: seconds)
        case .plan(let actions): outcome = .plan(actions)
        case .shippedPlan: outcome = .plan(recorded.actions)
        case .failed(let why): outcome = .failed(why)
        }
        return DecisionRecord(
            id: recorded.id, time: recorded.time, hook: recorded.hook, kind: plan.definition.kind,
            subject: HookSubject(tenant: recorded.tenant, tier: recorded.tier, requestID: recorded.requestID, now: recorded.time),
            input: recorded.input, answers: evaluation.answers, outcome: outcome, terms: terms, decidedBy: decidedBy,
            policyHash: recorded.policyHash, tenantPolicyHash: recorded.tenantPolicyHash, seed: recorded.seed, fuel: evaluation.fuel,
            microseconds: recorded.microseconds)
    }
}
