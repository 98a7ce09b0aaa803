import Foundation
import PolicyHost
import Vocabulary

/// Hostile policies against this very program and the library it is linked with.
package struct AttackDesk: Sendable {
    package static let stackBytes = AttackJudge.stackBytes

    package struct Row: Sendable {
        package let file: String
        package let outcome: String
        package let milliseconds: Double
        package let detail: String
        package let expected: [String]
        package let within: Double?
        package let isRight: Bool
        package let json: String
    }

    private let limits: LuaLimits
    private let stack: Int

    package init(
        fuel: UInt64, cpu: Duration, memoryBytes: UInt64, stringBytes: UInt64, allocationBytes: UInt64, stackBytes: Int
    ) {
        var limits = LuaLimits(
            fuel: fuel, cpu: cpu, memoryBytes: memoryBytes, stringBytes: stringBytes, allocationBytes: allocationBytes)
        // A machine with too much to do keeps a file from its processor time; three times as long by the wall ends it, too.
        limits.wall = cpu * 3
        self.limits = limits
        stack = stackBytes
    }

    /// How a server asks a child of its own program to try the shipped set. Nil where the program is another, as in tests.
    package static var ownProgram: AttackCells.Program? {
        guard let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"),
            (path as NSString).lastPathComponent == "coditectd"
        else { return nil }
        return AttackCells.Program(path, ["policy", "attack", "--here", "--gently"])
    }

    /// In child processes: this program, run again with `arguments`.
    package func judge(_ files: [String], again arguments: [String], patience: Duration, tell: (Row) -> Void) throws -> [Row] {
        let known = try read(files)
        let path = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        var rows: [Row] = []
        var rest = known[...]
        try AttackCells(AttackCells.Program(path, arguments), patience: patience).judge(known.map(\.name)) { verdict in
            guard let file = rest.popFirst() else { return }
            let row = Row(
                file: file.name, outcome: verdict.outcome, milliseconds: verdict.milliseconds, detail: verdict.detail,
                expected: file.expected, within: file.within, isRight: file.accepts(verdict), json: verdict.json)
            rows.append(row)
            tell(row)
        }
        return rows
    }

    package func judgeHere(_ files: [String], gently: Bool, tell: (Row) -> Void) throws {
        if gently { _ = nice(5) }
        let judge = gently ? AttackJudge(AttackJudge.small) : AttackJudge(limits, stackBytes: stack)
        for file in try read(files, isShipped: gently) {
            let verdict = judge.judge(file)
            tell(
                Row(
                    file: verdict.file, outcome: verdict.outcome, milliseconds: verdict.milliseconds, detail: verdict.detail,
                    expected: file.expected, within: file.within, isRight: file.accepts(verdict), json: verdict.json))
        }
    }

    /// Files by their paths; without any, or where there is no such path, those of the shipped set by their names.
    private func read(_ names: [String], isShipped: Bool = false) throws -> [HostileFile] {
        let shipped = HostileFile.shipped()
        if names.isEmpty { return shipped }
        let known = Dictionary(uniqueKeysWithValues: shipped.map { ($0.name, $0) })
        return try names.map { name in
            if let file = known[name], isShipped || !FileManager.default.fileExists(atPath: name) { return file }
            do {
                return try HostileFile(URL(fileURLWithPath: name), named: name)
            } catch {
                throw OperatorProblem("\(name) cannot be read, and the shipped set has no file of that name")
            }
        }
    }
}
