import Foundation
import PluginKit

/// Who signs a delivery to a channel's webhook.
public enum ReportSigner: Sendable, Hashable, CaseIterable {
    /// Whom the channel was told of.
    case known
    /// The key before, which the channel was told of too.
    case former
    case stranger
    case nobody
}

/// What the kit must know of a channel that hears of its mails later.
public protocol MailReportSubject: Sendable {
    /// Set up with the keys `known` and `former`.
    func channel() async throws -> any NotificationChannel
    /// A delivery as the other side makes it: these facts, signed at that moment.
    func delivery(_ facts: [MailReport], at moment: Timestamp, by signer: ReportSigner) throws -> WebhookDelivery
    /// Genuine, and about something that no report can say: a click, a mail of somebody else, a kind that is not known yet.
    func idle(at moment: Timestamp) throws -> WebhookDelivery
}

/// Tries the webhook of a notification channel the way strangers and slow networks do.
public struct MailReportConformance: Sendable {
    private let subject: any MailReportSubject
    private static let now = Timestamp(seconds: 1_795_253_400)
    public init(_ subject: any MailReportSubject) { self.subject = subject }

    /// Runs every check; the order is stable.
    public func run() async -> [ConformanceFinding] {
        let checks: [(String, @Sendable () async throws -> [String])] = [
            ("each fact arrives as what it is", facts),
            ("many facts arrive at once, and the same again under the same ids", again),
            ("a delivery that nobody signed, or a stranger, is forged", forged),
            ("a body that was changed, or only printed anew, is forged", changed),
            ("an old delivery, and one of the future, is stale", stale),
            ("while keys roll, either signs", rolling),
            ("what no report can say is left out, and keeps nothing else out", idle),
            ("a body that nobody can read is told apart", unreadable),
            ("a reason tells nobody's address", reasons),
        ]
        var findings: [ConformanceFinding] = []
        for (name, check) in checks {
            do { findings.append(ConformanceFinding(check: name, faults: try await check())) } catch {
                findings.append(ConformanceFinding(check: name, faults: ["It threw \(error)."]))
            }
        }
        return findings
    }

    private static func fact(_ id: String, _ fate: MailReport.Fate, isLasting: Bool = false, reason: String = "") -> MailReport {
        MailReport(
            id: id, mail: "one@example.com", recipient: "mary@example.com", fate: fate, isLasting: isLasting,
            at: Timestamp(seconds: 1_795_253_300), code: fate == .bounced ? isLasting ? "5.1.1" : "4.4.7" : "", reason: reason)
    }
    private static let every = [
        fact("1", .accepted), fact("2", .deferred), fact("3", .delivered), fact("4", .bounced, isLasting: true), fact("5", .bounced),
        fact("6", .complained, isLasting: true), fact("7", .unsubscribed), fact("8", .dropped, isLasting: true),
    ]

    private func read(_ delivery: WebhookDelivery) async throws -> [MailReport] { try await subject.channel().reports(delivery) }
    private func refusal(_ delivery: WebhookDelivery) async throws -> MailReportRefusal? {
        do {
            _ = try await read(delivery)
            return nil
        } catch let refusal as MailReportRefusal {
            return refusal
        }
    }
    private func genuine(_ facts: [MailReport], at moment: Timestamp = now, by signer: ReportSigner = .known) throws -> WebhookDelivery {
        var delivery = try subject.delivery(facts, at: moment, by: signer)
        delivery.receivedAt = Self.now
        return delivery
    }

    private func facts() async throws -> [String] {
        var faults: [String] = []
        for fact in Self.every {
            guard let seen = try await read(genuine([fact])).first else {
                faults.append("\(fact.fate) was not told.")
                continue
            }
            if seen.fate != fact.fate { faults.append("\(fact.fate) became \(seen.fate).") }
            if seen.isLasting != fact.isLasting {
                faults.append("Of \(fact.fate) it says that it is \(seen.isLasting ? "" : "not ")lasting.")
            }
            if seen.mail != fact.mail || seen.recipient != fact.recipient || seen.id != fact.id || seen.at != fact.at {
                faults.append("Of \(fact.fate) it gives mail, recipient, id or time otherwise.")
            }
            if fact.fate == .bounced, seen.code != fact.code { faults.append("The code \(fact.code) became \(seen.code).") }
        }
        return faults
    }

    private func again() async throws -> [String] {
        let channel = try await subject.channel()
        let delivery = try genuine(Self.every)
        let ids = try await channel.reports(delivery).map(\.id)
        var faults = ids.sorted() == Self.every.map(\.id).sorted() ? [] : ["Of \(Self.every.count) facts it told \(ids)."]
        if try await channel.reports(delivery).map(\.id) != ids {
            faults.append("The same delivery again told other facts: repeats are the host's to know.")
        }
        return faults
    }

    private func forged() async throws -> [String] {
        var faults: [String] = []
        for signer in [ReportSigner.stranger, .nobody] {
            guard case .forged? = try await refusal(genuine(Self.every, by: signer)) else {
                faults.append("Signed by \(signer), it is not called forged.")
                continue
            }
        }
        return faults
    }

    private func changed() async throws -> [String] {
        var faults: [String] = []
        var other = try genuine([Self.every[2]])
        other.body = try genuine([Self.every[3]]).body
        var printed = try genuine([Self.every[2]])
        printed.body += Data(" ".utf8)
        for (what, delivery) in [("another body", other), ("a space more", printed)] {
            guard case .forged? = try await refusal(delivery) else {
                faults.append("With \(what) it is not called forged.")
                continue
            }
        }
        return faults
    }

    private func stale() async throws -> [String] {
        var faults: [String] = []
        for days in [-2, 2] {
            guard case .stale? = try await refusal(genuine([Self.every[2]], at: Self.now + .days(Int64(days)))) else {
                faults.append("Signed \(abs(days)) days \(days < 0 ? "ago" : "ahead"), it is not called stale.")
                continue
            }
        }
        return faults
    }

    private func rolling() async throws -> [String] {
        try await read(genuine([Self.every[2]], by: .former)).count == 1 ? [] : ["Signed with the key before, it told nothing."]
    }

    private func idle() async throws -> [String] {
        var delivery = try subject.idle(at: Self.now)
        delivery.receivedAt = Self.now
        let told = try await read(delivery)
        return told.isEmpty ? [] : ["It told \(told.map(\.fate))."]
    }

    private func unreadable() async throws -> [String] {
        // Nobody but the other side can sign nonsense; without its signature nonsense is forged.
        var delivery = try genuine([Self.every[2]])
        delivery.body = Data("{".utf8)
        guard case .forged? = try await refusal(delivery) else { return ["Nonsense that nobody signed is not called forged."] }
        return []
    }

    private func reasons() async throws -> [String] {
        let fact = Self.fact("9", .bounced, isLasting: true, reason: "550 5.1.1 <mary@example.com>: unknown")
        let told = try await read(genuine([fact]))
        return told.contains { ($0.reason + $0.code).contains("mary@example.com") } ? ["It told a person's address."] : []
    }
}
