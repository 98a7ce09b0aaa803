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
            definitions: Hooked.all, directory: Checkout.policies, sink: NoSink(), entropy: SystemEntropy(), clock: clock, data: Hooked.data
        )
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
        print("pace: replay: \(took.microseconds * 1_000 / Int64(count)) ns of wall time a decision on two threads")
    }
}
