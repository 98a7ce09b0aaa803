import Billing
import Foundation
import Identity
import Store
import Tenancy
import Vocabulary

/// A tenant as a server knows it, for who looks ahead.
package struct TenantOutlook: Sendable {
    package let name: String
    package let isOver: Bool
    /// Of its people.
    package let addresses: [String]
    package let agreements: [MirroredAgreement]
    /// What is in force, or was.
    package let subscription: SubscriptionView?
    /// The set that decides.
    package let policies: String
}

extension Platform {
    private static let alone = KernelReason("simulation.look_ahead")
    private static let others = SQL(
        "simulation.other_tenants", "SELECT tenant_id FROM tenant_all WHERE tenant_id > $1 AND tenant_id <> $2 ORDER BY tenant_id LIMIT 500"
    )
    /// Beyond so many people a mail is told without saying whose it is.
    private static let mostPeople = 10_000

    /// Nil: there is no such tenant.
    package func outlook(on tenant: TenantID) async throws -> TenantOutlook? {
        guard let found = try await rooms.tenancy.tenant(tenant) else { return nil }
        let isOver = found.status == .purged
        var addresses: [String] = []
        if !isOver {
            for person in try await rooms.identity.members(of: tenant).prefix(Self.mostPeople) {
                if let address = try await rooms.identity.address(of: person) { addresses.append(address.email) }
            }
        }
        let now = options.clock.now()
        return TenantOutlook(
            name: found.name, isOver: isOver, addresses: addresses,
            agreements: isOver ? [] : try await rooms.billing.agreements(of: tenant, now: now),
            subscription: isOver ? nil : Billing.main(try await rooms.billing.subscriptions(of: tenant, now: now)),
            policies: policies.engine.hash?.short ?? "")
    }

    /// Only over a copy: what waits for other tenants is never done.
    package func liveOn(with tenant: TenantID) async throws {
        var place = TenantID(UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)))
        while true {
            let after = place
            let some: [TenantID] = try await ground.store.kernelRead(Self.alone) { db in
                try db.rows(Self.others, after, tenant).map { try $0.id(0) }
            }
            guard let last = some.last else { return }
            for other in some {
                while try await ground.store.kernel(Self.alone, .written, { db in try db.ledger.forget(jobsOf: other, limit: 500) }) == 500
                {}
            }
            place = last
        }
    }
}
