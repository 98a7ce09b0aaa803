import Vocabulary

/// One thing that happened, as it is told: no id, nothing that two runs under the same seed would tell otherwise.
package struct TimelineEntry: Sendable, Hashable {
    /// In the order in which things of one moment are told.
    package enum Kind: String, Sendable, CaseIterable {
        case world, act, decision, state, money, mail, seen, finding
    }
    package let at: Timestamp
    /// Empty: of the platform as a whole.
    package let tenant: String
    package let kind: Kind
    package let what: String
    /// `active`, `grace`, …, where the entry changes what may be used; seats, where it changes how many; money that moved.
    package var state: String?
    package var seats: Int?
    package var movedMinor: Int64?

    package init(_ at: Timestamp, _ tenant: String, _ kind: Kind, _ what: String) {
        self.at = at
        self.tenant = tenant
        self.kind = kind
        self.what = what
    }
}

/// Everything that happened, in order, and what is wrong with it.
package struct Timeline: Sendable {
    package var title: String
    package var start: Timestamp
    package var end: Timestamp
    package var tenants: [String]
    package var entries: [TimelineEntry]
    /// What must not be; empty: every check held.
    package var findings: [String]

    package init(title: String, start: Timestamp, end: Timestamp, tenants: [String]) {
        (self.title, self.start, self.end, self.tenants, self.entries, self.findings) = (title, start, end, tenants, [], [])
    }

    /// Puts everything in the order in which it is told.
    mutating func settle() {
        let rank = Dictionary(uniqueKeysWithValues: TimelineEntry.Kind.allCases.enumerated().map { ($1, $0) })
        entries = entries.enumerated().sorted { left, right in
            let (a, b) = (left.element, right.element)
            return (a.at, a.tenant, rank[a.kind] ?? 0, left.offset) < (b.at, b.tenant, rank[b.kind] ?? 0, right.offset)
        }.map(\.element)
    }

    /// A table for people; times to the second, in UTC.
    package func text(limit: Int? = nil) -> String {
        let shown = limit.map { entries.prefix($0) } ?? entries[...]
        let width = max(6, shown.map(\.tenant.count).max() ?? 0)
        var lines = [title, "\(Self.moment(start)) to \(Self.moment(end)), \(tenants.count) tenants, \(entries.count) entries", ""]
        for entry in shown {
            let tenant = entry.tenant.padded(to: width)
            lines.append("\(Self.moment(entry.at))  \(tenant)  \(entry.kind.rawValue.padded(to: 8))  \(entry.what)")
        }
        if shown.count < entries.count { lines.append("… \(entries.count - shown.count) more") }
        lines.append("")
        lines.append(findings.isEmpty ? "every check held" : "\(findings.count) findings")
        lines += findings.map { "  \($0)" }
        return lines.joined(separator: "\n") + "\n"
    }

    /// One JSON object a line, for machines.
    package var jsonLines: String {
        var out = ""
        for entry in entries {
            var members: [(String, JSONValue)] = [
                ("time", .string(entry.at.iso8601)), ("tenant", .string(entry.tenant)), ("kind", .string(entry.kind.rawValue)),
                ("what", .string(entry.what)),
            ]
            if let state = entry.state { members.append(("state", .string(state))) }
            if let seats = entry.seats { members.append(("seats", .int(Int64(seats)))) }
            if let moved = entry.movedMinor { members.append(("moved_minor", .int(moved))) }
            out += TimelineJSON.object(members) + "\n"
        }
        out += TimelineJSON.object([("findings", .array(findings.map { .string($0) }))]) + "\n"
        return out
    }

    static func moment(_ time: Timestamp) -> String {
        let text = Timestamp(seconds: time.seconds).iso8601
        return String(text.prefix(10)) + " " + String(text.dropFirst(11).prefix(8))
    }
}

extension String {
    func padded(to width: Int) -> String { count >= width ? self : self + String(repeating: " ", count: width - count) }
}
