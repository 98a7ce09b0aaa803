// since 1.2
import Foundation

/// What the other side of a channel says later about a mail that it took: one fact about one recipient. Facts come in any order, and twice.
public struct MailReport: Sendable, Hashable, Codable {
    public enum Fate: String, Sendable, Hashable, Codable, CaseIterable {
        /// The channel has it and works on it.
        case accepted
        /// The recipient's server asks to come again.
        case deferred
        /// The recipient's server took it.
        case delivered
        /// The recipient opted out of the sender's mails.
        case unsubscribed
        /// The channel did not even try.
        case dropped
        /// The recipient's server refused it.
        case bounced
        /// The recipient called it spam.
        case complained
    }
    /// The channel's own id of the fact: the key of exactly-once.
    public var id: String
    /// `OutgoingMail.id`.
    public var mail: String
    public var recipient: String
    public var fate: Fate
    /// A further mail to this address would fare no better: `bounced` for good, `dropped` for what happened before, `complained`.
    public var isLasting: Bool
    public var at: Timestamp
    /// An enhanced status code such as 5.1.1, or a short word. Codes and reasons are for logs and people: no secret, no address.
    public var code: String
    public var reason: String

    public init(
        id: String, mail: String, recipient: String, fate: Fate, isLasting: Bool = false, at: Timestamp, code: String = "",
        reason: String = ""
    ) {
        self.id = id
        self.mail = mail
        self.recipient = recipient
        self.fate = fate
        self.isLasting = isLasting
        self.at = at
        self.code = code
        self.reason = reason
    }
}

/// Why what came to a channel's webhook is not believed. Texts are for the log and quote nothing of it.
public enum MailReportRefusal: Error, Sendable, Hashable, Codable {
    /// Nobody whom the channel knows signed it.
    case forged(String)
    /// Signed too long ago, or in the future.
    case stale(String)
    /// Genuine, and nobody can read it.
    case malformed(String)
    /// The channel hears of nothing later, or is not set up to.
    case notOffered(String)
}

extension NotificationChannel {
    public func reports(_ delivery: WebhookDelivery) async throws -> [MailReport] {
        throw MailReportRefusal.notOffered("this channel hears of nothing later")
    }
}

/// A message, and a signature over it by a key that the caller trusts.
public struct SignedBytes: Sendable, Hashable, Codable {
    public var message: Data
    /// ECDSA with SHA-256, an Ecdsa-Sig-Value in DER (RFC 3279, 2.2.3).
    public var signature: Data
    /// A SubjectPublicKeyInfo in DER (RFC 5480), of the curve P-256.
    public var key: Data
    public init(message: Data, signature: Data, key: Data) {
        self.message = message
        self.signature = signature
        self.key = key
    }
}

extension PluginSignatures {
    public func verify(_ bytes: SignedBytes) async throws {
        throw SignatureRefusal(.unavailable, "nothing here verifies signatures over bytes")
    }
}
// end of 1.2
