import Foundation
import Notifications
import PluginHost
import PluginKit
import Vocabulary

/// Mails by the plugin that the operator chose. Where it is not at work they wait: a mail with a link goes nowhere else.
struct PluggedMail: MailTransport {
    let host: PluginHost
    let plugin: String
    /// For staff, who must mend what keeps mails waiting.
    let note: @Sendable (String, [String: String]) -> Void

    struct Waiting: Error, CustomStringConvertible { let description: String }

    func send(_ mail: Mail) async throws -> MailReceipt {
        guard let channel = host.notificationChannel(plugin) else {
            throw Waiting(description: "mail.channel is \(plugin), and no such plugin is at work; see coditectd plugin list")
        }
        let outgoing = OutgoingMail(
            id: mail.messageID, from: OutgoingMail.Party(mail.from, name: mail.sender),
            to: [OutgoingMail.Party(mail.to.email, name: mail.to.name)], subject: mail.subject, text: mail.text, html: mail.html,
            template: mail.template, message: Data(MailText.message(mail, isASCII: true).utf8))
        do {
            switch try await channel.send(outgoing).first?.outcome {
            case .taken: return .taken
            case .refused(let code, let message):
                note("A mail was refused for good.", ["template": mail.template, "code": code, "why": message])
                return .refused(code: code)
            case .later(let code, let message): throw Waiting(description: "not taken now: \(code) \(message)")
            default: throw Waiting(description: "no answer for the recipient")
            }
        } catch let failure as NotificationFailure {
            switch failure {
            case .refused(let why):
                note("A mail was refused for good.", ["template": mail.template, "why": why])
                return .refused(code: "refused")
            case .misconfigured(let why):
                note("Mails wait until their plugin is set up rightly.", ["plugin": plugin, "why": why])
                throw Waiting(description: why)
            case .unknown(let why): throw MailUnknown(why)
            case .unreachable(let why), .later(let why, _): throw Waiting(description: why)
            @unknown default: throw Waiting(description: "\(failure)")
            }
        }
    }

    /// Also of a channel that is no longer the chosen one: its mails are under way still.
    func reports(_ delivery: WebhookDelivery, channel: String) async throws -> [MailReport] {
        try await PluggedReports(host: host, note: note).read(delivery, channel: channel)
    }
}

/// Reports of any notification plugin that is at work.
struct PluggedReports: Sendable {
    let host: PluginHost
    let note: @Sendable (String, [String: String]) -> Void

    func read(_ delivery: WebhookDelivery, channel id: String) async throws -> [MailReport] {
        guard let channel = host.notificationChannel(id) else { throw NotificationProblems.channelUnknown }
        do { return try await channel.reports(delivery) } catch let refusal as MailReportRefusal {
            note("A report of mails was refused.", ["plugin": id, "why": "\(refusal)"])
            throw refusal
        }
    }
}
