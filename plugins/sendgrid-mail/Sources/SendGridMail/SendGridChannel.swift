import Foundation
import PluginKit

struct SendGridChannel: NotificationChannel {
    let client: SendGridClient
    let log: any PluginLog
    let reading: SendGridReports

    /// SendGrid checks a request as a whole: one bad recipient and nothing is sent. So those that it names are left out, once.
    func send(_ mail: OutgoingMail) async throws -> [MailResult] {
        var letter = try SendGridLetter(mail)
        var refused: [String: MailResult.Outcome] = [:]
        for party in mail.to {
            guard let code = SendGridLetter.fault(in: party.address) else { continue }
            let why = code == "5.6.7" ? "SendGrid sends to addresses of ASCII only" : "this is no address"
            refused[party.address.lowercased()] = .refused(code: code, message: why)
        }
        var taken = MailResult.Outcome.taken(reference: nil)
        if !letter.recipients.isEmpty {
            var answer = try await client.post(letter.body())
            if case .badRecipients(let places) = answer {
                let named = Set(places.filter(letter.recipients.indices.contains).map { letter.recipients[$0].address.lowercased() })
                guard !named.isEmpty else { throw NotificationFailure.refused("SendGrid refuses recipients that were not in the mail") }
                for address in named { refused[address] = .refused(code: "5.1.3", message: "SendGrid says that this is no address") }
                letter.leaveOut(named)
                answer = letter.recipients.isEmpty ? .taken(reference: nil) : try await client.post(letter.body())
            }
            switch answer {
            case .taken(let reference): taken = .taken(reference: reference)
            case .badRecipients: throw NotificationFailure.refused("SendGrid names other bad recipients each time it is asked")
            }
        }
        return mail.to.map { MailResult($0.address, refused[$0.address.lowercased()] ?? taken) }
    }

    func reports(_ delivery: WebhookDelivery) async throws -> [MailReport] { try await reading.read(delivery) }
}
