import Foundation
import Vocabulary

/// The terminal.
enum Console {
    static func say(_ text: String) { FileHandle.standardOutput.write(Data("\(text)\n".utf8)) }
    static func complain(_ text: String) { FileHandle.standardError.write(Data("coditect: \(text)\n".utf8)) }

    static func ask(_ question: String) -> String? {
        FileHandle.standardError.write(Data("\(question): ".utf8))
        return readLine(strippingNewline: true)
    }

    /// Reads a line without showing it, where standard input is a terminal.
    static func askSecret(_ question: String) -> String? {
        var before = termios()
        guard isatty(STDIN_FILENO) == 1, tcgetattr(STDIN_FILENO, &before) == 0 else { return ask(question) }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
        defer {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
            FileHandle.standardError.write(Data("\n".utf8))
        }
        return ask(question)
    }
}

/// How times and spans are said to a person.
enum Words {
    /// `5 min 12 s`, `2 h 5 min`, `3 days`.
    static func span(_ seconds: Int64) -> String {
        let seconds = max(0, seconds)
        func two(_ large: Int64, _ unit: String, _ small: Int64, _ part: String) -> String {
            small == 0 ? "\(large) \(unit)" : "\(large) \(unit) \(small) \(part)"
        }
        switch seconds {
        case ..<60: return "\(seconds) s"
        case ..<3_600: return two(seconds / 60, "min", seconds % 60, "s")
        case ..<172_800: return two(seconds / 3_600, "h", seconds % 3_600 / 60, "min")
        default: return "\(seconds / 86_400) days"
        }
    }
    /// `2027-01-15 08:06 UTC`.
    static func moment(_ text: String) -> String {
        guard let moment = Timestamp(iso8601: text) else { return text }
        return moment.iso8601.prefix(16).replacing("T", with: " ") + " UTC"
    }
    /// `team (Team)` and such lists, sorted.
    static func list(_ members: [String: JSONValue]) -> String {
        members.sorted { $0.key < $1.key }.compactMap { name, value in
            switch value {
            case .bool(let isOn): isOn ? name : nil
            case .int(let count): "\(name) \(count)"
            case .null: "\(name) without limit"
            default: nil
            }
        }.joined(separator: ", ")
    }
}
