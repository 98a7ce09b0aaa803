import Foundation
import PluginKit

/// What Paddle says, made fit for logs and people: its texts may quote what was sent.
struct PaddleWords: Sendable {
    let secrets: PluginSecrets

    /// At most 300 characters, without our secrets, without anything that looks like a key or a card number.
    func cleaned(_ text: String) -> String {
        var cleaned = ""
        var word = ""
        func end() {
            cleaned += Self.isSecret(word) ? "[secret]" : word
            word = ""
        }
        for scalar in secrets.redacted(text).unicodeScalars.prefix(2_000) {
            if scalar == "_" || (scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))) {
                word.unicodeScalars.append(scalar)
            } else {
                end()
                cleaned.unicodeScalars.append(scalar.value < 32 ? " " : scalar)
            }
        }
        end()
        return String(cleaned.prefix(300))
    }
    /// A machine's word: letters, digits, underscores; nil for anything else.
    func code(_ text: String?) -> String? {
        guard let text, (1...100).contains(text.utf8.count), !Self.isSecret(text), secrets.redacted(text) == text,
            text.utf8.allSatisfy({ (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95 || $0 == 45 })
        else { return nil }
        return text
    }

    private static func isSecret(_ word: String) -> Bool {
        // API keys, webhook secrets, client tokens, tokens of a portal's links.
        if ["pdl_", "apikey_", "live_", "test_", "pga_"].contains(where: { word.hasPrefix($0) }), word.utf8.count > 12 { return true }
        return (12...19).contains(word.utf8.count) && word.utf8.allSatisfy { (48...57).contains($0) }
    }

    /// `Sat, 21 Nov 2026 09:30:00 GMT` (RFC 9110, IMF-fixdate).
    static func time(httpDate text: String) -> Timestamp? {
        let parts = text.split(separator: " ")
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard parts.count == 6, parts[5] == "GMT", let month = months.firstIndex(of: String(parts[2])), parts[1].utf8.count == 2,
            parts[3].utf8.count == 4
        else { return nil }
        return Timestamp(iso8601: "\(parts[3])-\(month < 9 ? "0" : "")\(month + 1)-\(parts[1])T\(parts[4])Z")
    }
}
