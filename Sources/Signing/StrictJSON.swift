import Vocabulary

/// RFC 8259 without leniency: one value, no repeated member, no lone surrogate, bounded size and depth.
package struct StrictJSON {
    package enum Fault: Error, Sendable, Hashable {
        case tooLarge, tooDeep, syntax(at: Int), repeatedMember, notUnicode, number(at: Int)
    }

    /// At most `maxBytes` of text and `maxDepth` levels of arrays and objects.
    package static func parse(_ bytes: [UInt8], maxBytes: Int = 65_536, maxDepth: Int = 16) throws(Fault) -> JSONValue {
        guard bytes.count <= maxBytes else { throw .tooLarge }
        var parser = StrictJSON(bytes: bytes, maxDepth: maxDepth)
        parser.skipSpace()
        let value = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.index == bytes.count else { throw .syntax(at: parser.index) }
        return value
    }

    private let bytes: [UInt8]
    private let maxDepth: Int
    private var index = 0

    private init(bytes: [UInt8], maxDepth: Int) {
        self.bytes = bytes
        self.maxDepth = maxDepth
    }

    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { index += 1 }
    }
    private mutating func take(_ byte: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: byte) else { return false }
        index += 1
        return true
    }
    private mutating func expect(_ byte: Unicode.Scalar) throws(Fault) {
        guard take(byte) else { throw .syntax(at: index) }
    }
    private mutating func word(_ text: StaticString, _ value: JSONValue) throws(Fault) -> JSONValue {
        let count = text.utf8CodeUnitCount
        guard index + count <= bytes.count, (0..<count).allSatisfy({ bytes[index + $0] == text.utf8Start[$0] }) else {
            throw .syntax(at: index)
        }
        index += count
        return value
    }

    private mutating func value(depth: Int) throws(Fault) -> JSONValue {
        switch next {
        case UInt8(ascii: "{"): return try object(depth: depth + 1)
        case UInt8(ascii: "["): return try array(depth: depth + 1)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", true)
        case UInt8(ascii: "f"): return try word("false", false)
        case UInt8(ascii: "n"): return try word("null", nil)
        default: return try number()
        }
    }

    private mutating func object(depth: Int) throws(Fault) -> JSONValue {
        guard depth <= maxDepth else { throw .tooDeep }
        try expect("{")
        var members: [String: JSONValue] = [:]
        skipSpace()
        if take("}") { return .object(members) }
        while true {
            skipSpace()
            let name = try string()
            skipSpace()
            try expect(":")
            skipSpace()
            guard members.updateValue(try value(depth: depth), forKey: name) == nil else { throw .repeatedMember }
            skipSpace()
            if take("}") { return .object(members) }
            try expect(",")
        }
    }

    private mutating func array(depth: Int) throws(Fault) -> JSONValue {
        guard depth <= maxDepth else { throw .tooDeep }
        try expect("[")
        var items: [JSONValue] = []
        skipSpace()
        if take("]") { return .array(items) }
        while true {
            skipSpace()
            items.append(try value(depth: depth))
            skipSpace()
            if take("]") { return .array(items) }
            try expect(",")
        }
    }

    private mutating func string() throws(Fault) -> String {
        try expect("\"")
        let start = index
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                let text = try Self.text(bytes[start..<index])
                index += 1
                return text
            case UInt8(ascii: "\\"): return try escaped(from: start)
            case 0..<0x20: throw .syntax(at: index)
            default: index += 1
            }
        }
        throw .syntax(at: index)
    }
    private mutating func escaped(from start: Int) throws(Fault) -> String {
        var out = Array(bytes[start..<index])
        while let byte = next {
            index += 1
            switch byte {
            case UInt8(ascii: "\""): return try Self.text(out[...])
            case UInt8(ascii: "\\"): try escape(into: &out)
            case 0..<0x20: throw .syntax(at: index - 1)
            default: out.append(byte)
            }
        }
        throw .syntax(at: index)
    }
    private static func text(_ bytes: ArraySlice<UInt8>) throws(Fault) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .notUnicode }
        return text
    }

    private mutating func escape(into out: inout [UInt8]) throws(Fault) {
        guard let byte = next else { throw .syntax(at: index) }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(byte)
        case UInt8(ascii: "b"): out.append(0x08)
        case UInt8(ascii: "f"): out.append(0x0c)
        case UInt8(ascii: "n"): out.append(0x0a)
        case UInt8(ascii: "r"): out.append(0x0d)
        case UInt8(ascii: "t"): out.append(0x09)
        case UInt8(ascii: "u"):
            var code = UInt32(try unit())
            if (0xd800...0xdbff).contains(code) {
                guard take("\\"), take("u") else { throw .notUnicode }
                let low = UInt32(try unit())
                guard (0xdc00...0xdfff).contains(low) else { throw .notUnicode }
                code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw .notUnicode }
            out.append(contentsOf: Array(String(scalar).utf8))
        default: throw .syntax(at: index - 1)
        }
    }

    private mutating func unit() throws(Fault) -> UInt16 {
        guard index + 4 <= bytes.count, let raw = Hex.decode(String(decoding: bytes[index..<(index + 4)], as: UTF8.self)), raw.count == 2
        else { throw .syntax(at: index) }
        index += 4
        return UInt16(raw[0]) << 8 | UInt16(raw[1])
    }

    private mutating func digits() -> Int {
        let start = index
        while let byte = next, (48...57).contains(byte) { index += 1 }
        return index - start
    }

    private mutating func number() throws(Fault) -> JSONValue {
        let start = index
        _ = take("-")
        let first = next
        let whole = digits()
        guard whole > 0, !(first == 48 && whole > 1) else { throw .syntax(at: index) }
        var isInteger = true
        if take(".") {
            isInteger = false
            guard digits() > 0 else { throw .syntax(at: index) }
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            isInteger = false
            index += 1
            if !take("+") { _ = take("-") }
            guard digits() > 0 else { throw .syntax(at: index) }
        }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        if isInteger, let value = Int64(text) { return .int(value) }
        guard let value = Double(text), value.isFinite else { throw .number(at: start) }
        return .double(value)
    }
}
