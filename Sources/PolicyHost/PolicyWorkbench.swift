import Foundation
import HookEngine
import Vocabulary

/// A directory of policies, compiled and checked but not live: for asking it questions at a desk.
package final class PolicyWorkbench: Sendable {
    let set: PolicySet
    let policies: [String: PolicyFile]
    let files: [String: String]
    let builder: PolicySetBuilder
    /// Of a tenant whose own policies were joined.
    private let tenantFiles: [String: String]
    package var hash: PolicySetHash { self.set.hash }
    package var definitions: [HookDefinition] { builder.definitions }
    package var fuelLimit: UInt64 { builder.limits.fuel }
    /// Tiers for which the written order names policies.
    package var tiers: [String] { Set(self.set.hooks.values.flatMap { $0.tiers.keys }).sorted() }
    /// Of a policy file, for showing.
    package func lines(_ file: String, of layer: PolicyLayer = .platform) -> [Substring] {
        ((layer == .tenant ? tenantFiles : files)[file] ?? "").split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// Throws every finding. The policies' own tests are not run.
    package convenience init(directory: URL, definitions: [HookDefinition], data: [DataFile] = []) throws(PolicyRefusal) {
        let result = PolicyThreads.runAndWait {
            Result { () throws(PolicyRefusal) in
                // Nobody waits here: what is answered again must hang on the fuel alone, not on how busy the machine is.
                var limits = LuaLimits.decision
                limits.cpu = .seconds(2)
                let builder = PolicySetBuilder(definitions: definitions, dataFiles: data, limits: limits, states: 2)
                var findings = Findings(label: directory.lastPathComponent)
                guard let assembled = builder.assemble(PolicyDirectory.read(directory, &findings), &findings), findings.all.isEmpty else {
                    throw PolicyRefusal(findings: findings.all)
                }
                return (builder, assembled)
            }
        }
        let (builder, assembled) = try result.get()
        self.init(builder, assembled)
    }

    init(_ builder: PolicySetBuilder, _ assembled: PolicySetBuilder.Assembled) {
        self.builder = builder
        set = assembled.set
        policies = assembled.policies
        files = assembled.directory.files
        tenantFiles = [:]
    }

    private init(_ bench: PolicyWorkbench, joined set: PolicySet, _ tenantFiles: [String: String]) {
        self.set = set
        builder = bench.builder
        policies = bench.policies
        files = bench.files
        self.tenantFiles = tenantFiles
    }

    /// The same with a tenant's own policies after it, as that tenant's questions are answered. Throws every finding in them.
    package func joined(_ bundle: TenantBundle) throws(PolicyRefusal) -> PolicyWorkbench {
        let name = TenantSetName(tenant: TenantID(UUID()), hash: "")
        guard let tenant = try TenantPolicyChecker.compile([name: bundle], definitions: definitions)[name] else { return self }
        return PolicyWorkbench(self, joined: self.set.joined(tenant), bundle.files)
    }

    /// The same set made once more, which shares nothing that is counted with this one.
    func twin() throws(PolicyRefusal) -> PolicySet {
        var findings = Findings(label: "policies")
        guard let made = builder.assemble(PolicyDirectory(label: "policies", files: files), &findings), made.set.hash == hash else {
            throw PolicyRefusal(findings: findings.all)
        }
        return made.set
    }

    /// One answer of one policy, and the lines that it ran.
    package struct Step: Sendable {
        package let answer: PolicyAnswer
        package let trace: PolicyTrace
    }

    package struct Run: Sendable {
        package let hook: String
        package let input: HookValue
        package let ruling: PolicyRuling
        package let decidedBy: Int?
        package let steps: [Step]
        package let fuel: UInt64
    }

    /// What is wrong with a question; empty where it can be asked. Missing parts of `now` are Monday, 2026-01-05 12:00 UTC.
    package func issues(_ hook: String, _ input: HookValue) -> [HookIssue] {
        guard let plan = set.hooks[hook] else {
            return [HookIssue("", "there is no hook \(hook); there are: \(set.hooks.keys.sorted().joined(separator: ", "))")]
        }
        return HookCheck.issues(PolicyTestRunner.withNow(input), plan.definition.wholeInput)
    }

    /// Asks as the server would, on an own thread; `traces` runs each policy once more with probes in it.
    package func run(_ hook: String, _ input: HookValue, tier: String?, seed: UInt64, traces: Bool) throws(OperatorQuestion) -> Run {
        guard let plan = set.hooks[hook] else { throw OperatorQuestion(issues(hook, input)) }
        let issues = issues(hook, input)
        guard issues.isEmpty else { throw OperatorQuestion(issues) }
        let whole = InputEncoder.ordered(PolicyTestRunner.withNow(input), plan.definition.wholeInput)
        let result = PolicyThreads.runAndWait { [self] in
            Result { () throws(LuaFault) in
                let state = try set.recipe.make()
                let (evaluation, _) = set.evaluate(plan, whole, tier: tier, seed: seed, on: state)
                let (ruling, decidedBy) = evaluation.ruling(plan.definition)
                let asked = plan.placements(tier: tier)
                let steps = zip(evaluation.answers, asked).map { answer, index in
                    let trace = traces ? self.trace(index, plan, whole, seed) : PolicyTrace()
                    return Step(answer: answer, trace: trace)
                }
                return Run(hook: hook, input: whole, ruling: ruling, decidedBy: decidedBy, steps: steps, fuel: evaluation.fuel)
            }
        }
        do { return try result.get() } catch { throw OperatorQuestion([HookIssue("", error.text)]) }
    }

    private func trace(_ index: Int, _ plan: HookPlan, _ input: HookValue, _ seed: UInt64) -> PolicyTrace {
        PolicyTrace.of(set.recipe.placements[index], plan, input, seed: seed, recipe: set.recipe) ?? PolicyTrace()
    }
}

/// A question that cannot be asked, and what would be right.
package struct OperatorQuestion: Error, CustomStringConvertible {
    package let issues: [HookIssue]
    init(_ issues: [HookIssue]) { self.issues = issues }
    package var description: String { issues.map(\.description).joined(separator: "\n") }
}

extension HookPlan {
    /// In the order in which they are asked.
    func placements(tier: String?) -> [Int] { platform + (tier.flatMap { tiers[$0] } ?? []) + tenant }
}

/// The lines of one policy in the order in which they ran, conditions with the way they went.
package struct PolicyTrace: Sendable {
    package struct Line: Sendable, Hashable {
        package let line: Int
        /// `request.now.hour < settings.from_hour is true`; empty where the line decided nothing.
        package var conditions: [String]
    }
    package var lines: [Line] = []
    /// More ran than is kept.
    package var isCut = false

    static func of(_ placement: Placement, _ plan: HookPlan, _ input: HookValue, seed: UInt64, recipe: StateRecipe) -> PolicyTrace? {
        guard let tree = try? LuaParser.parse(placement.policy.source) else { return nil }
        let probed = LuaInstrument(tree, once: false)
        guard let events = ProbedState(placement, plan, probed, recipe)?.events(plan, input, seed: seed) else { return nil }
        var trace = PolicyTrace()
        // The chunk itself runs before its hook; what it did to make its table is of no interest.
        for event in events.drop(while: { $0 != LuaInstrument.asked }).dropFirst() {
            let (number, went) = LuaInstrument.event(event)
            let site = probed.sites[number]
            if let went {
                let note = "\(site.text) is \(went)"
                if trace.lines.last?.line == site.line {
                    trace.lines[trace.lines.count - 1].conditions.append(note)
                } else {
                    trace.lines.append(Line(line: site.line, conditions: [note]))
                }
            } else if trace.lines.last?.line != site.line {
                trace.lines.append(Line(line: site.line, conditions: []))
            }
        }
        trace.isCut = events.count >= LuaInstrument.mostEvents
        return trace
    }
}

/// A state of its own for one policy with probes in it. Fuel is not the question here, so there is plenty.
struct ProbedState {
    private let state: LuaState

    init?(_ placement: Placement, _ plan: HookPlan, _ probed: LuaInstrument, _ recipe: StateRecipe) {
        var limits = recipe.limits
        limits.fuel *= 20
        limits.cpu = .milliseconds(500)
        limits.nodes = 60_000
        guard let state = try? LuaState(limits), (try? state.actions(recipe.actions + [LuaInstrument.report])) != nil else { return nil }
        for shape in recipe.shapes { guard (try? state.shape(shape.label, shape.names)) != nil else { return nil } }
        guard let unit = try? state.load(probed.source), (try? state.bind(unit, settings: placement.settings, data: placement.data)) != nil
        else { return nil }
        self.state = state
    }

    /// Nil where the policy was stopped by its budget.
    func events(_ plan: HookPlan, _ input: HookValue, seed: UInt64) -> [Int64]? {
        guard plan.encoder.write(input, into: &state.input), let answer = try? state.ask(0, plan.definition.name, seed: seed),
            case .action(LuaInstrument.report, _, let fields) = answer, case .list(let items)? = fields["log"]
        else { return nil }
        return items.compactMap { if case .int(let number) = $0 { number } else { nil } }
    }
}
