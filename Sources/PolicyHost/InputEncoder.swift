import HookEngine
import LuaShim
import Vocabulary

/// Checks a hook's input against its definition and writes it for the boundary, in one pass over both.
struct InputEncoder: Sendable {
    /// One object of the input; `shape` is its number in every state of the set. Classes, so that walking them copies nothing.
    final class Shape: Sendable {
        let shape: Int
        let fields: [Field]
        init(shape: Int, fields: [Field]) {
            self.shape = shape
            self.fields = fields
        }
    }
    final class Field: Sendable {
        let name: String
        let kind: Kind
        let isOptional: Bool
        let range: ClosedRange<Int64>?
        /// `,"name":`, as the log writes it.
        let key: [UInt8]
        /// Of a choice.
        let choices: [[UInt8]]
        init(name: String, kind: Kind, isOptional: Bool, range: ClosedRange<Int64>?) {
            self.name = name
            key = Array(",\"\(name)\":".utf8)
            if case .choice(let names) = kind { choices = names.map { Array($0.utf8) } } else { choices = [] }
            self.kind = kind
            self.isOptional = isOptional
            self.range = range
        }
    }
    enum Kind: Sendable {
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
            let kind: Kind =
                switch field.kind {
                case .string: .string
                case .integer: .integer
                case .boolean: .boolean
                case .choice(let names): .choice(names)
                case .object(let inner): .object(shape("\(label).\(field.name)", inner, &shapes))
                case .list, .map: .other(field)
                }
            return Field(name: field.name, kind: kind, isOptional: field.isOptional, range: field.range)
        }
        return Shape(shape: number, fields: made)
    }

    /// False where the value does not fit; `HookCheck` then says why.
    func write(_ value: HookValue, into wire: inout WireWriter) -> Bool {
        wire.bytes.removeAll()
        return Self.write(value, root, &wire)
    }

    private static func write(_ value: HookValue, _ shape: Shape, _ wire: inout WireWriter) -> Bool {
        guard case .object(let members) = value else { return false }
        wire.tag(LUASHIM_SHAPED)
        wire.count(shape.shape)
        let place = wire.bytes.count
        wire.count(0)
        var next = 0
        for field in shape.fields {
            // Members come in the order of the definition, absent ones left out or null.
            if next < members.count, members[next].0 == field.name {
                next += 1
                if case .null = members[next - 1].1 {
                    guard field.isOptional else { return false }
                    wire.tag(LUASHIM_NIL)
                } else if !write(members[next - 1].1, field, &wire) {
                    return false
                }
            } else {
                guard field.isOptional else { return false }
                wire.tag(LUASHIM_NIL)
            }
        }
        wire.bytes.replace(at: place, UInt32(truncatingIfNeeded: wire.bytes.count - place - 4))
        return next == members.count
    }

    private static func write(_ value: HookValue, _ field: Field, _ wire: inout WireWriter) -> Bool {
        switch field.kind {
        case .string:
            guard case .string(let text) = value else { return false }
            wire.string(text)
        case .choice(let names):
            guard case .string(let text) = value, names.contains(text) else { return false }
            wire.string(text)
        case .integer:
            guard case .int(let number) = value, field.range?.contains(number) ?? true else { return false }
            wire.int(number)
        case .boolean:
            guard case .bool(let flag) = value else { return false }
            wire.tag(flag ? LUASHIM_TRUE : LUASHIM_FALSE)
        case .object(let shape): return write(value, shape, &wire)
        case .other(let declared):
            guard HookCheck.fits([(declared.name, value)], [declared]) else { return false }
            wire.value(value)
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
}
