import Foundation
import HookEngine

/// What differs between the hooks that a set was written under and those of a program, with every line of the set that it concerns.
package struct PolicyChanges: Sendable {
    package struct Place: Sendable, Hashable {
        /// `policies/seats/overdraft/policy.lua`
        package let file: String
        /// 0 where it concerns the whole file.
        package let line: Int
        package let message: String
        /// False where a file may use what has changed, and its text does not tell.
        package let isCertain: Bool
        /// A row of a test that is refused from now on, and the set with it.
        package let isTest: Bool
        package var finding: PolicyFinding { PolicyFinding(file: file, line: line, message: message) }
    }
    package struct Item: Sendable {
        package let change: HookChange
        package let places: [Place]
        /// The set fails or is refused because of it.
        package var breaks: Bool { places.contains { $0.isTest || ($0.isCertain && change.impact == .breaking) } }
        package var mayBreak: Bool { !breaks && change.impact == .breaking && places.contains { !$0.isCertain } }
    }
    package let before: String
    package let after: String
    package let items: [Item]

    /// Reads the folder's files, runs none of them but the tables of the tests.
    package init(directory: URL, before: HookCatalogue, after: HookCatalogue) {
        let label = directory.lastPathComponent
        self.before = before.version
        self.after = after.version
        items = PolicyThreads.runAndWait {
            var findings = Findings(label: label)
            let files = PolicyDirectory.read(directory, &findings).files
            let reader = PolicyChangesReader(label: label, before: before, after: after, files: files)
            return before.changes(to: after).map { Item(change: $0, places: reader.places($0)) }
        }
    }

    /// By the line, what a finding there has to do with the change: for whoever refuses the set.
    package func explained(_ findings: [PolicyFinding]) -> [PolicyFinding] {
        let places = items.flatMap { item in item.places.filter { $0.isCertain || $0.isTest } }
        let explained = findings.map { finding in
            let mine = places.first { place in
                place.file == finding.file && place.line == finding.line && place.message.hasPrefix(finding.message)
            }
            return mine?.finding ?? finding
        }
        return explained
    }

    /// Lines of a set that is in force and that use what has changed: it goes on, and whoever keeps it must know.
    package var warnings: [PolicyFinding] {
        items.filter { $0.change.impact != .compatible }.flatMap { item in item.places.filter { !$0.isTest }.map(\.finding) }
    }
}

/// The files of one set, read once and asked about each change.
private struct PolicyChangesReader {
    let label: String
    let before: HookCatalogue
    let after: HookCatalogue
    let files: [String: String]
    private var uses: [(file: String, found: PolicyUses)] = []
    private var unreadable: [String] = []
    private var rows: [PolicyTestRow] = []

    init(label: String, before: HookCatalogue, after: HookCatalogue, files: [String: String]) {
        self.label = label
        self.before = before
        self.after = after
        self.files = files
        for (path, text) in files.sorted(by: { $0.key < $1.key }) {
            if path.hasSuffix("policy_test.lua") {
                rows += PolicyTestRow.read(path, text, actions: (before.hooks + after.hooks).flatMap(\.actions).map(\.name))
            } else if path.hasSuffix("/policy.lua") || path == ContractFile.path {
                if let tree = try? LuaParser.parse(text) { uses.append((path, PolicyUses(tree, before))) } else { unreadable.append(path) }
            }
        }
    }

    func places(_ change: HookChange) -> [PolicyChanges.Place] {
        var found: Set<PolicyChanges.Place> = []
        func add(_ file: String, _ line: Int, _ message: String, certain: Bool = true, test: Bool = false) {
            found.insert(.init(file: "\(label)/\(file)", line: line, message: message, isCertain: certain, isTest: test))
        }
        if change.impact != .compatible {
            for (file, policy) in uses {
                var lines: Set<Int> = []
                for (line, message) in certain(change, policy) {
                    add(file, line, message)
                    lines.insert(line)
                }
                for (line, message) in unsure(change, policy) where !lines.contains(line) { add(file, line, message, certain: false) }
            }
            for file in unreadable { add(file, 0, "cannot be told: the file cannot be read as Lua", certain: false) }
        }
        for row in rows { if let message = row.complaint(change, before, after) { add(row.file, row.line, message, test: true) } }
        return found.sorted { ($0.file, $0.line, $0.message) < ($1.file, $1.line, $1.message) }
    }

    // MARK: What a text uses

    private func certain(_ change: HookChange, _ policy: PolicyUses) -> [(Int, String)] {
        if change.part == .hook {
            return policy.answering(change.hook).map { ($0, "answers \(change.hook): \(change.subject) \(change.detail)") }
        }
        if change.part == .action, change.kind == .added || change.kind == .required { return lacking(change, policy) }
        // A field that came, or that is always there now, concerns tests alone.
        if change.kind == .added || change.kind == .required { return [] }
        return policy.uses.filter { $0.part == change.part && $0.hook == change.hook && Self.covers(change, $0.path) }.compactMap { use in
            if let accepts = change.accepts, use.literal == nil || Self.fits(use.literal, accepts) { return nil }
            return (use.line, message(change, use))
        }
    }

    private static func covers(_ change: HookChange, _ path: String) -> Bool {
        if path == change.path { return true }
        return [.removed, .renamed, .retyped].contains(change.kind) && path.hasPrefix(change.path + ".")
    }

    /// A value that is written out and lies within what is still accepted.
    private static func fits(_ literal: LuaExpression.Constant?, _ accepts: HookAccepts) -> Bool {
        switch (literal, accepts) {
        case (.integer(let number), .range(let low, let high)): low <= number && number <= high
        case (.text(let text), .choice(let names)): names.contains(text)
        default: false
        }
    }

    private func message(_ change: HookChange, _ use: PolicyUses.Use) -> String {
        switch change.part {
        case .input:
            let label = "request.\(change.path)"
            guard change.kind == .removed || change.kind == .renamed else { return "reads \(label), which \(change.detail)" }
            let parent = label.split(separator: ".").dropLast().joined(separator: ".")
            let inside = after.fields(change.hook, String(parent.dropFirst("request".count + 1)))
            return HookChange.missing(label, of: parent, hook: change.hook, inside) + "; it \(change.detail)"
        case .term: return "uses \(change.path), which \(change.detail)\(accepted(after.hook(change.hook)?.terms))"
        case .action: return "uses \(change.path), which \(change.detail)\(computed(use, change))"
        case .given, .hook: return "uses \(change.path), which \(change.detail)"
        }
    }
    private func accepted(_ fields: [HookField]?) -> String { fields.map { "; the terms are: \(HookCheck.names($0))" } ?? "" }
    private func computed(_ use: PolicyUses.Use, _ change: HookChange) -> String {
        change.accepts != nil && use.literal == .rest ? "; the value is made when it runs" : ""
    }

    /// Where an action is made without a field that it must have now.
    private func lacking(_ change: HookChange, _ policy: PolicyUses) -> [(Int, String)] {
        let parts = change.path.split(separator: ".", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return [] }
        return policy.made.filter { $0.hook == change.hook && $0.action == parts[0] }.compactMap { made in
            guard let fields = made.fields, !fields.contains(parts[1]) else { return nil }
            return (made.line, "\(parts[0]){ … } does not give \(parts[1]), which \(change.detail)")
        }
    }

    private func unsure(_ change: HookChange, _ policy: PolicyUses) -> [(Int, String)] {
        guard change.part != .given, change.part != .hook else { return [] }
        if change.part == .input, change.kind == .added || change.kind == .required { return [] }
        return policy.unsure.filter { unsure in
            guard unsure.part == change.part, unsure.hook == change.hook else { return false }
            return unsure.path.isEmpty || change.path == unsure.path || change.path.hasPrefix(unsure.path + ".")
        }.map {
            (
                $0.line,
                "cannot be told: \($0.why); it may be \(change.part == .input ? "request." : "")\(change.path), which \(change.detail)"
            )
        }
    }
}

extension HookCatalogue {
    func hook(_ name: String) -> HookDefinition? { hooks.first { $0.name == name } }

    /// The fields of a table of an input; the empty path is the input itself.
    func fields(_ hook: String, _ path: String) -> [HookField] {
        var fields = self.hook(hook)?.wholeInput ?? []
        for part in path.split(separator: ".") {
            guard case .object(let inner)? = fields.first(where: { $0.name == part })?.kind else { return [] }
            fields = inner
        }
        return fields
    }
}

/// One row of a policy's own tests, to be held against other definitions.
private struct PolicyTestRow {
    let file: String
    let line: Int
    let name: String
    let hook: String
    let input: HookValue
    let terms: HookValue?
    let actions: [PlannedAction]

    static func read(_ file: String, _ text: String, actions: [String]) -> [PolicyTestRow] {
        let outline = LuaOutline(text)
        guard let state = try? LuaState(.description), (try? state.actions(Array(Set(actions)).sorted())) != nil,
            let unit = try? state.load(text), case .list(let rows)? = try? state.describe(unit)
        else { return [] }
        return rows.enumerated().compactMap { index, row in
            guard let hook = row["hook"]?.string, let input = row["input"]?.plain else { return nil }
            var planned: [PlannedAction] = []
            if case .list(let items)? = row["expect"]?["actions"] {
                for case .action(let name, _, let fields) in items { planned.append(PlannedAction(name, fields.plain ?? .object([]))) }
            }
            return PolicyTestRow(
                file: file, line: outline.line("[\(index + 1)]") ?? 0, name: row["name"]?.string ?? "row \(index + 1)", hook: hook,
                input: PolicyTestRunner.withNow(input), terms: row["expect"]?["terms"]?.plain, actions: planned)
        }
    }

    /// Why the row is refused now and was not before; nil where it is not, or not because of this change.
    func complaint(_ change: HookChange, _ before: HookCatalogue, _ after: HookCatalogue) -> String? {
        guard change.hook == hook, let new = after.hook(hook), let old = before.hook(hook) else { return nil }
        func told(_ issue: HookIssue, _ what: String) -> String { "the test \"\(name)\" is refused: \(what)\(issue)" }
        switch change.part {
        case .input:
            let known = HookCheck.issues(input, old.wholeInput)
            let issue = HookCheck.issues(input, new.wholeInput).first {
                !known.contains($0) && ($0.path == change.path || $0.path.hasPrefix(change.path + "."))
            }
            return issue.map { told($0, "input: ") }
        case .term:
            guard let terms else { return nil }
            let issue = HookCheck.issues(terms, new.terms.map(\.asTerm)).first { $0.path == change.path }
            guard let issue, !HookCheck.issues(terms, old.terms.map(\.asTerm)).contains(issue) else { return nil }
            return told(issue, "terms: ")
        case .action, .hook, .given: return nil
        }
    }
}

extension HookField {
    /// No term is required of any single answer.
    fileprivate var asTerm: HookField { HookField(name, kind, summary, optional: true, tight: tight, range: range) }
}
