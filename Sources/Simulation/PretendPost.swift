import Foundation
import Notifications
import Synchronization
import Vocabulary
import Webhooks

/// A mail as somebody in the simulation received it.
package struct ReceivedMail: Sendable, Hashable {
    package let at: Timestamp
    package let to: String
    package let template: String
    package let subject: String
    package let text: String
    package let messageID: String
    /// How often it came under this id; more than one only after a crash, and a mail program shows one.
    package var times = 1
}

/// Takes every mail to those who live in the simulation; nobody else gets one.
final class PretendPost: MailTransport {
    private struct State {
        var mails: [ReceivedMail] = []
        var places: [String: Int] = [:]
        var newest: [String: Int] = [:]
    }
    private let state = Mutex(State())
    private let clock: VirtualClock
    private let breaker: Breaker

    init(clock: VirtualClock, breaker: Breaker) {
        self.clock = clock
        self.breaker = breaker
    }

    func send(_ mail: Mail) async throws -> MailReceipt {
        try await breaker.pass(.mail)
        let moment = clock.now()
        state.withLock { state in
            if let known = state.places[mail.messageID] {
                state.mails[known].times += 1
                return
            }
            state.places[mail.messageID] = state.mails.count
            state.newest["\(mail.to.email) \(mail.template)"] = state.mails.count
            state.mails.append(
                ReceivedMail(
                    at: moment, to: mail.to.email, template: mail.template, subject: mail.subject, text: mail.text,
                    messageID: mail.messageID))
        }
        try await breaker.pass(.afterMail)
        return .taken
    }

    var all: [ReceivedMail] { state.withLock(\.mails) }
    var count: Int { state.withLock { $0.mails.count } }
    /// Those that came after the first `count`.
    func since(_ count: Int) -> ArraySlice<ReceivedMail> { state.withLock { $0.mails[min(count, $0.mails.count)...] } }

    /// The token in the link of the newest mail of a kind to an address: in the first one, or in the one that leads to `place`.
    func token(to address: String, _ template: String, for place: String = "") -> String? {
        let text = state.withLock { state in state.newest["\(address) \(template)"].map { state.mails[$0].text } }
        guard let text, let range = text.range(of: "\(place)?token=") else { return nil }
        return String(text[range.upperBound...].prefix { !$0.isWhitespace && $0 != ")" && $0 != ">" })
    }
}

/// Customers' own systems: each takes what it is sent.
struct PretendReceivers: WebhookTransport {
    func send(url: String, headers: [(String, String)], body: [UInt8], timeout: Duration) async -> WebhookOutcome {
        WebhookOutcome(.answered(status: 200, retryAfterSeconds: nil, text: ""), milliseconds: 1)
    }
}
