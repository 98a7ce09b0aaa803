// since 1.2
import Foundation

/// For the kind `notification_channel`: takes mails to where people read them.
public protocol NotificationChannel: Sendable {
    /// Hands one mail over and answers for each recipient, in their order. Throws `NotificationFailure` where nothing can be said of any of
    /// them. The same `id` again is the same mail: the caller repeats after `unknown`, and where the other side cannot tell, two copies beat none.
    func send(_ mail: OutgoingMail) async throws -> [MailResult]
    /// Reads what came to the webhook of `plugin.json`: computes and, through `signatures`, verifies; touches nothing else. Throws
    /// `MailReportRefusal`. Facts that concern no mail, or nothing that a report can say, are left out.
    func reports(_ delivery: WebhookDelivery) async throws -> [MailReport]
}

/// One mail, ready to be sent. Nothing of it was written by a stranger without having been made harmless, and a channel must keep it so:
/// no value may end a header, a command or a body early.
public struct OutgoingMail: Sendable, Hashable, Codable {
    public struct Party: Sendable, Hashable, Codable {
        /// `mary@example.com`; outside ASCII only where it cannot be written otherwise.
        public var address: String
        /// As people write it; may be empty.
        public var name: String
        public init(_ address: String, name: String = "") {
            self.address = address
            self.name = name
        }
    }
    /// The Message-ID without its angle brackets; the same for the same occasion and person.
    public var id: String
    public var from: Party
    /// 1 … 100.
    public var to: [Party]
    public var subject: String
    public var text: String
    public var html: String
    /// The occasion: `verify_email`.
    public var template: String
    /// The same mail as a message of RFC 5322, for channels that carry one: CRLF line ends, lines of at most 998 bytes, ASCII but for
    /// addresses that are not.
    public var message: Data

    public init(
        id: String, from: Party, to: [Party], subject: String, text: String, html: String, template: String = "", message: Data
    ) {
        self.id = id
        self.from = from
        self.to = to
        self.subject = subject
        self.text = text
        self.html = html
        self.template = template
        self.message = message
    }
}

/// What became of one mail for one recipient.
public struct MailResult: Sendable, Hashable, Codable {
    public enum Outcome: Sendable, Hashable, Codable {
        /// The other side answers for it from now on. `reference` is its own word for the mail, where it gave one.
        case taken(reference: String?)
        /// Not taken, and never will be: no such mailbox. Texts are for logs: no secret.
        case refused(code: String, message: String)
        /// Not taken now: a full mailbox, greylisting. Worth asking again.
        case later(code: String, message: String)
    }
    public var recipient: String
    public var outcome: Outcome
    public init(_ recipient: String, _ outcome: Outcome) {
        self.recipient = recipient
        self.outcome = outcome
    }
}

/// Why nothing can be said of any recipient.
///
/// | case | sent? | again? |
/// | --- | --- | --- |
/// | `unreachable`, `later` | no | yes, later |
/// | `unknown` | perhaps | yes, under the same id |
/// | `misconfigured` | no | yes, once the operator has mended it; staff is told |
/// | `refused` | no | never: the mail itself is not taken |
///
/// Texts are for logs and people: no secret, no address.
public enum NotificationFailure: Error, Sendable, Hashable, Codable {
    case unreachable(String)
    /// The other side takes nothing for now; `after` is its own word.
    case later(String, after: Duration?)
    /// The connection broke, or an answer made no sense, when the mail may have been taken.
    case unknown(String)
    /// Wrong password, no encryption, a certificate that is not the server's.
    case misconfigured(String)
    case refused(String)
}

extension PluginKind {
    public static let notificationChannel = PluginKind(rawValue: "notification_channel")
}
// end of 1.2
