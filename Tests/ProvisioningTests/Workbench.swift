import Catalog
import Foundation
import HookEngine
import PluginKit
import RoomTesting
import Signing
import Store
import Vocabulary

@testable import Provisioning

/// A provisioner on paper: keeps what it made, counts it, and fails as a test says.
final class PaperShop: Provisioner {
    struct Bench: Hashable {
        var size: WorkstationSize
        var state: WorkstationState
        var done: Int
    }
    enum Fault: CaseIterable {
        case none, away, full, lostAnswer, lostRequest, underWay, outOfOrder
        /// Throws what no kit knows.
        case strange
        /// Never answers: the process that asked is gone before it does.
        case hangsBefore, hangsAfter
    }
    struct State {
        var benches: [WorkstationKey: Bench] = [:]
        var faults: [Fault] = []
        var created = 0
        var twice = 0
        var calls: [String] = []
        var hanging: [CheckedContinuation<Void, Never>] = []
        var told: [(count: Int, waiter: CheckedContinuation<Void, Never>)] = []
        var hung = 0
    }
    struct Strange: Error {}
    let state = Guarded(State())

    var offer: WorkstationOffer {
        WorkstationOffer(
            machines: ["standard-2", "standard-4", "standard-8"].map {
                MachineType(name: $0, cpuMillis: 1_000, memoryBytes: 1 << 30)
            }, maxDiskBytes: 1 << 40)
    }
    var benches: [WorkstationKey: Bench] { state.with { $0.benches } }
    func faults(_ faults: [Fault]) { state.with { $0.faults = faults } }

    private func fault(reading: Bool = false) -> Fault {
        state.with { state in
            guard let first = state.faults.first else { return .none }
            // Reading only fails by being away.
            if reading, first != .away { return .none }
            state.faults.removeFirst()
            return first
        }
    }
    /// Waits until a call hangs.
    func untilHung(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.with { state in
                if state.hung >= count { return true }
                state.told.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }
    private func hang() async {
        await withCheckedContinuation { continuation in
            let told = state.with { state in
                state.hanging.append(continuation)
                state.hung += 1
                let due = state.told.filter { $0.count <= state.hung }
                state.told.removeAll { $0.count <= state.hung }
                return due
            }
            for one in told { one.waiter.resume() }
        }
    }
    /// Those that hang go on: the dead wake up, long after others did their work.
    func wake() {
        let all = state.with { state in
            defer { (state.hanging, state.told) = ([], []) }
            return state.hanging + state.told.map(\.waiter)
        }
        all.forEach { $0.resume() }
    }

    func steps(for task: WorkstationTask) async throws -> [String] {
        switch task {
        case .create: ["disk", "secret", "machine"]
        case .delete: ["machine-away", "all-away"]
        default: ["change"]
        }
    }
    func observe(_ key: WorkstationKey) async throws -> ObservedWorkstation {
        if fault(reading: true) == .away { throw ProvisionerError.unavailable("away") }
        return shown(key, benches[key])
    }
    private func shown(_ key: WorkstationKey, _ bench: Bench?) -> ObservedWorkstation {
        guard let bench else { return ObservedWorkstation(key: key, state: .absent) }
        return ObservedWorkstation(
            key: key, state: bench.state, size: bench.size, address: bench.state == .running ? "http://127.0.0.1/\(key.name)" : nil,
            credential: bench.done >= 2 ? "secret/\(key.name)" : nil)
    }
    func list(tenant: String) async throws -> [ObservedWorkstation] {
        if fault(reading: true) == .away { throw ProvisionerError.unavailable("away") }
        return benches.filter { $0.key.tenant == tenant }.map { shown($0.key, $0.value) }.sorted { $0.key.name < $1.key.name }
    }
    func figures() async throws -> ProvisionerFigures {
        ProvisionerFigures(workstations: benches.count, diskBytes: benches.values.map(\.size.diskBytes).reduce(0, +))
    }

    func carryOut(_ step: WorkstationStep) async throws -> StepOutcome {
        switch fault() {
        case .none: break
        case .away, .lostRequest: throw ProvisionerError.unavailable("away")
        case .full: throw ProvisionerError.full("no room")
        case .lostAnswer:
            try change(step)
            throw ProvisionerError.unknown("no answer")
        case .underWay: return .underWay(again: .seconds(30))
        case .outOfOrder: throw ProvisionerError.outOfOrder("not yet")
        case .strange: throw Strange()
        case .hangsBefore:
            await hang()
            throw ProvisionerError.unavailable("it was never sent")
        case .hangsAfter:
            try change(step)
            await hang()
            return .done
        }
        try change(step)
        return .done
    }

    private func change(_ step: WorkstationStep) throws {
        try state.with { state in
            state.calls.append("\(step.key.name.suffix(4)) \(step.name)")
            var bench = state.benches[step.key]
            switch step.task {
            case .create(let size):
                let order = ["disk": 0, "secret": 1, "machine": 2][step.name] ?? 0
                if bench == nil {
                    guard order == 0 else { throw ProvisionerError.outOfOrder("disk first") }
                    state.created += 1
                    bench = Bench(size: size, state: .provisioning, done: 0)
                }
                guard var made = bench else { return }
                guard made.size == size, [.provisioning, .running].contains(made.state) else {
                    throw ProvisionerError.conflict("it is \(made.state) with another size")
                }
                guard made.done >= order else { throw ProvisionerError.outOfOrder("not yet") }
                made.done = max(made.done, order + 1)
                if made.done == 3 { made.state = .running }
                bench = made
            case .delete:
                if step.name == "all-away" { bench = nil } else { bench?.state = .deleting }
            case .resize(let size):
                guard bench?.state == .stopped, size.diskBytes >= bench?.size.diskBytes ?? 0 else {
                    throw ProvisionerError.conflict("it runs, or the disk would shrink")
                }
                bench?.size = size
            default:
                let (from, to): ([WorkstationState], WorkstationState) =
                    switch step.task {
                    case .start: ([.stopped], .running)
                    case .stop: ([.running], .stopped)
                    case .suspend: (WorkstationState.allCases, .suspended)
                    default: ([.suspended], .stopped)
                    }
                guard let now = bench?.state, now == to || from.contains(now) else {
                    throw ProvisionerError.conflict("it is \(bench?.state.rawValue ?? "absent")")
                }
                bench?.state = to
            }
            state.benches[step.key] = bench
        }
    }
}

/// A tenant with members and a licence, as a test says.
final class PaperHouse: TenantSurvey, FirstKeys, WorkstationMakers {
    struct State {
        var tiers: [TenantID: LiveTier] = [:]
        var holders: [TenantID: Set<UserID>] = [:]
        var isAtWork = true
        var keys: Set<APIKeyID> = []
        var issued = 0
        var refusesKeys = false
        /// Kept of people who left, and whether owners may open it.
        var kept: [UserID: Bool] = [:]
        var heir: UserID?
    }
    let state = Guarded(State())
    let shop = PaperShop()
    let owner = UserID(UUIDs.next())
    let entropy = SeededEntropy(99)

    func tier(_ tenant: TenantID, now: Timestamp) async throws -> LiveTier? { state.with { $0.tiers[tenant] } }
    func holders(_ tenant: TenantID, _ act: Act) async throws -> Set<UserID> { state.with { $0.holders[tenant] ?? [] } }
    func kept(_ tenant: TenantID, _ act: Act) async throws -> [UserID: Bool] { state.with { $0.kept } }
    func opened(to user: UserID, in tenant: TenantID, _ act: Act) async throws -> Set<UserID> {
        state.with { state in user == state.heir ? Set(state.kept.filter(\.value).keys) : [] }
    }
    func owner(_ tenant: TenantID) async throws -> UserID? { owner }
    func region(_ tenant: TenantID) async throws -> String { "eu" }
    func permissions(_ owner: UserID, _ tenant: TenantID, _ act: Act) async throws -> [String] { ["seats:acquire"] }
    func issue(
        to owner: UserID, permissions: [String], of tenant: TenantID, in db: any KernelScope, _ act: Act
    ) throws -> (id: APIKeyID, text: String) {
        try state.with { state in
            if state.refusesKeys { throw Problem("too_many_api_keys", status: 409, title: "Too many.", hint: "Fewer.") }
            let id: APIKeyID = entropy.id(act.now)
            state.keys.insert(id)
            state.issued += 1
            return (id, "ck_first_secret")
        }
    }
    func revoke(_ id: APIKeyID, of tenant: TenantID, in db: any KernelScope, _ act: Act) throws { state.with { _ = $0.keys.remove(id) } }
    func provisioner(_ plugin: String) -> (any Provisioner)? { state.with { $0.isAtWork } ? shop : nil }
    func secret(_ plugin: String, tenant: TenantID, place: String) async throws -> String? { "token of \(place)" }
}

enum UUIDs {
    private static let entropy = SeededEntropy(4_711)
    static func next() -> UUID { (entropy.id(Timestamp(seconds: 1_800_000_000)) as TenantID).uuid }
}

struct Bench {
    let test: TestStore
    let house: PaperHouse
    let hooks = ScriptedHooks()
    let room: Provisioning
    let contracts: Contracts
    let tenant: TenantID
    static let gigabyte: Int64 = 1 << 30

    private static func tier(_ id: String, _ machine: String?, gigabytes: Int64 = 20, price: Int64 = 1_900) -> JSONValue {
        var tier: [String: JSONValue] = [
            "id": .string(id), "name": .string(id), "summary": "A tier.", "prices": ["month": ["amount_minor": .int(price)]],
            "seats_per_unit": 1, "devices": 1, "entitlements": [:], "quotas": [:],
        ]
        if let machine {
            tier["workstation"] = [
                "machine_type": .string(machine), "disk_bytes": .int(gigabytes * gigabyte), "idle_timeout_seconds": 3_600,
            ]
        }
        return .object(tier)
    }
    private static let tiers: JSONValue = [
        "api": 1, "currency": "USD", "trial_days": 14, "key": ["prefix": "CODITECT", "groups": 5],
        "tiers": [
            tier("free", nil, price: 0), tier("small", "standard-2"), tier("large", "standard-4", gigabytes: 50), tier("bare", nil),
        ],
    ]

    /// - Parameter before: the bench of a process that ended, over whose data this one starts.
    init(seed: UInt64 = 1, provisioner: String = "paper", after before: Bench? = nil) async throws {
        let tiers = try TierCatalog.read(Self.tiers)
        let settings = Settings().setting(ProvisioningSettings.provisioner, to: provisioner)
        if let before {
            (test, house, tenant) = (before.test, before.house, before.tenant)
            contracts = before.contracts
            room = Provisioning(
                ProvisioningFloor(store: test.store, hooks: hooks, sealer: test.sealer, entropy: test.entropy, settings: settings),
                catalog: contracts.catalog, survey: house, keys: house, makers: house)
            return
        }
        house = PaperHouse()
        tenant = TenantID(UUIDs.next())
        test = try await TestStore.make(
            migrations: try CatalogRoom.migrations() + ProvisioningRoom.migrations(),
            topics: [MailRequested.topic: ["notifications"], ContractChanged.topic: ["provisioning"]], seed: seed)
        let catalog = Catalog(tiers, clock: test.clock)
        contracts = Contracts(store: test.store, catalog: catalog, entropy: test.entropy)
        room = Provisioning(
            ProvisioningFloor(store: test.store, hooks: hooks, sealer: test.sealer, entropy: test.entropy, settings: settings),
            catalog: catalog, survey: house, keys: house, makers: house)
    }

    let sent = Guarded<[String]>([])
    private var mails: EventSubscriber {
        EventSubscriber(MailRequested.self, subscriber: "notifications") { [sent] event, _, _ in
            sent.with { $0.append(event.template) }
        }
    }

    func license(_ tier: String?, live: Bool = true) {
        house.state.with { $0.tiers[tenant] = tier.map { LiveTier(name: $0, isLive: live) } }
    }
    func members(_ users: Set<UserID>) { house.state.with { $0.holders[tenant] = users } }
    func review() async throws { try await room.review(tenant, test.act()) }
    func run() async throws {
        try await test.runDue(handlers: room.jobs(), subscribers: [mails] + room.subscribers().filter { $0.topic == ContractChanged.topic })
    }
    /// Lets time pass in steps until nothing is under way.
    func settle(hours: Int = 12) async throws {
        for _ in 0..<hours * 12 {
            try await run()
            test.clock.advance(by: .minutes(5))
            if try await all().allSatisfy({ $0.work == nil && !$0.hasMore }), try await room.progress(tenant)?.plan.finishedAt != nil {
                return try await run()
            }
        }
    }
    func all() async throws -> [Workstation] { try await room.list(tenant, limit: 1_000).map(\.workstation) }
    func own(_ user: UserID) async throws -> Workstation? { try await room.own(user, tenant)?.workstation }
    func refusal(_ body: () async throws -> Void) async -> String? {
        do { try await body() } catch { return (error as? Problem)?.code ?? "\(error)" }
        return nil
    }
}
