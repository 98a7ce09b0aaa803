import Composition
import Foundation
import HookEngine
import Vocabulary

/// What is told when the run is over: journals, decisions, mails and money in one order.
extension SimulationRun {
    /// Comings and goings that would drown the rest.
    private static let unspoken = [
        "session.", "license.key_shown", "store.", "policy.", "policies.", "key.", "payment_event.applied", "checkout.intended",
        "checkout.opened",
    ]

    /// Nobody signs in: the data is somebody's, and is lived on.
    var isForecast: Bool { households.contains { $0.owner.isEmpty } }

    func account() async throws -> Timeline {
        for (tenant, finding) in try await Checker(run: self).closing() { find(tenant, finding) }
        var timeline = Timeline(
            title: script.lives.count == 1 ? "The life of \(script.lives[0].name)" : "\(script.lives.count) lives", start: script.start,
            end: script.end, tenants: households.map(\.name))
        timeline.entries = entries
        let names = Dictionary(
            households.compactMap { home in home.tenant.map { ($0, home.name) } }, uniquingKeysWith: { first, _ in first })
        let lines = try await world.alive { [start = script.start] in try await $0.journalLines(since: start) } ?? []
        timeline.entries += lines.compactMap { line in
            guard line.tenant != nil || line.action.hasPrefix("payments.") && line.details["found"]?.int ?? 0 > 0,
                !Self.unspoken.contains(where: { line.action.hasPrefix($0) })
            else { return nil }
            let tenant = line.tenant.map { names[$0] ?? "another" } ?? ""
            var entry = TimelineEntry(line.at, tenant, .state, line.action + Self.details(line.details) + Self.outcome(line.outcome))
            if line.action.hasPrefix("subscription.") { entry.state = line.details["to"]?.string }
            return entry
        }
        timeline.entries += decided(names)
        timeline.entries += world.post.all.map { mail in
            let tenant = homesOfPerson[mail.to]?.min().map { households[$0].name } ?? (isForecast ? "another" : "")
            return TimelineEntry(mail.at, tenant, .mail, "to \(mail.to): \(mail.subject)\(mail.times > 1 ? " (\(mail.times) times)" : "")")
        }
        timeline.entries += world.provider.inBooks { books, _ in
            books.news.map { news in
                var entry = TimelineEntry(
                    news.at, TenantID(news.tenant).flatMap { names[$0] } ?? "another", .money,
                    "\(Coins.text(news.amount.amountMinor, news.amount.currency.code)) \(news.what)")
                entry.movedMinor = news.moved
                return entry
            }
        }
        timeline.findings = findings
        if isForecast { timeline.entries.removeAll { $0.tenant == "another" } }
        timeline.settle()
        return timeline
    }

    /// What somebody saw, once it is another than before.
    func saw(_ tenant: String, _ sentence: String, _ sight: Checker.Sight) {
        var entry = TimelineEntry(now, tenant, .seen, sentence)
        entry.seats = sight.seats
        entries.append(entry)
    }

    private func decided(_ names: [TenantID: String]) -> [TimelineEntry] {
        world.decisions.all.compactMap { record in
            guard record.time >= script.start else { return nil }
            let by = record.decidedBy.map { " by \(record.answers[$0].policy)" } ?? ""
            let outcome: String
            switch record.outcome {
            case .allow: outcome = "allow"
            case .deny(let reason, _): outcome = "deny \(reason)"
            case .plan(let actions): outcome = "plan " + (actions.isEmpty ? "nothing" : actions.map(\.name).joined(separator: ", "))
            case .failed(let reason): outcome = "failed: \(reason)"
            }
            return TimelineEntry(
                record.time, record.subject.tenant.map { names[$0] ?? "another" } ?? "", .decision, "\(record.hook): \(outcome)\(by)")
        }
    }

    private static func outcome(_ outcome: String) -> String { outcome == "success" ? "" : " (\(outcome))" }

    /// Those of an entry's details that say something to a person: no ids, no digests.
    private static func details(_ details: JSONValue) -> String {
        let told = (details.object ?? [:]).sorted { $0.key < $1.key }.compactMap { name, value -> String? in
            switch value {
            case .string(let text) where isPlain(text): "\(name) \(text)"
            case .int(let number) where name != "version": "\(name) \(number)"
            case .bool(let flag): "\(name) \(flag)"
            default: nil
            }
        }
        return told.isEmpty ? "" : ": " + told.joined(separator: ", ")
    }
    private static func isPlain(_ text: String) -> Bool {
        guard !text.isEmpty, text.count <= 60 else { return false }
        let digits = text.utf8.filter { (48...57).contains($0) || (97...102).contains($0) }.count
        let isID = text.split(separator: ":").contains { $0.utf8.count == 36 && $0.utf8.filter { $0 == 45 }.count == 4 }
        return !isID && !(text.utf8.count >= 16 && digits == text.utf8.count)
    }
}
