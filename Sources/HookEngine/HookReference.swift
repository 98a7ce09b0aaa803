/// What every hook's input carries besides its own fields, from the question's own moment.
package enum CommonInput {
    package static let now = HookField(
        "now",
        .object([
            HookField("epoch_seconds", .integer, "Seconds since 1970"),
            HookField("year", .integer, "Year, UTC"),
            HookField("month", .integer, "1 … 12", range: 1...12),
            HookField("day", .integer, "1 … 31", range: 1...31),
            HookField("hour", .integer, "0 … 23", range: 0...23),
            HookField("minute", .integer, "0 … 59", range: 0...59),
            HookField("second", .integer, "0 … 59", range: 0...59),
            HookField("weekday", .integer, "1 is Monday, 7 is Sunday", range: 1...7),
        ]), "The moment of the question, UTC: the only clock that a policy has")
}

extension HookDefinition {
    /// The input as policies see it.
    package var wholeInput: [HookField] { input + [CommonInput.now] }
}

/// The reference page and the editor's completions, from the definitions alone.
package enum HookReference {
    /// `docs/reference/hooks.md`
    package static func markdown(_ definitions: [HookDefinition]) -> String {
        var page: [String] = [
            "# Hooks", "",
            "Generated from the hooks' definitions; change those. A policy file returns one table whose functions are named after hooks.",
            "",
            "| hook | kind | asked by this server | tenants' own policies | when all abstain | when a policy fails |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        let sorted = definitions.sorted { $0.name < $1.name }
        for hook in sorted {
            let asked = hook.isAsked ? "yes" : "not yet"
            let tenants = hook.isOpenToTenants ? "narrow it" : "–"
            page.append(
                "| [`\(hook.name)`](#\(hook.name)) | \(hook.kind.rawValue) | \(asked) | \(tenants) | \(hook.abstainText) | \(hook.failText) |"
            )
        }
        page.append("")
        for hook in sorted { page += section(hook) }
        page += common
        return page.joined(separator: "\n") + "\n"
    }

    private static func section(_ hook: HookDefinition) -> [String] {
        var page = ["## \(hook.name)", "", hook.summary, ""]
        if !hook.isAsked { page += ["Not asked by this server yet: a policy for it is checked and tested, and decides nothing.", ""] }
        page += ["| input | type | meaning |", "| --- | --- | --- |"]
        page += rows(hook.input, prefix: "request")
        page += ["| `request.now` | table | \(CommonInput.now.summary); see [below](#requestnow) |", ""]
        if hook.kind == .decide {
            page += ["Answers: `allow{ … }`, `deny(\"reason\", { retry_after_seconds = … })`, or nothing to abstain.", ""]
            if hook.terms.isEmpty {
                page += ["`allow{}` takes no terms.", ""]
            } else {
                page += ["| term of `allow` | type | when several policies answer | meaning |", "| --- | --- | --- | --- |"]
                page += hook.terms.map { "| `\($0.name)` | \($0.accepted) | \($0.tightText) | \($0.summary) |" } + [""]
            }
        } else if hook.kind == .plan {
            page += ["Answers: `plan{ action{ … }, … }`, `plan{}` for nothing at all, or nothing to abstain.", ""]
            page += ["| action | fields | meaning |", "| --- | --- | --- |"]
            for action in hook.actions {
                let fields = action.fields.map { "`\($0.name)`\($0.isOptional ? "?" : ""): \($0.accepted)" }.joined(separator: "; ")
                page.append("| `\(action.name)` | \(fields.isEmpty ? "–" : fields) | \(action.summary) |")
            }
            page.append("")
        }
        return page
    }

    private static func rows(_ fields: [HookField], prefix: String) -> [String] {
        fields.flatMap { field -> [String] in
            let path = "\(prefix).\(field.name)"
            let optional = field.isOptional ? ", may be absent" : ""
            if case .object(let members) = field.kind {
                return ["| `\(path)` | table\(optional) | \(field.summary) |"] + rows(members, prefix: path)
            }
            return ["| `\(path)` | \(field.accepted)\(optional) | \(field.summary) |"]
        }
    }

    private static let common: [String] = {
        var page = ["## request.now", "", CommonInput.now.summary + ".", "", "| field | meaning |", "| --- | --- |"]
        if case .object(let fields) = CommonInput.now.kind { page += fields.map { "| `\($0.name)` | \($0.summary) |" } }
        return page + [
            "", "## What a policy can use", "",
            "`allow`, `deny`, `plan` and the actions' constructors; `settings` and `data` as the second and third argument, read-only.",
            "Lua: `assert error ipairs next pairs pcall xpcall select type tonumber tostring rawequal rawget rawlen rawset getmetatable "
                + "setmetatable`, `string` (without `dump`, `pack`, `unpack`), `table`, `math` (integers, rounding, `random`), `utf8`; and "
                + "`contains(list, value)`.", "",
            "- `pairs` and `next` visit keys in a fixed order: 1, 2, 3 …, other numbers, texts by their bytes. The order in which keys were",
            "  written is gone: where the first match counts, use a list and `ipairs`.",
            "- Arithmetic takes numbers. A text that looks like one is not turned into one: `\"1\" + 1` is an error, write `tonumber(\"1\") + 1`.",
            "- `math.random` is seeded by the decision, `tostring` shows no addresses: the same question gives the same answer.",
            "- Reading a field that the input, the settings or the data do not have is an error that lists what there is.",
            "- Metatables are copied when they are set: change one before `setmetatable`, not after. `__gc`, `__mode` and `__name` are refused.",
            "- A text is at most 256 KiB. There is no clock but `request.now`, no file, no network, no state between two calls.", "",
        ]
    }()
}

extension HookDefinition {
    fileprivate var abstainText: String {
        switch whenAllAbstain {
        case .allow: "allow"
        case .deny: "deny"
        case .shippedPlan: "the shipped plan"
        }
    }
    fileprivate var failText: String {
        kind == .plan ? "the event stays queued, staff is told" : whenFailing == .allow ? "allow" : "deny"
    }
}

extension HookField {
    fileprivate var tightText: String {
        switch tight {
        case .lowest: "the lowest holds"
        case .highest: "the highest holds"
        case nil: "the first holds"
        }
    }
}
