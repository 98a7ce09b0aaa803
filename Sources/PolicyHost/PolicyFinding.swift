import HookEngine

/// Something wrong in a policy directory, blamed on its author's line.
package struct PolicyFinding: Sendable, Hashable, CustomStringConvertible {
    /// `policies/tiers.lua`
    package let file: String
    /// 0 where it concerns the whole file.
    package let line: Int
    package let message: String
    /// What a file's author wrote may stand in the message: it is shown as one line, of bounded length, without signs that steer a terminal.
    package init(file: String, line: Int, message: String) {
        self.file = Shown.line(file, most: 300)
        self.line = line
        self.message = Shown.line(message, most: Self.longest)
    }
    private static let longest = 1_500
    /// `policies/tiers.lua:14: …`
    package var description: String { line > 0 ? "\(file):\(line): \(message)" : "\(file): \(message)" }
}

/// A directory that cannot become the live set: every reason that was found.
package struct PolicyRefusal: Error, Sendable, Hashable, CustomStringConvertible {
    package let findings: [PolicyFinding]
    package init(findings: [PolicyFinding]) { self.findings = findings }
    package var description: String { findings.map(\.description).joined(separator: "\n") }
}

/// Gathers findings while reading goes on, so that an author sees all of them at once.
struct Findings {
    private(set) var all: [PolicyFinding] = []
    let label: String

    init(label: String) { self.label = label }

    mutating func add(_ path: String, _ line: Int?, _ message: String) {
        guard all.count < 100 else { return }
        all.append(PolicyFinding(file: "\(label)/\(path)", line: line ?? 0, message: message))
    }
    /// Those of another reader, with its label.
    mutating func add(_ others: [PolicyFinding]) { all += others.prefix(max(0, 100 - all.count)) }
    /// What Lua said of a file, and what would be right.
    mutating func add(_ path: String, _ fault: LuaFault, _ outline: LuaOutline? = nil, source: String? = nil) {
        let found = fault.path.isEmpty ? nil : outline?.line(fault.path)
        let line = found ?? fault.line
        if let source, let advice = LuaAdvice.syntax(source, line: line, message: fault.text), fault.kind == .error, Self.isSyntax(fault) {
            add(path, advice.line, "\(fault.text); \(advice.advice)")
        } else {
            add(path, line, LuaAdvice.advised(fault.text))
        }
    }
    /// The compiler's words, not those of a running chunk.
    private static func isSyntax(_ fault: LuaFault) -> Bool {
        fault.path.isEmpty && [" near ", "unexpected symbol", "C stack overflow", "unfinished"].contains { fault.text.contains($0) }
    }
}
