import Foundation
import PluginKit

/// How things are written.
enum Words {
    static func form(_ pairs: [(String, String)]) -> String { pairs.map { "\(escape($0.0))=\(escape($0.1))" }.joined(separator: "&") }
    static func escape(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var out: [UInt8] = []
        for byte in text.utf8 {
            let isPlain =
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || [45, 46, 95, 126].contains(byte)
            out += isPlain ? [byte] : [37, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
        return String(decoding: out, as: UTF8.self)
    }
    static func base64url(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// For text and attributes of XML alike.
    static func xml(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
            .replacing("'", with: "&#39;")
    }

    /// RFC 1951 without compressing: stored blocks of up to 65,535 bytes. What it holds is small and sent once.
    static func deflated(_ data: Data) -> Data {
        var out = Data()
        var rest = data[...]
        repeat {
            let block = rest.prefix(65_535)
            rest = rest.dropFirst(block.count)
            let length = UInt16(block.count)
            out.append(rest.isEmpty ? 1 : 0)
            for number in [length, ~length] { out += [UInt8(number & 255), UInt8(number >> 8)] }
            out += block
        } while !rest.isEmpty
        return out
    }

    /// `xs:dateTime` in UTC, as SAML demands; fractions of a second are dropped. Nil for anything else.
    static func time(_ text: String) -> Timestamp? {
        guard (20...40).contains(text.utf8.count), text.hasSuffix("Z") else { return nil }
        let parts = text.dropLast().split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, parts[0].utf8.count == 19,
            parts.count == 1 || (!parts[1].isEmpty && parts[1].utf8.allSatisfy { (48...57).contains($0) })
        else { return nil }
        return Timestamp(iso8601: parts[0] + "Z")
    }

    /// A text that may stand in an assertion; nil for an empty or endless one, or with control characters.
    static func plain(_ text: String) -> String? {
        let isFine =
            (1...IdentityLimits.maxTextBytes).contains(text.utf8.count)
            && !text.unicodeScalars.contains { $0.value < 32 || $0.value == 127 }
        return isFine ? text : nil
    }
    /// The last part of a status as SAML names it: `AuthnFailed` becomes `authn_failed`.
    static func code(_ status: String) -> String {
        let word = status.split(separator: ":").last.map(String.init) ?? ""
        var out = ""
        for scalar in word.unicodeScalars.prefix(60) {
            if ("A"..."Z").contains(scalar) {
                if !out.isEmpty { out += "_" }
                out += String(scalar).lowercased()
            } else if ("a"..."z").contains(scalar) {
                out.unicodeScalars.append(scalar)
            }
        }
        return out.isEmpty ? "unknown" : String(out.prefix(64))
    }
}
