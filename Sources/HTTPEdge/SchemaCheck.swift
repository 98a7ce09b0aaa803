import Vocabulary

/// One thing that is wrong with a value: where, and which rule it breaks.
package struct Finding: Sendable, Hashable {
    /// `items[2].name`; `body` for the whole.
    package let place: String
    package let rule: String
    package init(_ place: String, _ rule: String) {
        self.place = place
        self.rule = rule
    }
    var json: JSONValue { ["field": .string(place), "rule": .string(rule)] }
}

extension Schema {
    /// Everything wrong with a value, at most 100 findings; empty if it fits. A schema with a pattern that is not understood fits nothing.
    package func check(_ value: JSONValue) -> [Finding] {
        guard let compiled = try? CompiledSchema(self) else { return [Finding("body", "is judged by a schema that cannot be used")] }
        return compiled.check(value)
    }
    /// True if `{}` fits.
    var acceptsNothing: Bool {
        switch self {
        case .object(let fields): fields.allSatisfy { !$0.isRequired }
        case .named(_, let inner): inner.acceptsNothing
        case .map, .any: true
        default: false
        }
    }
}

/// A schema made ready: patterns parsed, fields by name.
indirect enum CompiledSchema: Sendable {
    struct Field: Sendable {
        let schema: CompiledSchema
        let isRequired: Bool
    }
    case string(min: Int, max: Int, format: Schema.Format?, pattern: Pattern?, source: String)
    case choice(Set<String>, list: String)
    case integer(ClosedRange<Int64>)
    case boolean
    case array(CompiledSchema, max: Int)
    case object([String: Field], required: [String])
    case map(CompiledSchema)
    case nullable(CompiledSchema)
    case any

    private static let maxFindings = 100
    private static let maxKeys = 1_000

    struct BadPattern: Error {
        let pattern: String
    }

    init(_ schema: Schema) throws(BadPattern) {
        switch schema {
        case .string(let min, let max, let format, let source):
            var pattern: Pattern?
            if let source {
                guard let parsed = Pattern(source) else { throw BadPattern(pattern: source) }
                pattern = parsed
            }
            self = .string(min: min, max: max, format: format, pattern: pattern, source: source ?? "")
        case .choice(let names): self = .choice(Set(names), list: names.joined(separator: ", "))
        case .integer(let range): self = .integer(range)
        case .boolean: self = .boolean
        case .array(let element, let max): self = .array(try CompiledSchema(element), max: max)
        case .object(let fields):
            var byName: [String: Field] = [:]
            for field in fields { byName[field.name] = Field(schema: try CompiledSchema(field.schema), isRequired: field.isRequired) }
            self = .object(byName, required: fields.filter(\.isRequired).map(\.name))
        case .map(let value): self = .map(try CompiledSchema(value))
        case .nullable(let inner): self = .nullable(try CompiledSchema(inner))
        case .named(_, let inner): self = try CompiledSchema(inner)
        case .any: self = .any
        }
    }

    func check(_ value: JSONValue) -> [Finding] {
        var findings: [Finding] = []
        check(value, at: "", &findings)
        if findings.count > 1 { findings.sort { $0.place < $1.place } }
        return findings
    }

    private func check(_ value: JSONValue, at place: String, _ findings: inout [Finding]) {
        guard findings.count < Self.maxFindings else { return }
        func wrong(_ rule: String) { findings.append(Finding(place.isEmpty ? "body" : place, rule)) }
        switch self {
        case .any: break
        case .nullable(let inner): if !value.isNull { inner.check(value, at: place, &findings) }
        case .boolean: if value.bool == nil { wrong("must be true or false") }
        case .integer(let range):
            guard let number = value.int, range.contains(number) else {
                return wrong("must be a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
        case .choice(let names, let list): if value.string.map(names.contains) != true { wrong("must be one of: \(list)") }
        case .string:
            guard let text = value.string else { return wrong("must be a text") }
            if let rule = brokenRule(text) { wrong(rule) }
        case .array(let element, let max):
            guard let items = value.array else { return wrong("must be a list") }
            guard items.count <= max else { return wrong("must have at most \(max) entries") }
            for (index, item) in items.enumerated() { element.check(item, at: "\(place)[\(index)]", &findings) }
        case .map(let schema):
            guard let members = value.object else { return wrong("must be an object") }
            guard members.count <= Self.maxKeys else { return wrong("must have at most \(Self.maxKeys) members") }
            for (name, member) in members { schema.check(member, at: Self.join(place, name), &findings) }
        case .object(let fields, let required):
            guard let members = value.object else { return wrong("must be an object") }
            for (name, member) in members {
                guard findings.count < Self.maxFindings else { return }
                if let field = fields[name] {
                    field.schema.check(member, at: Self.join(place, name), &findings)
                } else {
                    findings.append(Finding(Self.join(place, name), "is not a known field"))
                }
            }
            for name in required where members[name] == nil { findings.append(Finding(Self.join(place, name), "is required")) }
        }
    }

    private static func join(_ place: String, _ name: String) -> String {
        let name = name.utf8.count > 64 ? String(name.prefix(64)) + "…" : name
        return place.isEmpty ? name : "\(place).\(name)"
    }

    /// The rule that a text breaks; nil if none. Lengths count Unicode scalars.
    func brokenRule(_ text: String) -> String? {
        guard case .string(let min, let max, let format, let pattern, let source) = self else { return nil }
        if min > 0 || text.utf8.count > max {
            let count = text.unicodeScalars.count
            if count > max { return "must have at most \(max) characters" }
            if count < min { return min == 1 ? "must not be empty" : "must have at least \(min) characters" }
        }
        if let format, let rule = format.brokenRule(text) { return rule }
        if let pattern, !pattern.matches(text) { return "must match \(source)" }
        return nil
    }

    /// The value that a text of a query or form stands for; nil if it stands for none.
    func value(ofText text: String) -> JSONValue? {
        switch self {
        case .integer: text.utf8.first == UInt8(ascii: "+") ? nil : Int64(text).map { .int($0) }
        case .boolean: text == "true" ? true : text == "false" ? false : nil
        case .nullable(let inner): inner.value(ofText: text)
        case .string, .choice, .any: .string(text)
        case .array, .object, .map: nil
        }
    }
}

extension Schema.Format {
    func brokenRule(_ text: String) -> String? {
        switch self {
        case .email: Self.isMailAddress(text) ? nil : "must be a mail address"
        case .uuid: Self.isUUID(text) ? nil : "must be a UUID"
        case .dateTime: Timestamp(iso8601: text) != nil ? nil : "must be an ISO 8601 time with a zone"
        case .uri: Self.isURI(text) ? nil : "must be an absolute URI"
        case .hex: text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) } ? nil : "must be lower-case hex digits"
        case .token: text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } ? nil : "must be visible ASCII without spaces"
        }
    }

    /// `local@domain` with at least two labels, no longer than RFC 5321 allows; not that somebody reads it.
    static func isMailAddress(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, text.utf8.count <= 254, (1...64).contains(parts[0].utf8.count) else { return false }
        let isLocal = parts[0].split(separator: ".", omittingEmptySubsequences: false).allSatisfy { atom in
            !atom.isEmpty
                && atom.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F && !"\"(),:;<>[\\]".unicodeScalars.contains($0) }
        }
        let labels = parts[1].split(separator: ".", omittingEmptySubsequences: false)
        return isLocal && labels.count >= 2
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                    && label.unicodeScalars.allSatisfy {
                        $0.value >= 0xA0 || $0 == "-" || (48...57).contains($0.value) || (65...90).contains($0.value)
                            || (97...122).contains($0.value)
                    }
            }
    }
    static func isUUID(_ text: String) -> Bool {
        guard text.utf8.count == 36 else { return false }
        for (index, byte) in text.utf8.enumerated() {
            switch index {
            case 8, 13, 18, 23: guard byte == UInt8(ascii: "-") else { return false }
            default: guard (48...57).contains(byte) || (97...102).contains(byte | 0x20) else { return false }
            }
        }
        return true
    }
    static func isURI(_ text: String) -> Bool {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")), let first = text.utf8.first, (97...122).contains(first | 0x20) else {
            return false
        }
        let scheme = text.utf8[..<colon].allSatisfy {
            (97...122).contains($0 | 0x20) || (48...57).contains($0) || [0x2B, 0x2D, 0x2E].contains($0)
        }
        return scheme
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && ![0x22, 0x3C, 0x3E, 0x5C, 0x5E, 0x60, 0x7B, 0x7C, 0x7D].contains($0) }
            && text.utf8.index(after: colon) < text.utf8.endIndex
    }
}
