import HookEngine
import Vocabulary

/// One row of a policy's own test table.
package struct PolicyTestResult: Sendable, Hashable {
    package let policy: String
    package let name: String
    /// `seats/overdraft/policy_test.lua`
    package let path: String
    package let line: Int
    package let passed: Bool
    /// What was expected and what came instead; empty for a test that passed.
    package let message: String
}

/// Runs `policy_test.lua`: a list of { name, hook, input, settings, data, expect = { outcome, reason, retry_after_seconds, terms, actions } }.
/// Each row asks the one policy beside it, alone. `now` is Monday, 2026-01-05 12:00 UTC, in the fields that a row leaves out.
struct PolicyTestRunner {
    let set: PolicySet
    let actions: [String]
    let limits: LuaLimits

    private static let rowFields = ["name", "hook", "input", "settings", "data", "expect"]
    private static let expectFields = ["outcome", "reason", "retry_after_seconds", "terms", "actions"]
    private static let noon = Timestamp(seconds: 1_767_614_400)

    func run(_ policy: PolicyFile, path: String, _ source: String, most: Int = .max, _ findings: inout Findings) -> [PolicyTestResult] {
        let outline = LuaOutline(source)
        let table: WireValue
        do {
            let state = try LuaState(.description)
            try state.actions(actions)
            table = try state.describe(try state.load(source))
        } catch {
            findings.add(path, error, outline)
            return []
        }
        guard case .list(let rows) = table else {
            findings.add(
                path, nil, "returns \(table.kindName); accepted is a list of { name = …, hook = …, input = { … }, expect = { … } }")
            return []
        }
        guard rows.count <= most else {
            findings.add(path, nil, "holds \(rows.count) tests; of all policies together at most \(TenantBundle.mostTests) are accepted")
            return []
        }
        return rows.enumerated().map { index, row in
            let line = outline.line("[\(index + 1)]") ?? 0
            let name = row["name"]?.string ?? "row \(index + 1)"
            let problem = check(row, policy)
            return PolicyTestResult(
                policy: policy.id, name: name, path: path, line: line, passed: problem == nil,
                message: problem.map { "\(name): \($0)" } ?? "")
        }
    }

    /// The questions of the rows, without what is expected.
    func inputs(_ source: String) -> [(hook: String, input: HookValue)] {
        guard let state = try? LuaState(.description), (try? state.actions(actions)) != nil, let unit = try? state.load(source),
            case .list(let rows)? = try? state.describe(unit)
        else { return [] }
        return rows.compactMap { row in
            guard let hook = row["hook"]?.string, let input = row["input"]?.plain else { return nil }
            return (hook, Self.withNow(input))
        }
    }

    struct Question {
        let placement: Placement
        let plan: HookPlan
        let input: HookValue
        let expect: WireValue
    }

    /// What the rows ask, those that can be asked.
    func questions(_ policy: PolicyFile, _ source: String) -> [Question] {
        guard let state = try? LuaState(.description), (try? state.actions(actions)) != nil, let unit = try? state.load(source),
            case .list(let rows)? = try? state.describe(unit)
        else { return [] }
        return rows.compactMap { try? question($0, policy).get() }
    }

    /// Nil where the policy answered as expected.
    private func check(_ row: WireValue, _ policy: PolicyFile) -> String? {
        switch question(row, policy) {
        case .failure(let fault): fault.message
        case .success(let question):
            judge(ask(question.placement, question.plan, question.input), question.expect, question.plan.definition)
        }
    }

    private struct RowFault: Error { let message: String }

    private func question(_ row: WireValue, _ policy: PolicyFile) -> Result<Question, RowFault> {
        func wrong(_ message: String) -> Result<Question, RowFault> { .failure(RowFault(message: message)) }
        guard case .object(let members) = row, row["name"]?.string != nil else {
            return wrong("a row is a table with name, hook, input, expect")
        }
        for (field, _) in members where !Self.rowFields.contains(field) {
            return wrong("\(field) is not a field of a test; accepted are: \(Self.rowFields.joined(separator: ", "))")
        }
        guard let hook = row["hook"]?.string, policy.hooks[hook] != nil, let plan = set.hooks[hook] else {
            return wrong("hook must be one that the policy answers: \(policy.hooks.keys.sorted().joined(separator: ", "))")
        }
        guard let given = row["input"]?.plain, let overrides = (row["settings"] ?? .object([])).plain else {
            return wrong("input must be a table of plain values")
        }
        var complaints: [String] = []
        let settings = policy.effective(overrides) { complaints.append($1) }
        guard let settings else { return wrong(complaints.joined(separator: "; ")) }
        let input = Self.withNow(given)
        if let issue = HookCheck.issues(input, plan.definition.wholeInput).first { return wrong("input: \(issue)") }
        var data: [(String, HookValue)] = []
        for name in policy.data {
            guard let value = row["data"]?[name]?.plain ?? set.data[name] else { return wrong("there is no data \(name)") }
            data.append((name, value))
        }
        let placement = Placement(layer: .platform, policy: policy, settings: settings, data: .object(data))
        let ordered = InputEncoder.ordered(input, plan.definition.wholeInput)
        return .success(Question(placement: placement, plan: plan, input: ordered, expect: row["expect"] ?? .null))
    }

    private func ask(_ placement: Placement, _ plan: HookPlan, _ input: HookValue) -> PolicyAnswer.Content {
        let recipe = StateRecipe(limits: limits, actions: actions, shapes: set.recipe.shapes, placements: [placement])
        let alone = HookPlan(definition: plan.definition, encoder: plan.encoder, terms: plan.terms, platform: [0], tiers: [:])
        let single = PolicySet(hash: set.hash, hooks: [:], data: [:], recipe: recipe, states: 1)
        do {
            let (evaluation, _) = single.evaluate(alone, input, tier: nil, seed: 1, on: try recipe.make())
            return evaluation.answers.first?.content ?? .failed(evaluation.failure ?? "gave no answer")
        } catch {
            return .failed(error.text)
        }
    }

    private func judge(_ content: PolicyAnswer.Content, _ expect: WireValue, _ hook: HookDefinition) -> String? {
        guard case .object(let members) = expect else { return "expect must be a table with outcome" }
        for (field, _) in members where !Self.expectFields.contains(field) {
            return "\(field) is not a field of expect; accepted are: \(Self.expectFields.joined(separator: ", "))"
        }
        let wanted = expect["outcome"]?.string ?? "nothing"
        let shown = Self.shown(content)
        guard wanted == content.outcome else { return "expected \(wanted), got \(shown)" }
        switch content {
        case .deny(let reason, let seconds):
            if let wanted = expect["reason"]?.string, wanted != reason { return "expected the reason \(wanted), got \(reason)" }
            if case .int(let wanted)? = expect["retry_after_seconds"], wanted != seconds {
                return "expected retry_after_seconds \(wanted), got \(seconds.map(String.init) ?? "none")"
            }
        case .allow(let terms, _):
            if let wanted = expect["terms"]?.plain, wanted != .object(terms) {
                return "expected the terms \(Self.text(wanted)), got \(shown)"
            }
        case .plan(let actions, _):
            guard let wanted = expect["actions"] else { break }
            let list: [WireValue]
            if case .list(let items) = wanted { list = items } else { list = [] }
            let expected = list.map { item -> PlannedAction in
                if case .action(let name, _, let fields) = item { return PlannedAction(name, fields.plain ?? .null) }
                return PlannedAction("?", .null)
            }
            if expected != actions { return "expected \(Self.shown(.plan(expected, delegate: []))), got \(shown)" }
        case .abstain, .failed: break
        }
        return nil
    }

    static func withNow(_ input: HookValue) -> HookValue {
        guard case .object(var members) = input, case .object(var moment) = CivilTime(noon).input(epochSeconds: noon.seconds) else {
            return input
        }
        if let index = members.firstIndex(where: { $0.0 == "now" }) {
            guard case .object(let given) = members[index].1 else { return input }
            for (name, value) in given {
                if let place = moment.firstIndex(where: { $0.0 == name }) { moment[place].1 = value } else { moment.append((name, value)) }
            }
            members.remove(at: index)
        }
        members.append(("now", .object(moment)))
        return .object(members)
    }

    private static func shown(_ content: PolicyAnswer.Content) -> String {
        switch content {
        case .abstain: "abstain"
        case .allow(let terms, _): "allow" + text(.object(terms))
        case .deny(let reason, _): "deny(\"\(reason)\")"
        case .plan(let actions, _): "plan{" + actions.map { $0.name + text($0.fields) }.joined(separator: ", ") + "}"
        case .failed(let why): "an error: \(why)"
        }
    }

    private static func text(_ value: HookValue) -> String {
        guard case .object(let members) = value else { return value.shown }
        return "{" + members.map { "\($0) = \($1.shown)" }.joined(separator: ", ") + "}"
    }
}

extension PolicyAnswer.Content {
    var outcome: String {
        switch self {
        case .abstain: "abstain"
        case .allow: "allow"
        case .deny: "deny"
        case .plan: "plan"
        case .failed: "error"
        }
    }
}
