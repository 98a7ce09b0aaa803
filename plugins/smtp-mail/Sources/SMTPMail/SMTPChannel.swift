import Foundation
import PluginKit

/// Hands mails to one server; a connection that served well is kept a little for the next.
actor SMTPChannel: NotificationChannel {
    private struct Kept {
        let conversation: Conversation
        let since: Timestamp
        let mails: Int
    }
    private let terms: SMTPTerms
    private let streams: any OutboundStreams
    private let clock: any PluginClock
    private let secrets: PluginSecrets
    private let most: Int
    /// The server's own address, as it is known when a connection is opened.
    private let origin: @Sendable () -> String
    private var kept: [Kept] = []
    private var isOver = false

    static let keptFor = Duration.seconds(20)
    /// Some servers take only so many in one connection.
    static let mailsEach = 50

    init(
        terms: SMTPTerms, streams: any OutboundStreams, clock: any PluginClock, secrets: PluginSecrets, kept: Int,
        origin: @escaping @Sendable () -> String
    ) {
        self.terms = terms
        self.streams = streams
        self.clock = clock
        self.secrets = secrets
        most = kept
        self.origin = origin
    }

    func send(_ mail: OutgoingMail) async throws -> [MailResult] {
        guard (1...100).contains(mail.to.count), SMTPText.isAddress(mail.from.address) else {
            throw NotificationFailure.refused("the mail has no usable sender or no 1 to 100 recipients")
        }
        if let place = mail.to.firstIndex(where: { !SMTPText.isAddress($0.address) }) {
            throw NotificationFailure.refused("recipient \(place + 1) has no address that may stand in a command")
        }
        guard let dotted = SMTPText.dotted(mail.message) else {
            throw NotificationFailure.refused("the message has a line that does not end in CRLF, is longer than 998 bytes or holds NUL")
        }
        do { return try await deliver(mail, dotted) } catch let failure as NotificationFailure { throw cleaned(failure) }
    }

    private func deliver(_ mail: OutgoingMail, _ dotted: Data) async throws -> [MailResult] {
        let (conversation, mails) = try await ready()
        do {
            let (results, isFit) = try await conversation.send(mail, dotted: dotted)
            if isFit, mails + 1 < Self.mailsEach, !isOver, kept.count < most {
                kept.append(Kept(conversation: conversation, since: clock.now(), mails: mails + 1))
            } else {
                await conversation.quit()
            }
            return results.map { MailResult($0.recipient, cleaned($0.outcome)) }
        } catch {
            await conversation.close()
            throw error
        }
    }

    /// A kept connection that still answers, else a new one.
    private func ready() async throws -> (Conversation, mails: Int) {
        while let last = kept.popLast() {
            if clock.now() - last.since <= Self.keptFor, await last.conversation.isAlive() { return (last.conversation, last.mails) }
            await last.conversation.close()
        }
        let host = terms.helo ?? WebOrigin(origin())?.host ?? "localhost"
        return (try await Conversation.open(terms, helo: SMTPText.helo(host), streams), 0)
    }

    func letGo() async {
        isOver = true
        let all = kept
        kept = []
        for one in all { await one.conversation.quit() }
    }

    private func cleaned(_ outcome: MailResult.Outcome) -> MailResult.Outcome {
        switch outcome {
        case .taken(let reference): .taken(reference: reference.map(secrets.redacted))
        case .refused(let code, let message): .refused(code: code, message: secrets.redacted(message))
        case .later(let code, let message): .later(code: code, message: secrets.redacted(message))
        @unknown default: outcome
        }
    }
    /// A server may repeat what was said to it.
    private func cleaned(_ failure: NotificationFailure) -> NotificationFailure {
        switch failure {
        case .unreachable(let text): .unreachable(secrets.redacted(text))
        case .later(let text, let after): .later(secrets.redacted(text), after: after)
        case .unknown(let text): .unknown(secrets.redacted(text))
        case .misconfigured(let text): .misconfigured(secrets.redacted(text))
        case .refused(let text): .refused(secrets.redacted(text))
        @unknown default: failure
        }
    }
}
