import Foundation
import Vocabulary

/// One line of the log, read back.
package struct DecisionLine: Sendable, Hashable {
    package let json: JSONValue
    /// As it stands in the file.
    package let text: String

    /// `2026-11-21T09:30:00Z  on_seat_request  deny outside_hours  seats.contractor-hours seats/contractor-hours/policy.lua:12  tenant …  request …`
    package var human: String {
        var parts = [string("time"), string("hook"), outcome]
        if let policy = json["policy"]?.string { parts.append("by \(policy) at \(string("at"))") } else { parts.append("by default") }
        parts.append("tenant \(json["tenant"]?.string ?? "–")")
        parts.append("request \(string("request_id"))")
        return parts.joined(separator: "  ")
    }

    private func string(_ name: String) -> String { json[name]?.string ?? "–" }

    private var outcome: String {
        switch json["outcome"]?.string {
        case "deny":
            let retry = json["retry_after_seconds"]?.int.map { " (retry after \($0) s)" } ?? ""
            return "deny \(string("reason"))\(retry)"
        case "failed": return "failed: \(string("reason"))"
        case "plan":
            let actions = json["actions"]?.array ?? []
            let shown = actions.map { action in
                (action.object ?? [:]).map { "\($0)\(Self.fields($1))" }.joined()
            }
            return "plan " + (shown.isEmpty ? "nothing" : shown.joined(separator: ", "))
        case "allow": return "allow" + Self.fields(json["terms"] ?? [:])
        default: return "–"
        }
    }

    private static func fields(_ value: JSONValue) -> String {
        let members = (value.object ?? [:]).sorted { $0.key < $1.key }
        guard !members.isEmpty else { return "" }
        return "{" + members.map { "\($0)=\(plain($1))" }.joined(separator: " ") + "}"
    }
    private static func plain(_ value: JSONValue) -> String {
        switch value {
        case .int(let number): "\(number)"
        case .bool(let flag): "\(flag)"
        case .string(let text): text
        default: "…"
        }
    }
}

/// Reads a decision log while it is written: what was there, then what comes. A torn line, left by a crash, is counted and skipped.
package struct DecisionReader {
    package enum Item: Sendable, Hashable {
        case line(DecisionLine)
        /// Where, and how the line begins.
        case torn(file: String, beginning: String)
    }

    private let directory: URL
    private var number = 0
    private var offset = 0

    package init(directory: URL) { self.directory = directory }

    /// The last `count` decisions; what comes after them is what `next` gives.
    package mutating func last(_ count: Int) throws -> [Item] {
        var items: [Item] = []
        let segments = DecisionSegments.list(directory)
        for segment in segments.reversed() where items.count < count {
            let (found, end) = try read(segment, from: 0, isNewest: segment.number == segments.last?.number)
            items = found + items
            if segment.number == segments.last?.number {
                number = segment.number
                offset = end
            }
        }
        return Array(items.suffix(count))
    }

    /// What was written since.
    package mutating func next() throws -> [Item] {
        var items: [Item] = []
        let segments = DecisionSegments.list(directory)
        for segment in segments where segment.number >= number {
            if segment.number > number {
                number = segment.number
                offset = 0
            }
            let (found, end) = try read(segment, from: offset, isNewest: segment.number == segments.last?.number)
            items += found
            offset = end
        }
        return items
    }

    /// In the newest segment a line without its end may still be in the making: it is left for later.
    private func read(_ segment: DecisionSegments.Entry, from start: Int, isNewest: Bool) throws -> (items: [Item], end: Int) {
        let handle = try FileHandle(forReadingFrom: directory.appending(path: segment.name))
        defer { try? handle.close() }
        try handle.seek(toOffset: UInt64(start))
        let data = try handle.readToEnd() ?? Data()
        var items: [Item] = []
        var end = start
        var rest = data[...]
        while let newline = rest.firstIndex(of: 10) {
            items.append(parse(rest[rest.startIndex..<newline], segment.name))
            end += newline - rest.startIndex + 1
            rest = rest[(newline + 1)...]
        }
        if !rest.isEmpty, !isNewest {
            items.append(parse(rest, segment.name))
            end += rest.count
        }
        return (items, end)
    }

    private func parse(_ bytes: Data, _ file: String) -> Item {
        guard let json = try? JSONDecoder().decode(JSONValue.self, from: bytes), json.object != nil else {
            return .torn(file: file, beginning: String(decoding: bytes.prefix(80), as: UTF8.self))
        }
        return .line(DecisionLine(json: json, text: String(decoding: bytes, as: UTF8.self)))
    }
}
