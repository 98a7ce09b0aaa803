/// The definitions of one version of the program, as a file that another version can read: what a set of policies was written under.
package struct HookCatalogue: Sendable {
    /// Of the program: `0.1.0`.
    package let version: String
    package let hooks: [HookDefinition]
    /// Names that every policy is given: functions, libraries.
    package let given: [String]

    package init(version: String, hooks: [HookDefinition], given: [String]) {
        self.version = version
        self.hooks = hooks.sorted { $0.name < $1.name }
        self.given = given.sorted()
    }

    /// A file that is no catalogue, and why.
    package struct Fault: Error, Sendable, CustomStringConvertible {
        package let description: String
    }

    // MARK: Writing

    /// `docs/reference/hooks.json`: the same definitions give the same bytes.
    package var json: String { CatalogueText.pretty(value) + "\n" }

    private var value: HookValue {
        .object([
            ("catalogue", .int(1)), ("version", .string(version)), ("given", .list(given.map(HookValue.string))),
            ("hooks", .list(hooks.map(Self.value))),
        ])
    }

    private static func value(_ hook: HookDefinition) -> HookValue {
        .object([
            ("name", .string(hook.name)), ("kind", .string(hook.kind.rawValue)), ("summary", .string(hook.summary)),
            ("when_all_abstain", .string(hook.whenAllAbstain.rawValue)), ("when_failing", .string(hook.whenFailing.rawValue)),
            ("is_asked", .bool(hook.isAsked)), ("open_to_tenants", .bool(hook.isOpenToTenants)),
            ("input", .list(hook.wholeInput.map(value))), ("terms", .list(hook.terms.map(value))),
            (
                "actions",
                .list(
                    hook.actions.map {
                        .object([
                            ("name", .string($0.name)), ("summary", .string($0.summary)), ("fields", .list($0.fields.map(value))),
                        ])
                    })
            ),
        ])
    }

    private static func value(_ field: HookField) -> HookValue {
        var members: [(String, HookValue)] = [("name", .string(field.name))]
        members += parts(field.kind)
        if field.isOptional { members.append(("optional", .bool(true))) }
        if let range = field.range { members += [("min", .int(range.lowerBound)), ("max", .int(range.upperBound))] }
        if let tight = field.tight { members.append(("tight", .string(tight == .lowest ? "lowest" : "highest"))) }
        members.append(("summary", .string(field.summary)))
        return .object(members)
    }

    private static func parts(_ kind: HookField.Kind) -> [(String, HookValue)] {
        switch kind {
        case .string: [("type", .string("string"))]
        case .integer: [("type", .string("integer"))]
        case .boolean: [("type", .string("boolean"))]
        case .choice(let names): [("type", .string("choice")), ("values", .list(names.map(HookValue.string)))]
        case .object(let fields): [("type", .string("table")), ("fields", .list(fields.map(value)))]
        case .list(let kind): [("type", .string("list")), ("items", .object(parts(kind)))]
        case .map(let kind): [("type", .string("map")), ("items", .object(parts(kind)))]
        }
    }

    // MARK: Reading

    package init(_ bytes: UnsafeRawBufferPointer) throws(Fault) {
        let value: HookValue
        do throws(HookValueReader.Fault) {
            value = try HookValueReader.read(bytes)
        } catch {
            let line = bytes.prefix(error.offset).count { $0 == 10 } + 1
            throw Fault(description: "line \(line): \(error.message)")
        }
        guard value["catalogue"]?.int == 1, let version = value["version"]?.string, let hooks = value["hooks"]?.list else {
            throw Fault(description: "is no catalogue of hooks; one is written by coditectd reference, as hooks.json")
        }
        var read: [HookDefinition] = []
        for hook in hooks { read.append(try Self.hook(hook)) }
        self.init(version: version, hooks: read, given: (value["given"]?.list ?? []).compactMap(\.string))
    }

    private static func hook(_ value: HookValue) throws(Fault) -> HookDefinition {
        guard let name = value["name"]?.string else { throw Fault(description: "a hook has no name") }
        guard let kind = value["kind"]?.string.flatMap(HookDefinition.Kind.init),
            let abstaining = value["when_all_abstain"]?.string.flatMap(HookDefinition.Fallback.init),
            let failing = value["when_failing"]?.string.flatMap(HookDefinition.Fallback.init)
        else { throw Fault(description: "\(name) has a kind or a default that this program does not know") }
        var actions: [HookAction] = []
        for action in value["actions"]?.list ?? [] {
            guard let label = action["name"]?.string else { throw Fault(description: "an action of \(name) has no name") }
            actions.append(
                HookAction(label, summary: action["summary"]?.string ?? "", fields: try fields(action["fields"], "\(name).\(label)")))
        }
        // `now` is in every input, whoever declares it.
        let input = try fields(value["input"], name).filter { $0.name != CommonInput.now.name }
        return HookDefinition(
            name, kind: kind, summary: value["summary"]?.string ?? "", input: input, terms: try fields(value["terms"], name),
            actions: actions, whenAllAbstain: abstaining, whenFailing: failing, isAsked: value["is_asked"]?.bool ?? true,
            isOpenToTenants: value["open_to_tenants"]?.bool ?? false)
    }

    private static func fields(_ value: HookValue?, _ place: String) throws(Fault) -> [HookField] {
        var found: [HookField] = []
        for item in value?.list ?? [] {
            guard let name = item["name"]?.string else { throw Fault(description: "a field of \(place) has no name") }
            let here = "\(place).\(name)"
            var range: ClosedRange<Int64>?
            if let low = item["min"]?.int, let high = item["max"]?.int {
                guard low <= high else { throw Fault(description: "\(here): min lies above max") }
                range = low...high
            }
            let tight: HookField.Tight? = item["tight"]?.string.map { $0 == "lowest" ? .lowest : .highest }
            found.append(
                HookField(
                    name, try kind(item, here), item["summary"]?.string ?? "", optional: item["optional"]?.bool ?? false, tight: tight,
                    range: range))
        }
        return found
    }

    private static func kind(_ value: HookValue, _ place: String) throws(Fault) -> HookField.Kind {
        switch value["type"]?.string {
        case "string": return .string
        case "integer": return .integer
        case "boolean": return .boolean
        case "choice": return .choice((value["values"]?.list ?? []).compactMap(\.string))
        case "table": return .object(try fields(value["fields"], place))
        case "list": return .list(try kind(value["items"] ?? .null, place))
        case "map": return .map(try kind(value["items"] ?? .null, place))
        default: throw Fault(description: "\(place) is of a type that this program does not know")
        }
    }
}

/// JSON for reviewers: what fits on a line stands on one, members stay in their order.
enum CatalogueText {
    static func pretty(_ value: HookValue, indent: Int = 0) -> String {
        let flat = flat(value)
        if indent + flat.utf8.count <= 130 { return flat }
        let inner = String(repeating: " ", count: indent + 2)
        let outer = String(repeating: " ", count: indent)
        switch value {
        case .list(let items):
            return "[\n" + items.map { inner + pretty($0, indent: indent + 2) }.joined(separator: ",\n") + "\n\(outer)]"
        case .object(let members):
            return "{\n" + members.map { "\(inner)\(quoted($0.0)): \(pretty($0.1, indent: indent + 2))" }.joined(separator: ",\n")
                + "\n\(outer)}"
        default: return flat
        }
    }

    static func flat(_ value: HookValue) -> String {
        switch value {
        case .null: "null"
        case .bool(let flag): "\(flag)"
        case .int(let number): "\(number)"
        case .string(let text): quoted(text)
        case .list(let items): "[" + items.map(flat).joined(separator: ", ") + "]"
        case .object(let members): "{" + members.map { "\(quoted($0.0)): \(flat($0.1))" }.joined(separator: ", ") + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case "\r": quoted += "\\r"
            case _ where scalar.value < 32:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
