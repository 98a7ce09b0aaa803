import Foundation
import HookEngine

/// Which lines and conditions of a policy its own tests reach.
package struct PolicyCoverage: Sendable {
    /// A condition that went one way only, or never.
    package struct Gap: Sendable, Hashable {
        package let line: Int
        /// `a < b is never true`; empty where the line itself never ran.
        package let text: String
    }
    package let policy: String
    package let file: String
    package let lines: Int
    package let linesRun: Int
    /// Two for each condition.
    package let branches: Int
    package let branchesRun: Int
    package let gaps: [Gap]
}

/// A change of a policy that none of its tests notices: nobody would if it came by accident.
package struct PolicyMutant: Sendable, Hashable {
    package let file: String
    package let line: Int
    package let before: String
    package let after: String
}

extension PolicyWorkbench {
    private var runner: PolicyTestRunner { PolicyTestRunner(set: set, actions: builder.actions, limits: builder.limits) }

    private func tested() -> [(policy: PolicyFile, tests: String, tree: LuaTree)] {
        policies.values.sorted { $0.path < $1.path }.compactMap { policy in
            guard let tests = files["\(policy.path)/policy_test.lua"], let tree = try? LuaParser.parse(policy.source) else { return nil }
            return (policy, tests, tree)
        }
    }

    /// Of every policy that has tests.
    package func coverage() -> [PolicyCoverage] {
        PolicyThreads.runAndWait { [self] in
            tested().map { policy, tests, tree in
                let probed = LuaInstrument(tree, once: true)
                var seen: Set<Int64> = []
                for question in runner.questions(policy, tests) {
                    if let state = ProbedState(question.placement, question.plan, probed, set.recipe) {
                        seen.formUnion(state.events(question.plan, question.input, seed: 1) ?? [])
                    }
                }
                return Self.coverage(policy, probed, seen)
            }
        }
    }

    private static func coverage(_ policy: PolicyFile, _ probed: LuaInstrument, _ seen: Set<Int64>) -> PolicyCoverage {
        var lines: Set<Int> = []
        var run: Set<Int> = []
        var branches = 0
        var branchesRun = 0
        var gaps: [PolicyCoverage.Gap] = []
        for (index, site) in probed.sites.enumerated() {
            let number = Int64(index * 3)
            guard site.kind == .condition else {
                lines.insert(site.line)
                if seen.contains(number) { run.insert(site.line) }
                continue
            }
            branches += 2
            for (way, text) in [(1, "true"), (2, "false")] as [(Int64, String)] {
                if seen.contains(number + way) {
                    branchesRun += 1
                } else {
                    gaps.append(.init(line: site.line, text: "\(site.text) is never \(text)"))
                }
            }
        }
        let never = lines.subtracting(run)
        gaps = gaps.filter { !never.contains($0.line) } + never.map { .init(line: $0, text: "") }
        return PolicyCoverage(
            policy: policy.id, file: policy.file, lines: lines.count, linesRun: run.count, branches: branches, branchesRun: branchesRun,
            gaps: gaps.sorted { ($0.line, $0.text) < ($1.line, $1.text) })
    }

    /// Changes every policy that has tests in one place after the other and runs its tests; what survives is untested.
    package func mutate(most: Int = 400) -> (mutants: Int, survivors: [PolicyMutant]) {
        PolicyThreads.runAndWait { [self] in
            var count = 0
            var survivors: [PolicyMutant] = []
            for (policy, tests, tree) in tested() {
                for mutation in LuaMutations.of(tree).prefix(most) {
                    let changed = policy.with(source: mutation.applied(to: tree))
                    guard let state = try? LuaState(.description), (try? state.actions(builder.actions)) != nil,
                        (try? state.load(changed.source)) != nil
                    else { continue }
                    count += 1
                    var ignored = Findings(label: "")
                    let results = runner.run(changed, path: changed.file, tests, &ignored)
                    if results.allSatisfy(\.passed) {
                        survivors.append(
                            PolicyMutant(
                                file: policy.file, line: mutation.span.line, before: tree.text(mutation.span), after: mutation.text))
                    }
                }
            }
            return (count, survivors)
        }
    }
}

extension PolicyFile {
    /// The same policy by another text.
    func with(source: String) -> PolicyFile {
        PolicyFile(path: path, file: file, source: source, id: id, settings: settings, data: data, hooks: hooks)
    }
}

/// The small mistakes that people make: a comparison that is off by one, a turned condition, another number, a return that is missing.
struct LuaMutations: LuaVisitor {
    struct Mutation: Sendable {
        let span: LuaSpan
        let text: String
        func applied(to tree: LuaTree) -> String {
            String(decoding: tree.bytes[..<span.start] + Array(text.utf8) + tree.bytes[span.end...], as: UTF8.self)
        }
    }
    private let tree: LuaTree
    private var found: [Mutation] = []
    private var functions = 0

    static func of(_ tree: LuaTree) -> [Mutation] {
        var mutations = LuaMutations(tree: tree)
        mutations.visit(block: tree.body)
        return mutations.found
    }
    private init(tree: LuaTree) { self.tree = tree }

    private static let signs: [String: [String]] = [
        "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"], "==": ["~="], "~=": ["=="], "and": ["or"], "or": ["and"],
        "+": ["-"], "-": ["+"], "*": ["//"], "//": ["*"],
    ]

    mutating func visit(statement: LuaStatement) {
        if functions > 0 {
            switch statement.kind {
            case .answer(let values) where !values.isEmpty: found.append(Mutation(span: statement.span, text: "do return end"))
            case .choose(let branches, _):
                for branch in branches {
                    let span = branch.condition.span
                    if case .binary(let sign, _, _, _) = branch.condition.kind, ["==", "~="].contains(sign) { continue }
                    found.append(Mutation(span: span, text: "not (\(tree.text(span)))"))
                }
            default: break
            }
        }
        walk(statement)
    }

    mutating func visit(expression: LuaExpression) {
        switch expression.kind {
        case .function:
            functions += 1
            walk(expression)
            functions -= 1
            return
        case .binary(let sign, let place, _, _) where functions > 0:
            for other in Self.signs[sign] ?? [] { found.append(Mutation(span: place, text: other)) }
        case .constant(.integer(let number)) where functions > 0:
            found.append(Mutation(span: expression.span, text: number == .max ? "0" : "\(number + 1)"))
        case .constant(.bool(let flag)) where functions > 0: found.append(Mutation(span: expression.span, text: "\(!flag)"))
        default: break
        }
        walk(expression)
    }
}
