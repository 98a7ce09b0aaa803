import Foundation
import Vocabulary

/// JSON in one way only, after RFC 8785: keys sorted by UTF-16, shortest escapes, no blanks, numbers as ECMAScript prints them.
/// Integers keep all 64 bits, beyond what RFC 8785 promises.
package enum JournalJSON {
    /// Throws for a number that JSON cannot hold and for nesting deeper than 32.
    package static func text(_ value: JSONValue) throws -> String {
        var out: [UInt8] = []
        try write(value, to: &out, depth: 0)
        return String(decoding: out, as: UTF8.self)
    }

    private static func write(_ value: JSONValue, to out: inout [UInt8], depth: Int) throws {
        guard depth <= 32 else { throw StoreFault.refused(name: "journal", constraint: "details nest deeper than 32") }
        switch value {
        case .null: out += "null".utf8
        case .bool(let flag): out += flag ? "true".utf8 : "false".utf8
        case .int(let number): out += String(number).utf8
        case .double(let number): out += try ecmaScript(number).utf8
        case .string(let text): write(text, to: &out)
        case .array(let items):
            out.append(91)
            for (index, item) in items.enumerated() {
                if index > 0 { out.append(44) }
                try write(item, to: &out, depth: depth + 1)
            }
            out.append(93)
        case .object(let members):
            out.append(123)
            let sorted = members.sorted { $0.key.utf16.lexicographicallyPrecedes($1.key.utf16) }
            for (index, member) in sorted.enumerated() {
                if index > 0 { out.append(44) }
                write(member.key, to: &out)
                out.append(58)
                try write(member.value, to: &out, depth: depth + 1)
            }
            out.append(125)
        }
    }

    static func write(_ text: String, to out: inout [UInt8]) {
        out.append(34)
        for byte in text.utf8 {
            switch byte {
            case 34, 92: out += [92, byte]
            case 8: out += [92, 98]
            case 9: out += [92, 116]
            case 10: out += [92, 110]
            case 12: out += [92, 102]
            case 13: out += [92, 114]
            case 0..<32: out += [92, 117, 48, 48, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: out.append(byte)
            }
        }
        out.append(34)
    }

    static func write(_ uuid: UUID, to out: inout [UInt8]) {
        out.append(34)
        withUnsafeBytes(of: uuid.uuid) { raw in
            for (index, byte) in raw.enumerated() {
                if index == 4 || index == 6 || index == 8 || index == 10 { out.append(45) }
                out.append(digits[Int(byte >> 4)])
                out.append(digits[Int(byte & 15)])
            }
        }
        out.append(34)
    }

    static func write(hex bytes: [UInt8], to out: inout [UInt8]) {
        out.append(34)
        for byte in bytes {
            out.append(digits[Int(byte >> 4)])
            out.append(digits[Int(byte & 15)])
        }
        out.append(34)
    }
    /// Nil unless an even number of lower-case hex digits.
    static func bytes(hex text: String) -> [UInt8]? {
        let codes = Array(text.utf8)
        guard codes.count % 2 == 0 else { return nil }
        var out: [UInt8] = []
        for index in stride(from: 0, to: codes.count, by: 2) {
            guard let high = digits.firstIndex(of: codes[index]), let low = digits.firstIndex(of: codes[index + 1]) else { return nil }
            out.append(UInt8(high << 4 | low))
        }
        return out
    }
    private static let digits = Array("0123456789abcdef".utf8)

    /// `Number.prototype.toString` of ECMAScript, from Swift's shortest digits.
    static func ecmaScript(_ number: Double) throws -> String {
        guard number.isFinite else { throw StoreFault.refused(name: "journal", constraint: "details hold a number that is not finite") }
        if number == 0 { return "0" }
        let sign = number < 0 ? "-" : ""
        let parts = "\(number.magnitude)".split(separator: "e")
        let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        let whole = mantissa[0]
        let fraction = mantissa.count > 1 && mantissa[1] != "0" ? mantissa[1] : ""
        var figures = String(whole + fraction)
        // Where the point stands, counted from the first figure.
        var point = whole.count + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
        while figures.hasPrefix("0"), figures.count > 1 {
            figures.removeFirst()
            point -= 1
        }
        while figures.hasSuffix("0"), figures.count > 1 { figures.removeLast() }
        let count = figures.count
        if point > 21 || point < -5 {
            let rest = figures.dropFirst()
            let exponent = point - 1
            return "\(sign)\(figures.prefix(1))\(rest.isEmpty ? "" : ".")\(rest)e\(exponent < 0 ? "-" : "+")\(abs(exponent))"
        }
        if point <= 0 { return "\(sign)0.\(String(repeating: "0", count: -point))\(figures)" }
        if point >= count { return sign + figures + String(repeating: "0", count: point - count) }
        return "\(sign)\(figures.prefix(point)).\(figures.dropFirst(point))"
    }
}
