import Foundation
import Vocabulary

/// Why a text is not the JSON that the surface accepts, and at which byte.
package struct JSONRefusal: Error, Sendable, Hashable {
    package let reason: String
    package let position: Int
}

/// Reads one JSON text (RFC 8259) strictly: valid UTF-8 without a byte order mark, no duplicate key, no NUL, no lone surrogate,
/// no number beyond the range of a double, nothing after the value, bounded in depth and in values.
package struct JSONReader {
    package static let maxDepth = 32
    package static let maxValues = 100_000

    private let bytes: UnsafeBufferPointer<UInt8>
    private var at = 0
    private var depth = 0
    private var values = 0

    private init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    package static func read(_ data: Data) throws(JSONRefusal) -> JSONValue {
        var result: Result<JSONValue, JSONRefusal> = .failure(JSONRefusal(reason: "empty", position: 0))
        data.withUnsafeBytes { raw in
            raw.withMemoryRebound(to: UInt8.self) { bytes in
                var reader = JSONReader(bytes)
                result = Result { () throws(JSONRefusal) in try reader.document() }
            }
        }
        return try result.get()
    }

    private mutating func document() throws(JSONRefusal) -> JSONValue {
        space()
        guard at < bytes.count else { throw fault("empty") }
        let value = try value()
        space()
        guard at == bytes.count else { throw fault("more than one value") }
        return value
    }

    private mutating func value() throws(JSONRefusal) -> JSONValue {
        values += 1
        guard values <= Self.maxValues else { throw fault("too many values") }
        guard at < bytes.count else { throw fault("ends early") }
        switch bytes[at] {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func object() throws(JSONRefusal) -> JSONValue {
        try enter()
        var members: [String: JSONValue] = [:]
        space()
        if take(UInt8(ascii: "}")) { return leave(.object(members)) }
        while true {
            space()
            let start = at
            guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw fault("a key must be a text") }
            let key = try string()
            space()
            guard take(UInt8(ascii: ":")) else { throw fault("a colon is missing") }
            space()
            let value = try value()
            guard members.updateValue(value, forKey: key) == nil else { throw JSONRefusal(reason: "a key stands twice", position: start) }
            space()
            if take(UInt8(ascii: ",")) { continue }
            guard take(UInt8(ascii: "}")) else { throw fault("a comma or the end of the object is missing") }
            return leave(.object(members))
        }
    }

    private mutating func array() throws(JSONRefusal) -> JSONValue {
        try enter()
        var items: [JSONValue] = []
        space()
        if take(UInt8(ascii: "]")) { return leave(.array(items)) }
        while true {
            space()
            items.append(try value())
            space()
            if take(UInt8(ascii: ",")) { continue }
            guard take(UInt8(ascii: "]")) else { throw fault("a comma or the end of the list is missing") }
            return leave(.array(items))
        }
    }

    private mutating func string() throws(JSONRefusal) -> String {
        at += 1
        let start = at
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                let text = try text(bytes[start..<at], from: start)
                at += 1
                return text
            case UInt8(ascii: "\\"): return try escaped(from: start)
            case 0..<0x20: throw fault("a control character in a text")
            default: at += 1
            }
        }
        throw fault("a text without end")
    }

    private mutating func escaped(from start: Int) throws(JSONRefusal) -> String {
        var out = [UInt8](bytes[start..<at])
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return try text(out, from: start)
            case 0..<0x20: throw fault("a control character in a text")
            case UInt8(ascii: "\\"):
                guard at < bytes.count else { throw fault("a text without end") }
                let sign = bytes[at]
                at += 1
                switch sign {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(sign)
                case UInt8(ascii: "b"): out.append(0x08)
                case UInt8(ascii: "f"): out.append(0x0C)
                case UInt8(ascii: "n"): out.append(0x0A)
                case UInt8(ascii: "r"): out.append(0x0D)
                case UInt8(ascii: "t"): out.append(0x09)
                case UInt8(ascii: "u"): out.append(contentsOf: UTF8.encode(try scalar()).map { Array($0) } ?? [])
                default: throw fault("an unknown escape")
                }
            default: out.append(byte)
            }
        }
        throw fault("a text without end")
    }

    /// The scalar of `\uXXXX`, or of two that form a pair.
    private mutating func scalar() throws(JSONRefusal) -> Unicode.Scalar {
        let first = try hex()
        if let scalar = Unicode.Scalar(first) {
            guard first != 0 else { throw fault("NUL in a text") }
            return scalar
        }
        guard first < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else { throw fault("half of a surrogate pair") }
        let second = try hex()
        guard (0xDC00...0xDFFF).contains(second), let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)) else {
            throw fault("half of a surrogate pair")
        }
        return scalar
    }
    private mutating func hex() throws(JSONRefusal) -> UInt32 {
        guard at + 4 <= bytes.count else { throw fault("a text without end") }
        var value: UInt32 = 0
        for _ in 0..<4 {
            let byte = bytes[at]
            let digit: UInt8
            switch byte {
            case 48...57: digit = byte - 48
            case 97...102: digit = byte - 87
            case 65...70: digit = byte - 55
            default: throw fault("four hex digits are missing")
            }
            value = value << 4 | UInt32(digit)
            at += 1
        }
        return value
    }
    private func text(_ raw: some Collection<UInt8>, from start: Int) throws(JSONRefusal) -> String {
        guard let text = String(validating: raw, as: UTF8.self) else { throw JSONRefusal(reason: "not UTF-8", position: start) }
        return text
    }

    private mutating func number() throws(JSONRefusal) -> JSONValue {
        let start = at
        let isNegative = take(UInt8(ascii: "-"))
        guard at < bytes.count, isDigit(bytes[at]) else { throw fault("not a JSON value") }
        var magnitude: UInt64 = 0
        var fits = true
        if !take(UInt8(ascii: "0")) {
            while at < bytes.count, isDigit(bytes[at]) {
                let (scaled, overflow) = magnitude.multipliedReportingOverflow(by: 10)
                let (sum, carry) = scaled.addingReportingOverflow(UInt64(bytes[at] - 48))
                fits = fits && !overflow && !carry
                magnitude = sum
                at += 1
            }
        } else if at < bytes.count, isDigit(bytes[at]) {
            throw fault("a number with a leading zero")
        }
        var isWhole = true
        if take(UInt8(ascii: ".")) {
            isWhole = false
            try digits()
        }
        if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            isWhole = false
            at += 1
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        if isWhole, fits, magnitude <= UInt64(Int64.max) { return .int(isNegative ? -Int64(magnitude) : Int64(magnitude)) }
        if isWhole, fits, isNegative, magnitude == UInt64(Int64.max) + 1 { return .int(.min) }
        guard at - start <= 1_024, let value = Double(String(decoding: bytes[start..<at], as: UTF8.self)), value.isFinite else {
            throw JSONRefusal(reason: "a number out of range", position: start)
        }
        return .double(value)
    }
    private mutating func digits() throws(JSONRefusal) {
        guard at < bytes.count, isDigit(bytes[at]) else { throw fault("a digit is missing") }
        while at < bytes.count, isDigit(bytes[at]) { at += 1 }
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONRefusal) -> JSONValue {
        guard at + word.utf8CodeUnitCount <= bytes.count else { throw fault("not a JSON value") }
        for offset in 0..<word.utf8CodeUnitCount where bytes[at + offset] != word.utf8Start[offset] { throw fault("not a JSON value") }
        at += word.utf8CodeUnitCount
        return value
    }
    private mutating func enter() throws(JSONRefusal) {
        depth += 1
        guard depth <= Self.maxDepth else { throw fault("nested too deeply") }
        at += 1
    }
    private mutating func leave(_ value: JSONValue) -> JSONValue {
        depth -= 1
        return value
    }
    private mutating func space() {
        while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x0A || bytes[at] == 0x0D || bytes[at] == 0x09 { at += 1 }
    }
    private mutating func take(_ byte: UInt8) -> Bool {
        guard at < bytes.count, bytes[at] == byte else { return false }
        at += 1
        return true
    }
    private func isDigit(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 }
    private func fault(_ reason: String) -> JSONRefusal { JSONRefusal(reason: reason, position: at) }
}
