import Foundation
import LicenseClient
import Vocabulary

/// The terminal.
enum Console {
    static func say(_ text: String) { FileHandle.standardOutput.write(Data("\(text)\n".utf8)) }
    static func complain(_ text: String) { FileHandle.standardError.write(Data("coditect: \(text)\n".utf8)) }
    static func complain(_ failure: Failure, asJSON: Bool) {
        if asJSON { FileHandle.standardError.write(Data("\(text(failure.json, pretty: false))\n".utf8)) } else { complain("\(failure)") }
    }

    static func text(_ json: JSONValue, pretty: Bool = true) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting =
            pretty ? [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes] : [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(json)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    static func ask(_ question: String) -> String? {
        // Nobody reads a question at the other end of a pipe.
        if isatty(STDIN_FILENO) == 1 { FileHandle.standardError.write(Data("\(question): ".utf8)) }
        return readLine(strippingNewline: true)
    }

    /// Reads a line without showing it, where standard input is a terminal. Who breaks it off gets the terminal back as it was.
    static func askSecret(_ question: String) -> String? {
        var before = termios()
        guard isatty(STDIN_FILENO) == 1, tcgetattr(STDIN_FILENO, &before) == 0 else { return ask(question) }
        shownTerminal = before
        let restore: @convention(c) (Int32) -> Void = { number in
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &shownTerminal)
            signal(number, SIG_DFL)
            raise(number)
        }
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] { signal(number, restore) }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
        defer {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
            for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] { signal(number, SIG_DFL) }
            FileHandle.standardError.write(Data("\n".utf8))
        }
        return ask(question)
    }
}

// written before the handlers that read it are installed, and by one thread
nonisolated(unsafe) private var shownTerminal = termios()

/// How output looks: colour and signs on a terminal only, and never where NO_COLOR asks for none (no-color.org).
struct Look: Sendable {
    enum Colour: String { case green = "32", yellow = "33", red = "31", dim = "2", bold = "1" }
    let hasColour: Bool
    let isTerminal: Bool
    /// Columns to fill at most.
    let width: Int

    static let plain = Look(hasColour: false, isTerminal: false, width: .max)

    static func ofStandardOutput(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> Look {
        guard isatty(STDOUT_FILENO) == 1 else { return .plain }
        var size = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col >= 40
        let isWanted = (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
        return Look(hasColour: isWanted, isTerminal: true, width: isKnown ? Int(size.ws_col) : 80)
    }

    func paint(_ text: String, _ colour: Colour) -> String { hasColour ? "\u{1b}[\(colour.rawValue)m\(text)\u{1b}[0m" : text }

    /// How many columns a text takes: colours take none.
    private static func columns(_ text: some StringProtocol) -> Int {
        text.split(separator: "\u{1b}", omittingEmptySubsequences: false).enumerated().reduce(0) { count, part in
            part.offset == 0 ? count + part.element.count : count + (part.element.drop { $0 != "m" }.count - 1)
        }
    }

    /// `text` in lines no wider than the terminal, each but the first indented.
    func wrap(_ text: String, indent: Int) -> String {
        guard width < .max else { return text }
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            if !line.isEmpty, indent + Self.columns(line) + 1 + Self.columns(word) > width {
                lines.append(line)
                line = String(word)
            } else {
                line += line.isEmpty ? String(word) : " \(word)"
            }
        }
        return (lines + [line]).joined(separator: "\n" + String(repeating: " ", count: indent))
    }
}

/// How times and spans are said to a person.
enum Words {
    static func span(_ seconds: Int64) -> String { Spans.text(seconds) }
    /// `2027-01-15 08:06 UTC`.
    static func moment(_ text: String) -> String { Timestamp(iso8601: text).map(Moments.text) ?? text }
    /// `in 29 days`, `3 h ago`.
    static func distance(_ text: String, from now: Timestamp) -> String? {
        guard let moment = Timestamp(iso8601: text) else { return nil }
        let seconds = (moment - now).wholeSeconds
        // To the nearest of the larger unit alone: nobody counts the minutes of a day.
        let size = abs(seconds)
        let unit: Int64 = size < 60 ? 1 : size < 3_600 ? 60 : size < 172_800 ? 3_600 : 86_400
        let span = Spans.text((size + unit / 2) / unit * unit)
        return seconds >= 0 ? "in \(span)" : "\(span) ago"
    }
    /// `private_projects, seats 2` and such lists, sorted.
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
