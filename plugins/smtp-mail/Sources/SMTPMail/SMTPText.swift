import Foundation
import PluginKit

/// What may stand in a command of SMTP and in a log.
enum SMTPText {
    /// A DNS name or an address literal's inside, in ASCII.
    static func isHost(_ text: String) -> Bool {
        (1...255).contains(text.utf8.count)
            && text.utf8.allSatisfy { (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45 || $0 == 46 }
            && !text.hasPrefix("-") && !text.hasPrefix(".")
    }

    /// What EHLO says: the name as it is, an address in brackets (RFC 5321, 4.1.3).
    static func helo(_ host: String) -> String {
        if host.contains(":") { return "[IPv6:\(host)]" }
        let isAddress = host.split(separator: ".").count == 4 && host.utf8.allSatisfy { (48...57).contains($0) || $0 == 46 }
        return isAddress ? "[\(host)]" : isHost(host) ? host : "localhost"
    }

    /// One plain address that cannot end the command it stands in: no space, no control sign, no brackets, one `@`.
    static func isAddress(_ text: String) -> Bool {
        let bytes = text.utf8
        guard (3...254).contains(bytes.count), let at = text.firstIndex(of: "@"), at == text.lastIndex(of: "@"), at != text.startIndex,
            text.index(after: at) != text.endIndex
        else { return false }
        return text.unicodeScalars.allSatisfy { scalar in
            scalar.value > 32 && scalar.value != 127 && !"<>()[]\\,;:\"".unicodeScalars.contains(scalar)
                && ![.control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator].contains(scalar.properties.generalCategory)
        }
    }

    static func isASCII(_ text: String) -> Bool { text.utf8.allSatisfy { $0 < 128 } }

    /// A server's words for a log: printable, bounded, and with nobody's address, which servers like to repeat.
    static func clean(_ text: String) -> String {
        let plain = String(String.UnicodeScalarView(text.unicodeScalars.prefix(500).map { (32..<127).contains($0.value) ? $0 : " " }))
        let words = plain.split(separator: " ").map { $0.contains("@") ? "[address]" : String($0) }
        return String(words.joined(separator: " ").prefix(200))
    }

    /// The message as DATA carries it, its end included. Nil where a line end is not CRLF: what one server reads as the end of the mail
    /// another might not, and the rest would be taken for commands.
    static func dotted(_ message: Data) -> Data? {
        let bytes = [UInt8](message)
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count + 64)
        var isAtStart = true
        var length = 0
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            switch byte {
            case 0: return nil
            case 10: return nil
            case 13:
                guard index + 1 < bytes.count, bytes[index + 1] == 10 else { return nil }
                out += [13, 10]
                index += 2
                isAtStart = true
                length = 0
                continue
            case 46 where isAtStart: out += [46, 46]
            default: out.append(byte)
            }
            length += 1
            guard length <= 998 else { return nil }
            isAtStart = false
            index += 1
        }
        if !isAtStart { out += [13, 10] }
        return Data(out + [46, 13, 10])
    }
}

/// One answer of the server.
struct SMTPReply: Sendable, Hashable {
    let code: Int
    /// Without codes and hyphens, a text a line.
    let lines: [String]

    var isGood: Bool { (200..<300).contains(code) }
    var isLater: Bool { (400..<500).contains(code) }
    /// `5.1.1` where the server gave one, else its three digits.
    var status: String {
        let first = lines.first?.split(separator: " ").first.map(String.init) ?? ""
        let parts = first.split(separator: ".", omittingEmptySubsequences: false)
        let isEnhanced =
            parts.count == 3 && parts.allSatisfy { (1...3).contains($0.utf8.count) && $0.utf8.allSatisfy { (48...57).contains($0) } }
        return isEnhanced ? first : "\(code)"
    }
    var words: String { SMTPText.clean(lines.joined(separator: " ")) }

    static let maxLineBytes = 4_096
    static let maxLines = 128

    /// One line: its code, whether it is the last, its text. Nil where it is no line of SMTP.
    static func line(_ bytes: some Collection<UInt8>) -> (code: Int, isLast: Bool, text: String)? {
        let text = String(decoding: bytes, as: UTF8.self)
        let digits = text.utf8.prefix(3)
        guard digits.count == 3, digits.allSatisfy({ (48...57).contains($0) }), let code = Int(text.prefix(3)), (200..<600).contains(code)
        else {
            return nil
        }
        switch text.utf8.dropFirst(3).first {
        case nil: return (code, true, "")
        case 32: return (code, true, String(text.dropFirst(4)))
        case 45: return (code, false, String(text.dropFirst(4)))
        default: return nil
        }
    }
}
