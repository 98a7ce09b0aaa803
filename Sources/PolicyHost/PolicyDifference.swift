import HookEngine

/// What lies between two sets of policies.
package struct PolicyDifference: Sendable {
    package struct Change: Sendable, Hashable {
        /// `file`, `policy`, `hook`, `setting`, `order`, `data`
        package let kind: String
        package let text: String
    }
    package let changes: [Change]

    package init(_ before: PolicyWorkbench, _ after: PolicyWorkbench) {
        var found: [Change] = []
        func add(_ kind: String, _ text: String) { found.append(Change(kind: kind, text: text)) }
        for path in Set(before.files.keys).union(after.files.keys).sorted() {
            switch (before.files[path], after.files[path]) {
            case (nil, let text?): add("file", "+ \(path), \(Self.lines(text)) lines")
            case (let text?, nil): add("file", "- \(path), \(Self.lines(text)) lines")
            case (let old?, let new?) where old != new:
                let edit = Self.edit(old, new)
                add("file", "~ \(path):\(edit.line), \(edit.removed) lines out, \(edit.added) in")
            default: break
            }
        }
        for path in Set(before.policies.keys).union(after.policies.keys).sorted() {
            let old = before.policies[path]
            let new = after.policies[path]
            let hooks = (Set(old?.hooks.keys.map { $0 } ?? []), Set(new?.hooks.keys.map { $0 } ?? []))
            for hook in hooks.1.subtracting(hooks.0).sorted() { add("hook", "+ \(path) answers \(hook)") }
            for hook in hooks.0.subtracting(hooks.1).sorted() { add("hook", "- \(path) answered \(hook)") }
        }
        Self.order(before, after, add)
        for name in Set(before.set.data.keys).union(after.set.data.keys).sorted() {
            for line in Self.values(before.set.data[name] ?? .null, after.set.data[name] ?? .null, name).prefix(50) { add("data", line) }
        }
        changes = found
    }

    private static func order(_ before: PolicyWorkbench, _ after: PolicyWorkbench, _ add: (String, String) -> Void) {
        let old = before.placements()
        let new = after.placements()
        for layer in Set(old.keys).union(new.keys).sorted() {
            let was = old[layer] ?? []
            let now = new[layer] ?? []
            for entry in now where !was.contains(where: { $0.path == entry.path }) { add("order", "+ \(layer) asks \(entry.path)") }
            for entry in was where !now.contains(where: { $0.path == entry.path }) { add("order", "- \(layer) asked \(entry.path)") }
            let kept = was.map(\.path).filter { path in now.contains { $0.path == path } }
            let still = now.map(\.path).filter { path in was.contains { $0.path == path } }
            if kept != still { add("order", "~ \(layer) asks in another order: \(still.joined(separator: ", "))") }
            for entry in now {
                guard let other = was.first(where: { $0.path == entry.path }) else { continue }
                for line in values(other.settings, entry.settings, entry.path) { add("setting", "\(layer) \(line)") }
            }
        }
    }

    /// `seats/overdraft.overdraft_seats: 0 → 2`
    private static func values(_ before: HookValue, _ after: HookValue, _ path: String) -> [String] {
        if before == after { return [] }
        if case .object(let old) = before, case .object(let new) = after {
            let names = Set(old.map(\.0)).union(new.map(\.0)).sorted()
            return names.flatMap { values(before[$0] ?? .null, after[$0] ?? .null, "\(path).\($0)") }
        }
        return ["\(path): \(before.plainText) → \(after.plainText)"]
    }

    private static func lines(_ text: String) -> Int { text.split(separator: "\n", omittingEmptySubsequences: false).count }

    /// The one stretch between the first and the last line that differ.
    private static func edit(_ old: String, _ new: String) -> (line: Int, removed: Int, added: Int) {
        let was = old.split(separator: "\n", omittingEmptySubsequences: false)
        let now = new.split(separator: "\n", omittingEmptySubsequences: false)
        let same = zip(was, now).prefix { $0 == $1 }.count
        let tail = zip(was.dropFirst(same).reversed(), now.dropFirst(same).reversed()).prefix { $0 == $1 }.count
        return (same + 1, was.count - same - tail, now.count - same - tail)
    }
}

extension PolicyWorkbench {
    /// By layer, `platform` or `tier pro`: what is asked, with its settings.
    fileprivate func placements() -> [String: [(path: String, settings: HookValue)]] {
        var found: [String: [(path: String, settings: HookValue)]] = [:]
        func add(_ layer: String, _ index: Int) {
            let placement = set.recipe.placements[index]
            if found[layer]?.contains(where: { $0.path == placement.policy.path }) == true { return }
            found[layer, default: []].append((placement.policy.path, placement.settings))
        }
        let plans = set.hooks.values.sorted { $0.definition.name < $1.definition.name }
        let platform = Set(plans.flatMap(\.platform)).sorted()
        for index in platform { add("platform", index) }
        for tier in Set(plans.flatMap { $0.tiers.keys }).sorted() {
            for index in Set(plans.flatMap { $0.tiers[tier] ?? [] }).sorted() { add("tier \(tier)", index) }
        }
        return found
    }

    /// Questions from the policies' own tests, where there are no recorded ones: each row's input.
    package func fixtures() -> [(hook: String, input: HookValue)] {
        let runner = PolicyTestRunner(set: set, actions: builder.actions, limits: builder.limits)
        return policies.values.sorted { $0.path < $1.path }.flatMap { policy in
            files["\(policy.path)/policy_test.lua"].map { runner.inputs($0) } ?? []
        }
    }

    /// Asks both sets the same questions; those that they answer otherwise.
    package func flips(_ other: PolicyWorkbench, over questions: [(hook: String, input: HookValue, tier: String?)]) -> [(
        hook: String, input: HookValue, tier: String?, before: PolicyRuling, after: PolicyRuling
    )] {
        questions.compactMap { question in
            guard let old = try? run(question.hook, question.input, tier: question.tier, seed: 1, traces: false).ruling,
                let new = try? other.run(question.hook, question.input, tier: question.tier, seed: 1, traces: false).ruling, old != new
            else { return nil }
            return (question.hook, question.input, question.tier, old, new)
        }
    }
}
