import Foundation
import Vocabulary

/// Writes JSON bytes in the order it is told, without a tree in between: a decision is recorded before it is used, so this is on its way.
struct JSONLine: ~Copyable {
    private(set) var bytes = ByteBuffer(capacity: 2_048)
    private var needsComma = false

    mutating func open(_ sign: Unicode.Scalar) {
        separate()
        bytes.append(UInt8(ascii: sign))
        needsComma = false
    }
    mutating func close(_ sign: Unicode.Scalar) {
        bytes.append(UInt8(ascii: sign))
        needsComma = true
    }
    mutating func newline() { bytes.append(UInt8(ascii: "\n")) }
    consuming func finish() -> ByteBuffer { bytes }

    mutating func name(_ name: String) {
        text(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }
    /// A name of the record itself, which needs no look for signs to escape.
    mutating func key(_ name: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        bytes.append(name)
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }
    mutating func member(_ name: StaticString, _ value: String) {
        key(name)
        text(value)
    }
    mutating func member(_ name: StaticString, _ value: Int64) {
        key(name)
        number(value)
    }
    mutating func member(_ name: StaticString, _ value: UUID) {
        key(name)
        uuid(value)
    }

    /// ISO 8601 as `Timestamp.iso8601` writes it.
    mutating func member(_ name: StaticString, _ moment: Timestamp) {
        key(name)
        let time = CivilTime(moment)
        guard (0...9_999).contains(time.year) else { return text(moment.iso8601) }
        bytes.append(UInt8(ascii: "\""))
        digits(time.year, 4)
        bytes.append(UInt8(ascii: "-"))
        digits(time.month, 2)
        bytes.append(UInt8(ascii: "-"))
        digits(time.day, 2)
        bytes.append(UInt8(ascii: "T"))
        digits(time.hour, 2)
        bytes.append(UInt8(ascii: ":"))
        digits(time.minute, 2)
        bytes.append(UInt8(ascii: ":"))
        digits(time.second, 2)
        if time.microsecond > 0 {
            bytes.append(UInt8(ascii: "."))
            digits(time.microsecond, 6)
        }
        bytes.append(UInt8(ascii: "Z"))
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    private mutating func digits(_ number: Int64, _ width: Int) {
        var rest = number
        let start = bytes.count
        for _ in 0..<width {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        }
        bytes.reverse(from: start)
    }

    /// `"at":"seats/overdraft/policy.lua:12"`
    mutating func place(_ name: StaticString, _ file: String, _ line: Int) {
        member(name, file)
        guard line > 0 else { return }
        bytes.removeLast()
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
        number(Int64(line))
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func value(_ value: HookValue) {
        switch value {
        case .null: raw("null")
        case .bool(let flag): raw(flag ? "true" : "false")
        case .int(let number): self.number(number)
        case .string(let text): self.text(text)
        case .list(let items):
            open("[")
            for item in items { self.value(item) }
            close("]")
        case .object(let members):
            open("{")
            for (name, member) in members {
                self.name(name)
                self.value(member)
            }
            close("}")
        }
    }

    mutating func actions(_ actions: [PlannedAction]) {
        open("[")
        for action in actions {
            open("{")
            name(action.name)
            value(action.fields)
            close("}")
        }
        close("]")
    }
    mutating func delegate(_ names: Set<String>) {
        guard !names.isEmpty else { return }
        key("delegate")
        open("[")
        for name in names.sorted() { text(name) }
        close("]")
    }

    mutating func text(_ text: String) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        var copy = text
        copy.withUTF8 { utf8 in
            var odd: UInt8 = 0
            for byte in utf8 {
                odd |= byte < 32 ? 1 : 0
                odd |= byte == UInt8(ascii: "\"") ? 1 : 0
                odd |= byte == UInt8(ascii: "\\") ? 1 : 0
                odd |= byte == 127 ? 1 : 0
            }
            if odd == 0 { bytes.append(UnsafeRawBufferPointer(utf8)) } else { for byte in utf8 { escaped(byte) } }
        }
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    mutating func number(_ number: Int64) {
        separate()
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        var rest = number.magnitude
        let start = bytes.count
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        if bytes.count > start + 1 { bytes.reverse(from: start) }
        needsComma = true
    }

    /// Sixteen digits, as a text: JSON readers lose the low bits of a number this large.
    mutating func hex(_ number: UInt64) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        for shift in stride(from: 56, through: 0, by: -8) { pair(UInt8(truncatingIfNeeded: number >> UInt64(shift))) }
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    private mutating func uuid(_ value: UUID) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        withUnsafeBytes(of: value.uuid) { raw in
            for (index, byte) in raw.enumerated() {
                if index == 4 || index == 6 || index == 8 || index == 10 { bytes.append(UInt8(ascii: "-")) }
                pair(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    private mutating func raw(_ text: StaticString) {
        separate()
        bytes.append(text)
        needsComma = true
    }
    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
    }
    private mutating func pair(_ byte: UInt8) {
        bytes.append(Self.digit(byte >> 4))
        bytes.append(Self.digit(byte & 15))
    }
    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10 }
    private mutating func escaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            bytes.append(UInt8(ascii: "\\"))
            bytes.append(byte)
        case 0..<32, 127:
            bytes.append("\\u00")
            pair(byte)
        default: bytes.append(byte)
        }
    }
}
