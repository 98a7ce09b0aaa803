import Foundation
import PluginKit

/// Hands mails to a provider's API that does not exist yet.
public struct TemplateMail: Plugin {
    public let id = "template"
    public init() {}

    public func make(_ context: PluginContext) async throws -> any PluginInstance {
        Instance(
            channel: TemplateChannel(
                base: try context.settings.text("api_base"), key: try context.secrets.one("TEMPLATE_SECRET_KEY"), http: context.http))
    }
}

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(TemplateMail()) }

private struct Instance: PluginInstance {
    let channel: TemplateChannel
    var notificationChannel: (any NotificationChannel)? { channel }
}

/// One call a mail. What it says of a failure names neither address nor secret, and repeats nothing that the provider wrote.
struct TemplateChannel: NotificationChannel {
    let base: String
    let key: String
    let http: any OutboundHTTP

    func send(_ mail: OutgoingMail) async throws -> [MailResult] {
        let able = mail.to.filter { Self.isAddress($0.address) }
        guard Self.isAddress(mail.from.address) else { throw NotificationFailure.refused("The sender's address cannot be used.") }
        var outcomes: [String: MailResult.Outcome] = [:]
        if !able.isEmpty { outcomes = try await handed(mail, to: able) }
        return mail.to.map { recipient in
            let unable = MailResult.Outcome.refused(code: "address_invalid", message: "This address cannot be used.")
            return MailResult(recipient.address, Self.isAddress(recipient.address) ? outcomes[recipient.address] ?? unable : unable)
        }
    }

    private func handed(_ mail: OutgoingMail, to recipients: [OutgoingMail.Party]) async throws -> [String: MailResult.Outcome] {
        let body: JSONValue = [
            "message_id": .string(mail.id), "from": Self.party(mail.from), "to": .array(recipients.map(Self.party)),
            "subject": .string(Self.line(mail.subject)), "text": .string(mail.text), "html": .string(mail.html),
        ]
        let headers = ["authorization": "Bearer \(key)", "content-type": "application/json"]
        let answer: OutboundResponse
        do { answer = try await http.send(OutboundRequest("POST", base + "/mails", headers: headers, body: try body.encoded())) } catch {
            // What surely did not arrive may be sent elsewhere; what may have arrived must not be counted as lost.
            switch error as? OutboundFailure {
            case .unsent: throw NotificationFailure.unreachable("The provider cannot be reached.")
            case .forbidden: throw NotificationFailure.misconfigured("The host lets nothing out to the provider: see hosts in plugin.json.")
            default: throw NotificationFailure.unknown("The provider did not answer.")
            }
        }
        switch answer.status {
        case 200..<300: return try Self.outcomes(answer.body, of: recipients)
        case 401, 403: throw NotificationFailure.misconfigured("The provider does not accept TEMPLATE_SECRET_KEY.")
        case 429, 503:
            let pause = answer.headers["retry-after"].flatMap { Int64($0) }.map { Duration.seconds(min(max(0, $0), 86_400)) }
            throw NotificationFailure.later("The provider is busy.", after: pause)
        case 400..<500: throw NotificationFailure.refused("The provider refused the mail (\(answer.status)).")
        default: throw NotificationFailure.unknown("The provider answered \(answer.status).")
        }
    }

    /// `{"results": [{"to": …, "status": "taken" | "refused" | "later", "id": …}]}`, for each that was asked about.
    private static func outcomes(_ body: Data, of recipients: [OutgoingMail.Party]) throws -> [String: MailResult.Outcome] {
        guard let results = (try? JSONValue.parse(body, maxBytes: 262_144))?["results"]?.array else {
            throw NotificationFailure.unknown("The provider's answer cannot be read.")
        }
        var outcomes: [String: MailResult.Outcome] = [:]
        for result in results {
            guard let address = result["to"]?.string else { continue }
            switch result["status"]?.string {
            case "taken": outcomes[address] = .taken(reference: result["id"]?.string.map { String($0.prefix(100)) })
            case "refused": outcomes[address] = .refused(code: "refused", message: "The provider refused this recipient.")
            case "later": outcomes[address] = .later(code: "later", message: "The provider takes nothing for this recipient now.")
            default: break
            }
        }
        guard recipients.allSatisfy({ outcomes[$0.address] != nil }) else {
            throw NotificationFailure.unknown("The provider's answer leaves recipients out.")
        }
        return outcomes
    }

    private static func party(_ party: OutgoingMail.Party) -> JSONValue {
        ["address": .string(party.address), "name": .string(line(party.name))]
    }

    /// One line: the provider makes a header of it.
    private static func line(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { isEnd($0) ? " " : $0 }))
    }
    private static func isEnd(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 32 || (127..<160).contains(scalar.value) || scalar.value == 0x2028 || scalar.value == 0x2029
    }
    /// Nothing that ends an address or begins another one.
    private static func isAddress(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { !$0.isEmpty } && text.utf8.count <= 254
            && !text.unicodeScalars.contains { isEnd($0) || $0.properties.isWhitespace || "<>,;:\"()[]\\".unicodeScalars.contains($0) }
    }
}
