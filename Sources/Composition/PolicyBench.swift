import Access
import Foundation
import HookEngine
import PolicyHost
import Seats
import Tenancy
import Vocabulary

/// What decisions and reloads cost on this machine.
extension PolicyDesk {
    package struct Measurement: Sendable {
        package let hook: String
        /// The layers that are asked, `platform, tier`.
        package let layers: String
        /// Mean of all calls, of the clock on the wall.
        package let nanoseconds: Int64
        package let median: Int64
        package let p99: Int64
        /// By the processor time of the whole process.
        package let perSecondAndCore: Int64
    }

    /// Decides over and over, each decision recorded in a log as the server's are; `people` users of as many tenants ask in turn, each
    /// with the policies in the folder `tenant` as its own.
    package func bench(calls: Int, people: Int = 1, tenant: String? = nil, keeping log: URL? = nil) async throws -> [Measurement] {
        let scratch = try ScratchFolder("policy-bench")
        defer { scratch.remove() }
        let engine = PolicyEngine(
            definitions: PlatformRegister.hooks, directory: options.policies, sink: try DecisionLog(directory: log ?? scratch.url),
            entropy: options.entropy, clock: options.clock, data: PolicyFloor.data)
        try engine.load()
        let crowd = Crowd(people, options)
        let tiers = try PolicyWorkbench(directory: options.policies, definitions: PlatformRegister.hooks, data: PolicyFloor.data).tiers
        var layers = tiers.contains(Crowd.tier) ? "platform, tier" : "platform"
        if let tenant {
            try await crowd.live(by: try TenantFolder.read(tenant), engine)
            layers += ", tenant"
        }
        return [
            try await measure("on_role_check", layers, calls) { number in
                _ = try await engine.decide(RoleCheckHook.self, crowd.roles[number % people], crowd.subjects[number % people])
            },
            try await measure("on_seat_request", layers, calls) { number in
                _ = try await engine.decide(SeatRequestHook.self, crowd.seats[number % people], crowd.subjects[number % people])
            },
        ]
    }

    /// Who asks, and for what: the same for the same number of people.
    private struct Crowd: Sendable {
        static let tier = "team"
        let subjects: [HookSubject]
        let seats: [SeatRequestHook.Input]
        let roles: [RoleCheckHook.Input]

        private static let parts: [(role: String, permission: String)] = [
            ("developer", "seats:acquire"), ("owner", "workstations:read"), ("auditor", "team:write"), ("contractor", "files:write"),
        ]

        init(_ people: Int, _ options: PlatformOptions) {
            let now = options.clock.now()
            var subjects: [HookSubject] = []
            var seats: [SeatRequestHook.Input] = []
            var roles: [RoleCheckHook.Input] = []
            for number in 0..<people {
                let tenant: TenantID = options.entropy.id(now)
                let part = Self.parts[number % Self.parts.count]
                let name: String = number == 0 ? "u" : "u\(number)"
                let size = 5 + number % 20
                let used = 1 + number % 24
                subjects.append(HookSubject(tenant: tenant, tier: Self.tier, requestID: "bench", now: now))
                seats.append(
                    SeatRequestHook.Input(
                        user: name, role: part.role, device: "d", hostname: "bench", os: "linux", version: "1", license: "l",
                        tier: Self.tier, status: "active", seats: size, seatsUsed: used))
                roles.append(
                    RoleCheckHook.Input(role: Role(rawValue: part.role), permission: part.permission, tenantKind: .organization))
            }
            self.subjects = subjects
            self.seats = seats
            self.roles = roles
        }

        /// From now on each tenant's own policies are these. Nobody else's run beside them, so whether the library contains is not tried.
        func live(by bundle: TenantBundle, _ engine: PolicyEngine) async throws {
            engine.containment.settle(.contained(files: 0))
            engine.tenants.read(from: OneBundle(files: bundle.files))
            for tenant in subjects.compactMap(\.tenant) {
                guard let checked = try await engine.tenants.check(bundle, for: tenant) else { throw OperatorProblem("too many wait") }
                engine.tenants.put(checked.hash.hex, hooks: checked.hooks, revision: 1, for: tenant)
            }
        }

        private struct OneBundle: TenantPolicySource {
            let files: [String: String]
            func files(_ hash: String, of tenant: TenantID) async throws -> [String: String]? { files }
        }
    }

    private func measure(_ hook: String, _ layers: String, _ calls: Int, _ body: (Int) async throws -> Void) async throws -> Measurement {
        for number in 0..<(calls / 10) { try await body(number) }
        var took: [Int64] = []
        took.reserveCapacity(calls)
        let processor = Self.processorTime()
        let start = options.clock.monotonic()
        var last = start
        for number in 0..<calls {
            try await body(number)
            let now = options.clock.monotonic()
            took.append(Self.nanoseconds(now - last))
            last = now
        }
        let spent = max(1, Self.processorTime() - processor)
        took.sort()
        return Measurement(
            hook: hook, layers: layers, nanoseconds: Self.nanoseconds(last - start) / Int64(calls), median: took[calls / 2],
            p99: took[calls * 99 / 100], perSecondAndCore: Int64(calls) * 1_000_000_000 / spent)
    }

    private static func nanoseconds(_ duration: Duration) -> Int64 {
        duration.components.seconds * 1_000_000_000 + duration.components.attoseconds / 1_000_000_000
    }
    private static func processorTime() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    // MARK: Reload

    package struct Reload: Sendable {
        package let what: String
        package let milliseconds: Int64
        package let processorMilliseconds: Int64
    }

    /// How long the folder takes until it is live: with every test, and as a process started anew takes it up, which believes what passed.
    package func reloads() throws -> [Reload] {
        let scratch = try ScratchFolder("policy-reload")
        defer { scratch.remove() }
        return try ["with every test and contract", "tests and contracts known"].map { what in
            let engine = PolicyEngine(
                definitions: PlatformRegister.hooks, directory: options.policies, sink: try DecisionLog(directory: scratch.url),
                entropy: options.entropy, clock: options.clock, data: PolicyFloor.data)
            engine.believe(PolicyArchive(directory: scratch.url).verdicts)
            let processor = Self.processorTime()
            let start = options.clock.monotonic()
            try engine.load()
            return Reload(
                what: what, milliseconds: Self.nanoseconds(options.clock.monotonic() - start) / 1_000_000,
                processorMilliseconds: (Self.processorTime() - processor) / 1_000_000)
        }
    }
}
