/// Reads JSON bytes into the tree that policies see, or over them. Whole numbers only, names in the order of the text; bounded depth.
package struct HookValueReader {
    package struct Fault: Error, Sendable {
        package let offset: Int
        package let message: String
    }

    private let bytes: UnsafeRawBufferPointer
    private var at = 0
    private static let deepest = 32

    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The whole text as one value.
    package static func read(_ bytes: UnsafeRawBufferPointer) throws(Fault) -> HookValue {
        var reader = HookValueReader(bytes)
        let value = try reader.value()
        reader.blank()
        guard reader.at == bytes.count else { throw reader.fault("text after the end of the value") }
        return value
    }

    /// The members of the object that begins here, one after the other: `body` reads or skips each value.
    package mutating func members(_ body: (inout HookValueReader, UnsafeRawBufferPointer) throws(Fault) -> Void)
        throws(Fault)
    {
        try need(UInt8(ascii: "{"), "a table in { }")
        if take(UInt8(ascii: "}")) { return }
        repeat {
            blank()
            let name = try rawText()
            try need(UInt8(ascii: ":"), "a colon")
            try body(&self, name)
        } while take(UInt8(ascii: ","))
        try need(UInt8(ascii: "}"), "a comma or }")
    }

    package mutating func value(_ depth: Int = 0) throws(Fault) -> HookValue {
        guard depth < Self.deepest else { throw fault("nested deeper than \(Self.deepest)") }
        blank()
        guard at < bytes.count else { throw fault("the text ends where a value should be") }
        switch bytes[at] {
        case UInt8(ascii: "\""): return .string(try text())
        case UInt8(ascii: "{"):
            at += 1
            var found: [(String, HookValue)] = []
            if take(UInt8(ascii: "}")) { return .object([]) }
            repeat {
                blank()
                let name = try text()
                try need(UInt8(ascii: ":"), "a colon")
                found.append((name, try value(depth + 1)))
            } while take(UInt8(ascii: ","))
            try need(UInt8(ascii: "}"), "a comma or }")
            return .object(found)
        case UInt8(ascii: "["):
            at += 1
            var items: [HookValue] = []
            if take(UInt8(ascii: "]")) { return .list([]) }
            repeat { items.append(try value(depth + 1)) } while take(UInt8(ascii: ","))
            try need(UInt8(ascii: "]"), "a comma or ]")
            return .list(items)
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return .int(try number())
        }
    }

    /// Over the next value without building it; gives its bytes.
    @discardableResult package mutating func skip() throws(Fault) -> UnsafeRawBufferPointer {
        blank()
        let start = at
        var depth = 0
        repeat {
            guard at < bytes.count else { throw fault("the text ends inside a value") }
            switch bytes[at] {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                at += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                guard depth > 0 else { throw fault("a value is missing") }
                depth -= 1
                at += 1
            case UInt8(ascii: "\""): _ = try rawText()
            case UInt8(ascii: ","), UInt8(ascii: ":"), 32, 9, 10, 13: at += 1
            default:
                // A control sign ends a value and is none: without this there would be no way past it.
                guard !Self.ends(bytes[at]) else { throw fault("a control sign outside a text") }
                while at < bytes.count, !Self.ends(bytes[at]) { at += 1 }
            }
        } while depth > 0
        return UnsafeRawBufferPointer(rebasing: bytes[start..<at])
    }

    package mutating func text() throws(Fault) -> String {
        let raw = try rawText()
        guard raw.contains(UInt8(ascii: "\\")) else { return String(decoding: raw, as: UTF8.self) }
        return try unescaped(raw)
    }

    package mutating func number() throws(Fault) -> Int64 {
        blank()
        let start = at
        let isNegative = at < bytes.count && bytes[at] == UInt8(ascii: "-")
        if isNegative { at += 1 }
        var total: Int64 = 0
        let first = at
        while at < bytes.count, (48...57).contains(bytes[at]) {
            let (shifted, above) = total.multipliedReportingOverflow(by: 10)
            let digit = Int64(bytes[at] - 48)
            let (sum, beyond) = isNegative ? shifted.subtractingReportingOverflow(digit) : shifted.addingReportingOverflow(digit)
            guard !above, !beyond else { throw Fault(offset: start, message: "a number of more than 64 bits") }
            total = sum
            at += 1
        }
        guard at > first else {
            throw Fault(offset: start, message: "expected a value: a text, a whole number, true, false, null, [ ] or { }")
        }
        if at < bytes.count, [UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E")].contains(bytes[at]) {
            throw Fault(
                offset: start, message: "a number with a fraction or exponent; policies take whole numbers only (money in minor units)")
        }
        return total
    }

    // MARK: Signs

    private static func ends(_ byte: UInt8) -> Bool {
        byte <= 32 || byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") || byte == UInt8(ascii: ":")
    }
    private mutating func blank() {
        while at < bytes.count, bytes[at] == 32 || bytes[at] == 10 || bytes[at] == 9 || bytes[at] == 13 { at += 1 }
    }
    private mutating func take(_ sign: UInt8) -> Bool {
        blank()
        guard at < bytes.count, bytes[at] == sign else { return false }
        at += 1
        return true
    }
    private mutating func need(_ sign: UInt8, _ name: StaticString) throws(Fault) {
        guard take(sign) else { throw fault("expected \(name)") }
    }
    private func fault(_ message: String) -> Fault { Fault(offset: at, message: message) }

    private mutating func word(_ word: StaticString, _ value: HookValue) throws(Fault) -> HookValue {
        let end = at + word.utf8CodeUnitCount
        guard end <= bytes.count,
            UnsafeRawBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount).elementsEqual(bytes[at..<end])
        else { throw fault("expected \(word)") }
        at = end
        return value
    }

    /// What stands between the quotes, escapes and all.
    private mutating func rawText() throws(Fault) -> UnsafeRawBufferPointer {
        guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw fault("expected a text in double quotes") }
        at += 1
        let start = at
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "\"") {
                at += 1
                return UnsafeRawBufferPointer(rebasing: bytes[start..<(at - 1)])
            }
            at += byte == UInt8(ascii: "\\") ? 2 : 1
        }
        throw Fault(offset: start, message: "a text that begins here has no end")
    }

    private func unescaped(_ raw: UnsafeRawBufferPointer) throws(Fault) -> String {
        var units: [UInt8] = []
        var index = 0
        var high: UInt32?
        func hex(_ from: Int) -> UInt32? {
            guard from + 4 <= raw.count else { return nil }
            return UInt32(String(decoding: raw[from..<(from + 4)], as: UTF8.self), radix: 16)
        }
        while index < raw.count {
            guard raw[index] == UInt8(ascii: "\\"), index + 1 < raw.count else {
                units.append(raw[index])
                index += 1
                continue
            }
            let sign = raw[index + 1]
            index += 2
            switch sign {
            case UInt8(ascii: "n"): units.append(10)
            case UInt8(ascii: "t"): units.append(9)
            case UInt8(ascii: "r"): units.append(13)
            case UInt8(ascii: "b"): units.append(8)
            case UInt8(ascii: "f"): units.append(12)
            case UInt8(ascii: "u"):
                guard let code = hex(index) else { throw fault("an escape \\u needs four hexadecimal digits") }
                index += 4
                if (0xd800..<0xdc00).contains(code) {
                    high = code
                    continue
                }
                var scalar = code
                if let first = high, (0xdc00..<0xe000).contains(code) { scalar = 0x1_0000 + (first - 0xd800) << 10 + (code - 0xdc00) }
                high = nil
                guard let letter = Unicode.Scalar(scalar) else { throw fault("an escape that is no letter") }
                units += Array(String(letter).utf8)
            default: units.append(sign)
            }
        }
        return String(decoding: units, as: UTF8.self)
    }
}
