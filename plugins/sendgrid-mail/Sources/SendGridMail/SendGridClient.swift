import Foundation
import PluginKit

/// One request to SendGrid, and what its answer means. It never repeats: SendGrid knows no idempotency keys, so whoever repeats must know why.
struct SendGridClient: Sendable {
    enum Answer: Sendable, Hashable {
        case taken(reference: String?)
        /// Nothing was sent; these places of `personalizations` hold addresses that SendGrid does not send to.
        case badRecipients([Int])
    }
    let http: any OutboundHTTP
    let address: String
    let key: String
    let timeout: Duration
    let secrets: PluginSecrets
    let clock: any PluginClock

    func post(_ body: Data) async throws(NotificationFailure) -> Answer {
        let request = OutboundRequest(
            "POST", address, headers: ["authorization": "Bearer \(key)", "content-type": "application/json"], body: body, timeout: timeout,
            maxAnswerBytes: 262_144)
        let answer: OutboundResponse
        do { answer = try await http.send(request) } catch let failure as OutboundFailure {
            switch failure {
            case .unsent(let why): throw .unreachable(words("SendGrid cannot be reached: \(why)"))
            case .forbidden(let why): throw .misconfigured(words(why))
            case .unanswered(let why): throw .unknown(words("SendGrid did not answer: \(why)"))
            @unknown default: throw .unknown("SendGrid did not answer")
            }
        } catch {
            throw .unknown("SendGrid did not answer")
        }
        return try read(answer)
    }

    private func read(_ answer: OutboundResponse) throws(NotificationFailure) -> Answer {
        // 200 is what the sandbox answers, which sends nothing; only 202 is a promise.
        if answer.status == 202 {
            let reference = answer.headers["x-message-id"].flatMap { (1...200).contains($0.utf8.count) ? words($0) : nil }
            return .taken(reference: reference)
        }
        let errors = (try? JSONValue.parse(answer.body, maxBytes: 262_144))?["errors"]?.array ?? []
        let said = errors.prefix(3).compactMap { $0["message"]?.string }.joined(separator: "; ")
        let text = words("SendGrid answers \(answer.status)\(said.isEmpty ? "" : ": \(said)")")
        switch answer.status {
        case 400:
            let fields = errors.prefix(1_000).compactMap { $0["field"]?.string }
            // Of the sender or of the whole request, not of a recipient.
            if fields.contains(where: { $0.hasPrefix("from") }) { throw .misconfigured(text) }
            let places = fields.compactMap(Self.place)
            guard !places.isEmpty, places.count == errors.count else { throw .refused(text) }
            return .badRecipients(places)
        // A key that is not known, one without Mail Send, a sender that is not verified, and an account without credits.
        case 401, 403, 404, 405, 406, 415: throw .misconfigured(text)
        case 429: throw .later(text, after: pause(answer))
        case 413: throw .refused(text)
        case 402, 400...499: throw .refused(text)
        case 503: throw .later(text, after: pause(answer))
        // Whoever stands before SendGrid answers so too, after it may have taken the mail.
        default: throw .unknown(text)
        }
    }

    /// `personalizations.3.to.0.email` → 3.
    static func place(_ field: String) -> Int? {
        let parts = field.split(separator: ".")
        guard parts.count == 5, parts[0] == "personalizations", parts[2] == "to", parts[4] == "email" else { return nil }
        return Int(parts[1])
    }

    /// Until when the limit holds, a moment in seconds; a day at most.
    private func pause(_ answer: OutboundResponse) -> Duration? {
        if let moment = answer.headers["x-ratelimit-reset"].flatMap({ Int64($0) }), (0...100_000_000_000).contains(moment) {
            return min(max(Timestamp(seconds: moment) - clock.now(), .seconds(1)), .days(1))
        }
        guard let seconds = answer.headers["retry-after"].flatMap({ Int64($0) }), (0...86_400).contains(seconds) else { return nil }
        return .seconds(max(1, seconds))
    }

    /// Fit for a log: one line, nobody's address, no secret.
    func words(_ text: String) -> String {
        let shown = SendGridLetter.line(secrets.redacted(text))
        return String(shown.split(separator: " ").map { $0.contains("@") ? "[address]" : $0 }.joined(separator: " ").prefix(300))
    }
}
