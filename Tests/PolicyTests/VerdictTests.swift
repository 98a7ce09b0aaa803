import Foundation
import HookEngine
import Testing

@testable import PolicyHost

@Suite("what passed its tests is not tried again")
struct VerdictTests {
    private static func files(_ expected: String = "abstain") -> [String: String] {
        [
            "init.lua": "return { platform = { 'x/y' } }", "roles.lua": "return { limit = 3 }",
            "x/y/policy.lua": """
            return { id = 'x.y', api = 1, data = { "roles" }, on_seat_request = function(request, settings, data)
              if request.license.seats > data.roles.limit then return deny("large") end
            end }
            """,
            "x/y/policy_test.lua": """
            return { { name = "a seat", hook = "on_seat_request", expect = { outcome = "\(expected)" },
              input = { user = { id = "u", role = "owner" }, device = { id = "d" },
                license = { id = "l", tier = "pro", status = "active", seats = 2, seats_used = 0 } } } }
            """,
            "contracts.lua": """
            return { api = 1, contracts = { { name = "small ones pass", hook = "on_seat_request",
              holds = function(request, answer) return request.license.seats > 1 or answer.outcome == "allow" end } } }
            """,
        ]
    }
    private static let data = [DataFile("roles")]

    /// Goes live, or says why not; `asked` counts the verdicts that had to be found anew.
    private func load(_ folder: PolicyFolder, _ verdicts: PolicyVerdicts, definitions: [HookDefinition] = Hooked.all) throws {
        let engine = PolicyEngine(
            definitions: definitions, directory: folder.url, sink: MemorySink(), entropy: CountingEntropy(), clock: StillClock(),
            data: Self.data)
        engine.believe(verdicts)
        try engine.load()
    }
    private func place(_ folder: PolicyFolder) -> URL { folder.url.deletingLastPathComponent().appending(path: "kept/passed") }
    private func size(_ file: URL) -> Int { (try? Data(contentsOf: file).count) ?? 0 }

    @Test("a restart finds what passed; a change of policy, test, data, contract, hook, budget or program is tried anew")
    func keys() throws {
        let folder = try PolicyFolder(Self.files())
        let file = place(folder)
        func known(_ fundament: String = "a", definitions: [HookDefinition] = Hooked.all) throws -> Int {
            try load(folder, PolicyVerdicts(file: file, fundament: fundament), definitions: definitions)
            return size(file) / 32
        }
        // The tests of the policy, and the contract's hook.
        #expect(try known() == 2)
        #expect(try known() == 2, "nothing new: both were believed")
        try folder.write("x/y/policy.lua", Self.files()["x/y/policy.lua"]! + "\n-- other")
        #expect(try known() == 4)
        try folder.write("x/y/policy_test.lua", Self.files()["x/y/policy_test.lua"]! + "\n-- other")
        #expect(try known() == 5)
        try folder.write("contracts.lua", Self.files()["contracts.lua"]! + "\n-- other")
        #expect(try known() == 6)
        try folder.write("roles.lua", "return { limit = 4 }")
        #expect(try known() == 8)
        #expect(try known("b") == 10)
        let later = Hooked.all.map { hook in
            HookDefinition(
                hook.name, kind: hook.kind, summary: hook.summary, input: hook.input, terms: hook.terms, actions: hook.actions,
                whenAllAbstain: hook.whenAllAbstain, whenFailing: hook.name == "on_signup" ? .allow : hook.whenFailing)
        }
        #expect(try known(definitions: later) == 12)
        #expect(try known() == 12)
    }

    @Test("what fails is never believed, and what was believed once fails as soon as it differs")
    func failures() throws {
        let folder = try PolicyFolder(Self.files("deny"))
        let file = place(folder)
        for _ in 0..<2 {
            #expect(throws: PolicyRefusal.self) { try load(folder, PolicyVerdicts(file: file)) }
            // Of the contract, which is kept whatever the test says.
            #expect(size(file) == 32)
        }
        try folder.write("x/y/policy_test.lua", Self.files()["x/y/policy_test.lua"]!)
        try load(folder, PolicyVerdicts(file: file))
        #expect(size(file) == 64)
        // Data that a test reads: the same texts, another answer.
        try folder.write("roles.lua", "return { limit = 1 }")
        let refusal = #expect(throws: PolicyRefusal.self) { try load(folder, PolicyVerdicts(file: file)) }
        #expect(refusal?.findings.contains { $0.message.contains("expected abstain, got deny") } == true)
        // And one that only the contract notices: its test still passes.
        try folder.write("roles.lua", "return { limit = 3 }")
        try folder.write("x/y/policy.lua", Self.files()["x/y/policy.lua"]!.replacing("> data.roles.limit", with: "< 2"))
        let broken = #expect(throws: PolicyRefusal.self) { try load(folder, PolicyVerdicts(file: file)) }
        #expect(broken?.findings.contains { $0.message.contains("small ones pass") } == true)
    }

    @Test("a file that others may write to, a link and half a digest are not believed, and authors' checks believe nothing")
    func tampering() throws {
        let folder = try PolicyFolder(Self.files("deny"))
        let file = place(folder)
        // Somebody else's word for it: the verdict of a program that lets everything pass.
        let good = try PolicyFolder(Self.files())
        try load(good, PolicyVerdicts(file: file))
        let passed = try Data(contentsOf: file)
        let key = PolicyVerdicts.key { $0.add("mine") }
        let mine = withUnsafeBytes(of: key) { Data($0) }
        func believes(_ prepare: () throws -> Void) throws -> Bool {
            try? FileManager.default.removeItem(at: file)
            try prepare()
            return PolicyVerdicts(file: file).contains(key)
        }
        func write(_ data: Data, mode: Int) throws {
            try data.write(to: file)
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
        }
        #expect(try believes { try write(passed + mine, mode: 0o600) })
        #expect(try !believes { try write(passed + mine, mode: 0o620) })
        #expect(try !believes { try write(passed + mine, mode: 0o602) })
        #expect(try !believes { try write(passed + mine.dropLast(), mode: 0o600) })
        #expect(
            try !believes {
                let other = file.appendingPathExtension("other")
                try (passed + mine).write(to: other)
                try FileManager.default.createSymbolicLink(at: file, withDestinationURL: other)
            })
        // What a crash left is cut off before more is written.
        try FileManager.default.removeItem(at: file)
        try write(passed + mine.dropLast(5), mode: 0o600)
        PolicyVerdicts(file: file).add([key])
        #expect(try Data(contentsOf: file) == passed + mine)
        #expect(folder.findings(data: Self.data).contains { $0.contains("expected deny, got abstain") })
    }

    @Test("a program and its Lua are known again by the next process of theirs")
    func program() {
        let marks = PolicyVerdicts.thisProgram.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(marks.count == 2 && marks[0].wholeMatch(of: /\d+ \d+ \d+ \d+\.\d+ \d+\.\d+/) != nil, "\(marks)")
        #expect(marks.last?.wholeMatch(of: /\d+ \d+ \d+ \d+\.\d+ \d+\.\d+ [0-9a-f]{40}/) != nil, "\(marks)")
        #expect(Set(marks.map { $0.split(separator: " ").prefix(2) }).count == 2)
    }

    @Test("no more are kept than there is room for, and those in use stay")
    func bounded() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "verdicts-\(UUID().uuidString)/passed")
        defer { try? FileManager.default.removeItem(at: file.deletingLastPathComponent()) }
        func key(_ number: Int) -> PolicyVerdicts.Key { PolicyVerdicts.key { $0.add("\(number)") } }
        PolicyVerdicts(file: file, most: 100).add((0..<90).map(key))
        let next = PolicyVerdicts(file: file, most: 100)
        #expect(next.contains(key(3)))
        next.add((90..<110).map(key))
        #expect(size(file) == 50 * 32)
        let last = PolicyVerdicts(file: file, most: 100)
        for number in [3] + Array(90..<110) { #expect(last.contains(key(number)), "\(number)") }
        #expect(!last.contains(key(4)) && last.contains(key(89)))
    }
}
