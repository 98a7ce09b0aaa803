import HookEngine
import Testing

/// Random stacks of three layers, judged by what the upper layers said alone.
@Suite("no stack goes beyond what its upper layers allow")
struct FoldingPropertyTests {
    /// SplitMix64: the same stacks in each run.
    private struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
    }
    private static let names = ["overdraft_seats", "keep_days", "note"]
    private static let hook = HookDefinition(
        "on_seat_request", kind: .decide, summary: "", input: [],
        terms: [
            HookField("overdraft_seats", .integer, "", optional: true, tight: .lowest),
            HookField("keep_days", .integer, "", optional: true, tight: .highest), HookField("note", .string, "", optional: true),
        ], whenAllAbstain: .allow)
    private static let actions = ["issue", "suspend", "mail", "tell"].map { PlannedAction($0) }

    private static func some<Item>(_ items: [Item], _ dice: inout Dice) -> [Item] {
        items.filter { _ in Int.random(in: 0..<3, using: &dice) == 0 }
    }

    private static func stack(_ dice: inout Dice, _ content: (inout Dice) -> PolicyAnswer.Content) -> [PolicyAnswer] {
        PolicyLayer.allCases.flatMap { layer in
            (0..<Int.random(in: 0...3, using: &dice)).map { _ in
                PolicyAnswer(layer: layer, policy: "p", file: "f", line: 1, content: content(&dice))
            }
        }
    }
    private static func decision(_ dice: inout Dice) -> PolicyAnswer.Content {
        switch Int.random(in: 0..<12, using: &dice) {
        case 0: return .deny(reason: "no", retryAfterSeconds: nil)
        case 1...3: return .abstain
        default:
            let terms = some(names, &dice).map { name -> (String, HookValue) in
                (
                    name,
                    name == "note" ? .string(["a", "b"].randomElement(using: &dice) ?? "") : .int(Int64.random(in: 0...9, using: &dice))
                )
            }
            return .allow(terms: terms, delegate: Set(some(names, &dice)))
        }
    }
    private static func plan(_ dice: inout Dice) -> PolicyAnswer.Content {
        Int.random(in: 0..<4, using: &dice) == 0
            ? .abstain : .plan(some(actions, &dice), delegate: Set(some(actions.map(\.name), &dice)))
    }

    /// What the layer hands down: everything it delegates, but what one of its policies set and kept.
    private static func handed(_ answers: [PolicyAnswer]) -> Set<String> {
        var given: Set<String> = []
        var kept: Set<String> = []
        for answer in answers {
            guard case .allow(let terms, let delegate) = answer.content else { continue }
            given.formUnion(delegate)
            kept.formUnion(terms.map(\.0).filter { !delegate.contains($0) })
        }
        return given.subtracting(kept)
    }

    @Test("a decision never exceeds the platform's, and a tenant never the operator's, but in what was handed down")
    func decisions() {
        var dice = Dice(state: 7)
        for round in 0..<20_000 {
            let answers = Self.stack(&dice, Self.decision)
            let whole = Folding.decide(answers, Self.hook)
            for upper in [[PolicyLayer.platform], [.platform, .tier]] {
                let above = answers.filter { upper.contains($0.layer) }
                let bound = Folding.decide(above, Self.hook)
                if case .deny = bound.verdict {
                    if case .allow = whole.verdict { Issue.record("round \(round): a deny was lifted") }
                    continue
                }
                guard case .allow = whole.verdict else { continue }
                var free = Self.handed(answers.filter { $0.layer == .platform })
                if upper.count == 2 {
                    let platform = Folding.decide(answers.filter { $0.layer == .platform }, Self.hook).terms.map(\.0)
                    free.formUnion(Self.handed(answers.filter { $0.layer == .tier }).filter { !platform.contains($0) })
                }
                for (name, value) in whole.terms where !free.contains(name) {
                    guard let limit = bound.terms.first(where: { $0.0 == name })?.1 else {
                        // Where the platform is silent the tier speaks for the operator; nobody speaks for the tenant.
                        #expect(upper.count == 1, "round \(round): a tenant set \(name)")
                        continue
                    }
                    switch name {
                    case "overdraft_seats": #expect(value.int ?? 99 <= limit.int ?? 0, "round \(round): \(name)")
                    case "keep_days": #expect(value.int ?? 0 >= limit.int ?? 99, "round \(round): \(name)")
                    default: #expect(value == limit, "round \(round): \(name)")
                    }
                }
            }
        }
    }

    @Test("a plan holds no action that the platform's does not, but of a kind that was handed down")
    func plans() {
        var dice = Dice(state: 11)
        for round in 0..<20_000 {
            let answers = Self.stack(&dice, Self.plan)
            let shipped = Array(Self.actions.prefix(2))
            let whole = Folding.plan(answers) { shipped }?.actions ?? shipped
            var free: Set<String> = []
            for answer in answers where answer.layer == .platform {
                if case .plan(_, let delegate) = answer.content { free.formUnion(delegate) }
            }
            let platform = Folding.plan(answers.filter { $0.layer == .platform }) { shipped }?.actions
            if let platform {
                for action in whole where !free.contains(action.name) {
                    #expect(platform.contains(action), "round \(round): \(action.name) was added to \(platform.map(\.name))")
                }
            } else {
                let operators = Folding.plan(answers.filter { $0.layer != .tenant }) { shipped }?.actions ?? shipped
                for answer in answers where answer.layer == .tier {
                    if case .plan(_, let delegate) = answer.content { free.formUnion(delegate) }
                }
                for action in whole where !free.contains(action.name) {
                    #expect(operators.contains(action), "round \(round): a tenant added \(action.name)")
                }
            }
        }
    }

    @Test("a layer cannot hand down what an upper one set and kept")
    func laundering() {
        func answer(_ layer: PolicyLayer, _ value: Int64, _ delegate: Set<String>) -> PolicyAnswer {
            PolicyAnswer(
                layer: layer, policy: "p", file: "f", line: 1,
                content: .allow(terms: [("overdraft_seats", .int(value))], delegate: delegate))
        }
        let answers = [answer(.platform, 2, []), answer(.tier, 1, ["overdraft_seats"]), answer(.tenant, 9, [])]
        #expect(Folding.decide(answers, Self.hook).terms.first?.1 == .int(1))
    }
}
