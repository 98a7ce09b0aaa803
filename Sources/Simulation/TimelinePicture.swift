import Foundation
import Vocabulary

/// A timeline as a picture: for each tenant a lane of what may be used, one of seats, one of money and one of mails. SVG without script or
/// anything from elsewhere; follows the reader's light or dark.
package struct TimelinePicture {
    private let timeline: Timeline
    /// Tenants that are drawn; a picture of more says nothing.
    static let mostTenants = 40
    private static let width = 1_120
    private static let left = 150
    private static let lane = 84
    private static let top = 74

    package init(_ timeline: Timeline) { self.timeline = timeline }

    package var svg: String {
        let tenants = Array(timeline.tenants.prefix(Self.mostTenants))
        let height = Self.top + tenants.count * Self.lane + 44
        var out = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-labelledby=\"title desc\" viewBox=\"0 0 \(Self.width) \(height)\">",
            "<title id=\"title\">\(Self.escape(timeline.title))</title>", "<desc id=\"desc\">\(Self.escape(description(tenants)))</desc>",
            "<style>\(Self.style)</style>", "<rect class=\"ground\" width=\"\(Self.width)\" height=\"\(height)\"/>",
            "<text class=\"head\" x=\"16\" y=\"28\">\(Self.escape(timeline.title))</text>",
        ]
        out += legend() + months(height) + world(height)
        for (index, tenant) in tenants.enumerated() {
            out += row(tenant, y: Self.top + index * Self.lane)
        }
        if tenants.count < timeline.tenants.count {
            out.append(
                "<text class=\"small\" x=\"16\" y=\"\(height - 14)\">and \(timeline.tenants.count - tenants.count) tenants more</text>")
        }
        out.append("</svg>")
        return out.joined(separator: "\n") + "\n"
    }

    // MARK: - Words

    /// The same for who does not see it: each tenant's states with their days.
    private func description(_ tenants: [String]) -> String {
        let sentences = tenants.map { tenant -> String in
            let spans = spans(of: tenant).map { "\($0.state) from \(Self.day($0.from))" }
            let own = timeline.entries.filter { $0.tenant == tenant }
            let mails = own.filter { $0.kind == .mail }.count
            let moved = own.compactMap(\.movedMinor).reduce(0, +)
            return
                "\(tenant): \(spans.isEmpty ? "nothing bought" : spans.joined(separator: ", ")); \(Coins.text(moved)) paid, \(mails) mails."
        }
        return "From \(Self.day(timeline.start)) to \(Self.day(timeline.end)). " + sentences.joined(separator: " ")
    }
    private static func day(_ moment: Timestamp) -> String { String(moment.iso8601.prefix(10)) }
    static func escape(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }

    // MARK: - Lanes

    private struct Span {
        let state: String
        let from: Timestamp
        let to: Timestamp
    }
    private func spans(of tenant: String) -> [Span] {
        let changes = timeline.entries.filter { $0.tenant == tenant && $0.state != nil }
        return changes.enumerated().compactMap { index, entry -> Span? in
            guard let state = entry.state, index == 0 || changes[index - 1].state != state else { return nil }
            let next = changes[(index + 1)...].first { $0.state != state }
            return Span(state: state, from: entry.at, to: next?.at ?? timeline.end)
        }
    }

    private func x(_ moment: Timestamp) -> Int {
        let all = max(1, (timeline.end - timeline.start).wholeSeconds)
        let part = min(max(0, (moment - timeline.start).wholeSeconds), all)
        return Self.left + Int(part * Int64(Self.width - Self.left - 20) / all)
    }

    private func row(_ tenant: String, y: Int) -> [String] {
        let own = timeline.entries.filter { $0.tenant == tenant }
        var out = [
            "<g>", "<title>\(Self.escape(tenant))</title>",
            "<line class=\"rule\" x1=\"16\" x2=\"\(Self.width - 20)\" y1=\"\(y)\" y2=\"\(y)\"/>",
            "<text class=\"name\" x=\"16\" y=\"\(y + 22)\">\(Self.escape(String(tenant.prefix(16))))</text>",
            "<text class=\"small\" x=\"16\" y=\"\(y + 40)\">seats</text>", "<text class=\"small\" x=\"16\" y=\"\(y + 56)\">money</text>",
            "<text class=\"small\" x=\"16\" y=\"\(y + 72)\">mails</text>",
        ]
        for span in spans(of: tenant) {
            let (from, to) = (x(span.from), x(span.to))
            out.append(
                "<rect class=\"\(Self.known.contains(span.state) ? span.state : "other")\" x=\"\(from)\" y=\"\(y + 8)\" width=\"\(max(1, to - from))\" height=\"18\"><title>\(Self.escape(span.state)), \(Self.day(span.from)) to \(Self.day(span.to))</title></rect>"
            )
            if to - from > span.state.count * 7 {
                out.append("<text class=\"state\" x=\"\(from + 4)\" y=\"\(y + 21)\">\(Self.escape(span.state))</text>")
            }
        }
        var seats: Int?
        for entry in own where entry.seats != nil && entry.seats != seats {
            seats = entry.seats
            out.append("<text class=\"small\" x=\"\(x(entry.at))\" y=\"\(y + 40)\">\(seats ?? 0)</text>")
        }
        for entry in own where entry.kind == .money {
            let moved = entry.movedMinor ?? 0
            let kind = moved > 0 ? "paid" : moved < 0 ? "back" : "declined"
            out.append(
                "<circle class=\"\(kind)\" cx=\"\(x(entry.at))\" cy=\"\(y + 52)\" r=\"4\"><title>\(Self.day(entry.at)) \(Self.escape(entry.what))</title></circle>"
            )
        }
        for entry in own where entry.kind == .mail {
            out.append(
                "<rect class=\"mail\" x=\"\(x(entry.at) - 2)\" y=\"\(y + 63)\" width=\"5\" height=\"10\"><title>\(Self.day(entry.at)) \(Self.escape(entry.what))</title></rect>"
            )
        }
        out.append("</g>")
        return out
    }

    private func legend() -> [String] {
        var out: [String] = []
        for (index, state) in Self.known.enumerated() {
            let at = Self.left + index * 108
            out.append("<rect class=\"\(state)\" x=\"\(at)\" y=\"38\" width=\"12\" height=\"12\"/>")
            out.append("<text class=\"small\" x=\"\(at + 17)\" y=\"48\">\(state)</text>")
        }
        for (index, (kind, word)) in [("paid", "paid"), ("declined", "declined"), ("back", "given back")].enumerated() {
            let at = Self.left + (Self.known.count + index) * 108
            out.append("<circle class=\"\(kind)\" cx=\"\(at + 6)\" cy=\"44\" r=\"5\"/>")
            out.append("<text class=\"small\" x=\"\(at + 17)\" y=\"48\">\(word)</text>")
        }
        return out
    }

    /// A line at the first of each month, or of every so many that the words have room.
    private func months(_ height: Int) -> [String] {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let from = Date(timeIntervalSince1970: Double(timeline.start.seconds))
        guard var month = calendar.date(from: calendar.dateComponents([.year, .month], from: from)) else { return [] }
        let count = max(1, Int((timeline.end - timeline.start).wholeSeconds / 2_592_000))
        var out: [String] = []
        while let next = calendar.date(byAdding: .month, value: 1 + count / 14, to: month) {
            month = next
            let moment = Timestamp(seconds: Int64(month.timeIntervalSince1970))
            guard moment < timeline.end else { return out }
            out.append("<line class=\"month\" x1=\"\(x(moment))\" x2=\"\(x(moment))\" y1=\"64\" y2=\"\(height - 30)\"/>")
            out.append("<text class=\"small\" x=\"\(x(moment) + 3)\" y=\"\(height - 32)\">\(moment.iso8601.prefix(7))</text>")
        }
        return out
    }

    /// Deaths and outages, through all lanes.
    private func world(_ height: Int) -> [String] {
        timeline.entries.filter { $0.kind == .world && $0.tenant.isEmpty }.map { entry in
            let at = x(entry.at)
            return
                "<line class=\"world\" x1=\"\(at)\" x2=\"\(at)\" y1=\"64\" y2=\"\(height - 44)\"><title>\(Self.day(entry.at)) \(Self.escape(entry.what))</title></line>"
        }
    }

    private static let known = ["pending", "active", "grace", "suspended", "cancelled"]
    private static let style = """
        text{font:12px system-ui,sans-serif;fill:#1c2430}.head{font-size:18px;font-weight:600}.name{font-weight:600}.small{font-size:11px;fill:#56616f}
        .state{fill:#fff;font-size:11px}.ground{fill:#fff}.rule,.month{stroke:#d8dde4}.world{stroke:#b3261e;stroke-dasharray:3 3}
        .pending{fill:#6b7785}.active{fill:#1b7f4b}.grace{fill:#9a6700}.suspended{fill:#b3261e}.cancelled{fill:#4a4f57}.other{fill:#5b4fc7}
        .paid{fill:#1b7f4b}.declined{fill:#b3261e}.back{fill:#5b4fc7}.mail{fill:#2563a8}
        @media (prefers-color-scheme:dark){text{fill:#e6eaf0}.small{fill:#a8b2bf}.state{fill:#fff}.ground{fill:#14181f}.rule,.month{stroke:#333b47}
        .world{stroke:#ff8a80}.mail{fill:#7fb4ee}.paid{fill:#4cc38a}.declined{fill:#ff8a80}.back{fill:#a99ff5}}
        """
}
