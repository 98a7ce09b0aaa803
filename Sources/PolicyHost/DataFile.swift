import HookEngine

/// A Lua file that is data: `tiers` is `tiers.lua`, which returns one table. Whole numbers, texts, booleans, lists and tables only.
package struct DataFile: Sendable {
    package let name: String
    /// The table's fields, where they are to be checked against a declaration; nil leaves everything to `check`.
    package let fields: [HookField]?
    /// What else is wrong, each as `path: rule`; a name in a list means the item with that id.
    package let check: @Sendable (HookValue) -> [String]
    /// The tiers that the table names, where it is the one that does: init.lua may order policies for these only.
    package let tiers: (@Sendable (HookValue) -> [String])?

    package init(
        _ name: String, fields: [HookField]? = nil, tiers: (@Sendable (HookValue) -> [String])? = nil,
        check: @escaping @Sendable (HookValue) -> [String] = { _ in [] }
    ) {
        self.name = name
        self.fields = fields
        self.check = check
        self.tiers = tiers
    }

    var path: String { "\(name).lua" }

    /// The table, or nil with every fault blamed on its line.
    func read(_ files: [String: String], _ findings: inout Findings) -> HookValue? {
        guard let source = files[path] else {
            findings.add(path, nil, "is missing")
            return nil
        }
        let outline = LuaOutline(source)
        let table: WireValue
        do {
            let state = try LuaState(.description)
            table = try state.describe(try state.load(source))
        } catch {
            findings.add(path, error, outline, source: source)
            return nil
        }
        guard case .object = table, let value = table.plain else {
            findings.add(path, nil, "must return one table of plain values, without functions")
            return nil
        }
        let before = findings.all.count
        if let fields {
            for issue in HookCheck.issues(value, fields) { findings.add(path, outline.line(issue.path), issue.description) }
        }
        if findings.all.count == before {
            for complaint in check(value) {
                let place = complaint.prefix { $0 != ":" }
                findings.add(path, outline.line(String(place)), complaint)
            }
        }
        return findings.all.count == before ? value : nil
    }
}
