import Foundation
import PluginKit

/// Workstations as objects of a cluster. A record in the plugin's own namespace is the first thing made and the last that goes, so that
/// half-made ones are seen; everything else is applied, and so may be repeated.
struct ClusterShop: Provisioner {
    let plan: ClusterPlan
    let client: ClusterClient
    let space: @Sendable (String) -> any PluginSpace

    var offer: WorkstationOffer { WorkstationOffer(machines: ClusterPlan.machines, maxDiskBytes: plan.maxDiskBytes) }
    static let making = ["record", "namespace", "secret", "disk", "machine"]

    func steps(for task: WorkstationTask) async throws -> [String] {
        switch task {
        case .create: Self.making
        case .delete: ["machine-away", "all-away"]
        default: ["change"]
        }
    }

    func carryOut(_ step: WorkstationStep) async throws -> StepOutcome {
        if let fault = step.key.fault { throw ProvisionerError.refused(fault) }
        if let size = step.task.size, let fault = offer.fault(in: size) { throw ProvisionerError.refused(fault) }
        guard try await steps(for: step.task).contains(step.name) else { throw ProvisionerError.refused("there is no such step") }
        switch step.task {
        case .create(let size): return try await make(step.key, size, step.name)
        case .delete: return try await delete(step.key, step.name)
        case .start: return try await turn(step.key, from: [.stopped], to: .running)
        case .stop: return try await turn(step.key, from: [.running], to: .stopped)
        case .suspend: return try await turn(step.key, from: [.running, .stopped, .resizing, .provisioning, .failed], to: .suspended)
        case .restore: return try await wake(step.key)
        case .resize(let size): return try await resize(step.key, size)
        @unknown default: throw ProvisionerError.refused("there is no such task")
        }
    }

    // MARK: Making

    private func make(_ key: WorkstationKey, _ size: WorkstationSize, _ step: String) async throws -> StepOutcome {
        let held = try await record(key)
        if let (record, _) = held {
            guard record.size == size else { throw ProvisionerError.conflict("it has another size") }
            guard record.state == .provisioning || record.state == .running else {
                throw ProvisionerError.conflict("it is \(record.state.rawValue)")
            }
            if record.state == .running, step != "machine" { return .done }
        }
        if step == "record" {
            guard held == nil else { return .done }
            let all = try await records(Self.everywhere)
            guard all.count < plan.maxWorkstations else { throw ProvisionerError.full("there is room for \(plan.maxWorkstations)") }
            let record = ClusterRecord(key: key, state: .provisioning, size: size)
            if try await client.create(plan.records, plan.recordObject(record, version: nil)) { return .done }
            // Somebody was faster: the next look says whether it is the same.
            guard let (made, _) = try await self.record(key) else { throw ProvisionerError.unavailable("it comes and goes") }
            guard made.size == size else { throw ProvisionerError.conflict("it has another size") }
            return .done
        }
        guard let (record, version) = held else { throw ProvisionerError.outOfOrder("\(step) comes after record") }
        switch step {
        case "namespace": try await furnish(key.tenant)
        case "secret":
            try await need(plan.bindingPath(key.tenant), before: step)
            try await client.apply(plan.secretPath(key), plan.secretObject(key, token: try await token(key)))
        case "disk":
            try await need(plan.secretPath(key), before: step)
            try await client.apply(plan.diskPath(key), plan.diskObject(key, size))
        default:
            try await need(plan.diskPath(key), before: step)
            try await client.apply(plan.servicePath(key), plan.serviceObject(key))
            try await client.apply(plan.machinePath(key), plan.machineObject(key, size, isOn: true))
            guard try await isReady(key, isOn: true) else { return .underWay(again: .seconds(5)) }
            if record.state != .running { try await write(record, .running, version) }
        }
        return .done
    }

    /// The tenant's namespace with what every workstation of it needs. One that is there and not ours stays as it is.
    private func furnish(_ tenant: String) async throws {
        if let there = try await client.get(plan.namespacePath(tenant)) {
            guard there["metadata"]?["labels"]?["app.kubernetes.io/managed-by"]?.string == ClusterClient.manager else {
                throw ProvisionerError.refused("the namespace \(plan.namespace(tenant)) is somebody else's")
            }
            if there["status"]?["phase"]?.string == "Terminating" {
                throw ProvisionerError.unavailable("the namespace is being taken away")
            }
        }
        try await client.apply(plan.namespacePath(tenant), plan.namespaceObject(tenant))
        try await client.apply(plan.quotaPath(tenant), plan.quotaObject(tenant))
        try await client.apply(plan.accountPath(tenant), plan.accountObject(tenant))
        try await client.apply(plan.bindingPath(tenant), plan.bindingObject(tenant))
    }
    private func need(_ path: String, before step: String) async throws {
        guard try await client.get(path) != nil else { throw ProvisionerError.outOfOrder("\(step) comes later") }
    }
    /// Made once, whoever asks first.
    private func token(_ key: WorkstationKey) async throws -> String {
        let (place, space) = (ClusterPlan.secretPlace(key), space(key.tenant))
        do {
            if let held = try await space.get(place) { return String(decoding: held, as: UTF8.self) }
            var random = SystemRandomNumberGenerator()
            let fresh = (0..<4).map { _ in PluginDigest.hex(withUnsafeBytes(of: random.next()) { Array($0) }) }.joined()
            _ = try await space.replace(place, expecting: nil, with: Data(fresh.utf8))
            guard let held = try await space.get(place) else { throw ProvisionerError.unavailable("the secret is not kept") }
            return String(decoding: held, as: UTF8.self)
        } catch let failure as PluginSpaceFailure { throw ProvisionerError.unavailable("\(failure)") }
    }

    private func isReady(_ key: WorkstationKey, isOn: Bool) async throws -> Bool {
        let status = try await client.get(plan.machinePath(key))?["status"]
        return isOn ? (status?["readyReplicas"]?.int ?? 0) >= 1 : (status?["replicas"]?.int ?? 0) == 0
    }

    // MARK: Changing

    private func turn(_ key: WorkstationKey, from: [WorkstationState], to next: WorkstationState) async throws -> StepOutcome {
        guard let (record, version) = try await record(key) else { throw ProvisionerError.conflict("it is not there") }
        guard record.state == next || from.contains(record.state) else { throw ProvisionerError.conflict("it is \(record.state.rawValue)") }
        let isOn = next == .running
        // What is to be off is written down before it is: nothing starts it in between. What is to run is, before it is called so.
        if !isOn, record.state != next { try await write(record, next, version) }
        if try await client.get(plan.machinePath(key)) != nil {
            try await client.apply(plan.machinePath(key), plan.machineObject(key, record.size, isOn: isOn))
            guard try await isReady(key, isOn: isOn) else { return .underWay(again: .seconds(5)) }
        } else if next == .running {
            throw ProvisionerError.conflict("its machine is not there any more")
        }
        if isOn, record.state != next { try await write(record, next, version) }
        return .done
    }

    /// What sleeps may wake for somebody else: whoever knew the token before knows none now.
    private func wake(_ key: WorkstationKey) async throws -> StepOutcome {
        if let (record, _) = try await record(key), record.state == .suspended {
            let kept = space(key.tenant)
            do { try await kept.remove(ClusterPlan.secretPlace(key)) } catch let failure as PluginSpaceFailure {
                throw ProvisionerError.unavailable("\(failure)")
            }
            try await client.apply(plan.secretPath(key), plan.secretObject(key, token: try await token(key)))
        }
        return try await turn(key, from: [.suspended], to: .stopped)
    }

    private func resize(_ key: WorkstationKey, _ size: WorkstationSize) async throws -> StepOutcome {
        guard let (record, version) = try await record(key) else { throw ProvisionerError.conflict("it is not there") }
        guard record.state == .stopped else { throw ProvisionerError.conflict("it is \(record.state.rawValue)") }
        guard size.diskBytes >= record.size.diskBytes else { throw ProvisionerError.conflict("a disk never shrinks") }
        try await client.apply(plan.diskPath(key), plan.diskObject(key, size))
        try await client.apply(plan.machinePath(key), plan.machineObject(key, size, isOn: false))
        var changed = record
        changed.size = size
        if changed != record { try await write(changed, .stopped, version) }
        return .done
    }

    private func write(_ record: ClusterRecord, _ state: WorkstationState, _ version: String) async throws {
        var record = record
        record.state = state
        guard try await client.replace("\(plan.records)/\(plan.record(record.key))", plan.recordObject(record, version: version)) else {
            throw ProvisionerError.unavailable("somebody else changes it")
        }
    }

    // MARK: Taking away

    private func delete(_ key: WorkstationKey, _ step: String) async throws -> StepOutcome {
        guard let (record, version) = try await record(key) else { return .done }
        if record.state != .deleting {
            try await write(record, .deleting, version)
        }
        try await client.delete(plan.machinePath(key))
        try await client.delete(plan.servicePath(key))
        guard step == "all-away" else { return .done }
        // Its pod goes after it; the disk waits for the pod by itself (pvc-protection).
        try await client.delete(plan.diskPath(key))
        try await client.delete(plan.secretPath(key))
        do { try await space(key.tenant).remove(ClusterPlan.secretPlace(key)) } catch { throw ProvisionerError.unavailable("\(error)") }
        let others = try await records(Self.of(key.tenant)).filter { $0.0.key != key }
        if others.isEmpty {
            let there = try await client.get(plan.namespacePath(key.tenant))
            if there?["metadata"]?["labels"]?["app.kubernetes.io/managed-by"]?.string == ClusterClient.manager {
                try await client.delete(plan.namespacePath(key.tenant))
                // Everything in it goes with it, and only then is it gone.
                if try await client.get(plan.namespacePath(key.tenant)) != nil { return .underWay(again: .seconds(5)) }
            }
        } else if try await client.get(plan.diskPath(key)) != nil {
            return .underWay(again: .seconds(5))
        }
        try await client.delete("\(plan.records)/\(plan.record(key))")
        return .done
    }

    // MARK: Looking

    private static let everywhere = ClusterPlan.owned.replacing("=", with: "%3D")
    private static func of(_ tenant: String) -> String { "\(everywhere),coditect%2Ftenant%3D\(ClusterPlan.label(tenant))" }

    private func record(_ key: WorkstationKey) async throws -> (ClusterRecord, version: String)? {
        guard let object = try await client.get("\(plan.records)/\(plan.record(key))") else { return nil }
        guard let record = ClusterRecord(object), record.key == key, let version = object["metadata"]?["resourceVersion"]?.string else {
            throw ProvisionerError.refused("its record is none of ours")
        }
        return (record, version)
    }
    private func records(_ selector: String) async throws -> [(ClusterRecord, version: String)] {
        try await client.list(plan.records, selector: selector).compactMap { object in
            guard let record = ClusterRecord(object), let version = object["metadata"]?["resourceVersion"]?.string else { return nil }
            return (record, version)
        }
    }

    private func shown(_ record: ClusterRecord) async throws -> ObservedWorkstation {
        var shown = ObservedWorkstation(key: record.key, state: record.state, size: record.size)
        do {
            let place = ClusterPlan.secretPlace(record.key)
            shown.credential = try await space(record.key.tenant).get(place) == nil ? nil : place
        } catch { throw ProvisionerError.unavailable("\(error)") }
        guard record.state == .running else { return shown }
        if try await client.get(plan.machinePath(record.key)) == nil {
            shown.state = .failed
            shown.note = "its machine is not there any more"
        } else {
            shown.address = plan.reach(record.key)
        }
        return shown
    }
    func observe(_ key: WorkstationKey) async throws -> ObservedWorkstation {
        if let fault = key.fault { throw ProvisionerError.refused(fault) }
        guard let (record, _) = try await record(key) else { return ObservedWorkstation(key: key, state: .absent) }
        return try await shown(record)
    }
    func list(tenant: String) async throws -> [ObservedWorkstation] {
        if let fault = WorkstationKey(tenant: tenant, name: "x").fault { throw ProvisionerError.refused(fault) }
        var found: [ObservedWorkstation] = []
        for (record, _) in try await records(Self.of(tenant)) where record.key.tenant == tenant { found.append(try await shown(record)) }
        return found.sorted { $0.key.name.utf8.lexicographicallyPrecedes($1.key.name.utf8) }
    }
    func figures() async throws -> ProvisionerFigures {
        let all = try await records(Self.everywhere)
        return ProvisionerFigures(
            workstations: all.count, diskBytes: all.map(\.0.size.diskBytes).reduce(0, +), maxWorkstations: plan.maxWorkstations)
    }
}
