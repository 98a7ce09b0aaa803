import Foundation
import LuaShim
import Testing

@testable import PolicyHost

/// The program that judges files with defences taken away; built beside the tests.
enum Judge {
    static let path: String = {
        let tests = Bundle.main.executableURL ?? URL(fileURLWithPath: CommandLine.arguments[0])
        return tests.deletingLastPathComponent().appendingPathComponent("policy-judge").path
    }()

    static func verdicts(
        _ files: [String], missing: UInt64 = 0, stackBytes: Int = AttackJudge.stackBytes
    ) throws -> [AttackVerdict] {
        var verdicts: [AttackVerdict] = []
        let program = AttackCells.Program(path, ["\(missing)", "\(stackBytes)"])
        try AttackCells(program, patience: .seconds(120)).judge(files) { verdicts.append($0) }
        return verdicts
    }
}

extension PolicyDefence: CustomTestStringConvertible {
    public var testDescription: String { name }
}

@Suite("hostile policies are contained")
struct AttackTests {
    private static let shipped = HostileFile.shipped()

    @Test(
        "each file of the shipped set has the outcome that its head says, on a stack of 1 MB and of 512 KB",
        arguments: [1 << 20, 512 << 10])
    func shippedSet(stackBytes: Int) throws {
        let verdicts = try Judge.verdicts(Self.shipped.map(\.name), stackBytes: stackBytes)
        #expect(verdicts.map(\.file) == Self.shipped.map(\.name))
        for (file, verdict) in zip(Self.shipped, verdicts) {
            #expect(file.expected.contains(verdict.outcome), "\(file.name): \(verdict.outcome) \(verdict.detail)")
        }
    }

    @Test(
        "each file of the shared set has the outcome that its head says",
        .enabled(if: FileManager.default.fileExists(atPath: Checkout.sharedAttacks.path), "the shared set is not beside this checkout"))
    func sharedSet() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Checkout.sharedAttacks.path).filter { $0.hasSuffix(".lua") }
            .sorted()
        let files = try names.map {
            let path = Checkout.sharedAttacks.appendingPathComponent($0)
            return try HostileFile(path, named: path.path)
        }
        let verdicts = try Judge.verdicts(files.map(\.name))
        #expect(verdicts.count == files.count && files.count > 40)
        for (file, verdict) in zip(files, verdicts) {
            #expect(file.expected.contains(verdict.outcome), "\(file.name): \(verdict.outcome) \(verdict.detail)")
        }
    }

    @Test("without one defence alone its file gets through", arguments: PolicyDefence.all)
    func alone(defence: PolicyDefence) throws {
        let file = try #require(Self.shipped.first { $0.name == defence.file }, "\(defence.file) is missing")
        // Where the defence is the stack that a call needs, the stack is one that it would refuse.
        let stackBytes = defence.name == "stack" ? 96 << 10 : AttackJudge.stackBytes
        let verdict = try #require(try Judge.verdicts([defence.file], missing: 1 << UInt64(defence.number), stackBytes: stackBytes).first)
        #expect(!file.expected.contains(verdict.outcome), "\(defence.name) is not needed: \(verdict.outcome) \(verdict.detail)")
    }

    @Test("the shipped set is complete: every defence has a file, every file says what is right")
    func complete() {
        #expect(PolicyDefence.all.count == Int(LUASHIM_DEFENCE_COUNT))
        #expect(Set(PolicyDefence.all.map(\.name)).count == PolicyDefence.all.count)
        #expect(Self.shipped.count >= 100)
        for file in Self.shipped {
            #expect(!file.expected.isEmpty && file.within != nil && !file.attack.isEmpty && !file.kind.isEmpty, "\(file.name) has no head")
            #expect(Set(file.expected).isSubset(of: AttackVerdict.contained), "\(file.name) expects what is never right")
        }
    }

    @Test("nothing that is shipped can take a defence away")
    func unreachable() throws {
        let sources = Checkout.root.appendingPathComponent("Sources")
        let names = try #require(FileManager.default.enumerator(atPath: sources.path)?.allObjects as? [String])
        var doors: [String] = []
        for name in names where name.hasSuffix(".swift") {
            let lines = try String(contentsOf: sources.appendingPathComponent(name), encoding: .utf8).split(separator: "\n")
            let opens = lines.contains {
                $0.contains("luashim_create_without")
                    || ($0.contains("missing: ") && ($0.contains("LuaState(") || $0.contains("AttackJudge(")))
            }
            if opens { doors.append(name) }
        }
        // The judge hands on what its maker gave it, and only a test's program gives it anything.
        #expect(doors.sorted() == ["PolicyHost/AttackJudge.swift", "PolicyHost/LuaState.swift"])
    }

    @Test("a file that ends its process is told, and the next ones are judged")
    func crashed() throws {
        let number = try #require(PolicyDefence.all.firstIndex { $0.name == "no_os" })
        let verdicts = try Judge.verdicts(["os-exit.lua", "rep-empty.lua", "os-exit.lua", "error-nil.lua"], missing: 1 << UInt64(number))
        #expect(verdicts.map(\.outcome) == ["CRASHED", "OK", "CRASHED", "ERR"])
        #expect(verdicts.map(\.file) == ["os-exit.lua", "rep-empty.lua", "os-exit.lua", "error-nil.lua"])
        #expect(verdicts.first?.detail == "the process ended with status 3")
    }

    @Test("a file that answers nothing is told as hung, and the next ones are judged")
    func hung() throws {
        let script =
            "shift; case $1 in a) kill -STOP $$;; esac; for f; do echo '{\"file\": \"b\", \"outcome\": \"OK\", \"ms\": 1, \"detail\": \"\"}'; done"
        let program = AttackCells.Program("/bin/sh", ["-c", script, "judge"])
        var outcomes: [String] = []
        try AttackCells(program, patience: .milliseconds(300)).judge(["a", "b", "b"]) { outcomes.append($0.outcome) }
        #expect(outcomes == ["HUNG", "OK", "OK"])
    }

    @Test("a call on a stack that is too small is refused before it begins")
    func smallStack() {
        let file = HostileFile(name: "fine", bytes: Array("return \"SAFE\"".utf8))
        #expect(AttackJudge(stackBytes: 64 << 10).judge(file).outcome != "OK")
        #expect(AttackJudge(stackBytes: 512 << 10).judge(file).outcome == "OK")
    }

    @Test("after the start the set is tried with small budgets; until then nothing is known")
    func watch() async {
        let watch = ContainmentWatch()
        #expect(watch.state == .pending)
        #expect(await watch.run(nil) == .contained(files: Self.shipped.count))
        #expect(watch.state.isContained)
    }

    @Test("a library that contains nothing is told with the files that got through")
    func breached() async {
        let all = AttackCells.Program(
            Judge.path, ["\(UInt64(1) << UInt64(PolicyDefence.all.first { $0.name == "answer_nul" }?.number ?? 0))", "1048576"])
        let watch = ContainmentWatch()
        guard case .breached(let lines) = await watch.run(all) else {
            Issue.record("a missing defence was not found: \(watch.state)")
            return
        }
        #expect(lines.count == 1 && lines[0].hasPrefix("answer-nul.lua: OK"))
    }

    @Test("verdicts are one line of JSON, whatever the file said")
    func json() throws {
        let verdict = AttackVerdict("a \"b\".lua", "ERR", 1.23456, "line 1: \u{7}\n\\ü")
        #expect(verdict.json == #"{"file": "a \"b\".lua", "outcome": "ERR", "ms": 1.235, "detail": "line 1: \u0007\u000a\\ü"}"#)
        #expect(AttackVerdict(json: verdict.json[...])?.detail == verdict.detail)
    }
}
