import Vocabulary

/// The coming months of one tenant, under the policies in force and under a candidate, and what lies between the two.
package struct Forecast: Sendable {
    package struct Future: Sendable {
        /// The set that decided.
        package let policies: String
        package let timeline: Timeline
    }
    /// Something that happens under one set of policies only.
    package struct Difference: Sendable, Hashable {
        package enum Side: String, Sendable { case inForce = "in_force", candidate }
        package let side: Side
        package let entry: TimelineEntry
    }
    package let months: Int
    package let inForce: Future
    package let candidate: Future?

    /// What must not be, under either.
    package var findings: [String] { inForce.timeline.findings + (candidate?.timeline.findings ?? []) }

    /// In the order of time; what the candidate does in the place of something comes after it.
    package var differences: [Difference] {
        guard let candidate else { return [] }
        func only(_ side: Difference.Side, _ own: Timeline, _ other: Timeline) -> [Difference] {
            var there: [TimelineEntry: Int] = [:]
            for entry in other.entries { there[entry, default: 0] += 1 }
            return own.entries.compactMap { entry in
                guard let count = there[entry], count > 0 else { return Difference(side: side, entry: entry) }
                there[entry] = count - 1
                return nil
            }
        }
        let all = only(.inForce, inForce.timeline, candidate.timeline) + only(.candidate, candidate.timeline, inForce.timeline)
        return all.enumerated().sorted {
            ($0.element.entry.at, $0.element.side == .inForce ? 0 : 1, $0.offset)
                < ($1.element.entry.at, $1.element.side == .inForce ? 0 : 1, $1.offset)
        }.map(\.element)
    }

    // MARK: - Figures

    /// What a life comes to.
    package struct Figures: Sendable, Hashable {
        package var paidMinor: Int64 = 0
        package var mails = 0
        package var denials = 0
        /// Days in each state, begun ones counted in seconds.
        package var secondsIn: [String: Int64] = [:]

        package init(_ timeline: Timeline) {
            var last: (state: String, at: Timestamp)?
            for entry in timeline.entries {
                paidMinor += entry.movedMinor ?? 0
                if entry.kind == .mail { mails += 1 }
                if entry.kind == .decision, entry.what.contains(": deny ") { denials += 1 }
                guard let state = entry.state else { continue }
                if let last { secondsIn[last.state, default: 0] += (entry.at - last.at).wholeSeconds }
                last = (state, entry.at)
            }
            if let last { secondsIn[last.state, default: 0] += (timeline.end - last.at).wholeSeconds }
        }
        var lines: [(name: String, value: String)] {
            [("paid", Coins.text(paidMinor)), ("mails", "\(mails)"), ("denials", "\(denials)")]
                + secondsIn.sorted { $0.key < $1.key }.map { ("days \($0.key)", Self.days($0.value)) }
        }
        private static func days(_ seconds: Int64) -> String { "\(seconds / 86_400).\(seconds % 86_400 * 10 / 86_400)" }
    }

    // MARK: - As it is told

    /// The timeline under the candidate, then what differs, then the figures of both.
    package func text(limit: Int? = nil) -> String {
        guard let candidate else {
            let figures = Figures(inForce.timeline).lines.map { "  \($0.name.padded(to: 16))\($0.value)" }
            return inForce.timeline.text(limit: limit) + "\n" + figures.joined(separator: "\n") + "\n"
        }
        var lines = [candidate.timeline.text(limit: limit)]
        let differences = differences
        if differences.isEmpty {
            lines.append("no difference between the policies in force (\(inForce.policies)) and the candidate (\(candidate.policies))")
        } else {
            let lost = differences.filter { $0.side == .inForce }.count
            lines.append(
                "what differs: - \(lost) only under the policies in force (\(inForce.policies)), + \(differences.count - lost) only under the candidate (\(candidate.policies))"
            )
            for difference in differences {
                let entry = difference.entry
                let sign = difference.side == .inForce ? "-" : "+"
                lines.append("  \(sign) \(Timeline.moment(entry.at))  \(entry.kind.rawValue.padded(to: 8))  \(entry.what)")
            }
        }
        lines += ["", "  \("".padded(to: 16))\("in force".padded(to: 14))candidate"]
        let (before, after) = (Figures(inForce.timeline).lines, Figures(candidate.timeline).lines)
        for name in before.map(\.name) + after.map(\.name).filter({ name in !before.contains { $0.name == name } }) {
            func value(_ side: [(name: String, value: String)]) -> String { side.first { $0.name == name }?.value ?? "0" }
            lines.append("  \(name.padded(to: 16))\(value(before).padded(to: 14))\(value(after))")
        }
        if !inForce.timeline.findings.isEmpty { lines.append("under the policies in force: \(inForce.timeline.findings.count) findings") }
        lines += inForce.timeline.findings.map { "  \($0)" }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The timeline's own lines, then one for each difference, then the figures.
    package var jsonLines: String {
        var out = (candidate ?? inForce).timeline.jsonLines
        for difference in differences {
            out +=
                TimelineJSON.object([
                    ("only", .string(difference.side.rawValue)), ("time", .string(difference.entry.at.iso8601)),
                    ("kind", .string(difference.entry.kind.rawValue)), ("what", .string(difference.entry.what)),
                ]) + "\n"
        }
        func figures(_ future: Future?) -> JSONValue {
            guard let future else { return .null }
            let figures = Figures(future.timeline)
            return [
                "policies": .string(future.policies), "paid_minor": .int(figures.paidMinor), "mails": .int(Int64(figures.mails)),
                "denials": .int(Int64(figures.denials)), "seconds_in": .object(figures.secondsIn.mapValues { .int($0) }),
            ]
        }
        return out + TimelineJSON.object([("in_force", figures(inForce)), ("candidate", figures(candidate))]) + "\n"
    }

    /// Both as lanes of one picture.
    package var lanes: Timeline {
        guard let candidate else { return inForce.timeline }
        var both = Timeline(
            title: candidate.timeline.title, start: candidate.timeline.start, end: candidate.timeline.end,
            tenants: ["in force", "candidate"])
        for (name, timeline) in [("in force", inForce.timeline), ("candidate", candidate.timeline)] {
            both.entries += timeline.entries.map { entry in
                var lane = TimelineEntry(entry.at, entry.tenant.isEmpty ? "" : name, entry.kind, entry.what)
                (lane.state, lane.seats, lane.movedMinor) = (entry.state, entry.seats, entry.movedMinor)
                return lane
            }
        }
        both.settle()
        return both
    }
}
