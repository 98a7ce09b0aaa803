import Foundation
import PluginKit
import PluginKitTesting
import Synchronization

@testable import SendGridMail

/// SendGrid on paper: takes what `v3/mail/send` takes, refuses what it refuses, in its words. Tests/Interop/sendgrid_stand_in.py is the same over a socket.
final class PaperSendGrid: Sendable {
    static let key = "SG.correct-horse.battery-staple"
    let situation: MailSituation
    private let state = Mutex<(taken: [TakenMail], bodies: [JSONValue])>(([], []))
    init(_ situation: MailSituation = .takes) { self.situation = situation }
    var taken: [TakenMail] { state.withLock { $0.taken } }
    /// Every request that came, in order.
    var bodies: [JSONValue] { state.withLock { $0.bodies } }

    func answer(_ request: OutboundRequest) throws -> OutboundResponse {
        if situation == .breaksBefore { throw OutboundFailure.unsent("connection refused") }
        guard request.method == "POST", request.url == "https://api.sendgrid.com/v3/mail/send" else { return error(404, "not found") }
        let headers = Dictionary(request.headers.map { ($0.key.lowercased(), $0.value) }, uniquingKeysWith: { $1 })
        guard situation != .wrongSecret, headers["authorization"] == "Bearer \(Self.key)" else {
            return error(401, "The provided authorization grant is invalid, expired, or revoked: \(headers["authorization"] ?? "")")
        }
        guard headers["content-type"] == "application/json", let letter = try? JSONValue.parse(request.body) else {
            return error(415, "Content-Type should be application/json.")
        }
        state.withLock { $0.bodies.append(letter) }
        if situation == .busy {
            return OutboundResponse(
                status: 429, headers: ["x-ratelimit-reset": "1795253430"],
                body: Data("{\"errors\":[{\"message\":\"too many requests\"}]}".utf8))
        }
        let faults = faults(letter)
        if !faults.isEmpty { return error(400, faults) }
        if situation == .refusesMail {
            return error(400, [("content.0.value", "The content holds a forbidden link for mary@example.com.")])
        }
        take(letter)
        switch situation {
        case .breaksAfter: throw OutboundFailure.unanswered("the connection ended")
        case .answersNonsense: return OutboundResponse(status: 200, body: Data("<html>".utf8))
        default: return OutboundResponse(status: 202, headers: ["x-message-id": "14c5d75ce93"])
        }
    }

    private func faults(_ letter: JSONValue) -> [(String?, String)] {
        var faults: [(String?, String)] = []
        let allowed: Set = [
            "personalizations", "from", "subject", "content", "headers", "custom_args", "categories", "tracking_settings", "send_at",
        ]
        for name in (letter.object ?? [:]).keys where !allowed.contains(name) {
            faults.append((name, "Additional property \(name) is not allowed"))
        }
        let people = (letter["personalizations"]?.array ?? []).map { $0["to"]?.array ?? [] }
        if people.isEmpty || people.contains(where: \.isEmpty) {
            faults.append(("personalizations", "The personalizations field is required"))
        }
        var seen: Set<String> = []
        for (place, party) in people.enumerated() {
            for one in party {
                let address = one["email"]?.string ?? ""
                let isBad = situation == .refusesNobody && address.hasPrefix("nobody@")
                if isBad || address.split(separator: "@").count != 2 || address.contains(where: \.isWhitespace) {
                    faults.append(("personalizations.\(place).to.0.email", "Does not contain a valid address: \(address)"))
                }
                if !seen.insert(address.lowercased()).inserted {
                    faults.append(("personalizations", "Each email address in the personalization block should be unique"))
                }
                if let name = one["name"]?.string, name.contains(",") || name.contains(";") || name.isEmpty {
                    faults.append(("personalizations.\(place).to.0.name", "The name cannot include , or ;"))
                }
            }
        }
        if seen.count > 1_000 { faults.append(("personalizations", "There is a limit of 1000 total recipients")) }
        if (letter["subject"]?.string ?? "").isEmpty { faults.append(("subject", "The subject is required")) }
        let content = letter["content"]?.array ?? []
        let types = content.compactMap { $0["type"]?.string }
        if types != ["text/plain", "text/html"].filter(types.contains) || types.isEmpty {
            faults.append(("content", "text/plain comes first"))
        }
        if content.contains(where: { ($0["value"]?.string ?? "").isEmpty }) {
            faults.append(("content", "The content value must be a string at least one character in length"))
        }
        let reserved: Set = [
            "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding", "to", "from", "subject",
            "reply-to", "cc", "bcc",
        ]
        for (name, value) in letter["headers"]?.object ?? [:]
        where reserved.contains(name.lowercased()) || value.string?.contains("\n") ?? true {
            faults.append(("headers", "You cannot set \(name)"))
        }
        let arguments = (try? letter["custom_args"]?.encoded().count) ?? 0
        if arguments > 10_000 { faults.append(("custom_args", "The length of custom arguments cannot be greater than 10000 bytes")) }
        let categories = letter["categories"]?.array?.compactMap(\.string) ?? []
        if categories.count > 10 || Set(categories).count != categories.count { faults.append(("categories", "at most 10, each once")) }
        return faults
    }

    private func take(_ letter: JSONValue) {
        let from = letter["from"]?["email"]?.string ?? ""
        let texts = letter["content"]?.array?.compactMap { $0["value"]?.string } ?? []
        let id = letter["headers"]?["Message-ID"]?.string?.trimmingCharacters(in: CharacterSet(charactersIn: "<>"))
        for people in letter["personalizations"]?.array ?? [] {
            let to = people["to"]?.array ?? []
            let shown = to.map { "\($0["name"]?.string ?? "") <\($0["email"]?.string ?? "")>" }.joined(separator: ", ")
            let mail = TakenMail(
                from: from, recipients: to.compactMap { $0["email"]?.string },
                content: "To: \(shown)\nSubject: \(letter["subject"]?.string ?? "")\n\n\(texts.first ?? "")", id: id)
            state.withLock { $0.taken.append(mail) }
        }
    }

    private func error(_ status: Int, _ message: String) -> OutboundResponse { error(status, [(nil, message)]) }
    private func error(_ status: Int, _ faults: [(String?, String)]) -> OutboundResponse {
        let errors = JSONValue.array(
            faults.map { ["message": .string($0.1), "field": $0.0.map(JSONValue.string) ?? .null, "help": .null] })
        return OutboundResponse(status: status, body: (try? JSONValue.object(["errors": errors]).encoded()) ?? Data())
    }
}

/// The plugin against that other side.
struct Desk: NotificationChannelSubject {
    var secrets: [String] { [PaperSendGrid.key] }
    /// Base64 of what looks like a key: 91 bytes that begin as one does.
    static let webhookKey = Data([0x30, 0x59, 0x30, 0x13] + [UInt8](repeating: 7, count: 87))

    /// SendGrid hears of full mailboxes only afterwards, and its address is https or none.
    func stage(_ situation: MailSituation) async throws -> MailStage? {
        if situation == .laterForFull || situation == .noEncryption { return nil }
        let other = PaperSendGrid(situation)
        let channel = try await Self.channel { try other.answer($0) }
        return MailStage(channel: channel, taken: { other.taken })
    }

    static func channel(
        _ settings: [String: JSONValue] = [:], secrets: [String: [String]] = [:],
        answer: @escaping @Sendable (OutboundRequest) async throws -> OutboundResponse
    ) async throws -> any NotificationChannel {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let bench = try PluginBench(
            manifest: package.appendingPathComponent("plugin.json"), at: Timestamp(microseconds: 1_795_253_400_000_000), answer: answer)
        let given = ["SENDGRID_API_KEY": [PaperSendGrid.key], "SENDGRID_WEBHOOK_KEY": [webhookKey.base64EncodedString()]]
        var context = try bench.context(settings: settings, secrets: given.merging(secrets) { $1 })
        context.signatures = PretendSignatures()
        guard let channel = try await PluginBench.made(SendGridMail(), context).notificationChannel else {
            throw PluginRefusal("no channel")
        }
        return channel
    }
}

/// SendGrid's event webhook on paper.
extension Desk: MailReportSubject {
    static let formerKey = Data(webhookKey.prefix(90) + [9])

    func channel() async throws -> any NotificationChannel {
        let keys = [Self.webhookKey, Self.formerKey].map { $0.base64EncodedString() }
        return try await Self.channel(secrets: ["SENDGRID_WEBHOOK_KEY": keys]) { _ in throw OutboundFailure.unsent("reports ask nobody") }
    }

    func delivery(_ facts: [MailReport], at moment: Timestamp, by signer: ReportSigner) throws -> WebhookDelivery {
        try Self.signed(.array(facts.map(Self.event)), at: moment, by: signer)
    }
    func idle(at moment: Timestamp) throws -> WebhookDelivery {
        let ours = Self.event(MailReport(id: "1", mail: "one@example.com", recipient: "a@example.com", fate: .delivered, at: moment))
        guard case .object(var foreign) = ours else { throw PluginRefusal("no event") }
        foreign["coditect_mail"] = nil
        let kinds: [JSONValue] = ["open", "click", "group_resubscribe", "what_will_come"].map { kind in
            .object((ours.object ?? [:]).merging(["event": .string(kind)]) { $1 })
        }
        return try Self.signed(.array(kinds + [.object(foreign), 7, .null, "x"]), at: moment, by: .known)
    }

    private static func signed(_ events: JSONValue, at moment: Timestamp, by signer: ReportSigner) throws -> WebhookDelivery {
        let (body, stamp) = (try events.encoded(), String(moment.seconds))
        let key: Data? =
            switch signer {
            case .known: webhookKey
            case .former: formerKey
            case .stranger: Data(webhookKey.prefix(90) + [1])
            case .nobody: nil
            }
        var headers = ["x-twilio-email-event-webhook-timestamp": stamp]
        headers["x-twilio-email-event-webhook-signature"] = key.map {
            PretendSignatures.mark(Data(stamp.utf8) + body, key: $0).base64EncodedString()
        }
        return WebhookDelivery(headers: headers, body: body, receivedAt: moment)
    }

    private static func event(_ fact: MailReport) -> JSONValue {
        let kinds: [MailReport.Fate: String] = [
            .accepted: "processed", .deferred: "deferred", .delivered: "delivered", .bounced: "bounce", .dropped: "dropped",
            .complained: "spamreport", .unsubscribed: "unsubscribe",
        ]
        return .object([
            "email": .string(fact.recipient), "event": .string(kinds[fact.fate] ?? ""), "sg_event_id": .string(fact.id),
            "sg_message_id": "m", "timestamp": .int(fact.at.seconds), "coditect_mail": .string(fact.mail), "status": .string(fact.code),
            "reason": .string(fact.fate == .dropped ? "Bounced Address" : fact.reason), "type": "bounce",
        ])
    }
}
