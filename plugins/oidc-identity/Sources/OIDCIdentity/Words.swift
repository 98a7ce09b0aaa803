import Foundation
import PluginKit

/// How things are written.
enum Words {
    /// `application/x-www-form-urlencoded`, which a query is as well.
    static func form(_ pairs: [(String, String)]) -> String { pairs.map { "\(escape($0.0))=\(escape($0.1))" }.joined(separator: "&") }

    /// Everything but the unreserved characters of RFC 3986.
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
    /// RFC 7636, S256.
    static func challenge(_ verifier: String) -> String { base64url(Data(PluginDigest.sha256(Data(verifier.utf8)))) }

    /// An error code as a provider sends it, for logs and people: nothing but a word.
    static func code(_ text: String) -> String {
        let word = text.utf8.prefix(64).filter { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
        return word.isEmpty ? "unknown" : String(decoding: word, as: UTF8.self)
    }

    /// What the token says counts; what it leaves out is taken from the other.
    static func joined(_ claims: JSONValue, _ more: JSONValue) -> JSONValue {
        guard let own = claims.object, let others = more.object else { return claims }
        return .object(own.merging(others) { own, _ in own })
    }

    /// RFC 7638; nil for a key of a type that is not used.
    static func thumbprint(_ key: JSONValue) -> String? {
        let names: [String]
        switch key["kty"]?.string {
        case "RSA": names = ["e", "kty", "n"]
        case "EC": names = ["crv", "kty", "x", "y"]
        case "OKP": names = ["crv", "kty", "x"]
        default: return nil
        }
        let members = names.compactMap { name in key[name]?.string.map { "\"\(name)\":\"\($0)\"" } }
        guard members.count == names.count else { return nil }
        return base64url(Data(PluginDigest.sha256(Data("{\(members.joined(separator: ","))}".utf8))))
    }

    /// Whether an issuer is one of Microsoft's many.
    static func fits(_ issuer: String, _ metadata: Metadata) -> Bool {
        let parts = metadata.issuer.split(separator: "{tenantid}", omittingEmptySubsequences: false)
        guard parts.count == 2, issuer.hasPrefix(parts[0]), issuer.hasSuffix(parts[1]),
            issuer.utf8.count > parts[0].utf8.count + parts[1].utf8.count
        else { return false }
        return Preset.isGUID(String(issuer.dropFirst(parts[0].count).dropLast(parts[1].count)))
    }
}
