// since 1.2
import Foundation
import PluginKit

/// Workstations that are entries in the plugin's spaces: as small as a provisioner can be that keeps every promise. `fault` names one to break.
struct Workshop: Provisioner {
    let context: PluginContext
    let fault: String

    var offer: WorkstationOffer {
        WorkstationOffer(
            machines: [
                MachineType(name: "small", cpuMillis: 500, memoryBytes: 1_073_741_824),
                MachineType(name: "large", cpuMillis: 4_000, memoryBytes: 8_589_934_592),
            ], maxDiskBytes: 1_073_741_824)
    }
    private static let room = 100

    struct Bench: Codable, Hashable {
        var size: WorkstationSize
        var state: WorkstationState
        /// Steps of its making that are done.
        var done: [String]
    }

    func steps(for task: WorkstationTask) async throws -> [String] {
        switch task {
        case .create: ["disk", "secret", "machine"]
        case .delete: ["machine-away", "all-away"]
        default: ["change"]
        }
    }

    func carryOut(_ step: WorkstationStep) async throws -> StepOutcome {
        if fault != "takes any key", let fault = step.key.fault { throw ProvisionerError.refused(fault) }
        if fault != "takes any size", let size = step.task.size, let fault = offer.fault(in: size) { throw ProvisionerError.refused(fault) }
        guard try await steps(for: step.task).contains(step.name) else { throw ProvisionerError.refused("there is no such step") }
        // Somebody else's change in between is read again.
        for _ in 0..<100 {
            let held = try await reading { try await context.space.get(place(step.key)) }
            let bench = try held.map { try JSONDecoder().decode(Bench.self, from: $0) }
            switch try await next(bench, step) {
            case nil: return .done
            case .away?:
                if fault != "leaves the secret" { try await writing { try await space(step.key).remove(secret(step.key)) } }
                try await writing { try await context.space.remove(place(step.key)) }
                return .done
            case .bench(let changed)?:
                let data = try JSONEncoder().encode(changed)
                let isMine = try await writing {
                    if fault == "makes two in a race", held == nil { try await context.space.set("extra-\(step.key.tenant)", data) }
                    return try await context.space.replace(place(step.key), expecting: held, with: data)
                }
                if isMine { return .done }
            }
        }
        throw ProvisionerError.unavailable("everybody changes it at once")
    }

    private enum Change { case bench(Bench), away }
    /// What a step makes of what is there; nil: it is done.
    private func next(_ bench: Bench?, _ step: WorkstationStep) async throws -> Change? {
        switch step.task {
        case .create(let size): return try await making(bench, size, step)
        case .delete:
            guard var bench else { return nil }
            if fault == "deletes only what runs", bench.state == .suspended { return nil }
            if step.name == "all-away" { return .away }
            bench.state = .deleting
            return .bench(bench)
        default: break
        }
        guard var bench else {
            if fault == "finds nothing to do with nothing" { return nil }
            throw ProvisionerError.conflict("it is not there")
        }
        let (from, to): ([WorkstationState], WorkstationState) =
            switch step.task {
            case .start: ([.stopped], .running)
            case .stop: ([.running], .stopped)
            case .resize: (fault == "resizes while it runs" ? [.stopped, .running] : [.stopped], .stopped)
            case .suspend: (WorkstationState.allCases.filter { $0 != .absent }, .suspended)
            default: ([.suspended], .stopped)
            }
        if let size = step.task.size {
            guard from.contains(bench.state) else { throw ProvisionerError.conflict("it is \(bench.state.rawValue)") }
            guard size.diskBytes >= bench.size.diskBytes || fault == "shrinks disks" else {
                throw ProvisionerError.conflict("a disk never shrinks")
            }
            bench.size =
                fault == "forgets the new machine"
                ? WorkstationSize(machine: bench.size.machine, diskBytes: size.diskBytes, idleStop: size.idleStop) : size
            return .bench(bench)
        }
        if bench.state == to, fault != "is done once only" { return nil }
        guard from.contains(bench.state) || (fault == "starts what is suspended" && step.task == .start) else {
            throw ProvisionerError.conflict("it is \(bench.state.rawValue)")
        }
        bench.state = to
        return .bench(bench)
    }

    private func making(_ bench: Bench?, _ size: WorkstationSize, _ step: WorkstationStep) async throws -> Change? {
        var bench = bench ?? Bench(size: size, state: .provisioning, done: [])
        guard bench.size == size || fault == "takes another size for the same" else {
            throw ProvisionerError.conflict("it has another size")
        }
        guard bench.state == .provisioning || bench.state == .running else {
            throw ProvisionerError.conflict("it is \(bench.state.rawValue)")
        }
        if bench.done.contains(step.name) { return nil }
        let names = try await steps(for: step.task)
        let before = names.prefix { $0 != step.name }
        guard before.allSatisfy(bench.done.contains) || fault == "takes steps in any order" else {
            throw ProvisionerError.outOfOrder("\(step.name) comes after \(before.joined(separator: ", "))")
        }
        switch step.name {
        case "disk":
            let figures = try await figures()
            if figures.workstations >= Self.room, fault != "knows no limit" {
                throw ProvisionerError.full("there is room for \(Self.room)")
            }
        case "secret":
            let text = (0..<4).map { _ in String(UInt64.random(in: .min ... .max), radix: 36) }.joined()
            _ = try await writing { try await space(step.key).replace(secret(step.key), expecting: nil, with: Data(text.utf8)) }
        default: bench.state = .running
        }
        if fault != "forgets which steps are done" || step.name == "machine" { bench.done.append(step.name) }
        return .bench(bench)
    }

    func observe(_ key: WorkstationKey) async throws -> ObservedWorkstation {
        if let fault = key.fault { throw ProvisionerError.refused(fault) }
        let data: Data?
        do { data = try await reading { try await context.space.get(place(key)) } } catch {
            guard fault == "sees nothing while it is away" else { throw error }
            data = nil
        }
        guard let data else { return ObservedWorkstation(key: key, state: .absent) }
        let bench = try JSONDecoder().decode(Bench.self, from: data)
        let runs = bench.state == .running || (fault == "shows an address while it stands" && bench.state == .stopped)
        let told = fault == "tells the secret" ? try await reading { try await space(key).get(secret(key)) } : nil
        return ObservedWorkstation(
            key: key, state: bench.state, size: bench.size, address: runs ? "https://desk.test/\(key)" : nil,
            credential: bench.done.contains("secret") ? secret(key) : nil, note: told.map { String(decoding: $0, as: UTF8.self) } ?? "")
    }
    func list(tenant: String) async throws -> [ObservedWorkstation] {
        if let fault = WorkstationKey(tenant: tenant, name: "x").fault { throw ProvisionerError.refused(fault) }
        let places = try await keys("ws/\(tenant)" + (fault == "lists who begins alike" ? "" : "/"))
        var found: [ObservedWorkstation] = []
        for place in places {
            let parts = place.split(separator: "/").map(String.init)
            let one = try await observe(WorkstationKey(tenant: parts[1], name: parts[2]))
            if fault != "hides what is half made" || one.state != .provisioning { found.append(one) }
        }
        return found
    }
    func figures() async throws -> ProvisionerFigures {
        var figures = ProvisionerFigures(workstations: 0, diskBytes: 0, maxWorkstations: Self.room)
        for place in try await keys("ws/") {
            guard let data = try await reading({ try await context.space.get(place) }) else { continue }
            figures.workstations += 1
            figures.diskBytes += fault == "counts no disks" ? 0 : try JSONDecoder().decode(Bench.self, from: data).size.diskBytes
        }
        return figures
    }

    // MARK: - Spaces

    private func place(_ key: WorkstationKey) -> String { "ws/\(key.tenant)/\(key.name)" }
    private func secret(_ key: WorkstationKey) -> String { "secret/\(key.name)" }
    private func space(_ key: WorkstationKey) -> any PluginSpace { context.space(tenant: key.tenant) }
    private func keys(_ prefix: String) async throws -> [String] {
        try await reading { try await context.space.keys(prefix: prefix, after: nil, limit: 1_000) }
    }
    private func reading<Value>(_ work: () async throws -> Value) async throws -> Value {
        do { return try await work() } catch let failure as PluginSpaceFailure { throw ProvisionerError.unavailable("\(failure)") }
    }
    private func writing<Value>(_ work: () async throws -> Value) async throws -> Value {
        do { return try await work() } catch let failure as PluginSpaceFailure {
            throw fault == "calls a lost answer a refusal" ? ProvisionerError.refused("\(failure)") : .unknown("\(failure)")
        }
    }
}
// end of 1.2
