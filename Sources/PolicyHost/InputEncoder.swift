import HookEngine
import LuaShim
import Vocabulary

/// Checks a hook's input against its definition and writes it for the boundary, in one pass over both.
struct InputEncoder: Sendable {
    /// One object of the input; `shape` is its number in every state of the set.
    struct Shape: Sendable {
        let shape: Int
        let fields: [Field]
    }
    struct Field: Sendable {
        let name: String
        /// Length and bytes of the name, as the buffer wants them.
        let key: [UInt8]
        let kind: Kind
        let isOptional: Bool
        let range: ClosedRange<Int64>?
    }
    indirect enum Kind: Sendable {
        case string, integer, boolean
        case choice([String])
        case object(Shape)
        /// Checked by the slow way.
        case other(HookField)
    }
    let root: Shape
    let fields: [HookField]

    /// Adds the labels and names of the shapes that it needs to `shapes`.
    init(_ definition: HookDefinition, _ shapes: inout [(label: String, names: [String])]) {
        fields = definition.input
        root = Self.shape("request", definition.wholeInput, &shapes)
    }

    private static func shape(_ label: String, _ fields: [HookField], _ shapes: inout [(label: String, names: [String])]) -> Shape {
        let number = shapes.count
        shapes.append((label, fields.map(\.name)))
        let made = fields.map { field in
            var key = WireWriter()
            key.text(field.name)
            let kind: Kind =
                switch field.kind {
                case .string: .string
                case .integer: .integer
                case .boolean: .boolean
                case .choice(let names): .choice(names)
                case .object(let inner): .object(shape("\(label).\(field.name)", inner, &shapes))
                case .list, .map: .other(field)
                }
            return Field(name: field.name, key: key.bytes, kind: kind, isOptional: field.isOptional, range: field.range)
        }
        return Shape(shape: number, fields: made)
    }

    /// False where the value does not fit; `HookCheck` then says why.
    func write(_ value: HookValue, into wire: inout WireWriter) -> Bool {
        wire.bytes.removeAll(keepingCapacity: true)
        return Self.write(value, root, &wire)
    }

    private static func write(_ value: HookValue, _ shape: Shape, _ wire: inout WireWriter) -> Bool {
        guard case .object(let members) = value else { return false }
        wire.tag(LUASHIM_SHAPED)
        wire.count(shape.shape)
        let place = wire.bytes.count
        wire.count(0)
        var next = 0
        var written: UInt32 = 0
        for field in shape.fields {
            // Members come in the order of the definition, absent ones left out or null.
            guard next < members.count, members[next].0 == field.name else {
                if field.isOptional { continue }
                return false
            }
            let member = members[next].1
            next += 1
            if case .null = member {
                if field.isOptional { continue }
                return false
            }
            wire.bytes.append(contentsOf: field.key)
            guard write(member, field, &wire) else { return false }
            written += 1
        }
        withUnsafeBytes(of: written) { bytes in
            for (index, byte) in bytes.enumerated() { wire.bytes[place + index] = byte }
        }
        return next == members.count
    }

    private static func write(_ value: HookValue, _ field: Field, _ wire: inout WireWriter) -> Bool {
        switch (field.kind, value) {
        case (.string, .string(let text)): wire.string(text)
        case (.choice(let names), .string(let text)):
            guard names.contains(text) else { return false }
            wire.string(text)
        case (.integer, .int(let number)):
            guard field.range?.contains(number) ?? true else { return false }
            wire.int(number)
        case (.boolean, .bool(let flag)): wire.tag(flag ? LUASHIM_TRUE : LUASHIM_FALSE)
        case (.object(let shape), .object): return write(value, shape, &wire)
        case (.other(let declared), _):
            guard HookCheck.issues(.object([(declared.name, value)]), [declared]).isEmpty else { return false }
            wire.value(value)
        default: return false
        }
        return true
    }

    /// The same value with its members in the order of the declaration; unknown ones stay at the end.
    static func ordered(_ value: HookValue, _ fields: [HookField]) -> HookValue {
        guard case .object(let members) = value else { return value }
        var sorted: [(String, HookValue)] = []
        for field in fields {
            guard let member = members.first(where: { $0.0 == field.name }) else { continue }
            if case .object(let inner) = field.kind { sorted.append((member.0, ordered(member.1, inner))) } else { sorted.append(member) }
        }
        return .object(sorted + members.filter { member in !fields.contains { $0.name == member.0 } })
    }

    /// The input with `now` as its last member.
    static func withNow(_ input: HookValue, _ now: Timestamp) -> HookValue {
        guard case .object(var members) = input else { return input }
        members.append(("now", moment(now)))
        return .object(members)
    }

    /// The calendar fields of a moment, UTC.
    static func moment(_ now: Timestamp) -> HookValue {
        let seconds = now.seconds
        let days = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
        let rest = seconds - days * 86_400
        let (year, month, day) = civil(days)
        // 1970-01-01 was a Thursday.
        let weekday = ((days % 7) + 7 + 3) % 7 + 1
        return .object([
            ("epoch_seconds", .int(seconds)), ("year", .int(year)), ("month", .int(month)), ("day", .int(day)),
            ("hour", .int(rest / 3_600)), ("minute", .int(rest / 60 % 60)), ("second", .int(rest % 60)), ("weekday", .int(weekday)),
        ])
    }

    /// After Howard Hinnant, "chrono-compatible low-level date algorithms".
    private static func civil(_ days: Int64) -> (Int64, Int64, Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let slot = (5 * dayOfYear + 2) / 153
        let month = slot < 10 ? slot + 3 : slot - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * slot + 2) / 5 + 1)
    }
}
