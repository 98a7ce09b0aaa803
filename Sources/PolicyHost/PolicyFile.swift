import HookEngine

/// One setting that a policy declares.
struct SettingDeclaration: Sendable {
    let field: HookField
    let initial: HookValue?
}

/// One policy as its file describes it: read and checked, not yet bound to settings.
struct PolicyFile: Sendable {
    /// `seats/overdraft`
    let path: String
    /// `seats/overdraft/policy.lua`
    let file: String
    let source: String
    let id: String
    let settings: [SettingDeclaration]
    let data: [String]
    /// Hooks that it answers, with the line of each function.
    let hooks: [String: Int]

    static func file(_ path: String) -> String { "\(path)/policy.lua" }

    /// The declared settings with `overrides` over their defaults; nil where something is wrong or missing.
    func effective(_ overrides: HookValue, complain: (_ path: String, _ message: String) -> Void) -> HookValue? {
        guard case .object(let given) = overrides else {
            complain("", "settings is \(overrides.kindName); accepted is a table")
            return nil
        }
        var members: [(String, HookValue)] = []
        var isGood = true
        for (name, _) in given where !settings.contains(where: { $0.field.name == name }) {
            complain(name, "\(id) has no setting \(name); accepted are: \(HookCheck.names(settings.map(\.field)))")
            isGood = false
        }
        for setting in settings {
            let name = setting.field.name
            guard let value = given.first(where: { $0.0 == name })?.1 ?? setting.initial else {
                complain("", "\(id) needs the setting \(name): \(setting.field.accepted)")
                isGood = false
                continue
            }
            for issue in HookCheck.issues(.object([(name, value)]), [setting.field]) {
                complain(issue.path, "setting \(issue)")
                isGood = false
            }
            members.append((name, value))
        }
        return isGood ? .object(members) : nil
    }
}

/// Reads a policy's own table.
struct PolicyFileReader {
    let definitions: [HookDefinition]
    let dataNames: [String]
    let actions: [String]

    private static let fields = ["id", "api", "summary", "settings", "data"]

    func read(_ path: String, _ source: String, _ findings: inout Findings) -> PolicyFile? {
        let file = PolicyFile.file(path)
        let outline = LuaOutline(source)
        let before = findings.all.count
        let table: WireValue
        do {
            let state = try LuaState(.description)
            try state.actions(actions)
            table = try state.describe(try state.load(source))
        } catch {
            findings.add(file, error, outline, source: source)
            return nil
        }
        guard case .object(let members) = table else {
            findings.add(
                file, outline.end, "returns \(table.kindName); a policy returns one table: return { id = …, api = 1, on_… = function … }")
            return nil
        }
        let hookNames = definitions.map(\.name)
        var hooks: [String: Int] = [:]
        for (name, value) in members {
            if hookNames.contains(name) {
                if case .function(let line) = value {
                    hooks[name] = line
                } else {
                    findings.add(file, outline.line(name), "\(name) is \(value.kindName); a hook is a function(request, settings, data)")
                }
            } else if !Self.fields.contains(name) {
                let accepted = (Self.fields + hookNames.sorted()).joined(separator: ", ")
                let near = PolicyNames.nearest(name, Self.fields + hookNames).map { "did you mean \($0)? " } ?? ""
                findings.add(file, outline.line(name), "\(name) is not a field of a policy; \(near)accepted are: \(accepted)")
            }
        }
        let id = self.id(table["id"], file, outline, &findings)
        if case .int(1)? = table["api"] {
        } else {
            findings.add(file, outline.line("api"), "api must be 1, the version of the policy interface that this server speaks")
        }
        if hooks.isEmpty, findings.all.count == before {
            findings.add(file, outline.line(""), "answers no hook; accepted are: \(hookNames.sorted().joined(separator: ", "))")
        }
        let settings = self.settings(table["settings"], file, outline, &findings)
        let data = self.data(table["data"], file, outline, &findings)
        guard let id, findings.all.count == before else { return nil }
        // A field that is not there is an error when the line runs; who wrote it learns so before.
        if let tree = try? LuaParser.parse(source) {
            let reads = PolicyReads(tree, definitions: definitions, settings: settings.map(\.field), data: data, actions: actions)
            for finding in reads.unknown { findings.add(file, finding.line, finding.message) }
            guard reads.unknown.isEmpty else { return nil }
        }
        return PolicyFile(path: path, file: file, source: source, id: id, settings: settings, data: data, hooks: hooks)
    }

    private func id(_ value: WireValue?, _ file: String, _ outline: LuaOutline, _ findings: inout Findings) -> String? {
        let signs = Array((value?.string ?? "").utf8)
        let isGood = signs.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 46 || $0 == 45 || $0 == 95 }
        guard let id = value?.string, (1...80).contains(signs.count), isGood else {
            findings.add(file, outline.line("id"), "id must be a text of a-z, 0-9, . - and _, like \"seats.contractor-hours\"")
            return nil
        }
        return id
    }

    private func data(_ value: WireValue?, _ file: String, _ outline: LuaOutline, _ findings: inout Findings) -> [String] {
        guard let value else { return [] }
        let accepted = dataNames.isEmpty ? "nothing: this server has no data files" : dataNames.sorted().joined(separator: ", ")
        guard case .list(let items) = value else {
            findings.add(file, outline.line("data"), "data is \(value.kindName); it is a list of names, accepted are: \(accepted)")
            return []
        }
        return items.enumerated().compactMap { index, item in
            guard let name = item.string, dataNames.contains(name) else {
                let shown = item.plain?.shown ?? item.kindName
                findings.add(file, outline.line("data[\(index + 1)]"), "there is no data \(shown); accepted are: \(accepted)")
                return nil
            }
            return name
        }
    }

    private static let types = ["integer", "string", "boolean", "choice"]
    private static let settingFields = ["type", "default", "min", "max", "values", "summary"]

    private func settings(_ value: WireValue?, _ file: String, _ outline: LuaOutline, _ findings: inout Findings) -> [SettingDeclaration] {
        guard let value else { return [] }
        guard case .object(let members) = value else {
            findings.add(file, outline.line("settings"), "settings is \(value.kindName); it is a table of names")
            return []
        }
        return members.compactMap { name, declared in
            let path = "settings.\(name)"
            func complain(_ part: String, _ message: String) {
                findings.add(file, outline.line(part.isEmpty ? path : "\(path).\(part)"), "setting \(name): \(message)")
            }
            guard case .object(let parts)? = declared.plain else {
                complain("", "is \(declared.kindName); write { type = \"integer\", default = 0 }")
                return nil
            }
            for (part, _) in parts where !Self.settingFields.contains(part) {
                complain(part, "\(part) is not a field here; accepted are: \(Self.settingFields.joined(separator: ", "))")
            }
            guard let kind = kind(.object(parts), complain) else { return nil }
            var range: ClosedRange<Int64>?
            for bound in ["min", "max"] {
                guard let value = declared[bound]?.plain else { continue }
                if value.int == nil || !Self.isWhole(kind) {
                    complain(bound, "\(bound) is \(value.shown); it is a whole number, and only an integer has one")
                    return nil
                }
            }
            if declared["min"] != nil || declared["max"] != nil {
                let low = declared["min"]?.plain?.int ?? Int64.min
                let high = declared["max"]?.plain?.int ?? Int64.max
                guard low <= high else {
                    complain("max", "min lies above max")
                    return nil
                }
                range = low...high
            }
            let field = HookField(name, kind, declared["summary"]?.string ?? "", range: range)
            let initial = declared["default"]?.plain
            if let initial {
                for issue in HookCheck.issues(.object([(name, initial)]), [field]) { complain("default", "default \(issue.rule)") }
            }
            return SettingDeclaration(field: field, initial: initial)
        }
    }

    private static func isWhole(_ kind: HookField.Kind) -> Bool { if case .integer = kind { true } else { false } }

    private func kind(_ declared: HookValue, _ complain: (String, String) -> Void) -> HookField.Kind? {
        switch declared["type"]?.string {
        case "integer": return .integer
        case "string": return .string
        case "boolean": return .boolean
        case "choice":
            let names = (declared["values"]?.list ?? []).compactMap(\.string)
            if names.isEmpty { complain("values", "a choice needs values = { \"…\", … }") }
            return names.isEmpty ? nil : .choice(names)
        default:
            complain("type", "type must be one of \(Self.types.joined(separator: ", "))")
            return nil
        }
    }
}
