import Foundation
import HookEngine
import PolicyHost
import Synchronization
import Testing
import Vocabulary

@Suite("questions are answered by policy and recorded")
struct DecisionTests {
    private static func policy(_ id: String, _ hook: String, _ body: String, settings: String = "") -> String {
        "return { id = \"\(id)\", api = 1, \(settings)\n\(hook) = function(request, settings, data)\n\(body)\nend }"
    }
    private static func seat(_ body: String) -> String { policy("x.y", "on_seat_request", body) }

    @Test("an allow with terms reaches the caller; the record names rule, line, request, tenant and set")
    func allow() async throws {
        let folder = try PolicyFolder.single(Self.seat("return allow{ overdraft_seats = 2 }"))
        let sink = MemorySink()
        let engine = folder.engine(sink: sink)
        let hash = try engine.load()
        let verdict = try await engine.decide(SeatHook.self, .init(), .test())
        #expect(verdict.outcome == .allow)
        #expect(verdict.terms == .init(overdraftSeats: 2))
        #expect(verdict.policyHash == hash.hex)
        let record = try #require(sink.last)
        #expect(record.id == verdict.decision)
        #expect(record.decidedBy == 0)
        #expect(record.answers[0].place == "x/y/policy.lua:3")
        #expect(record.input["now"]?["weekday"] == .int(6))
        #expect(record.input["now"]?["hour"] == .int(9))
        #expect(record.subject.requestID == "r-1")
    }

    @Test("a deny carries its reason and when to try again")
    func deny() async throws {
        let folder = try PolicyFolder.single(Self.seat("\n  return deny(\"outside_hours\", { retry_after_seconds = 3600 })"))
        let sink = MemorySink()
        let engine = folder.engine(sink: sink)
        try engine.load()
        let verdict = try await engine.decide(SeatHook.self, .init(), .test())
        #expect(verdict.outcome == .deny(reason: "outside_hours", retryAfterSeconds: 3_600))
        #expect(sink.last?.answers[0].line == 4)
    }

    @Test("where all abstain the hook's default holds")
    func abstain() async throws {
        let folder = try PolicyFolder([
            "init.lua": "return { platform = { \"x/y\", \"a/b\" } }", "x/y/policy.lua": Self.seat(""),
            "a/b/policy.lua": Self.policy("a.b", "on_role_check", ""),
        ])
        let engine = folder.engine()
        try engine.load()
        #expect(try await engine.decide(SeatHook.self, .init(), .test()).outcome == .allow)
        let role = try await engine.decide(RoleHook.self, .init(role: "owner", permission: "a:b"), .test())
        #expect(role.outcome == .deny(reason: "no_policy_allows", retryAfterSeconds: nil))
        let plan = try await engine.plan(PaymentHook.self, "payment_failed", .test())
        #expect(plan.actions == PaymentHook.shippedPlan("payment_failed"))
    }

    @Test(
        "a policy that fails denies with a code; why stands in the record with its line",
        arguments: [
            ("local x = nil\nreturn x.y", "x/y/policy.lua:4: attempt to index a nil value (local 'x')"),
            ("while true do end", "x/y/policy.lua:3: ran out of its budget of instructions"),
            ("local s = 'x'\nwhile true do s = s .. s end", "x/y/policy.lua:4: ran out of its budget of memory"),
            (
                "return true",
                "x/y/policy.lua:2: on_seat_request answered true; accepted are allow{ … }, deny(\"reason\"), or nothing to abstain"
            ),
            (
                "\nreturn allow{ overdraft_seat = 1 }",
                "x/y/policy.lua:4: allow in on_seat_request: overdraft_seat: is not a field here; accepted are: overdraft_seats, lease_ttl_seconds"
            ),
            (
                "return allow{ overdraft_seats = 1001 }",
                "x/y/policy.lua:3: allow in on_seat_request: overdraft_seats: is 1001; accepted is a whole number, 0 … 1000"
            ),
            ("return allow{ overdraft_seats = 1.5 }", "x/y/policy.lua:3: overdraft_seats: 1.5 is not a whole number"),
            (
                "return plan{}",
                "x/y/policy.lua:3: on_seat_request answered plan{…}; accepted are allow{ … }, deny(\"reason\"), or nothing to abstain"
            ),
            ("return request.user[\"ra\" .. \"nk\"]", "x/y/policy.lua:3: request.user has no field rank; it has: id, role"),
            (
                "return allow{ delegate = { \"seats\" } }",
                "x/y/policy.lua:3: delegate in allow is a list of terms; accepted are: overdraft_seats, lease_ttl_seconds"
            ),
        ])
    func failing(body: String, why: String) async throws {
        let folder = try PolicyFolder.single(Self.seat(body))
        let sink = MemorySink()
        let engine = folder.engine(sink: sink)
        try engine.load()
        for _ in 0..<2 {
            let verdict = try await engine.decide(SeatHook.self, .init(), .test())
            #expect(verdict.outcome == .deny(reason: "policy_failed", retryAfterSeconds: nil))
            #expect(sink.last?.outcome == .failed(why))
        }
    }

    @Test("in a plan a failing policy throws, so that the event stays queued; a good one answers its actions")
    func plans() async throws {
        let body =
            "if request.event.type == \"payment_failed\" then error(\"stop\") end\nreturn plan{ start_grace{ days = 3 }, send_mail{ template = \"m\" } }"
        let folder = try PolicyFolder.single(Self.policy("x.y", "on_payment", body))
        let engine = folder.engine()
        try engine.load()
        let plan = try await engine.plan(PaymentHook.self, "payment_succeeded", .test())
        #expect(
            plan.actions == [
                PlannedAction("start_grace", .object([("days", .int(3))])),
                PlannedAction("send_mail", .object([("template", .string("m"))])),
            ])
        await #expect(throws: HookFailure.self) { try await engine.plan(PaymentHook.self, "payment_failed", .test()) }
        try folder.write("x/y/policy.lua", Self.policy("x.y", "on_payment", "return plan{ start_grace{ days = 91 } }"))
        try engine.load()
        let failure = await #expect(throws: HookFailure.self) { try await engine.plan(PaymentHook.self, "payment_failed", .test()) }
        #expect(failure?.reason == "x/y/policy.lua:3: start_grace: days: is 91; accepted is a whole number, 0 … 90")
    }

    @Test("the tier's policies narrow the platform's, and only for their tier")
    func layers() async throws {
        let folder = try PolicyFolder([
            "init.lua":
                "return { platform = { { \"x/y\", settings = { n = 5 } } }, tier = { pro = { { \"x/y\", settings = { n = 2 } } } } }",
            "x/y/policy.lua": Self.policy(
                "x.y", "on_seat_request", "return allow{ overdraft_seats = settings.n }",
                settings: "settings = { n = { type = \"integer\" } },"),
        ])
        let sink = MemorySink()
        let engine = folder.engine(sink: sink)
        try engine.load()
        #expect(try await engine.decide(SeatHook.self, .init(), .test(tier: "pro")).terms.overdraftSeats == 2)
        #expect(sink.last?.answers.map(\.layer) == [.platform, .tier])
        #expect(try await engine.decide(SeatHook.self, .init(), .test(tier: "free")).terms.overdraftSeats == 5)
        #expect(try await engine.decide(SeatHook.self, .init(), .test()).terms.overdraftSeats == 5)
    }

    @Test("a record that cannot be kept makes the fail mode hold")
    func unrecorded() async throws {
        let folder = try PolicyFolder.single(Self.seat("return allow{}"))
        let sink = MemorySink()
        let engine = folder.engine(sink: sink)
        try engine.load()
        sink.fail()
        let verdict = try await engine.decide(SeatHook.self, .init(), .test())
        #expect(verdict.outcome == .deny(reason: "decision_not_recorded", retryAfterSeconds: nil))
        await #expect(throws: HookFailure.self) { try await engine.plan(PaymentHook.self, "payment_failed", .test()) }
    }

    @Test("before the first set is live, and for a hook nobody declared, the fail mode holds")
    func unloaded() async throws {
        let folder = try PolicyFolder.single(Self.seat("return allow{}"))
        let engine = folder.engine(definitions: [Hooked.seat])
        #expect(
            try await engine.decide(SeatHook.self, .init(), .test()).outcome == .deny(reason: "policies_not_loaded", retryAfterSeconds: nil)
        )
        try engine.load()
        let verdict = try await engine.decide(RoleHook.self, .init(role: "owner", permission: "a:b"), .test())
        #expect(verdict.outcome == .deny(reason: "policy_failed", retryAfterSeconds: nil))
    }

    @Test("an input that is not what the hook declares is the room's fault and denies")
    func wrongInput() async throws {
        enum Wrong: DecideHook {
            static let definition = Hooked.seat
            static func encode(_ input: Int) -> HookValue { .object([("user", .int(1))]) }
            static func terms(_ value: HookValue) -> Int { 0 }
        }
        let folder = try PolicyFolder.single(Self.seat("return allow{}"))
        let sink = MemorySink()
        let engine = folder.engine(sink: sink)
        try engine.load()
        #expect(try await engine.decide(Wrong.self, 1, .test()).outcome == .deny(reason: "policy_failed", retryAfterSeconds: nil))
        guard case .failed(let why)? = sink.last?.outcome else {
            Issue.record("not failed")
            return
        }
        #expect(why.hasPrefix("the input is not what the hook declares: user: is 1; accepted is a table with id, role"))
    }

    @Test("a hundred questions at once are all answered, also with one state and a short queue")
    func crowd() async throws {
        let folder = try PolicyFolder.single(Self.seat("local n = 0 for i = 1, 5000 do n = n + i end return allow{ overdraft_seats = 1 }"))
        let sink = MemorySink()
        let engine = folder.engine(sink: sink, limits: .init(states: 1, queue: 100))
        try engine.load()
        let allowed = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<100 {
                group.addTask { (try? await engine.decide(SeatHook.self, .init(), .test()))?.terms.overdraftSeats == 1 }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(allowed == 100)
        #expect(Set(sink.records.map(\.id)).count == 100)
    }

    @Test("an edit is live after it has rested for one look; a bad one leaves the old set and says why")
    func reload() async throws {
        let folder = try PolicyFolder.single(Self.seat("return allow{ overdraft_seats = 1 }"))
        try folder.write("tiers.lua", "return { tiers = { { id = \"a\" } } }")
        let engine = folder.engine(data: [DataFile("tiers")])
        let heard = Mutex<[String]>([])
        engine.onNews { news in
            let text =
                switch news {
                case .live(_, let data): "live \(data["tiers"]?["tiers"]?.list?.first?["id"]?.string ?? "")"
                case .refused(let findings): "refused \(findings.first.map(\.description) ?? "")"
                case .withdrawn, .judged: "unexpected"
                }
            heard.withLock { $0.append(text) }
        }
        let first = try engine.load()
        engine.look()
        try folder.write("tiers.lua", "return { tiers = { { id = \"bb\" } } }")
        try folder.write("x/y/policy.lua", Self.seat("return allow{ overdraft_seats = 22 }"))
        engine.look()
        #expect(engine.hash == first)
        engine.look()
        #expect(engine.hash != first)
        #expect(try await engine.decide(SeatHook.self, .init(), .test()).terms.overdraftSeats == 22)
        #expect(engine.data("tiers")?["tiers"]?.list?.first?["id"] == .string("bb"))
        try folder.write("x/y/policy.lua", "oops")
        engine.look()
        engine.look()
        engine.look()
        #expect(try await engine.decide(SeatHook.self, .init(), .test()).terms.overdraftSeats == 22)
        #expect(engine.refused.map(\.description) == ["policies/x/y/policy.lua:1: syntax error near <eof>"])
        try folder.write("x/y/policy.lua", Self.seat("return allow{ overdraft_seats = 3 }"))
        engine.look()
        engine.look()
        #expect(engine.refused == [])
        #expect(heard.withLock { $0 } == ["live a", "live bb", "refused policies/x/y/policy.lua:1: syntax error near <eof>", "live bb"])
    }

    @Test("a question in flight keeps the set that it began with")
    func inFlight() async throws {
        let folder = try PolicyFolder.single(Self.seat("local n = 0 for i = 1, 8000 do n = n + i end return allow{ overdraft_seats = 1 }"))
        let sink = MemorySink()
        let engine = folder.engine(sink: sink)
        try engine.load()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<40 { group.addTask { _ = try? await engine.decide(SeatHook.self, .init(), .test()) } }
            group.addTask {
                for number in 2..<6 {
                    try? folder.write("x/y/policy.lua", Self.seat("return allow{ overdraft_seats = \(number) }"))
                    engine.reload()
                }
            }
        }
        for record in sink.records { #expect(record.outcome == .allow) }
        let seen = Set(sink.records.map { "\($0.policyHash) \($0.terms.first.map { "\($0.1.int ?? 0)" } ?? "")" })
        #expect(Set(seen.map { $0.split(separator: " ")[0] }).count == seen.count, "one set, one answer")
    }

    @Test("two engines with the same seed and set draw the same")
    func replay() async throws {
        let folder = try PolicyFolder.single(Self.seat("return allow{ overdraft_seats = math.random(0, 1000) }"))
        var drawn: Set<Int64> = []
        for _ in 0..<3 {
            let engine = folder.engine()
            try engine.load()
            drawn.insert(try await engine.decide(SeatHook.self, .init(), .test()).terms.overdraftSeats ?? -1)
        }
        #expect(drawn.count == 1)
    }
}
