import Foundation
import PluginKit

/// A provisioner as the house sees it: what it is asked and what it answers is checked, calls are bounded and counted for draining, and an
/// error that is none of the kit's leaves a step unknown: `observe` settles it.
struct GuardedProvisioner: Provisioner {
    let plugin: String
    let provisioner: any Provisioner
    let gate: WorkGate
    let secrets: PluginSecrets
    let services: any PluginHostServices

    var offer: WorkstationOffer { provisioner.offer }

    func steps(for task: WorkstationTask) async throws -> [String] {
        try check(task)
        return try await entered(changes: false) { [provisioner] in
            let names = try await provisioner.steps(for: task)
            guard (1...ProvisionerLimits.maxSteps).contains(names.count), Set(names).count == names.count,
                names.allSatisfy({ FileKey.fault(inPath: $0) == nil && !$0.contains("/") })
            else { throw ProvisionerError.refused("it has no usable steps for this") }
            return names
        }
    }
    func carryOut(_ step: WorkstationStep) async throws -> StepOutcome {
        try refuse(step.key.fault)
        try check(step.task)
        try refuse(FileKey.fault(inPath: step.name))
        return try await entered(changes: true) { [provisioner] in
            switch try await provisioner.carryOut(step) {
            case .underWay(let again): .underWay(again: min(max(.seconds(1), again), .hours(1)))
            default: .done
            }
        }
    }
    func observe(_ key: WorkstationKey) async throws -> ObservedWorkstation {
        try refuse(key.fault)
        return try await entered(changes: false) { [self] in try checked(try await provisioner.observe(key), key) }
    }
    func list(tenant: String) async throws -> [ObservedWorkstation] {
        try refuse(WorkstationKey(tenant: tenant, name: "x").fault)
        return try await entered(changes: false) { [self] in
            let found = try await provisioner.list(tenant: tenant)
            let names = found.map(\.key.name)
            guard found.count <= ProvisionerLimits.maxListed,
                zip(names, names.dropFirst()).allSatisfy({ $0.utf8.lexicographicallyPrecedes($1.utf8) })
            else { throw ProvisionerError.unavailable("it listed too many workstations, or not in their order") }
            return try found.map { one in
                guard one.key.tenant == tenant, one.state != .absent else {
                    throw ProvisionerError.unavailable("it listed a workstation that was not asked for, or is not there")
                }
                return try checked(one, one.key)
            }
        }
    }
    func figures() async throws -> ProvisionerFigures {
        try await entered(changes: false) { [provisioner] in
            let figures = try await provisioner.figures()
            guard figures.workstations >= 0, figures.diskBytes >= 0, figures.maxWorkstations ?? 0 >= 0 else {
                throw ProvisionerError.unavailable("it counts less than nothing")
            }
            return figures
        }
    }

    // MARK: - What comes in and goes out

    private func refuse(_ fault: String?) throws { if let fault { throw ProvisionerError.refused(fault) } }
    private func check(_ task: WorkstationTask) throws { try refuse(task.size.flatMap { offer.fault(in: $0) }) }

    private func checked(_ shown: ObservedWorkstation, _ key: WorkstationKey) throws -> ObservedWorkstation {
        guard shown.key == key, key.fault == nil else { throw ProvisionerError.unavailable("it answered another workstation") }
        if let address = shown.address {
            // Whoever follows it must not end up in a workstation that is stopped, or in a script.
            guard shown.state == .running, address.utf8.count <= 2_000, WebOrigin(address, allowingQuery: true) != nil else {
                throw ProvisionerError.unavailable("it answered an address that is none")
            }
        }
        if let credential = shown.credential {
            guard PluginSpaceLimits.fault(inKey: credential) == nil, secrets.redacted(credential) == credential else {
                throw ProvisionerError.unavailable("it answered a credential that names no place")
            }
        }
        guard shown.state != .absent || (shown.size == nil && shown.address == nil && shown.credential == nil) else {
            throw ProvisionerError.unavailable("it answered parts of what is not there")
        }
        var shown = shown
        shown.note = text(shown.note)
        return shown
    }

    private func entered<Value: Sendable>(changes: Bool, _ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
        guard gate.enter() else { throw GateClosed() }
        defer { gate.leave() }
        do {
            return try await bounded(.seconds(Int64(ProvisionerLimits.answerSeconds + 1)), HostClock(services: services), work)
        } catch let error as CancellationError {
            throw error
        } catch let error as ProvisionerError {
            throw cleaned(error)
        } catch {
            let what = error is TooSlow ? "\(plugin) did not answer in time" : text("\(plugin) failed: \(error)")
            throw changes ? ProvisionerError.unknown(what) : .unavailable(what)
        }
    }
    private func cleaned(_ error: ProvisionerError) -> ProvisionerError {
        switch error {
        case .unavailable(let what): .unavailable(text(what))
        case .unknown(let what): .unknown(text(what))
        case .full(let what): .full(text(what))
        case .outOfOrder(let what): .outOfOrder(text(what))
        case .conflict(let what): .conflict(text(what))
        case .refused(let what): .refused(text(what))
        @unknown default: .unknown(text("\(error)"))
        }
    }
    private func text(_ text: String) -> String { String(secrets.redacted(text).prefix(500)) }
}

/// A provisioner by name. There is one at a time, whatever tenant asks: a new version takes over when it is promoted.
struct RoutedProvisioner: Provisioner {
    let host: PluginHost
    let plugin: String
    let offer: WorkstationOffer

    func steps(for task: WorkstationTask) async throws -> [String] { try await call { try await $0.steps(for: task) } }
    func carryOut(_ step: WorkstationStep) async throws -> StepOutcome { try await call { try await $0.carryOut(step) } }
    func observe(_ key: WorkstationKey) async throws -> ObservedWorkstation { try await call { try await $0.observe(key) } }
    func list(tenant: String) async throws -> [ObservedWorkstation] { try await call { try await $0.list(tenant: tenant) } }
    func figures() async throws -> ProvisionerFigures { try await call { try await $0.figures() } }

    private func call<Value>(_ work: (any Provisioner) async throws -> Value) async throws -> Value {
        // Versions follow each other slower than this; the bound is for a host that stops.
        for _ in 0..<16 {
            guard let provisioner = host.versions(plugin).current?.provisioner else { break }
            do { return try await work(provisioner) } catch is GateClosed { continue }
        }
        throw ProvisionerError.unavailable("\(plugin) is not at work")
    }
}
