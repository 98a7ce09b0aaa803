import Access
import Foundation
import HookEngine
import PolicyHost
import Seats
import Tenancy
import Vocabulary

/// Policies without a server: check, test, measure.
package struct PolicyDesk: Sendable {
    let options: PlatformOptions
    var folder: URL { options.policies }
    package init(_ options: PlatformOptions) throws {
        guard FileManager.default.fileExists(atPath: options.policies.path) else {
            throw OperatorProblem("there are no policies in \(options.policies.path); give --policies")
        }
        self.options = options
    }

    package func check() -> [String] {
        PolicyEngine.check(directory: options.policies, definitions: PlatformRegister.hooks, data: PolicyFloor.data).map(\.description)
    }

    package func test() -> (passed: [String], failed: [String], findings: [String]) {
        let (results, findings) = PolicyEngine.test(
            directory: options.policies, definitions: PlatformRegister.hooks, data: PolicyFloor.data)
        let line = { (result: PolicyTestResult) in "\(result.policy): \(result.name)" }
        return (
            results.filter(\.passed).map(line), results.filter { !$0.passed }.map { "\(line($0))  \($0.path):\($0.line): \($0.message)" },
            findings.map(\.description)
        )
    }

    package struct Measurement: Sendable {
        package let hook: String
        package let nanoseconds: Int64
    }

    /// Decides over and over, each decision recorded in a log as the server's are.
    package func bench(calls: Int, keeping log: URL? = nil) async throws -> [Measurement] {
        let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("coditect-policy-bench-\(getpid())")
        defer { try? FileManager.default.removeItem(at: scratch) }
        let engine = PolicyEngine(
            definitions: PlatformRegister.hooks, directory: options.policies, sink: try DecisionLog(directory: log ?? scratch),
            entropy: options.entropy,
            clock: options.clock, data: PolicyFloor.data)
        try engine.load()
        let tenant: TenantID = options.entropy.id(options.clock.now())
        let subject = HookSubject(tenant: tenant, tier: "team", requestID: "bench", now: options.clock.now())
        let seat = SeatRequestHook.Input(
            user: "u", role: "developer", device: "d", hostname: "bench", os: "linux", version: "1", license: "l", tier: "team",
            status: "active", seats: 5, seatsUsed: 1)
        let role = RoleCheckHook.Input(role: .developer, permission: "seats:acquire", tenantKind: .organization)
        return [
            try await measure("on_role_check", calls) { _ = try await engine.decide(RoleCheckHook.self, role, subject) },
            try await measure("on_seat_request", calls) { _ = try await engine.decide(SeatRequestHook.self, seat, subject) },
        ]
    }

    private func measure(_ hook: String, _ calls: Int, _ body: () async throws -> Void) async throws -> Measurement {
        for _ in 0..<(calls / 10) { try await body() }
        let start = options.clock.monotonic()
        for _ in 0..<calls { try await body() }
        return Measurement(hook: hook, nanoseconds: (options.clock.monotonic() - start).microseconds * 1_000 / Int64(calls))
    }
}
