/// Something wrong in a policy directory, blamed on its author's line.
package struct PolicyFinding: Sendable, Hashable, CustomStringConvertible {
    /// `policies/tiers.lua`
    package let file: String
    /// 0 where it concerns the whole file.
    package let line: Int
    package let message: String
    package init(file: String, line: Int, message: String) {
        self.file = file
        self.line = line
        self.message = message
    }
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
    mutating func add(_ path: String, _ fault: LuaFault, _ outline: LuaOutline? = nil) {
        let found = fault.path.isEmpty ? nil : outline?.line(fault.path)
        add(path, found ?? fault.line, fault.text)
    }
}
