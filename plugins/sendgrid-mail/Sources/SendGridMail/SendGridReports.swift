import Foundation
import PluginKit

/// SendGrid's signed event webhook: an array of events, signed as a whole with ECDSA over the time and the raw body.
struct SendGridReports: Sendable {
    /// SubjectPublicKeyInfo each; old and new while rolling.
    let keys: [Data]
    let tolerance: Duration
    let signatures: any PluginSignatures
    let log: any PluginLog

    static let maxBodyBytes = 2_097_152
    static let maxEvents = 10_000

    /// As SendGrid shows it: Base64 of 91 bytes; also as PEM.
    static func key(_ text: String) -> Data? {
        let plain = text.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("-----") }.joined().filter { !$0.isWhitespace }
        guard let key = Data(base64Encoded: plain), key.count == 91, key.starts(with: [0x30, 0x59, 0x30, 0x13]) else { return nil }
        return key
    }

    func read(_ delivery: WebhookDelivery) async throws -> [MailReport] {
        try await verify(delivery)
        guard case .array(let events)? = try? JSONValue.parse(delivery.body, maxBytes: Self.maxBodyBytes), events.count <= Self.maxEvents
        else { throw MailReportRefusal.malformed("the body is no list of at most \(Self.maxEvents) events") }
        // Other mails of the account are told here too; of ours, what no report can say is left out.
        let reports = events.compactMap { Self.report($0, receivedAt: delivery.receivedAt) }
        log.debug("SendGrid told of mails.", ["events": String(events.count), "of_ours": String(reports.count)])
        return reports
    }

    private func verify(_ delivery: WebhookDelivery) async throws {
        guard !keys.isEmpty else {
            throw MailReportRefusal.notOffered("SENDGRID_WEBHOOK_KEY is missing: unsigned reports are never believed")
        }
        guard delivery.body.count <= Self.maxBodyBytes else { throw MailReportRefusal.malformed("the body is too large") }
        guard let stamp = delivery.headers["x-twilio-email-event-webhook-timestamp"], (1...12).contains(stamp.utf8.count),
            stamp.utf8.allSatisfy({ (48...57).contains($0) }), let seconds = Int64(stamp)
        else { throw MailReportRefusal.forged("the timestamp header is missing or no number") }
        guard let mark = delivery.headers["x-twilio-email-event-webhook-signature"], mark.utf8.count <= 200,
            let signature = Data(base64Encoded: mark), (8...72).contains(signature.count)
        else { throw MailReportRefusal.forged("the signature header is missing or no signature") }
        var isGenuine = false
        for key in keys where !isGenuine {
            do {
                try await signatures.verify(SignedBytes(message: Data(stamp.utf8) + delivery.body, signature: signature, key: key))
                isGenuine = true
            } catch let refusal as SignatureRefusal {
                // That nothing verifies here is nobody's forgery.
                if refusal.code == .unavailable { throw MailReportRefusal.notOffered(refusal.reason) }
            }
        }
        guard isGenuine else { throw MailReportRefusal.forged("the signature does not hold under any known key") }
        let signed = Timestamp(seconds: seconds)
        let distance = signed.microseconds > delivery.receivedAt.microseconds ? signed - delivery.receivedAt : delivery.receivedAt - signed
        guard distance <= tolerance else {
            throw MailReportRefusal.stale("the time lies \(distance.wholeSeconds) s from now; \(tolerance.wholeSeconds) s are allowed")
        }
    }

    // MARK: - Events

    static func report(_ event: JSONValue, receivedAt: Timestamp) -> MailReport? {
        guard let mail = text(event, SendGridLetter.argument, 900), let recipient = text(event, "email", 254),
            let kind = event["event"]?.string, let id = text(event, "sg_event_id", 200)
        else { return nil }
        let reason = text(event, "reason", 2_000) ?? text(event, "response", 2_000) ?? ""
        let status = text(event, "status", 20) ?? ""
        guard let (fate, isLasting) = fate(kind, type: event["type"]?.string, status: status, reason: reason) else { return nil }
        return MailReport(
            id: id, mail: mail, recipient: recipient.lowercased(), fate: fate, isLasting: isLasting, at: time(event) ?? receivedAt,
            code: code(status, reason), reason: shown(reason))
    }

    /// A bounce is lasting unless it was a block, a passing code or a full mailbox: those may be gone tomorrow.
    static func fate(_ kind: String, type: String?, status: String, reason: String) -> (MailReport.Fate, isLasting: Bool)? {
        switch kind {
        case "processed": return (.accepted, false)
        case "deferred": return (.deferred, false)
        case "delivered": return (.delivered, false)
        case "bounce", "blocked":
            let passes = kind == "blocked" || type == "blocked" || status.hasPrefix("4") || status == "5.2.2" || reason.hasPrefix("4")
            return (.bounced, !passes)
        case "dropped":
            let causes = ["bounced address", "spam reporting address", "invalid"]
            return (.dropped, causes.contains { reason.lowercased().contains($0) })
        case "spamreport": return (.complained, true)
        case "unsubscribe", "group_unsubscribe": return (.unsubscribed, false)
        // open, click, group_resubscribe, account_status_change and whatever will come.
        default: return nil
        }
    }

    private static func code(_ status: String, _ reason: String) -> String {
        let isStatus = !status.isEmpty && status.utf8.allSatisfy { (48...57).contains($0) || $0 == 46 }
        if isStatus { return status }
        let first = reason.split(separator: " ").first.map(String.init) ?? ""
        return first.utf8.count == 3 && first.utf8.allSatisfy { (48...57).contains($0) } ? first : ""
    }

    /// In seconds; a number, or digits.
    private static func time(_ event: JSONValue) -> Timestamp? {
        guard let seconds = event["timestamp"]?.int ?? event["timestamp"]?.string.flatMap({ Int64($0) }),
            (0...100_000_000_000).contains(seconds)
        else { return nil }
        return Timestamp(seconds: seconds)
    }

    private static func text(_ event: JSONValue, _ name: String, _ most: Int) -> String? {
        guard let text = event[name]?.string, (1...most).contains(text.utf8.count) else { return nil }
        return text
    }

    /// A mail server's words without anybody's address.
    private static func shown(_ reason: String) -> String {
        let words = SendGridLetter.line(reason).split(separator: " ").map { $0.contains("@") ? "[address]" : $0 }
        return String(words.joined(separator: " ").prefix(300))
    }
}
