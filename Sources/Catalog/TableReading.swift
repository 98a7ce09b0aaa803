import Vocabulary

/// Why a table was refused: every fault found, each with its path.
package struct TierTableRefused: Error, Sendable, Hashable, CustomStringConvertible {
    package let complaints: [String]
    package var description: String { complaints.joined(separator: "\n") }
}

/// Reads one table strictly: each field is asked for once, what nobody asked for is a complaint, and reading goes on after a fault
/// so that an author sees all of them at once.
struct TableReading {
    let path: String
    private let members: [String: JSONValue]
    private let complaints: Complaints
    private let asked: Asked

    /// Where complaints gather during one reading; never leaves it.
    final class Complaints {
        private(set) var all: [String] = []
        func add(_ path: String, _ rule: String) { if all.count < 50 { all.append("\(path): \(rule)") } }
    }
    private final class Asked { var names: Set<String> = [] }

    /// An empty Lua table may arrive as a list; it is an empty table here.
    init?(_ value: JSONValue, path: String, _ complaints: Complaints) {
        switch value {
        case .object(let members): self.members = members
        case .array(let items) where items.isEmpty: self.members = [:]
        default:
            complaints.add(path, "must be a table, is \(TableReading.kind(value))")
            return nil
        }
        self.path = path
        self.complaints = complaints
        self.asked = Asked()
    }

    func at(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
    func complain(_ name: String, _ rule: String) { complaints.add(at(name), rule) }
    var names: [String] { members.keys.sorted() }

    func value(_ name: String) -> JSONValue? {
        asked.names.insert(name)
        guard let value = members[name], !value.isNull else { return nil }
        return value
    }
    func has(_ name: String) -> Bool { members[name].map { !$0.isNull } ?? false }

    func table(_ name: String) -> TableReading? { value(name).flatMap { TableReading($0, path: at(name), complaints) } }

    func text(_ name: String, most: Int, required: Bool = false) -> String? {
        guard let value = value(name) else {
            if required { complain(name, "is missing") }
            return nil
        }
        guard let text = value.string else {
            complain(name, "must be a text, is \(TableReading.kind(value))")
            return nil
        }
        guard !text.isEmpty, text.utf8.count <= most, text.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 }) else {
            complain(name, "must be one line of 1 to \(most) bytes")
            return nil
        }
        return text
    }

    func number(_ name: String, in range: ClosedRange<Int64>, required: Bool = false) -> Int64? {
        guard let value = value(name) else {
            if required { complain(name, "is missing") }
            return nil
        }
        return number(value, name, in: range)
    }

    func number(_ value: JSONValue, _ name: String, in range: ClosedRange<Int64>) -> Int64? {
        guard let number = value.int else {
            complain(name, "must be a whole number, is \(TableReading.kind(value))")
            return nil
        }
        guard range.contains(number) else {
            complain(
                name, range.upperBound == .max ? "must be \(range.lowerBound) or more" : "must be \(range.lowerBound) … \(range.upperBound)"
            )
            return nil
        }
        return number
    }

    func flag(_ name: String) -> Bool? {
        guard let value = value(name) else { return nil }
        guard let flag = value.bool else {
            complain(name, "must be true or false, is \(TableReading.kind(value))")
            return nil
        }
        return flag
    }

    /// Complains of every field that nobody asked for. `accepted` lists what could stand here.
    func finish() {
        for name in names where !asked.names.contains(name) {
            complain(name, "is not a field here; accepted: \(asked.names.sorted().joined(separator: ", "))")
        }
    }

    static func kind(_ value: JSONValue) -> String {
        switch value {
        case .null: "nil"
        case .bool: "a boolean"
        case .int: "a whole number"
        case .double: "a number with a fraction"
        case .string: "a text"
        case .array: "a list"
        case .object: "a table"
        }
    }
}
