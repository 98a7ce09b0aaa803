import Vocabulary
import Yams

/// Why a script is not run: everything that is wrong with it, each with its line.
package struct ScriptRefused: Error, CustomStringConvertible {
    package let findings: [String]
    package var description: String { "the script was refused:\n" + findings.map { "  " + $0 }.joined(separator: "\n") }
}

/// Reads nodes of a script strictly and remembers what is wrong, instead of stopping at the first.
final class ScriptNodes {
    private let file: String
    private(set) var findings: [String] = []
    /// Nodes that may still be looked at: what an anchor multiplies counts each time.
    private var left = 50_000
    static let mostFindings = 20

    init(file: String) { self.file = file }

    func line(_ node: Node) -> Int { node.mark?.line ?? 0 }
    func refuse(_ node: Node?, _ sentence: String) {
        guard findings.count < Self.mostFindings else { return }
        findings.append("\(file)\(node.map { ":\(line($0))" } ?? ""): \(sentence)")
    }

    /// The members of a mapping, all of them known; nil and a finding for anything else.
    func members(_ node: Node, _ what: String, known: [String]) -> [String: Node]? {
        guard spend(node), case .mapping(let mapping) = node else {
            refuse(node, "\(what) must be a mapping")
            return nil
        }
        var found: [String: Node] = [:]
        for (key, value) in mapping {
            guard let word = key.scalar?.string, known.contains(word) else {
                refuse(key, "\(what) knows no '\((key.scalar?.string ?? "?").prefix(60))'; it knows \(known.joined(separator: ", "))")
                continue
            }
            found[word] = value
        }
        return found
    }
    func items(_ node: Node?, _ what: String, most: Int) -> [Node] {
        guard let node else { return [] }
        guard spend(node), case .sequence(let sequence) = node else {
            refuse(node, "\(what) must be a list")
            return []
        }
        guard sequence.count <= most else {
            refuse(node, "\(what) has \(sequence.count) entries; at most \(most) are taken")
            return []
        }
        return Array(sequence)
    }
    private func spend(_ node: Node) -> Bool {
        left -= 1
        if left == 0 { refuse(node, "the script is too large") }
        return left > 0
    }

    func text(_ node: Node?, _ what: String, most: Int = 200) -> String? {
        guard let node else { return nil }
        guard spend(node), let text = node.scalar?.string, !text.isEmpty, text.utf8.count <= most,
            text.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 })
        else {
            refuse(node, "\(what) must be a text of 1 to \(most) bytes without control characters")
            return nil
        }
        return text
    }
    func whole(_ node: Node?, _ what: String, _ range: ClosedRange<Int>) -> Int? {
        guard let node else { return nil }
        guard spend(node), let number = node.scalar.flatMap({ Int($0.string) }), range.contains(number) else {
            refuse(node, "\(what) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return number
    }
    func flag(_ node: Node?, _ what: String) -> Bool? {
        guard let node else { return nil }
        switch node.scalar?.string {
        case "true": return true
        case "false": return false
        default:
            refuse(node, "\(what) must be true or false")
            return nil
        }
    }
    func choice<Value: RawRepresentable & CaseIterable>(_ node: Node?, _ what: String) -> Value? where Value.RawValue == String {
        guard let node else { return nil }
        guard let value = node.scalar.flatMap({ Value(rawValue: $0.string) }) else {
            refuse(node, "\(what) must be one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))")
            return nil
        }
        return value
    }

    /// `day 12`, `day 12 14:30`, `2027-02-01`, `2027-02-01T14:30:00Z`.
    func moment(_ node: Node?, _ what: String, from start: Timestamp) -> Timestamp? {
        guard let node, let text = node.scalar?.string, let moment = Self.moment(text, from: start) else {
            refuse(node, "\(what) must say when: 'day 12', 'day 12 14:30', 2027-02-01 or 2027-02-01T14:30:00Z")
            return nil
        }
        guard start <= moment, moment <= start + .days(Int64(ScriptFile.mostDays)) else {
            refuse(node, "\(what) lies before the start, or more than \(ScriptFile.mostDays) days after it")
            return nil
        }
        return moment
    }
    static func moment(_ text: String, from start: Timestamp) -> Timestamp? {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.first == "day" else {
            return Timestamp(iso8601: text) ?? Timestamp(iso8601: text + "T00:00:00Z")
        }
        guard (2...3).contains(words.count), let day = Int64(words[1]), (0...Int64(ScriptFile.mostDays)).contains(day) else { return nil }
        guard words.count == 3 else { return start + .days(day) }
        let clock = words[2].split(separator: ":", omittingEmptySubsequences: false)
        guard clock.count == 2, clock.allSatisfy({ $0.utf8.count == 2 }), let hour = Int64(clock[0]), (0...23).contains(hour),
            let minute = Int64(clock[1]), (0...59).contains(minute)
        else { return nil }
        let midnight = Timestamp(seconds: start.seconds / 86_400 * 86_400)
        return max(start, midnight + .days(day) + .hours(hour) + .minutes(minute))
    }

    /// What a request carries.
    func json(_ node: Node, depth: Int = 0) -> JSONValue {
        guard spend(node), depth < 16 else {
            if depth >= 16 { refuse(node, "the body is nested too deeply") }
            return .null
        }
        switch node {
        case .scalar(let scalar):
            guard scalar.style == .plain else { return .string(scalar.string) }
            if let number = Int64(scalar.string) { return .int(number) }
            if scalar.string == "true" || scalar.string == "false" { return .bool(scalar.string == "true") }
            return scalar.string.isEmpty || scalar.string == "null" ? .null : .string(scalar.string)
        case .sequence(let items): return .array(items.map { json($0, depth: depth + 1) })
        case .mapping(let members):
            var object: [String: JSONValue] = [:]
            for (key, value) in members { object[key.scalar?.string ?? ""] = json(value, depth: depth + 1) }
            return .object(object)
        case .alias:
            refuse(node, "an alias stands for nothing here")
            return .null
        }
    }
}
