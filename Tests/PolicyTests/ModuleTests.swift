import Dispatch
import Foundation
import HookEngine
import Synchronization
import Testing
import Vocabulary

@testable import PolicyHost

@Suite("modules of plugins answer beside the policies")
struct ModuleTests {
    /// A platform that lends `seats`, and modules before it.
    private struct House {
        let folder: PolicyFolder
        let engine: PolicyEngine
        let sink = MemorySink()

        init(_ modules: [HookModule], lua: String = "return allow{ overdraft_seats = 5 }", limits: ModuleThreads.Limits = .init()) throws {
            folder = try PolicyFolder.single("return { id = 'x.y', api = 1, on_seat_request = function(request) \(lua) end }")
            var all = PolicyEngine.Limits()
            all.modules = limits
            engine = folder.engine(sink: sink, limits: all)
            engine.modules.read { hook in modules.filter { $0.hooks.contains(hook) } }
            try engine.load()
        }
        func ask(_ used: Int64 = 1) async throws -> Verdict<SeatHook.Terms> {
            try await engine.decide(SeatHook.self, .init(used: used), .test())
        }
    }
    private static func module(
        _ id: String = "list", hooks: Set<String> = ["on_seat_request"], unfit: String? = nil,
        _ answer: @escaping @Sendable (ModuleQuestion) throws -> ModuleReply
    ) -> HookModule {
        HookModule(id: id, build: "0123456789ab", hooks: hooks, unfit: unfit, answer: answer)
    }
    private struct Broken: Error, CustomStringConvertible { let description = "the table\nis gone" }

    @Test("a module's answer is folded into the platform layer: tight ends, denials, silence")
    func folded() async throws {
        let narrows = try House([Self.module { _ in .allow(terms: [("overdraft_seats", .int(2))]) }])
        #expect(try await narrows.ask().terms.overdraftSeats == 2)
        let record = try #require(narrows.sink.records.last)
        #expect(record.answers.map(\.place) == ["plugin:list@0123456789ab", "x/y/policy.lua:1"])
        #expect(record.answers.map(\.policy) == ["list", "x.y"] && record.decidedBy == 0)

        let silent = try House([Self.module { _ in .abstain }])
        #expect(try await silent.ask().terms.overdraftSeats == 5)

        let denies = try House([
            Self.module { $0.input["license"]?["seats_used"]?.int == 4 ? .deny(reason: "listed", retryAfterSeconds: 60) : .abstain }
        ])
        #expect(try await denies.ask(4).outcome == .deny(reason: "listed", retryAfterSeconds: 60))
        #expect(denies.sink.records.last?.answers.count == 1, "who was denied is not asked about further")
        #expect(try await denies.ask(3).outcome == .allow)

        let other = try House([Self.module(hooks: ["on_payment"]) { _ in .deny(reason: "never", retryAfterSeconds: nil) }])
        #expect(try await other.ask().outcome == .allow)
    }

    /// As it was once, each question lengthened a chain that the next had to pass: this took minutes, and the process died when the chain was let go.
    @Test("a hundred thousand questions leave nothing behind that the next one has to pass", .timeLimit(.minutes(5)))
    func leavesNothingBehind() async throws {
        let house = try House([])
        _ = try await house.ask()
        let record = try #require(house.sink.records.last)
        for _ in 0..<100_000 {
            guard await house.engine.modules.ask(SeatHook.definition, record) == nil else {
                Issue.record("nobody is there to answer"); return
            }
        }
    }

    @Test("several modules are asked in the order in which they are given, until one denies")
    func order() async throws {
        let asked = Mutex<[String]>([])
        func noting(_ id: String, _ reply: ModuleReply) -> HookModule {
            Self.module(id) { _ in
                asked.withLock { $0.append(id) }
                return reply
            }
        }
        let house = try House([noting("a", .abstain), noting("b", .deny(reason: "no", retryAfterSeconds: nil)), noting("c", .abstain)])
        #expect(try await house.ask().outcome == .deny(reason: "no", retryAfterSeconds: nil))
        #expect(asked.withLock { $0 } == ["a", "b"])
    }

    @Test("a module that errs, answers what no policy may, or is not at work fails the question as a policy does; the record says why")
    func failing() async throws {
        let cases: [(HookModule, String)] = [
            (Self.module { _ in throw Broken() }, "plugin:list@0123456789ab: the table\\u000ais gone"),
            (
                Self.module { _ in .allow(terms: [("nope", .int(1))]) },
                "plugin:list@0123456789ab: allow in on_seat_request: nope: is not a field here"
            ),
            (
                Self.module { _ in .allow(terms: [("overdraft_seats", .string("2"))]) },
                "plugin:list@0123456789ab: allow in on_seat_request: overdraft_seats"
            ),
            (Self.module { _ in .deny(reason: "Not So", retryAfterSeconds: nil) }, "plugin:list@0123456789ab: deny takes a reason of a-z"),
            (
                Self.module { _ in .deny(reason: "no", retryAfterSeconds: 0) },
                "plugin:list@0123456789ab: retry_after_seconds is a whole number"
            ),
            (Self.module { _ in .plan([]) }, "plugin:list@0123456789ab: answered on_seat_request with what it does not take"),
            (Self.module(unfit: "was refused at start") { _ in .abstain }, "plugin:list@0123456789ab: was refused at start"),
        ]
        for (module, why) in cases {
            let house = try House([module])
            #expect(try await house.ask().outcome == .deny(reason: "policy_failed", retryAfterSeconds: nil))
            guard case .failed(let said)? = house.sink.records.last?.outcome else {
                Issue.record("recorded as \(String(describing: house.sink.records.last?.outcome))")
                continue
            }
            #expect(said.hasPrefix(why), "\(said)")
        }
    }

    @Test("a module that hangs costs each question its patience and no more; given up too often it is asked no more, and others answer on")
    func hanging() async throws {
        let gate = DispatchSemaphore(value: 0)
        let hangs = Self.module("hangs") { question in
            if question.input["license"]?["seats_used"]?.int == 9 { gate.wait() }
            return .abstain
        }
        let house = try House([hangs], limits: .init(threads: 1, patience: .milliseconds(20), lost: 1))
        for _ in 0..<2 {
            #expect(try await house.ask(9).outcome == .deny(reason: "policy_failed", retryAfterSeconds: nil))
            #expect(house.sink.records.last.map { "\($0.outcome)" }?.contains("did not answer within 20 ms") == true)
        }
        // Two threads are lost and one may be: it is not asked any more, not even what it could answer.
        _ = try await house.ask(1)
        #expect(house.sink.records.last.map { "\($0.outcome)" }?.contains("too many questions wait for it") == true)
        gate.signal()
        gate.signal()
    }

    @Test("who is asked while his plugin is replaced is answered by its successor; taken away for good he has nothing to say")
    func replaced() async throws {
        let sets = Mutex<[[HookModule]]>([])
        func gone(_ build: String) -> HookModule {
            HookModule(id: "list", build: build, hooks: ["on_seat_request"]) { _ in throw ModuleGone() }
        }
        let next = HookModule(id: "list", build: "two", hooks: ["on_seat_request"]) { _ in .deny(reason: "listed", retryAfterSeconds: nil) }
        let folder = try PolicyFolder.single("return { id = 'x.y', api = 1, on_seat_request = function(request) return allow{} end }")
        let sink = MemorySink()
        let engine = folder.engine(sink: sink)
        engine.modules.read { _ in sets.withLock { $0.count > 1 ? $0.removeFirst() : $0.first ?? [] } }
        try engine.load()
        func ask(_ looks: [[HookModule]]) async throws -> Verdict<SeatHook.Terms>.Outcome {
            sets.withLock { $0 = looks }
            return try await engine.decide(SeatHook.self, .init(), .test()).outcome
        }
        #expect(try await ask([[gone("one")], [next]]) == .deny(reason: "listed", retryAfterSeconds: nil))
        #expect(sink.last?.answers.map(\.file) == ["plugin:list@two"])
        #expect(try await ask([[gone("one")], []]) == .allow)
        #expect(sink.last?.answers.map(\.policy) == ["x.y"])
        #expect(try await ask([[gone("one")]]) == .deny(reason: "policy_failed", retryAfterSeconds: nil))
    }

    @Test("what a module said is replayed as it was recorded, byte by byte; the policies are asked again behind it")
    func replayed() async throws {
        let modules = [
            Self.module("a") { $0.input["license"]?["seats_used"]?.int == 4 ? .deny(reason: "listed", retryAfterSeconds: 60) : .abstain },
            Self.module("b") { $0.input["license"]?["seats_used"]?.int == 5 ? .allow(terms: [("overdraft_seats", .int(1))]) : .abstain },
            Self.module("c") { question in
                if question.input["license"]?["seats_used"]?.int == 6 { throw Broken() }
                return .abstain
            },
        ]
        let house = try House(modules)
        for used in 0..<10 { _ = try await house.ask(Int64(used)) }
        let file = FileManager.default.temporaryDirectory.appending(path: "modules-\(UUID().uuidString).jsonl")
        defer { try? FileManager.default.removeItem(at: file) }
        var lines = Data()
        for record in house.sink.records { record.line().withBytes { lines.append(contentsOf: $0) } }
        try lines.write(to: file)

        func replay(_ folder: PolicyFolder) throws -> PolicyReplayReport {
            try PolicyReplay(PolicyWorkbench(directory: folder.url, definitions: Hooked.all, data: [])).run([file])
        }
        let same = try replay(house.folder)
        #expect(same.decisions == 10 && same.same == 10 && same.flips == 0)

        let candidate = try PolicyFolder.single(
            "return { id = 'x.y', api = 1, on_seat_request = function(request) return deny('closed') end }")
        let flipped = try replay(candidate)
        // Four and six were settled by modules: no policy is asked there.
        #expect(flipped.flips == 8 && flipped.decisions == 10)
    }

    @Test("a candidate in the shadow stands behind the same modules")
    func shadowed() async throws {
        let house = try House([
            Self.module { $0.input["license"]?["seats_used"]?.int == 4 ? .deny(reason: "listed", retryAfterSeconds: nil) : .abstain }
        ])
        try house.engine.shadow(house.folder.url)
        for used in 0..<10 { _ = try await house.ask(Int64(used)) }
        await house.engine.settleShadow()
        let report = try #require(house.engine.shadowReport)
        #expect(report.asked == 10 && report.same == 10)
    }
}
