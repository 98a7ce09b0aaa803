import Foundation
import PluginKit

/// A notification channel as the house sees it: calls are counted for draining and bounded in time, what is answered is checked, and an error
/// that is none of the kit's leaves it unknown whether the mail went out.
struct GuardedChannel: NotificationChannel {
    let plugin: String
    let channel: any NotificationChannel
    let gate: WorkGate
    let secrets: PluginSecrets
    let services: any PluginHostServices

    /// Below the time for which one delivery of an occasion keeps others away.
    static let patience = Duration.seconds(240)

    func send(_ mail: OutgoingMail) async throws -> [MailResult] {
        guard gate.enter() else { throw GateClosed() }
        defer { gate.leave() }
        let results: [MailResult]
        do {
            results = try await bounded(Self.patience, HostClock(services: services)) { try await channel.send(mail) }
        } catch let error as CancellationError {
            throw error
        } catch {
            throw cleaned(error)
        }
        guard results.map(\.recipient) == mail.to.map(\.address) else {
            throw NotificationFailure.unknown("\(plugin) did not answer for each recipient in their order.")
        }
        return results.map { MailResult($0.recipient, cleaned($0.outcome)) }
    }

    /// As long as whoever tells may wait.
    static let reading = Duration.seconds(10)
    static let mostReports = 10_000

    func reports(_ delivery: WebhookDelivery) async throws -> [MailReport] {
        guard gate.enter() else { throw GateClosed() }
        defer { gate.leave() }
        let reports: [MailReport]
        do {
            reports = try await bounded(Self.reading, HostClock(services: services)) { try await channel.reports(delivery) }
        } catch let refusal as MailReportRefusal {
            throw cleaned(refusal)
        }
        guard reports.count <= Self.mostReports else { throw MailReportRefusal.malformed("\(plugin) told too many facts at once.") }
        return reports.filter { (1...200).contains($0.id.utf8.count) && (1...400).contains($0.mail.utf8.count) }.map {
            var report = $0
            report.code = String(text(report.code).prefix(60))
            report.reason = text(report.reason)
            return report
        }
    }

    private func cleaned(_ refusal: MailReportRefusal) -> MailReportRefusal {
        switch refusal {
        case .forged(let why): .forged(text(why))
        case .stale(let why): .stale(text(why))
        case .malformed(let why): .malformed(text(why))
        case .notOffered(let why): .notOffered(text(why))
        @unknown default: refusal
        }
    }
    private func cleaned(_ outcome: MailResult.Outcome) -> MailResult.Outcome {
        switch outcome {
        case .taken(let reference): .taken(reference: reference.map(text))
        case .refused(let code, let message): .refused(code: text(code), message: text(message))
        case .later(let code, let message): .later(code: text(code), message: text(message))
        @unknown default: outcome
        }
    }
    private func cleaned(_ error: any Error) -> NotificationFailure {
        switch error as? NotificationFailure {
        case .unreachable(let why): .unreachable(text(why))
        case .later(let why, let after): .later(text(why), after: after.map { min(max(.zero, $0), .days(1)) })
        case .unknown(let why): .unknown(text(why))
        case .misconfigured(let why): .misconfigured(text(why))
        case .refused(let why): .refused(text(why))
        default:
            error is TooSlow
                ? .unknown("\(plugin) did not answer within \(Self.patience.wholeSeconds) s.")
                : .unknown(text("\(plugin) failed: \(error)"))
        }
    }
    private func text(_ text: String) -> String { String(secrets.redacted(text).prefix(500)) }
}
