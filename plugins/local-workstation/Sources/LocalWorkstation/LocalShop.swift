import Foundation
import PluginKit

/// Workstations as folders and processes of this machine. The record is the first thing made and goes in one step with all the rest, so that
/// half-made ones are seen; whether something runs is asked of its lock, never remembered.
struct LocalShop: Provisioner {
    let plan: LocalPlan
    let ground: any LocalGround
    let space: @Sendable (String) -> any PluginSpace
    let turns = Turns()

    var offer: WorkstationOffer { WorkstationOffer(machines: LocalPlan.machines, maxDiskBytes: plan.maxDiskBytes) }
    static let making = ["record", "disk", "secret", "process"]

    func steps(for task: WorkstationTask) async throws -> [String] {
        switch task {
        case .create: Self.making
        case .delete: ["process-away", "all-away"]
        default: ["change"]
        }
    }

    func carryOut(_ step: WorkstationStep) async throws -> StepOutcome {
        if let fault = step.key.fault { throw ProvisionerError.refused(fault) }
        if let size = step.task.size, let fault = offer.fault(in: size) { throw ProvisionerError.refused(fault) }
        guard try await steps(for: step.task).contains(step.name) else { throw ProvisionerError.refused("there is no such step") }
        // Whoever takes a port sees those that others took.
        return try await turns.alone(step.name == "record" ? "ports" : step.key.description) {
            switch step.task {
            case .create(let size): return try await make(step.key, size, step.name)
            case .delete: return try await delete(step.key, step.name)
            case .start: return try await start(step.key)
            case .stop: return try await turn(step.key, from: [.running], to: .stopped)
            case .suspend: return try await turn(step.key, from: [.running, .stopped, .resizing, .provisioning, .failed], to: .suspended)
            case .restore: return try await turn(step.key, from: [.suspended], to: .stopped)
            case .resize(let size): return try await resize(step.key, size)
            @unknown default: throw ProvisionerError.refused("there is no such task")
            }
        }
    }

    // MARK: Making

    private func make(_ key: WorkstationKey, _ size: WorkstationSize, _ step: String) async throws -> StepOutcome {
        let held = try ground.record(key)
        if let held {
            guard held.size == size else { throw ProvisionerError.conflict("it has another size") }
            let (state, _) = try now(held)
            guard state == .provisioning || state == .running else { throw ProvisionerError.conflict("it is \(state.rawValue)") }
            if state == .running { return .done }
        }
        if step == "record" {
            guard held == nil else { return .done }
            let all = try ground.records(tenant: nil)
            guard all.count < plan.maxWorkstations else { throw ProvisionerError.full("there is room for \(plan.maxWorkstations)") }
            try ground.write(LocalRecord(key: key, state: .provisioning, size: size, port: try port(key, beside: all)))
            return .done
        }
        guard let held else { throw ProvisionerError.outOfOrder("\(step) comes after record") }
        switch step {
        case "disk": try ground.makeDisk(key)
        case "secret":
            guard try ground.hasDisk(key) else { throw ProvisionerError.outOfOrder("\(step) comes after disk") }
            _ = try await token(key, isFresh: false)
        default:
            guard try ground.hasDisk(key), try await secret(key) != nil else { throw ProvisionerError.outOfOrder("\(step) comes last") }
            return try await run(held)
        }
        return .done
    }

    private func port(_ key: WorkstationKey, beside others: [LocalRecord]) throws -> Int {
        let taken = Set(others.map(\.port))
        let first = plan.firstPort(key) - plan.ports.lowerBound
        // A range that is taken whole is not gone through for ever.
        for step in 0..<min(plan.ports.count, 2_000) {
            let port = plan.ports.lowerBound + (first + step) % plan.ports.count
            if !taken.contains(port), ground.isFree(port: port) { return port }
        }
        throw ProvisionerError.full("no port is free")
    }

    /// Its secret; another one at each start, so that what somebody learned is worth nothing after it.
    private func token(_ key: WorkstationKey, isFresh: Bool) async throws -> String {
        let (place, space) = (LocalPlan.secretPlace(key), space(key.tenant))
        do {
            if !isFresh, let held = try await space.get(place) { return String(decoding: held, as: UTF8.self) }
            var random = SystemRandomNumberGenerator()
            let fresh = (0..<4).map { _ in PluginDigest.hex(withUnsafeBytes(of: random.next()) { Array($0) }) }.joined()
            try await space.set(place, Data(fresh.utf8))
            return fresh
        } catch { throw ProvisionerError.unavailable("\(error)") }
    }
    private func secret(_ key: WorkstationKey) async throws -> Data? {
        do { return try await space(key.tenant).get(LocalPlan.secretPlace(key)) } catch { throw ProvisionerError.unavailable("\(error)") }
    }

    // MARK: Running

    /// Brings it to run, call by call: asked to begin, waited for, written down as running.
    private func run(_ held: LocalRecord) async throws -> StepOutcome {
        var record = held
        switch try ground.life(record.key) {
        case .ready:
            (record.state, record.isStarting) = (.running, false)
            try ground.write(record)
            return .done
        case .starting: return .underWay(again: .seconds(1))
        case .ended(let why) where record.isStarting:
            record.isStarting = false
            try ground.write(record)
            throw ProvisionerError.unavailable("it does not start: \(why.isEmpty ? "nobody kept it" : why)")
        case .absent, .ended: break
        }
        let (bytes, isOver) = try await ground.used(record)
        if isOver { throw ProvisionerError.full("its disk holds \(bytes) bytes or more, and may hold \(record.size.diskBytes)") }
        guard let machine = LocalPlan.machines.first(where: { $0.name == record.size.machine }) else {
            throw ProvisionerError.refused("there is no such machine")
        }
        if !ground.isFree(port: record.port) {
            record.port = try await turns.alone("ports") { try port(held.key, beside: try ground.records(tenant: nil)) }
        }
        record.isStarting = true
        try ground.write(record)
        try await ground.begin(record, machine: machine, token: try await token(record.key, isFresh: record.state != .provisioning))
        return .underWay(again: .seconds(1))
    }

    /// What it is now: one that should run and does not has stopped.
    private func now(_ record: LocalRecord) throws -> (WorkstationState, note: String) {
        guard record.state == .running else { return (record.state, "") }
        switch try ground.life(record.key) {
        case .ready, .starting: return (.running, "")
        case .absent: return (.stopped, "nothing of it is there to run")
        case .ended(let why): return (.stopped, why.isEmpty ? "it was ended with its machine" : why)
        }
    }
    private func found(_ key: WorkstationKey, in states: [WorkstationState]) throws -> LocalRecord {
        guard var record = try ground.record(key) else { throw ProvisionerError.conflict("it is not there") }
        record.state = try now(record).0
        guard states.contains(record.state) else { throw ProvisionerError.conflict("it is \(record.state.rawValue)") }
        return record
    }

    private func start(_ key: WorkstationKey) async throws -> StepOutcome {
        let record = try found(key, in: [.stopped, .running])
        return record.state == .running ? .done : try await run(record)
    }
    /// What is to be off is written down before it is: nothing starts it in between.
    private func turn(_ key: WorkstationKey, from: [WorkstationState], to next: WorkstationState) async throws -> StepOutcome {
        var record = try found(key, in: from + [next])
        (record.state, record.isStarting) = (next, false)
        try ground.write(record)
        try await ground.end(key)
        return .done
    }
    private func resize(_ key: WorkstationKey, _ size: WorkstationSize) async throws -> StepOutcome {
        var record = try found(key, in: [.stopped])
        guard size.diskBytes >= record.size.diskBytes else { throw ProvisionerError.conflict("a disk never shrinks") }
        record.size = size
        try ground.write(record)
        return .done
    }

    // MARK: Taking away

    private func delete(_ key: WorkstationKey, _ step: String) async throws -> StepOutcome {
        if var record = try ground.record(key), record.state != .deleting {
            record.state = .deleting
            try ground.write(record)
        }
        try await ground.end(key)
        guard step == "all-away" else { return .done }
        do { try await space(key.tenant).remove(LocalPlan.secretPlace(key)) } catch { throw ProvisionerError.unavailable("\(error)") }
        try await ground.remove(key)
        return .done
    }

    // MARK: Looking

    private func shown(_ record: LocalRecord) async throws -> ObservedWorkstation {
        var (state, note) = try now(record)
        // Written down as off, and not ended yet: whoever asks what became of a stop is not told that it is done.
        if [.stopped, .suspended].contains(record.state), !record.isStarting, [.ready, .starting].contains(try ground.life(record.key)) {
            (state, note) = (.running, "it is being ended")
        }
        return ObservedWorkstation(
            key: record.key, state: state, size: record.size, address: state == .running ? plan.reach(record.key, port: record.port) : nil,
            credential: try await secret(record.key) == nil ? nil : LocalPlan.secretPlace(record.key), note: note)
    }
    func observe(_ key: WorkstationKey) async throws -> ObservedWorkstation {
        if let fault = key.fault { throw ProvisionerError.refused(fault) }
        guard let record = try ground.record(key) else {
            return ObservedWorkstation(key: key, state: try ground.leaving().contains(key) ? .deleting : .absent)
        }
        return try await shown(record)
    }
    func list(tenant: String) async throws -> [ObservedWorkstation] {
        if let fault = WorkstationKey(tenant: tenant, name: "x").fault { throw ProvisionerError.refused(fault) }
        var found: [ObservedWorkstation] = []
        for record in try ground.records(tenant: tenant) { found.append(try await shown(record)) }
        for key in try ground.leaving() where key.tenant == tenant && !found.contains(where: { $0.key == key }) {
            found.append(ObservedWorkstation(key: key, state: .deleting))
        }
        return found.sorted { $0.key.name.utf8.lexicographicallyPrecedes($1.key.name.utf8) }
    }
    func figures() async throws -> ProvisionerFigures {
        let all = try ground.records(tenant: nil)
        return ProvisionerFigures(
            workstations: all.count, diskBytes: all.map(\.size.diskBytes).reduce(0, +), maxWorkstations: plan.maxWorkstations)
    }
}

/// One at a time for each name, in the order of asking.
actor Turns {
    private var waiting: [String: [CheckedContinuation<Void, Never>]] = [:]

    nonisolated func alone<Value: Sendable>(_ name: String, _ work: @Sendable () async throws -> Value) async throws -> Value {
        await enter(name)
        do {
            let value = try await work()
            await leave(name)
            return value
        } catch {
            await leave(name)
            throw error
        }
    }
    private func enter(_ name: String) async {
        guard waiting[name] != nil else {
            waiting[name] = []
            return
        }
        await withCheckedContinuation { waiting[name]?.append($0) }
    }
    private func leave(_ name: String) {
        if waiting[name]?.isEmpty == false { waiting[name]?.removeFirst().resume() } else { waiting[name] = nil }
    }
}
