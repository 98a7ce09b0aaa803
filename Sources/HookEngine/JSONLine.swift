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
        bytes.fill(atMost: width) { into in
            var rest = number
            for place in (0..<width).reversed() {
                into[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
            return width
        }
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
        var copy = text
        copy.withUTF8 { utf8 in
            bytes.fill(atMost: utf8.count * 6 + 2) { into in Self.quote(utf8, into) }
        }
        needsComma = true
    }

    /// Writes the text with its quotes; at most six bytes for one.
    @inline(__always)
    private static func quote(_ utf8: UnsafeBufferPointer<UInt8>, _ into: UnsafeMutablePointer<UInt8>) -> Int {
        into[0] = UInt8(ascii: "\"")
        // Nearly every text is plain: looked over without a way out in between, so that the machine takes many bytes at once.
        var odd: UInt8 = 0
        for byte in utf8 {
            odd |= (byte < 32 ? 1 : 0) | (byte == UInt8(ascii: "\"") ? 1 : 0) | (byte == UInt8(ascii: "\\") ? 1 : 0) | (byte == 127 ? 1 : 0)
        }
        if odd == 0 {
            if let base = utf8.baseAddress { (into + 1).update(from: base, count: utf8.count) }
            into[utf8.count + 1] = UInt8(ascii: "\"")
            return utf8.count + 2
        }
        var at = 1
        for byte in utf8 {
            if byte >= 32, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte != 127 {
                into[at] = byte
                at += 1
            } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                into[at] = UInt8(ascii: "\\")
                into[at + 1] = byte
                at += 2
            } else {
                for (index, sign) in [UInt8(ascii: "\\"), UInt8(ascii: "u"), 48, 48, digit(byte >> 4), digit(byte & 15)].enumerated() {
                    into[at + index] = sign
                }
                at += 6
            }
        }
        into[at] = UInt8(ascii: "\"")
        return at + 1
    }

    mutating func number(_ number: Int64) {
        separate()
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        var rest = number.magnitude
        var length = 1
        var above: UInt64 = 10
        while rest >= above {
            length += 1
            let (next, overflows) = above.multipliedReportingOverflow(by: 10)
            if overflows { break }
            above = next
        }
        bytes.fill(atMost: 20) { into in
            for place in (0..<length).reversed() {
                into[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
            return length
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
        bytes.fill(atMost: 38) { into in
            into[0] = UInt8(ascii: "\"")
            var at = 1
            withUnsafeBytes(of: value.uuid) { raw in
                for index in 0..<16 {
                    if index == 4 || index == 6 || index == 8 || index == 10 {
                        into[at] = UInt8(ascii: "-")
                        at += 1
                    }
                    into[at] = Self.digit(raw[index] >> 4)
                    into[at + 1] = Self.digit(raw[index] & 15)
                    at += 2
                }
            }
            into[at] = UInt8(ascii: "\"")
            return at + 1
        }
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
}
