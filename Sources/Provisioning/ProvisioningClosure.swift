import PluginKit
import Store
import Tenancy
import Vocabulary

/// A tenant that leaves: its workstations sleep, come back, or are taken away with everything on them.
extension Provisioning: ClosureStep {
    package var name: String { "provisioning" }
    package var tables: [String] {
        ["workstation_step_all", "workstation_all", "provision_step_all", "provision_plan_all", "provision_home_all"]
    }
    private static let closing = KernelReason("provisioning.closure")

    /// Something of the tenant's is still being taken away: ask again.
    package struct StillThere: Error, Sendable { package let workstations: Int }

    package func revoke(_ tenant: TenantID, _ act: Act) async throws { try await close(tenant, true, act) }
    package func restore(_ tenant: TenantID, _ act: Act) async throws {
        try await close(tenant, false, act)
        try await review(tenant, act)
    }

    private func close(_ tenant: TenantID, _ isClosed: Bool, _ act: Act) async throws {
        try await store.tenant(tenant) { db in
            let books = ProvisioningBooks(db: db, act: act)
            guard var home = try books.home(), home.isClosed != isClosed else { return }
            home.isClosed = isClosed
            try books.save(home)
            guard isClosed else { return }
            for held in try books.workstations() where held.state != .deleted && held.wish != .gone {
                var one = held
                one.wish = .suspended
                if one != held { try books.save(one, before: held) }
            }
        }
    }

    /// Takes away whatever the provisioner shows of the tenant, whether the room knows it or not, and then the rows.
    package func purge(_ tenant: TenantID, _ act: Act) async throws -> [ClosureRemainder] {
        let known = try await store.tenant(tenant) { db -> [WorkstationKey] in
            let books = ProvisioningBooks(db: db, act: act)
            var keys: [WorkstationKey] = []
            // Of one that still waits for its turn nothing was made: its row is all there is.
            for held in try books.workstations() where held.state != .deleted {
                // Who holds it now may still make something: it is waited for.
                if held.busyBy != nil, held.busyUntil > act.now { throw StillThere(workstations: 1) }
                if held.state != .requested { keys.append(held.key) }
                var one = held
                one.wish = .gone
                if one != held { try books.save(one, before: held) }
            }
            return keys
        }
        if let provisioner = parts.provisioner() {
            var keys = known
            for shown in try await provisioner.list(tenant: tenant.description) where !keys.contains(shown.key) { keys.append(shown.key) }
            for key in keys {
                for step in try await provisioner.steps(for: .delete) {
                    let outcome = try await provisioner.carryOut(WorkstationStep(key: key, task: .delete, name: step))
                    if case .underWay = outcome { throw StillThere(workstations: keys.count) }
                }
            }
            let left = try await provisioner.list(tenant: tenant.description)
            guard left.isEmpty else { throw StillThere(workstations: left.count) }
        } else if !known.isEmpty {
            // Nothing may be forgotten that nobody can take away.
            throw StillThere(workstations: known.count)
        }
        try await store.tenant(tenant) { db in
            let books = ProvisioningBooks(db: db, act: act)
            for held in try books.workstations() where held.busyBy != nil && held.busyUntil > act.now { throw StillThere(workstations: 1) }
            try db.run(ProvisioningTable.forget)
            try db.run(ProvisioningTable.forgetPlans)
            try db.run(ProvisioningTable.raze)
        }
        return []
    }
}

extension Provisioning: ExportSource {
    package var given: [String] { ["provision_plan_all", "provision_step_all", "workstation_all", "workstation_step_all"] }

    package func export(_ tenant: TenantID, to sink: any ExportSink, _ act: Act) async throws {
        if let progress = try await progress(tenant) { try await sink.record("plan", progress.json) }
        var after: Workstation.ID?
        repeat {
            let page = try await list(tenant, after: after, limit: 500)
            for one in page.prefix(500) { try await sink.record("workstations", one.json) }
            after = page.count > 500 ? page[499].workstation.id : nil
        } while after != nil
    }
}
