import Foundation
import HookEngine
import LuaShim
import PolicyHost
import Testing
import Vocabulary

/// Nanoseconds of a decision; runs where CODITECT_PACE is set, says what it measured, and judges nothing: the machine is not ours alone.
@Suite("pace", .serialized, .enabled(if: ProcessInfo.processInfo.environment["CODITECT_PACE"] != nil))
struct PaceTests {
    private struct NoSink: DecisionSink { func record(_ record: DecisionRecord) async throws {} }

    private func engine(_ order: String, sink: any DecisionSink) throws -> PolicyEngine {
        let folder = try PolicyFolder(["init.lua": order])
        for path in ["access/role-matrix", "seats/overdraft", "signup/pilot-cap", "billing/dunning"] {
            let text = try String(contentsOf: Checkout.policies.appending(path: "\(path)/policy.lua"), encoding: .utf8)
            try folder.write("\(path)/policy.lua", text)
        }
        for name in ["roles.lua", "tiers.lua"] {
            try folder.write(name, String(contentsOf: Checkout.policies.appending(path: name), encoding: .utf8))
        }
        let engine = PolicyEngine(
            definitions: Hooked.all, directory: folder.url, sink: sink, entropy: SystemEntropy(), clock: SystemClock(), data: Hooked.data)
        try engine.load()
        return engine
    }

    private func time(_ name: String, _ count: Int = 200, _ body: () async throws -> Void) async throws {
        for _ in 0..<2_000 { try await body() }
        var best = Int64.max
        for _ in 0..<300 {
            let began = Self.processorTime()
            for _ in 0..<count { try await body() }
            best = min(best, Self.processorTime() - began)
        }
        print("pace: \(name): \(best / Int64(count)) ns of processor time")
    }

    /// Of the whole process; the best of many short runs is the one that others disturbed least.
    private static func processorTime() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    @Test("a decision of one layer and of two, unrecorded and recorded")
    func decisions() async throws {
        let one =
            "return { platform = { \"access/role-matrix\", \"billing/dunning\", { \"seats/overdraft\", settings = { overdraft_seats = 2 } } } }"
        let two =
            "return { platform = { \"access/role-matrix\", { \"seats/overdraft\", settings = { overdraft_seats = 2 } } }, "
            + "tier = { pro = { { \"seats/overdraft\", settings = { overdraft_seats = 1 } } } } }"
        let folder = FileManager.default.temporaryDirectory.appending(path: "pace-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let log = try DecisionLog(directory: folder)
        for (name, sink) in [("unrecorded", NoSink() as any DecisionSink), ("recorded", log)] {
            let single = try engine(one, sink: sink)
            let double = try engine(two, sink: sink)
            let subject = HookSubject.test(tier: "pro")
            try await time("on_seat_request, one layer, \(name)") { _ = try await single.decide(SeatHook.self, .init(), subject) }
            try await time("on_seat_request, two layers, \(name)") { _ = try await double.decide(SeatHook.self, .init(), subject) }
            try await time("on_role_check, one layer, \(name)") {
                _ = try await single.decide(RoleHook.self, .init(role: "owner", permission: "seats:acquire"), subject)
            }
        }
    }

    @Test("the parts: a state, a load, the stack under a question")
    func parts() async throws {
        let clock = SystemClock()
        let began = clock.monotonic()
        for _ in 0..<1_000 { _ = try LuaState(.decision) }
        print("pace: a state: \((clock.monotonic() - began).microseconds) ns")
        let loading = clock.monotonic()
        let live = PolicyEngine(
            definitions: Hooked.shipped, directory: Checkout.policies, sink: NoSink(), entropy: SystemEntropy(), clock: clock,
            data: Hooked.data)
        try live.load()
        print("pace: stack left on a thread of the cooperative pool: \(luashim_stack_left() / 1_024) KB")
        print("pace: loading the shipped set with its tests: \((clock.monotonic() - loading).microseconds / 1_000) ms")
    }
}

extension PaceTests {
    /// Decisions of the shipped policies, written by the engine and asked again as `coditectd policy replay` does.
    @Test("replay of a long log")
    func replay() async throws {
        let count = 200_000
        let place = FileManager.default.temporaryDirectory.appending(path: "replay-pace-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: place) }
        let folder = try PolicyFolder(["init.lua": String(contentsOf: Checkout.policies.appending(path: "init.lua"), encoding: .utf8)])
        for path in ["access/role-matrix", "seats/overdraft", "signup/pilot-cap", "billing/dunning"] {
            try folder.write(
                "\(path)/policy.lua", String(contentsOf: Checkout.policies.appending(path: "\(path)/policy.lua"), encoding: .utf8))
        }
        for name in ["roles.lua", "tiers.lua"] {
            try folder.write(name, String(contentsOf: Checkout.policies.appending(path: name), encoding: .utf8))
        }
        let engine = folder.engine(data: Hooked.data, sink: try DecisionLog(directory: place))
        try engine.load()
        for number in 0..<(count / 2) {
            _ = try await engine.decide(SeatHook.self, .init(role: "developer", seats: 5, used: Int64(number % 7)), .test(tier: "pro"))
            _ = try await engine.decide(RoleHook.self, .init(role: "developer", permission: "seats:acquire"), .test(tier: "pro"))
        }
        let bench = try PolicyWorkbench(directory: folder.url, definitions: Hooked.all, data: Hooked.data)
        let clock = SystemClock()
        let began = clock.monotonic()
        let report = try PolicyReplay(bench).run(DecisionArchive.files(place))
        let took = clock.monotonic() - began
        #expect(report.same == count)
        print("pace: replay: \(took.microseconds * 1_000 / Int64(count)) ns of wall time a decision")
    }

    /// Ten thousand policies of their own, each with its tests, four of them asked.
    @Test("reload of ten thousand small policies")
    func reload() throws {
        let folder = try PolicyFolder(["init.lua": "return { platform = { 'p/p1', 'p/p2', 'p/p3', 'p/p4' } }"])
        for number in 1...10_000 {
            try folder.write(
                "p/p\(number)/policy.lua",
                """
                -- Small, and no two alike.
                return {
                  id = "p.p\(number)", api = 1, summary = "Number \(number).",
                  settings = { from_hour = { type = "integer", min = 0, max = 23, default = \(number % 24), summary = "When." } },
                  on_seat_request = function(request, settings)
                    if request.user.role == "contractor" and request.now.hour < settings.from_hour then
                      return deny("outside_hours_\(number)", { retry_after_seconds = 3600 })
                    end
                  end,
                }
                """)
            try folder.write(
                "p/p\(number)/policy_test.lua",
                """
                return {
                  { name = "gives seats to others", hook = "on_seat_request", expect = { outcome = "abstain" },
                    input = { user = { id = "u\(number)", role = "owner" }, device = { id = "d" },
                      license = { id = "l", tier = "pro", status = "active", seats = 1, seats_used = 0 } } },
                }
                """)
        }
        let clock = SystemClock()
        let engine = folder.engine()
        for name in ["first", "second", "third"] {
            let began = clock.monotonic()
            try engine.load()
            print("pace: reload of 10,000, \(name): \((clock.monotonic() - began).microseconds / 1_000) ms")
        }
    }

    /// Beside nobody, beside a candidate like the live set, one that burns its whole budget each time and one that always fails; in turns, so
    /// that the machine's moods concern all. Recorded as the server does; once as fast as it goes, once a question each 100 µs.
    @Test("latency beside a candidate")
    func shadow() async throws {
        let place = FileManager.default.temporaryDirectory.appending(path: "shadow-pace-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: place) }
        func body(_ text: String) throws -> PolicyFolder {
            try PolicyFolder.single("return { id = 'x.y', api = 1, on_seat_request = function(request)\n\(text)\nend }")
        }
        let live = try body("if request.user.role == 'contractor' then return deny('no') end return allow{ overdraft_seats = 1 }")
        let candidates: [(name: String, folder: PolicyFolder?)] = [
            ("no candidate", nil), ("a good one", live), ("one that burns its budget", try body("while true do end")),
            ("one that fails", try body("error('no')")),
        ]
        let engine = live.engine(sink: try DecisionLog(directory: place))
        try engine.load()
        let clock = SystemClock()
        for pause in [Duration.zero, .microseconds(100)] {
            let calls = pause == .zero ? 20_000 : 4_000
            var p50: [String: [Int64]] = [:]
            var p99: [String: [Int64]] = [:]
            var asked: [String: Int] = [:]
            for _ in 0..<15 {
                for (name, folder) in candidates {
                    if let folder { try engine.shadow(folder.url) } else { engine.endShadow() }
                    var took: [Int64] = []
                    for _ in 0..<calls {
                        let began = clock.monotonic()
                        _ = try await engine.decide(SeatHook.self, .init(), .test())
                        let end = clock.monotonic()
                        took.append((end - began).components.attoseconds / 1_000_000_000)
                        while pause > .zero, clock.monotonic() - end < pause {}
                    }
                    took.sort()
                    p50[name, default: []].append(took[calls / 2])
                    p99[name, default: []].append(took[calls * 99 / 100])
                    asked[name, default: 0] += engine.shadowReport?.asked ?? 0
                }
            }
            func median(_ values: [Int64]?) -> Int64 { (values ?? []).sorted()[(values?.count ?? 0) / 2] }
            for (name, _) in candidates {
                let share = median(p99[name]) * 1_000 / median(p99["no candidate"])
                print(
                    "pace: \(pause == .zero ? "at full speed" : "each 100 us"), \(name): p50 \(median(p50[name])) ns, p99 \(median(p99[name])) ns, "
                        + "\(Double(share) / 1_000) of none; asked \(asked[name] ?? 0) of \(calls * 15)")
            }
        }
    }
}
