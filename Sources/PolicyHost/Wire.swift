import HookEngine
import LuaShim

/// What came back over the boundary: the tree of one answer.
enum WireValue: Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    case string(String)
    case list([WireValue])
    /// Names ascend bytewise.
    case object([(String, WireValue)])
    /// What allow, deny and plan made, with the line that called them.
    indirect case answer(kind: String, line: Int, payload: WireValue)
    indirect case action(name: String, line: Int, fields: WireValue)
    /// Where a function is defined.
    case function(line: Int)

    subscript(name: String) -> WireValue? {
        if case .object(let members) = self { return members.first { $0.0 == name }?.1 }
        return nil
    }
    var string: String? { if case .string(let text) = self { text } else { nil } }
    var isNull: Bool { if case .null = self { true } else { false } }

    /// Nil where the tree holds what is no plain value.
    var plain: HookValue? {
        switch self {
        case .null: return .null
        case .bool(let flag): return .bool(flag)
        case .int(let number): return .int(number)
        case .string(let text): return .string(text)
        case .list(let items):
            var plain: [HookValue] = []
            for item in items {
                guard let value = item.plain else { return nil }
                plain.append(value)
            }
            return .list(plain)
        case .object(let members):
            var plain: [(String, HookValue)] = []
            for (name, member) in members {
                guard let value = member.plain else { return nil }
                plain.append((name, value))
            }
            return .object(plain)
        case .answer, .action, .function: return nil
        }
    }

    /// `a text`, `a function`.
    var kindName: String {
        switch self {
        case .answer(let kind, _, _): "\(kind){…}"
        case .action(let name, _, _): "\(name){…}"
        case .function: "a function"
        default: plain?.kindName ?? "a table"
        }
    }
}

/// Reads the flat buffer of the boundary; it comes from our own C, so a fault in it is a defect, told as nil.
struct WireReader {
    private var rest: UnsafeRawBufferPointer
    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    mutating func value() -> WireValue? {
        guard let tag = byte() else { return nil }
        switch Int(tag) {
        case LUASHIM_NIL: return .null
        case LUASHIM_FALSE: return .bool(false)
        case LUASHIM_TRUE: return .bool(true)
        case LUASHIM_INTEGER:
            guard rest.count >= 8 else { return nil }
            let number = rest.loadUnaligned(as: Int64.self)
            drop(8)
            return .int(number)
        case LUASHIM_STRING: return string().map(WireValue.string)
        case LUASHIM_LIST:
            guard let count = count() else { return nil }
            var items: [WireValue] = []
            items.reserveCapacity(min(count, rest.count))
            for _ in 0..<count {
                guard let item = value() else { return nil }
                items.append(item)
            }
            return .list(items)
        case LUASHIM_OBJECT:
            guard let count = count() else { return nil }
            var members: [(String, WireValue)] = []
            members.reserveCapacity(min(count, rest.count))
            for _ in 0..<count {
                guard let name = string(), let member = value() else { return nil }
                members.append((name, member))
            }
            return .object(members)
        case LUASHIM_ANSWER, LUASHIM_ACTION:
            guard let name = value()?.string, case .int(let line)? = value(), let payload = value() else { return nil }
            return Int(tag) == LUASHIM_ANSWER
                ? .answer(kind: name, line: Int(line), payload: payload) : .action(name: name, line: Int(line), fields: payload)
        case LUASHIM_FUNCTION: return count().map { .function(line: $0) }
        default: return nil
        }
    }

    private mutating func drop(_ count: Int) { rest = UnsafeRawBufferPointer(rebasing: rest[count...]) }
    private mutating func byte() -> UInt8? {
        guard let first = rest.first else { return nil }
        drop(1)
        return first
    }
    private mutating func count() -> Int? {
        guard rest.count >= 4 else { return nil }
        let count = Int(rest.loadUnaligned(as: UInt32.self))
        drop(4)
        return count
    }
    private mutating func string() -> String? {
        guard let count = count(), rest.count >= count else { return nil }
        let text = String(decoding: UnsafeRawBufferPointer(rebasing: rest[..<count]), as: UTF8.self)
        drop(count)
        return text
    }
}

/// Writes the flat buffer of the boundary.
struct WireWriter: ~Copyable {
    var bytes = ByteBuffer(capacity: 512)

    mutating func tag(_ tag: Int) { bytes.append(UInt8(truncatingIfNeeded: tag)) }
    mutating func count(_ count: Int) { bytes.append(UInt32(truncatingIfNeeded: count)) }
    mutating func text(_ text: String) {
        var copy = text
        copy.withUTF8 { utf8 in
            count(utf8.count)
            bytes.append(UnsafeRawBufferPointer(utf8))
        }
    }
    mutating func int(_ number: Int64) {
        tag(LUASHIM_INTEGER)
        bytes.append(number)
    }
    mutating func string(_ text: String) {
        tag(LUASHIM_STRING)
        self.text(text)
    }
    mutating func list(_ texts: [String]) {
        tag(LUASHIM_LIST)
        count(texts.count)
        for text in texts { string(text) }
    }

    mutating func value(_ value: HookValue) {
        switch value {
        case .null: tag(LUASHIM_NIL)
        case .bool(let flag): tag(flag ? LUASHIM_TRUE : LUASHIM_FALSE)
        case .int(let number): int(number)
        case .string(let text): string(text)
        case .list(let items):
            tag(LUASHIM_LIST)
            count(items.count)
            for item in items { self.value(item) }
        case .object(let members):
            tag(LUASHIM_OBJECT)
            count(members.count)
            for (name, member) in members {
                text(name)
                self.value(member)
            }
        }
    }

    /// The bytes as the boundary takes them.
    borrowing func with<Value>(_ body: (UnsafePointer<UInt8>?, Int) -> Value) -> Value {
        bytes.withBytes { body($0.baseAddress?.assumingMemoryBound(to: UInt8.self), $0.count) }
    }
}
