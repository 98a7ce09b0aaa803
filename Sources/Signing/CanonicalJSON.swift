import Foundation
import Vocabulary

/// The JSON Canonicalization Scheme (RFC 8785): one text for each value, so that what was signed can be written again.
package enum CanonicalJSON {
    /// Throws `SigningFault.notCanonical` for what I-JSON cannot carry: NaN, infinities, integers beyond ±2^53.
    package static func encode(_ value: JSONValue) throws -> [UInt8] {
        var out: [UInt8] = []
        try append(value, to: &out)
        return out
    }

    private static func append(_ value: JSONValue, to out: inout [UInt8]) throws {
        switch value {
        case .null: out.append(contentsOf: "null".utf8)
        case .bool(let flag): out.append(contentsOf: (flag ? "true" : "false").utf8)
        case .int(let number):
            guard number.magnitude <= 1 << 53 else { throw SigningFault.notCanonical("\(number) is beyond 2^53") }
            out.append(contentsOf: String(number).utf8)
        case .double(let number): out.append(contentsOf: try self.number(number).utf8)
        case .string(let text): append(text, to: &out)
        case .array(let items):
            out.append(UInt8(ascii: "["))
            for (index, item) in items.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                try append(item, to: &out)
            }
            out.append(UInt8(ascii: "]"))
        case .object(let members):
            out.append(UInt8(ascii: "{"))
            // RFC 8785 section 3.2.3: by UTF-16 code units, unsigned.
            for (index, member) in members.sorted(by: { $0.key.utf16.lexicographicallyPrecedes($1.key.utf16) }).enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                append(member.key, to: &out)
                out.append(UInt8(ascii: ":"))
                try append(member.value, to: &out)
            }
            out.append(UInt8(ascii: "}"))
        }
    }

    private static func append(_ text: String, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case 0x08: out.append(contentsOf: "\\b".utf8)
            case 0x09: out.append(contentsOf: "\\t".utf8)
            case 0x0a: out.append(contentsOf: "\\n".utf8)
            case 0x0c: out.append(contentsOf: "\\f".utf8)
            case 0x0d: out.append(contentsOf: "\\r".utf8)
            case 0x22: out.append(contentsOf: "\\\"".utf8)
            case 0x5c: out.append(contentsOf: "\\\\".utf8)
            case 0..<0x20: out.append(contentsOf: "\\u00\(Hex.encode([byte]))".utf8)
            default: out.append(byte)
            }
        }
        out.append(UInt8(ascii: "\""))
    }

    /// ECMAScript's Number::toString (RFC 8785 section 3.2.2.3): the shortest digits that read back the same.
    static func number(_ value: Double) throws -> String {
        guard value.isFinite else { throw SigningFault.notCanonical("\(value) is no JSON number") }
        if value == 0 { return "0" }
        // Swift prints the shortest closest digits too, in another notation: take digits and exponent from it.
        let text = value.magnitude.description.lowercased()
        let halves = text.split(separator: "e")
        let mantissa = halves[0].split(separator: ".", omittingEmptySubsequences: false)
        let fraction = mantissa.count > 1 ? String(mantissa[1]) : ""
        var digits = String(mantissa[0]) + fraction
        // The value is 0.digits × 10^point.
        var point = mantissa[0].count + (halves.count > 1 ? Int(halves[1]) ?? 0 : 0)
        while digits.first == "0" {
            digits.removeFirst()
            point -= 1
        }
        while digits.last == "0" { digits.removeLast() }
        let count = digits.count
        let sign = value < 0 ? "-" : ""
        switch point {
        case count...21: return sign + digits + String(repeating: "0", count: point - count)
        case 1..<max(count, 1) where point <= 21: return sign + digits.prefix(point) + "." + digits.dropFirst(point)
        case -5...0: return sign + "0." + String(repeating: "0", count: -point) + digits
        default:
            let exponent = point - 1
            let tail = count > 1 ? "." + digits.dropFirst() : ""
            return sign + digits.prefix(1) + tail + "e" + (exponent < 0 ? "-" : "+") + String(exponent.magnitude)
        }
    }
}

/// What Python's `json.dumps(obj, sort_keys=True)` prints for an object of strings: the field format of seat answers.
package enum PythonJSON {
    package static func dumps(_ members: [String: String]) -> String {
        // Python sorts by code points, which is not the order of UTF-16.
        let sorted = members.sorted { left, right in
            left.key.unicodeScalars.lazy.map(\.value).lexicographicallyPrecedes(right.key.unicodeScalars.lazy.map(\.value))
        }
        return "{" + sorted.map { "\(quoted($0.key)): \(quoted($0.value))" }.joined(separator: ", ") + "}"
    }

    private static func quoted(_ text: String) -> String {
        var out = "\""
        for unit in text.utf16 {
            switch unit {
            case 0x08: out += "\\b"
            case 0x09: out += "\\t"
            case 0x0a: out += "\\n"
            case 0x0c: out += "\\f"
            case 0x0d: out += "\\r"
            case 0x22: out += "\\\""
            case 0x5c: out += "\\\\"
            case 0x20...0x7e: out.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
            default: out += "\\u" + Hex.encode([UInt8(unit >> 8), UInt8(unit & 0xff)])
            }
        }
        return out + "\""
    }
}
