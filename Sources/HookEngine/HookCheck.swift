/// One thing that is wrong with a value, where it stands, and what is accepted there.
package struct HookIssue: Sendable, Hashable, CustomStringConvertible {
    /// `prices[1].amount_minor`; empty for the value itself.
    package let path: String
    package let rule: String
    /// Names and texts of whoever gave the value may stand in both: they are shown, and steer nothing.
    package init(_ path: String, _ rule: String) {
        self.path = Shown.line(path, most: 300)
        self.rule = Shown.line(rule, most: 1_200)
    }
    package var description: String { path.isEmpty ? rule : "\(path): \(rule)" }
}

/// Checks values against declared fields; every issue lists what is accepted.
package enum HookCheck {
    /// Issues of an object's members; at most `most`.
    package static func issues(_ value: HookValue, _ fields: [HookField], path: String = "", most: Int = 20) -> [HookIssue] {
        var found: [HookIssue] = []
        check(value, fields, path: path, &found)
        return Array(found.prefix(most))
    }

    /// Whether `issues` would find none, without saying why.
    package static func fits(_ members: [(String, HookValue)], _ fields: [HookField]) -> Bool {
        var present = 0
        for field in fields {
            guard let member = members.first(where: { $0.0 == field.name })?.1, member.isPresent else {
                if field.isOptional { continue }
                return false
            }
            guard fits(member, field.kind, field.range) else { return false }
            present += 1
        }
        return present == members.count || members.allSatisfy { member in fields.contains { $0.name == member.0 } }
    }

    private static func fits(_ value: HookValue, _ kind: HookField.Kind, _ range: ClosedRange<Int64>?) -> Bool {
        switch (kind, value) {
        case (.string, .string), (.boolean, .bool): true
        case (.integer, .int(let number)): range?.contains(number) ?? true
        case (.choice(let names), .string(let text)): names.contains(text)
        case (.object(let fields), .object(let members)): fits(members, fields)
        case (.list, .object(let members)): members.isEmpty
        case (.list(let kind), .list(let items)): items.allSatisfy { fits($0, kind, range) }
        case (.map(let kind), .object(let members)): members.allSatisfy { fits($0.1, kind, range) }
        default: false
        }
    }

    private static func check(_ value: HookValue, _ fields: [HookField], path: String, _ found: inout [HookIssue]) {
        guard case .object(let members) = value else {
            found.append(HookIssue(path, "is \(value.kindName); accepted is a table with \(names(fields))"))
            return
        }
        for (name, _) in members where !fields.contains(where: { $0.name == name }) {
            found.append(HookIssue(join(path, name), "is not a field here; accepted are: \(names(fields))"))
        }
        var seen: Set<String> = []
        for (name, _) in members where !seen.insert(name).inserted { found.append(HookIssue(join(path, name), "is given twice")) }
        for field in fields {
            let here = join(path, field.name)
            guard let member = members.first(where: { $0.0 == field.name })?.1, member.isPresent else {
                if !field.isOptional { found.append(HookIssue(here, "is missing; accepted is \(field.accepted)")) }
                continue
            }
            check(member, field, path: here, &found)
        }
    }

    private static func check(_ value: HookValue, _ field: HookField, path: String, _ found: inout [HookIssue]) {
        switch (field.kind, value) {
        case (.string, .string), (.boolean, .bool): return
        case (.integer, .int(let number)) where field.range?.contains(number) ?? true: return
        case (.choice(let names), .string(let text)) where names.contains(text): return
        case (.object(let fields), .object): check(value, fields, path: path, &found)
        case (.list, .object(let members)) where members.isEmpty: return
        case (.list(let kind), .list(let items)):
            let item = HookField(field.name, kind, field.summary, range: field.range)
            for (index, value) in items.enumerated() { check(value, item, path: "\(path)[\(index + 1)]", &found) }
        case (.map(let kind), .object(let members)):
            let item = HookField(field.name, kind, field.summary, range: field.range)
            for (name, value) in members { check(value, item, path: join(path, name), &found) }
        default: found.append(HookIssue(path, "is \(value.shown); accepted is \(field.accepted)"))
        }
    }

    private static func join(_ path: String, _ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
    package static func names(_ fields: [HookField]) -> String {
        fields.isEmpty ? "no fields" : fields.map(\.name).joined(separator: ", ")
    }
}

extension HookField {
    /// What may stand here, for a person: `a whole number, 0 … 1000`.
    package var accepted: String { kind.accepted(range) }
}

extension HookField.Kind {
    package func accepted(_ range: ClosedRange<Int64>?) -> String {
        switch self {
        case .string: "a text"
        case .boolean: "true or false"
        case .integer: range.map { "a whole number, \($0.lowerBound) … \($0.upperBound)" } ?? "a whole number"
        case .choice(let names): "one of " + names.map { "\"\($0)\"" }.joined(separator: ", ")
        case .object(let fields): "a table with " + HookCheck.names(fields)
        case .list(let kind): "a list, each item " + kind.accepted(range)
        case .map(let kind): "a table of names, each " + kind.accepted(range)
        }
    }
}

extension HookValue {
    var isPresent: Bool { if case .null = self { false } else { true } }

    /// `a text`, `a whole number`: what kind of value this is.
    package var kindName: String {
        switch self {
        case .null: "nothing"
        case .bool: "true or false"
        case .int: "a whole number"
        case .string: "a text"
        case .list: "a list"
        case .object: "a table"
        }
    }

    /// The value itself where it is short, else its kind.
    package var shown: String {
        switch self {
        case .bool(let flag): "\(flag)"
        case .int(let number): "\(number)"
        case .string(let text) where text.utf8.count <= 40: "\"\(text)\""
        default: kindName
        }
    }
}
