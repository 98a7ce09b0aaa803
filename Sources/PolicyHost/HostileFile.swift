import Foundation

/// A chunk that an attacker would upload, with the outcomes that are right in its head. `Attacks/README.md` says how one is written.
package struct HostileFile: Sendable {
    /// As it was named to us.
    package let name: String
    package let attack: String
    package let kind: String
    /// Outcomes that are right; empty where the head names none.
    package let expected: [String]
    /// Milliseconds from call to answer.
    package let within: Double?
    /// The function that is asked if the chunk returns a table with it.
    let entry: String
    /// The chunk; behind it what another tenant of the same process runs next.
    let parts: [[UInt8]]
    private let budget: [String: UInt64]

    package init(name: String, bytes: [UInt8]) {
        // A scalar for each byte: some files hold what is no UTF-8 on purpose.
        let lines = bytes.split(separator: 10, omittingEmptySubsequences: false).map { Self.latin($0) }
        var head: [String: String] = [:]
        for line in lines.prefix(while: { $0.hasPrefix("--") && !$0.hasPrefix("--@@") }) {
            guard let colon = line.firstIndex(of: ":"), line.hasPrefix("-- ") else { continue }
            let key = String(line[line.index(line.startIndex, offsetBy: 3)..<colon])
            if head[key] == nil { head[key] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespacesAndNewlines) }
        }
        self.name = name
        attack = head["attack"] ?? ""
        kind = head["class"] ?? ""
        expected = (head["expect"] ?? "").prefix { $0 != "(" && $0 != " " }.split(separator: "|").map(String.init)
        within = head["within"].flatMap { Double($0.prefix { $0.isNumber || $0 == "." }) }
        entry = head["entry"] ?? "on_call"
        var budget: [String: UInt64] = [:]
        for pair in (head["budget"] ?? "").split(separator: " ") {
            let sides = pair.split(separator: "=")
            if sides.count == 2, let number = UInt64(sides[1]) { budget[String(sides[0])] = number }
        }
        self.budget = budget
        parts = Self.parts(lines)
    }

    package init(_ file: URL, named name: String) throws {
        self.init(name: name, bytes: Array(try Data(contentsOf: file)))
    }

    /// The set that is shipped with the kernel, by name.
    package static func shipped() -> [HostileFile] {
        let folder = Bundle.module.resourceURL?.appendingPathComponent("Attacks")
        let names = folder.flatMap { try? FileManager.default.contentsOfDirectory(atPath: $0.path) } ?? []
        return names.filter { $0.hasSuffix(".lua") }.sorted().compactMap { name in
            folder.flatMap { try? HostileFile($0.appendingPathComponent(name), named: name) }
        }
    }

    /// What the head asks for, instead of what is usual.
    func limits(_ usual: LuaLimits) -> LuaLimits {
        var limits = usual
        if let fuel = budget["fuel"] { limits.fuel = fuel }
        if let milliseconds = budget["cpu_milliseconds"] { limits.cpu = .milliseconds(Int64(clamping: milliseconds)) }
        if let bytes = budget["memory_bytes"] { limits.memoryBytes = bytes }
        if let bytes = budget["string_bytes"] { limits.stringBytes = bytes }
        if let bytes = budget["allocation_bytes"] { limits.allocationBytes = bytes }
        if let nodes = budget["nodes"] { limits.nodes = UInt32(clamping: nodes) }
        return limits
    }

    /// Whether a verdict is one that the head accepts.
    package func accepts(_ verdict: AttackVerdict) -> Bool {
        let isRight = expected.isEmpty ? AttackVerdict.contained.contains(verdict.outcome) : expected.contains(verdict.outcome)
        return isRight && verdict.milliseconds <= within ?? .infinity
    }

    private static func latin(_ bytes: ArraySlice<UInt8>) -> String {
        String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
    }

    /// Splits at `--@@ tenant`, writes out `--@@ repeat COUNT TEXT`, reads what follows `--@@ hex` as hexadecimal bytes.
    private static func parts(_ lines: [String]) -> [[UInt8]] {
        var parts: [[UInt8]] = [[]]
        var isHex = false
        for (index, line) in lines.enumerated() {
            let last = parts.count - 1
            if line.hasPrefix("--@@ tenant") {
                parts.append([])
                isHex = false
            } else if line.hasPrefix("--@@ hex") {
                parts[last] = []
                isHex = true
            } else if line.hasPrefix("--@@ repeat ") {
                let words = line.dropFirst("--@@ repeat ".count).split(separator: " ", maxSplits: 1)
                guard words.count == 2, let count = Int(words[0]), (1...1_000_000).contains(count) else { continue }
                let unit = words[1].unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
                for _ in 0..<count { parts[last] += unit }
            } else if isHex {
                let digits = line.filter(\.isHexDigit).map { UInt8($0.hexDigitValue ?? 0) }
                for pair in stride(from: 0, to: digits.count - 1, by: 2) { parts[last].append(digits[pair] << 4 | digits[pair + 1]) }
            } else {
                parts[last] += line.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
                if index < lines.count - 1 { parts[last].append(10) }
            }
        }
        return parts
    }
}

/// What came of a hostile file.
package struct AttackVerdict: Sendable {
    package let file: String
    package let outcome: String
    package let milliseconds: Double
    package let detail: String

    /// Outcomes that did no harm. The others are `ESCAPED`, `DRIFTED` (two runs differ), `REVIVED` (a killed state ran again),
    /// `CRASHED` and `HUNG`.
    static let contained = ["OK", "ERR", "KILLED_CPU", "KILLED_MEM"]

    init(_ file: String, _ outcome: String, _ milliseconds: Double, _ detail: String) {
        self.file = file
        self.outcome = outcome
        self.milliseconds = milliseconds
        self.detail = detail.count > 400 ? detail.prefix(400) + " …" : detail
    }

    /// `{"file", "outcome", "ms", "detail"}` on one line.
    package var json: String {
        let milliseconds = (self.milliseconds * 1_000).rounded() / 1_000
        return
            "{\"file\": \(Self.quoted(file)), \"outcome\": \(Self.quoted(outcome)), \"ms\": \(milliseconds), \"detail\": \(Self.quoted(detail))}"
    }

    /// Reads what `json` wrote.
    init?(json line: Substring) {
        struct Row: Decodable {
            let file: String
            let outcome: String
            let ms: Double
            let detail: String
        }
        guard let row = try? JSONDecoder().decode(Row.self, from: Data(line.utf8)) else { return nil }
        self.init(row.file, row.outcome, row.ms, row.detail)
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            default:
                if scalar.value < 0x20 || scalar.value == 0x7f {
                    let hex = String(scalar.value, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result + "\""
    }
}
