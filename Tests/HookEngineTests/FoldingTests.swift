import HookEngine
import Testing

@Suite("answers fold into one")
struct FoldingTests {
    private static let hook = HookDefinition(
        "on_seat_request", kind: .decide, summary: "", input: [],
        terms: [
            HookField("overdraft_seats", .integer, "", optional: true, tight: .lowest, range: 0...1_000),
            HookField("keep_days", .integer, "", optional: true, tight: .highest, range: 0...1_000),
            HookField("note", .string, "", optional: true),
        ], whenAllAbstain: .allow)

    private static func allow(_ layer: PolicyLayer, _ terms: [String: HookValue] = [:], delegate: Set<String> = []) -> PolicyAnswer {
        let sorted = terms.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        return PolicyAnswer(layer: layer, policy: "p", file: "f", line: 1, content: .allow(terms: sorted, delegate: delegate))
    }
    private static func deny(_ layer: PolicyLayer, _ reason: String) -> PolicyAnswer {
        PolicyAnswer(layer: layer, policy: "p", file: "f", line: 1, content: .deny(reason: reason, retryAfterSeconds: nil))
    }
    private static func abstain(_ layer: PolicyLayer) -> PolicyAnswer {
        PolicyAnswer(layer: layer, policy: "p", file: "f", line: 1, content: .abstain)
    }
    private static func terms(_ answers: [PolicyAnswer]) -> [String: HookValue] {
        Dictionary(Folding.decide(answers, hook).terms, uniquingKeysWith: { first, _ in first })
    }

    @Test("any deny wins, and the first in the written order names the reason")
    func deny() {
        let folded = Folding.decide([Self.allow(.platform), Self.deny(.platform, "a"), Self.deny(.tier, "b")], Self.hook)
        #expect(folded.verdict == .deny(reason: "a", retryAfterSeconds: nil))
        #expect(folded.decidedBy == 1)
        #expect(folded.terms.isEmpty)
    }

    @Test("where all abstain the hook's default holds")
    func abstain() {
        let denies = HookDefinition("h", kind: .decide, summary: "", input: [], whenAllAbstain: .deny)
        #expect(Folding.decide([Self.abstain(.platform)], Self.hook).verdict == .allow)
        #expect(Folding.decide([Self.abstain(.platform)], denies).verdict == .deny(reason: "no_policy_allows", retryAfterSeconds: nil))
        #expect(Folding.decide([], Self.hook).decidedBy == nil)
    }

    @Test(
        "terms take their tight end, within a layer and down the layers",
        arguments: [
            // platform, tier, tenant → overdraft_seats
            ([5, 3], [], [], 3), ([5], [3], [], 3), ([3], [5], [], 3), ([5], [4], [2], 2), ([5], [4], [9], 4), ([], [7], [], 7),
            ([], [7], [9], 7), ([], [], [9], nil),
        ] as [([Int64], [Int64], [Int64], Int64?)])
    func tight(platform: [Int64], tier: [Int64], tenant: [Int64], expected: Int64?) {
        let answers =
            platform.map { Self.allow(.platform, ["overdraft_seats": .int($0)]) }
            + tier.map { Self.allow(.tier, ["overdraft_seats": .int($0)]) }
            + tenant.map { Self.allow(.tenant, ["overdraft_seats": .int($0)]) }
        #expect(Self.terms(answers)["overdraft_seats"]?.int == expected)
    }

    @Test("the other end is tight where the hook says so, and what is no number keeps what was said first")
    func others() {
        let answers = [
            Self.allow(.platform, ["keep_days": .int(5), "note": .string("a")]),
            Self.allow(.tier, ["keep_days": .int(9), "note": .string("b")]),
        ]
        #expect(Self.terms(answers) == ["keep_days": .int(9), "note": .string("a")])
    }

    @Test("a delegated term may be widened by the next layer, and only what is delegated")
    func delegated() {
        let wide = [
            Self.allow(.platform, ["overdraft_seats": .int(2)], delegate: ["overdraft_seats"]),
            Self.allow(.tier, ["overdraft_seats": .int(9)]),
        ]
        #expect(Self.terms(wide)["overdraft_seats"] == .int(9))
        let kept = wide + [Self.allow(.tenant, ["overdraft_seats": .int(50)])]
        #expect(Self.terms(kept)["overdraft_seats"] == .int(9), "the tier did not pass it on")
        let withheld = [Self.allow(.platform, ["overdraft_seats": .int(2)])] + wide
        #expect(Self.terms(withheld)["overdraft_seats"] == .int(2), "another policy of the layer set it without delegating")
        let unset = [Self.allow(.platform, [:], delegate: ["overdraft_seats"]), Self.allow(.tenant, ["overdraft_seats": .int(4)])]
        #expect(Self.terms(unset)["overdraft_seats"] == .int(4), "delegated to whoever is below")
    }

    private static func plan(_ layer: PolicyLayer, _ names: [String], delegate: Set<String> = []) -> PolicyAnswer {
        PolicyAnswer(layer: layer, policy: "p", file: "f", line: 1, content: .plan(names.map { PlannedAction($0) }, delegate: delegate))
    }
    private static func names(_ answers: [PolicyAnswer], shipped: [String] = ["ship"]) -> [String]? {
        Folding.plan(answers) { shipped.map { PlannedAction($0) } }?.actions.map(\.name)
    }

    @Test("plans of one layer add up; a lower layer removes and adds only what is delegated; a tenant takes from the shipped plan")
    func plans() {
        #expect(Self.names([]) == nil)
        #expect(Self.names([Self.abstain(.platform)]) == nil)
        #expect(Self.names([Self.plan(.platform, ["a", "b"]), Self.plan(.platform, ["b", "c"])]) == ["a", "b", "c"])
        #expect(Self.names([Self.plan(.platform, ["a", "b"]), Self.plan(.tier, ["b", "x"])]) == ["b"])
        #expect(Self.names([Self.plan(.platform, ["a", "b"], delegate: ["x"]), Self.plan(.tier, ["b", "x"])]) == ["b", "x"])
        #expect(Self.names([Self.plan(.platform, []), Self.plan(.tier, ["x"])]) == [])
        #expect(Self.names([Self.plan(.tier, ["x"])]) == ["x"])
        #expect(Self.names([Self.plan(.tenant, ["x", "ship"])]) == ["ship"])
    }
}
