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
            findings.add(path, error, outline, source: source)
            return []
        }
        guard case .list(let rows) = table else {
            findings.add(
                path, outline.line("") ?? outline.end,
                "returns \(table.kindName); accepted is a list of { name = …, hook = …, input = { … }, expect = { … } }")
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
            judge(ask(question), question.expect)
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

    private func ask(_ question: Question) -> (content: PolicyAnswer.Content, place: String) {
        let plan = question.plan
        let recipe = StateRecipe(limits: limits, actions: actions, shapes: set.recipe.shapes, placements: [question.placement])
        let alone = HookPlan(definition: plan.definition, encoder: plan.encoder, terms: plan.terms, platform: [0], tiers: [:])
        let single = PolicySet(hash: set.hash, hooks: [:], data: [:], recipe: recipe, states: 1)
        do {
            let (evaluation, _) = single.evaluate(alone, question.input, tier: nil, seed: 1, on: try recipe.make())
            guard let answer = evaluation.answers.first else { return (.failed(evaluation.failure ?? "gave no answer"), "") }
            return (answer.content, answer.place)
        } catch {
            return (.failed(error.text), "")
        }
    }

    private func judge(_ answer: (content: PolicyAnswer.Content, place: String), _ expect: WireValue) -> String? {
        guard case .object(let members) = expect else {
            return "expect is \(expect.kindName); it is a table with outcome, like { outcome = \"deny\", reason = \"outside_hours\" }"
        }
        for (field, _) in members where !Self.expectFields.contains(field) {
            return "\(field) is not a field of expect; accepted are: \(Self.expectFields.joined(separator: ", "))"
        }
        if let fault = Self.fault(expect) { return fault }
        let wanted = expect["outcome"]?.string ?? ""
        let content = answer.content
        let shown = Self.shown(content, answer.place)
        guard wanted == content.outcome else { return "expected \(wanted), got \(shown)" }
        switch content {
        case .deny(let reason, let seconds):
            if let wanted = expect["reason"]?.string, wanted != reason {
                return "expected the reason \(wanted), got \(reason) at \(answer.place)"
            }
            if case .int(let wanted)? = expect["retry_after_seconds"], wanted != seconds {
                return "expected retry_after_seconds \(wanted), got \(seconds.map(String.init) ?? "none") at \(answer.place)"
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
            if expected != actions { return "expected \(Self.shown(.plan(expected, delegate: []), "")), got \(shown)" }
        case .abstain, .failed: break
        }
        return nil
    }

    private static let outcomes = ["allow", "deny", "plan", "abstain", "error"]
    /// Which outcome each further field belongs to.
    private static let belongs = ["reason": "deny", "retry_after_seconds": "deny", "terms": "allow", "actions": "plan"]

    /// An expectation that could never be compared with an answer.
    private static func fault(_ expect: WireValue) -> String? {
        guard let outcome = expect["outcome"]?.string, outcomes.contains(outcome) else {
            let got = expect["outcome"].map { $0.plain?.shown ?? $0.kindName } ?? "nothing"
            return "outcome is \(got); accepted are: \(outcomes.joined(separator: ", "))"
        }
        for (field, owner) in belongs.sorted(by: { $0.key < $1.key }) {
            guard let value = expect[field], !value.isNull else { continue }
            if owner != outcome { return "\(field) belongs to the outcome \(owner), and \(outcome) is expected" }
            let fits: Bool =
                switch field {
                case "reason": value.string != nil
                case "retry_after_seconds": value.plain?.int != nil
                default: ["a table", "a list"].contains(value.kindName)
                }
            if !fits { return "\(field) is \(value.plain?.shown ?? value.kindName); accepted is \(kinds[field] ?? "")" }
        }
        return nil
    }
    private static let kinds = [
        "reason": "a text", "retry_after_seconds": "a whole number", "terms": "a table of terms", "actions": "a list of actions",
    ]

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

    /// What came, and from which line: an error with what would be right.
    private static func shown(_ content: PolicyAnswer.Content, _ place: String) -> String {
        let at = place.isEmpty ? "" : " at \(place)"
        switch content {
        case .abstain: return "abstain"
        case .allow(let terms, _): return "allow" + text(.object(terms)) + at
        case .deny(let reason, _): return "deny(\"\(reason)\")" + at
        case .plan(let actions, _): return "plan{" + actions.map { $0.name + text($0.fields) }.joined(separator: ", ") + "}" + at
        case .failed(let why): return "an error\(at): \(LuaAdvice.advised(why))"
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
