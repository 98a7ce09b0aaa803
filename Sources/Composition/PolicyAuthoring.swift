import Foundation
import HookEngine
import PolicyHost
import Vocabulary

/// What helps whoever writes a policy: a start, likely mistakes, what the tests miss.
extension PolicyDesk {
    private func bench() throws -> PolicyWorkbench {
        try PolicyWorkbench(directory: folder, definitions: PlatformRegister.hooks, data: PolicyFloor.data)
    }

    package func lints() throws -> [String] { try bench().lints(label: folder.lastPathComponent).map(\.description) }

    package func repl() throws -> PolicyREPL { PolicyREPL(try bench()) }

    /// Lines for a person: each policy's share, then each gap with its line.
    package func coverage() throws -> [String] {
        try bench().coverage().flatMap { found -> [String] in
            let head =
                "\(found.policy)  lines \(found.linesRun) of \(found.lines), conditions \(found.branchesRun) of \(found.branches) ways"
            return [head] + found.gaps.map { "  \(found.file):\($0.line)  \($0.text.isEmpty ? "never runs" : $0.text)" }
        }
    }

    package func mutate() throws -> [String] {
        let (count, survivors) = try bench().mutate()
        return survivors.map { "  \($0.file):\($0.line)  no test notices: \(Self.oneLine($0.before)) → \(Self.oneLine($0.after))" }
            + ["\(count) small mistakes tried, \(count - survivors.count) noticed, \(survivors.count) not"]
    }

    private static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    /// Makes the folder; the files that it wrote.
    package func make(_ path: String, hook: String) throws -> [String] {
        if let complaint = PolicyTemplate.complaint(path) { throw OperatorProblem(complaint) }
        guard let definition = PlatformRegister.hooks.first(where: { $0.name == hook }) else {
            let there = PlatformRegister.hooks.map(\.name).sorted().joined(separator: ", ")
            throw OperatorProblem("there is no hook \(hook); there are: \(there)")
        }
        let target = folder.appending(path: path)
        guard !FileManager.default.fileExists(atPath: target.path) else { throw OperatorProblem("\(target.path) is there already") }
        try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
        let files = PolicyTemplate(path: path, definition: definition).files
        for (name, text) in files { try Data(text.utf8).write(to: target.appending(path: name)) }
        return files.keys.sorted().map { target.appending(path: $0).path }
    }
}
