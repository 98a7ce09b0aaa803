import Foundation
import PluginKit

/// One mail as SendGrid takes it, by the rules of `v3/mail/send`, said and unsaid.
struct SendGridLetter: Sendable {
    /// Each address once, whatever its case: SendGrid refuses the whole request otherwise.
    private(set) var recipients: [OutgoingMail.Party]
    private let mail: OutgoingMail

    /// The argument of a mail's own that comes back with every report.
    static let argument = "coditect_mail"
    static let maxArgumentBytes = 10_000
    static let maxRecipients = 1_000
    /// The whole request; SendGrid takes 30 MB, the host lets 4 MiB out.
    static let maxBytes = 4_000_000

    /// Throws what can never be sent.
    init(_ mail: OutgoingMail) throws(NotificationFailure) {
        guard (1...Self.maxRecipients).contains(mail.to.count) else { throw .refused("the mail has no recipients, or more than 1000") }
        guard Self.fault(in: mail.from.address) == nil else { throw .refused("the sender's address cannot be sent from") }
        guard !Self.line(mail.subject).isEmpty else { throw .refused("the mail has no subject, and SendGrid sends none without") }
        guard !mail.text.isEmpty || !mail.html.isEmpty else { throw .refused("the mail has no text") }
        guard (1...900).contains(mail.id.utf8.count), mail.id.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != 60 && $0 != 62 }) else {
            throw .refused("the mail's id cannot stand in a header")
        }
        self.mail = mail
        var seen: Set<String> = []
        recipients = mail.to.filter { Self.fault(in: $0.address) == nil && seen.insert($0.address.lowercased()).inserted }
    }

    mutating func leaveOut(_ addresses: Set<String>) { recipients.removeAll { addresses.contains($0.address.lowercased()) } }

    /// Nobody sees another's address: each recipient is a mail of its own.
    func body() throws(NotificationFailure) -> Data {
        var content: [JSONValue] = []
        // The order is a rule: plain before HTML; an empty part is refused.
        if !mail.text.isEmpty { content.append(["type": "text/plain", "value": .string(mail.text)]) }
        if !mail.html.isEmpty { content.append(["type": "text/html", "value": .string(mail.html)]) }
        var letter: [String: JSONValue] = [
            "personalizations": .array(recipients.map { ["to": [Self.party($0)]] }), "from": Self.party(mail.from),
            "subject": .string(Self.line(mail.subject)), "content": .array(content),
            "headers": .object(headers),
            "custom_args": .object([Self.argument: .string(mail.id)]),
            // What an account may have switched on for newsletters: here it would rewrite links that work once, and tell who reads when.
            "tracking_settings": [
                "click_tracking": ["enable": false, "enable_text": false], "open_tracking": ["enable": false],
                "subscription_tracking": ["enable": false], "ganalytics": ["enable": false],
            ],
        ]
        // Kept for years beyond erasure: nothing of a person, so the occasion alone.
        if (1...255).contains(mail.template.utf8.count) { letter["categories"] = [.string(mail.template)] }
        guard let data = try? JSONValue.object(letter).encoded(), data.count <= Self.maxBytes else {
            throw .refused("the mail is larger than can be sent")
        }
        return data
    }

    /// The mail's own, with how its kind is stopped where the message says so (RFC 8058).
    private var headers: [String: JSONValue] {
        var headers: [String: JSONValue] = ["Message-ID": .string("<\(mail.id)>"), "Auto-Submitted": "auto-generated"]
        let lines = String(decoding: mail.message.prefix(8_192), as: UTF8.self).replacing("\r\n ", with: " ").split(
            separator: "\r\n", omittingEmptySubsequences: false)
        for line in lines.prefix(while: { !$0.isEmpty }) {
            for name in ["List-Unsubscribe", "List-Unsubscribe-Post"] where line.hasPrefix("\(name): ") {
                headers[name] = .string(Self.line(String(line.dropFirst(name.count + 2))))
            }
        }
        return headers
    }

    private static func party(_ party: OutgoingMail.Party) -> JSONValue {
        let name = line(party.name).replacing(",", with: " ").replacing(";", with: " ")
        return .object(["email": .string(party.address)].merging(name.isEmpty ? [:] : ["name": .string(name)]) { $1 })
    }

    /// One line, without what could turn into something else on the way: no signs of control, no encoded words.
    static func line(_ text: String) -> String {
        let shown = String(String.UnicodeScalarView(text.unicodeScalars.map { isVisible($0) ? $0 : " " }))
        return String(shown.replacing("=?", with: "= ?").prefix(500)).trimmingCharacters(in: .whitespaces)
    }

    /// Nil for one plain address of ASCII: SendGrid speaks no SMTPUTF8.
    static func fault(in address: String) -> String? {
        guard address.utf8.allSatisfy({ $0 < 128 }) else { return "5.6.7" }
        let parts = address.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, (1...64).contains(parts[0].utf8.count), (1...253).contains(parts[1].utf8.count), address.utf8.count <= 254,
            address.utf8.allSatisfy({ $0 > 32 && $0 < 127 && !"<>()[]\\,;:\"".utf8.contains($0) })
        else { return "5.1.3" }
        return nil
    }

    private static func isVisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }
}
