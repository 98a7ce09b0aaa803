import Foundation
import PluginKit
import PluginKitTesting
import Synchronization

@testable import LocalWorkstation

/// A folder of this machine's with real keepers and real processes in it; what it does to the plugin is said from without.
final class Machine: LocalGround {
    let real: DiskGround
    let plan: LocalPlan
    let root: URL
    let situation = Mutex(ProvisionerSituation.works)

    static let keeper =
        ProcessInfo.processInfo.environment["CODITECT_KEEPER"]
        ?? package.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(".build/debug/coditect-workstation").path
    static let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let start = Timestamp(microseconds: 1_795_253_400_000_000)

    let bench: PluginBench
    init(_ given: [String: JSONValue] = [:]) throws {
        root = FileManager.default.temporaryDirectory.appendingPathComponent("machine-\(UUID().uuidString)")
        bench = try PluginBench(manifest: Self.package.appendingPathComponent("plugin.json"), at: Self.start)
        // It ends what it started within seconds of the folder's end, too.
        let settings: [String: JSONValue] = ["root": .string(root.path), "keeper": .string(Self.keeper), "outlives_seconds": 3_600]
        plan = try LocalPlan(try bench.context(settings: settings.merging(given) { $1 }).settings)
        real = DiskGround(plan)
    }
    deinit { try? FileManager.default.removeItem(at: root) }

    func shop() -> LocalShop { LocalShop(plan: plan, ground: self, space: { [bench] in Space(below: $0, bench.space) }) }

    func settle() async {
        while let all = try? real.records(tenant: nil), all.contains(where: { (try? real.life($0.key)) == .starting }) {
            try? await Task.sleep(for: .milliseconds(10))
        }
    }
    /// Folders, keepers and secrets that are there.
    var things: [String] {
        get async throws {
            let files = (FileManager.default.enumerator(atPath: root.path)?.allObjects as? [String] ?? [])
                .filter {
                    $0.hasSuffix("/disk") || $0.hasSuffix("record.json") || ($0.hasPrefix(".leaving/") && !$0.dropFirst(9).contains("/"))
                }
            let running = try real.records(tenant: nil).filter { try real.life($0.key) == .ready || real.life($0.key) == .starting }
            return try await files + running.map { "process \($0.key)" } + bench.space.keys(prefix: "", after: nil, limit: 1_000)
        }
    }

    private func ask() throws {
        if situation.withLock({ $0 }) == .away { throw ProvisionerError.unavailable("this machine is away") }
    }
    private func told() throws {
        if situation.withLock({ $0 }) == .losesAnswers { throw ProvisionerError.unknown("the answer is lost") }
    }
    func record(_ key: WorkstationKey) throws -> LocalRecord? {
        try ask()
        return try real.record(key)
    }
    func records(tenant: String?) throws -> [LocalRecord] {
        try ask()
        return try real.records(tenant: tenant)
    }
    func write(_ record: LocalRecord) throws {
        try ask()
        try real.write(record)
        try told()
    }
    func hasDisk(_ key: WorkstationKey) throws -> Bool {
        try ask()
        return try real.hasDisk(key)
    }
    func makeDisk(_ key: WorkstationKey) throws {
        try ask()
        try real.makeDisk(key)
        try told()
    }
    func isFree(port: Int) -> Bool { real.isFree(port: port) }
    func life(_ key: WorkstationKey) throws -> LocalLife {
        try ask()
        return try real.life(key)
    }
    func begin(_ record: LocalRecord, machine: MachineType, token: String) async throws {
        try ask()
        try await real.begin(record, machine: machine, token: token)
        try told()
    }
    func end(_ key: WorkstationKey) async throws {
        try ask()
        try await real.end(key)
        try told()
    }
    func used(_ record: LocalRecord) async throws -> (bytes: Int64, isOver: Bool) {
        try ask()
        return try await real.used(record)
    }
    func remove(_ key: WorkstationKey) async throws {
        try ask()
        try await real.remove(key)
        try told()
    }
    func leaving() throws -> [WorkstationKey] {
        try ask()
        return try real.leaving()
    }
}

/// One tenant's part of the bench's space.
private struct Space: PluginSpace {
    let tenant: String
    let all: MemorySpace
    init(below tenant: String, _ all: MemorySpace) { (self.tenant, self.all) = (tenant, all) }
    func get(_ key: String) async throws -> Data? { try await all.get("\(tenant)/\(key)") }
    func set(_ key: String, _ value: Data) async throws { try await all.set("\(tenant)/\(key)", value) }
    func remove(_ key: String) async throws { try await all.remove("\(tenant)/\(key)") }
    func replace(_ key: String, expecting expected: Data?, with value: Data) async throws -> Bool {
        try await all.replace("\(tenant)/\(key)", expecting: expected, with: value)
    }
    func keys(prefix: String, after: String?, limit: Int) async throws -> [String] {
        try await all.keys(prefix: "\(tenant)/\(prefix)", after: after.map { "\(tenant)/\($0)" }, limit: limit)
            .map { String($0.dropFirst(tenant.count + 1)) }
    }
}

/// The plugin over such a machine.
final class LocalSubject: ProvisionerSubject {
    private let machines = Mutex<[WeakMachine]>([])
    private struct WeakMachine { weak var machine: Machine? }

    func stage(_ situation: ProvisionerSituation) async throws -> ProvisionerStage {
        let machine = try Machine(situation == .full ? ["max_workstations": 1] : [:])
        if situation == .full {
            let other = WorkstationKey(tenant: "t9", name: "other")
            let size = WorkstationSize(machine: "standard-2", diskBytes: 1_048_576)
            try machine.write(LocalRecord(key: other, state: .stopped, size: size, port: machine.plan.ports.upperBound))
        }
        machine.situation.withLock { $0 = situation }
        machines.withLock { $0 = $0.filter { $0.machine != nil } + [WeakMachine(machine: machine)] }
        return ProvisionerStage(
            provisioner: machine.shop(),
            again: {
                machine.situation.withLock { $0 = .works }
                return machine.shop()
            },
            things: { try await machine.things },
            secret: { tenant, place in try await machine.bench.space.get("\(tenant)/\(place)").map { String(decoding: $0, as: UTF8.self) } }
        )
    }
    /// Until no keeper waits for its program, however long this machine takes for that.
    func pass(_ span: Duration) async {
        for machine in machines.withLock({ $0.compactMap(\.machine) }) { await machine.settle() }
    }
}
