import Foundation

/// Writes JSON bytes in the order it is told, without a tree in between: a decision is recorded before it is used, so this is on its way.
struct JSONLine {
    private(set) var bytes: [UInt8] = []
    private var needsComma = false

    init() { bytes.reserveCapacity(1_024) }

    mutating func open(_ sign: Unicode.Scalar) {
        separate()
        bytes.append(UInt8(ascii: sign))
        needsComma = false
    }
    mutating func close(_ sign: Unicode.Scalar) {
        bytes.append(UInt8(ascii: sign))
        needsComma = true
    }
    mutating func newline() { bytes.append(10) }

    mutating func name(_ name: String) {
        text(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }
    mutating func member(_ name: String, _ value: String) {
        self.name(name)
        text(value)
    }
    mutating func member(_ name: String, _ value: Int64) {
        self.name(name)
        number(value)
    }
    mutating func member(_ name: String, _ value: UUID) {
        self.name(name)
        uuid(value)
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
        name("delegate")
        open("[")
        for name in names.sorted() { text(name) }
        close("]")
    }

    mutating func text(_ text: String) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        var copy = text
        let isPlain = copy.withUTF8 { utf8 -> Bool in
            let start = bytes.count
            bytes.append(contentsOf: utf8)
            for byte in utf8 where byte < 32 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 127 {
                bytes.removeSubrange(start...)
                return false
            }
            return true
        }
        if !isPlain { for byte in copy.utf8 { escaped(byte) } }
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    mutating func number(_ number: Int64) {
        separate()
        if number >= 0, number < 10 {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number))
        } else {
            var rest = number.magnitude
            if number < 0 { bytes.append(UInt8(ascii: "-")) }
            let start = bytes.count
            repeat {
                bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
                rest /= 10
            } while rest > 0
            bytes[start...].reverse()
        }
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
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
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
            bytes.append(contentsOf: "\\u00".utf8)
            pair(byte)
        default: bytes.append(byte)
        }
    }
}
