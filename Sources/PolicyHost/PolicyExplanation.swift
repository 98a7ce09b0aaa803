import Foundation
import HookEngine
import Vocabulary

/// One change of an input that makes a set answer otherwise.
package struct PolicyCounterfactual: Sendable {
    package struct Change: Sendable, Hashable {
        /// `request.now.hour`
        package let path: String
        package let before: String
        package let after: String
    }
    package let changes: [Change]
    package let ruling: PolicyRuling
}

extension PolicyWorkbench {
    /// The smallest change of the input that gives an answer of another kind or another reason: of one field, else of two. Numbers come
    /// as close to what they are as still flips. Nil where none was found among what the policies compare with.
    package func flip(_ hook: String, _ input: HookValue, tier: String?, seed: UInt64) -> PolicyCounterfactual? {
        guard let plan = set.hooks[hook] else { return nil }
        return PolicyThreads.runAndWait { [self] in
            guard let state = try? set.recipe.make() else { return nil }
            var search = FlipSearch(self, plan, tier: tier, seed: seed, state: state)
            return search.smallest(InputEncoder.ordered(PolicyTestRunner.withNow(input), plan.definition.wholeInput))
        }
    }
}

/// Values that policies compare with: what a search for edge cases tries first.
struct PolicyLiterals: LuaVisitor {
    var texts: Set<String> = []
    var numbers: Set<Int64> = []

    mutating func visit(expression: LuaExpression) {
        if case .constant(let constant) = expression.kind {
            if case .text(let text) = constant, text.utf8.count <= 64 { texts.insert(text) }
            if case .integer(let number) = constant { numbers.insert(number) }
        }
        walk(expression)
    }

    mutating func add(_ value: HookValue) {
        switch value {
        case .string(let text): if text.utf8.count <= 64 { texts.insert(text) }
        case .int(let number): numbers.insert(number)
        case .list(let items): for item in items { add(item) }
        case .object(let members):
            for (name, member) in members {
                texts.insert(name)
                add(member)
            }
        case .bool, .null: break
        }
    }

    static func of(_ placements: [Placement]) -> PolicyLiterals {
        var found = PolicyLiterals()
        for placement in placements {
            if let tree = try? LuaParser.parse(placement.policy.source) { found.visit(block: tree.body) }
            found.add(placement.settings)
            found.add(placement.data)
        }
        return found
    }
}

private struct FlipSearch {
    private let bench: PolicyWorkbench
    private let plan: HookPlan
    private let tier: String?
    private let seed: UInt64
    private var state: LuaState
    private let literals: PolicyLiterals
    private var asked = 0

    private static let mostAsked = 20_000
    private static let mostPairs = 150

    init(_ bench: PolicyWorkbench, _ plan: HookPlan, tier: String?, seed: UInt64, state: LuaState) {
        self.bench = bench
        self.plan = plan
        self.tier = tier
        self.seed = seed
        self.state = state
        literals = PolicyLiterals.of(plan.placements(tier: tier).map { bench.set.recipe.placements[$0] })
    }

    private mutating func ask(_ input: HookValue) -> PolicyRuling {
        asked += 1
        let (evaluation, isAlive) = bench.set.evaluate(plan, input, tier: tier, seed: seed, on: state)
        if !isAlive, let fresh = try? bench.set.recipe.make() { state = fresh }
        return evaluation.ruling(plan.definition).ruling
    }

    mutating func smallest(_ input: HookValue) -> PolicyCounterfactual? {
        let before = ask(input)
        let candidates = candidates(input)
        var best: (cost: Int64, found: PolicyCounterfactual)?
        for candidate in candidates where asked < Self.mostAsked {
            let after = ask(input.with(candidate.path, candidate.value))
            guard isFlip(before, after) else { continue }
            let closest = close(input, candidate, before)
            if best == nil || closest.cost < best!.cost { best = (closest.cost, closest.found) }
        }
        if let best { return best.found }
        let few = candidates.prefix(Self.mostPairs)
        for (index, first) in few.enumerated() {
            let once = input.with(first.path, first.value)
            for second in few.dropFirst(index + 1) where second.path != first.path && asked < Self.mostAsked {
                let after = ask(once.with(second.path, second.value))
                if isFlip(before, after) {
                    return PolicyCounterfactual(changes: [change(input, first), change(input, second)], ruling: after)
                }
            }
        }
        return nil
    }

    private func isFlip(_ before: PolicyRuling, _ after: PolicyRuling) -> Bool {
        if case .failed = after.outcome { return false }
        return before.headline != after.headline
    }

    private struct Candidate {
        let path: [String]
        let value: HookValue
        let cost: Int64
    }

    private func change(_ input: HookValue, _ candidate: Candidate) -> PolicyCounterfactual.Change {
        PolicyCounterfactual.Change(
            path: "request." + candidate.path.joined(separator: "."), before: input.at(candidate.path)?.plainText ?? "nothing",
            after: candidate.value.plainText)
    }

    /// For a number: halves the way to what it was while the answer still differs.
    private mutating func close(_ input: HookValue, _ candidate: Candidate, _ before: PolicyRuling) -> (
        cost: Int64, found: PolicyCounterfactual
    ) {
        var best = candidate
        if let start = input.at(candidate.path)?.int, var far = candidate.value.int {
            var near = start
            while abs(far.subtractingReportingOverflow(near).partialValue) > 1, asked < Self.mostAsked {
                let middle = near + (far - near) / 2
                if isFlip(before, ask(input.with(candidate.path, .int(middle)))) { far = middle } else { near = middle }
            }
            best = Candidate(path: candidate.path, value: .int(far), cost: 0)
        }
        let after = ask(input.with(best.path, best.value))
        return (candidate.cost, PolicyCounterfactual(changes: [change(input, best)], ruling: after))
    }

    /// Everything else that a field may be, as far as the policies can tell the difference.
    private func candidates(_ input: HookValue) -> [Candidate] {
        var found: [Candidate] = []
        func add(_ fields: [HookField], _ path: [String], _ value: HookValue) {
            for field in fields {
                let here = path + [field.name]
                let now = value[field.name] ?? .null
                if field.isOptional, now != .null { found.append(Candidate(path: here, value: .null, cost: 3)) }
                switch field.kind {
                case .boolean: found.append(Candidate(path: here, value: .bool(!(now.bool ?? false)), cost: 1))
                case .choice(let names):
                    for name in names where now.string != name { found.append(Candidate(path: here, value: .string(name), cost: 2)) }
                case .string:
                    for text in literals.texts.sorted() where now.string != text {
                        found.append(Candidate(path: here, value: .string(text), cost: 2))
                    }
                case .integer:
                    var numbers: Set<Int64> = []
                    for number in literals.numbers.union(neighbours(input)) { numbers.formUnion([number &- 1, number, number &+ 1]) }
                    if let range = field.range { numbers.formUnion([range.lowerBound, range.upperBound]) }
                    for number in numbers.sorted() where now.int != number && field.range?.contains(number) ?? true {
                        found.append(Candidate(path: here, value: .int(number), cost: 1))
                    }
                case .object(let inner): if now != .null { add(inner, here, now) }
                case .list, .map: break
                }
            }
        }
        add(plan.definition.wholeInput, [], input)
        return found
    }

    /// The other numbers of the same input: policies compare fields with each other.
    private func neighbours(_ input: HookValue) -> Set<Int64> {
        var found = PolicyLiterals()
        if case .object(let members) = input { for (name, member) in members where name != "now" { found.add(member) } }
        return found.numbers
    }
}

extension HookValue {
    func at(_ path: [String]) -> HookValue? { path.reduce(Optional(self)) { $0?[$1] } }

    /// The same tree with another value at the path; it is added where there was none.
    func with(_ path: [String], _ value: HookValue) -> HookValue {
        guard let first = path.first else { return value }
        guard case .object(var members) = self else { return self }
        let rest = Array(path.dropFirst())
        if let index = members.firstIndex(where: { $0.0 == first }) {
            members[index].1 = members[index].1.with(rest, value)
        } else if rest.isEmpty {
            members.append((first, value))
        }
        return .object(members)
    }
}
