import Billing
import Catalog
import Licensing
import PluginKit
import Seats
import Store
import Tenancy
import Vocabulary

package enum BackofficePermissions {
    package static let analytics = Permission(
        "staff:analytics", "See recurring revenue, churn, trials, seats and sign-ups.", delegates: .none)
    package static let all = [analytics]
}

package enum BackofficeSettings {
    package static let mostTenants = Setting<Int>(
        "backoffice.analytics_tenants", default: 20_000, in: 1...1_000_000,
        reason: "Tenants that one question of analytics looks at, the newest first; an answer says whether that was all of them.")
    package static let all: [AnySetting] = [mostTenants.erased]
}

/// What staff sees across tenants. Reads the rooms through their services; owns nothing.
package struct Backoffice: Sendable {
    let store: any Store
    let tenancy: Tenancy
    let catalog: Catalog
    let billing: Billing
    let licenses: Licenses
    let leases: Leases
    private let mostTenants: Int

    package init(
        store: any Store, tenancy: Tenancy, billing: Billing, licenses: Licenses, leases: Leases, catalog: Catalog, settings: Settings
    ) {
        self.store = store
        self.tenancy = tenancy
        self.catalog = catalog
        self.billing = billing
        self.licenses = licenses
        self.leases = leases
        mostTenants = settings[BackofficeSettings.mostTenants]
    }

    // MARK: Tenants

    /// What a list of tenants may be narrowed to; nil: to nothing.
    package struct Filter: Sendable, Hashable {
        var status: Tenant.Status?
        var region: Tenant.Region?
        var tier: String?
    }
    package struct Line: Sendable {
        let tenant: TenantLine
        let tier: String?
    }
    /// Tenants that one request for a page looks at.
    static let mostLooked = 500

    /// A page, the newest first. It may hold fewer than asked for although more follow, where few fit the filter.
    package func tenants(_ filter: Filter, after: TenantID?, limit: Int, now: Timestamp) async throws -> (lines: [Line], next: TenantID?) {
        try await ReadLag.allowed { try await listed(filter, after: after, limit: limit, now: now) }
    }
    private func listed(_ filter: Filter, after: TenantID?, limit: Int, now: Timestamp) async throws -> (lines: [Line], next: TenantID?) {
        var found: [Line] = []
        var position = after
        var looked = 0
        while looked < Self.mostLooked {
            let chunk = try await tenancy.page(before: position, limit: 100)
            for tenant in chunk {
                position = tenant.id
                looked += 1
                guard filter.status == nil || filter.status == tenant.status, filter.region == nil || filter.region == tenant.region else {
                    continue
                }
                let tier = try await licenses.tier(of: tenant.id, now: now)
                guard filter.tier == nil || filter.tier == tier else { continue }
                found.append(Line(tenant: tenant, tier: tier))
                if found.count == limit { return (found, position) }
            }
            if chunk.count < 100 { return (found, nil) }
        }
        return (found, position)
    }

    /// A tenant as staff sees it.
    package struct File: Sendable {
        let tenant: Tenant
        let members: Int
        let tier: String?
        let subscription: SubscriptionView?
        let seatsSold: Int
        let addressRule: AddressRule?
    }

    package func file(of tenant: TenantID, _ act: Act) async throws -> File {
        let seen = try await tenancy.look(at: tenant, act)
        return File(
            tenant: seen.tenant, members: seen.members, tier: try await licenses.tier(of: tenant, now: act.now),
            subscription: Billing.main(try await billing.subscriptions(of: tenant, now: act.now)),
            seatsSold: try await seatsSold(to: tenant, now: act.now), addressRule: seen.addressRule)
    }

    private func seatsSold(to tenant: TenantID, now: Timestamp) async throws -> Int {
        try await licenses.list(tenant, limit: 100).licenses.filter { $0.status(at: now).isUsable }.reduce(0) { $0 + $1.grant.seats }
    }

    // MARK: Analytics

    package struct Analytics: Sendable {
        let window: AnalyticsWindow
        let tally: AnalyticsTally
        let seatsUsed: Int64
        let isComplete: Bool
    }

    /// Computed anew from the rows of every tenant, a hundred of them at a time, so that no transaction is long.
    package func analytics(_ window: AnalyticsWindow, now: Timestamp) async throws -> Analytics {
        try await ReadLag.allowed { try await computed(window, now: now) }
    }
    private func computed(_ window: AnalyticsWindow, now: Timestamp) async throws -> Analytics {
        var tally = AnalyticsTally()
        var position: TenantID?
        var isComplete = false
        while tally.tenants < mostTenants, !isComplete {
            let asked = min(100, mostTenants - tally.tenants)
            let chunk = try await tenancy.page(before: position, limit: asked)
            for tenant in chunk {
                let subscriptions = try await billing.subscriptions(of: tenant.id, now: now)
                let catalog = try await store.tenantRead(tenant.id) { [catalog] db in try catalog.inForce(in: db, at: now) }
                tally.count(
                    TenantFacts(
                        createdAt: tenant.createdAt,
                        subscriptions: subscriptions.map { .init(standing: $0.standing, createdAt: $0.createdAt) },
                        seatsSold: try await seatsSold(to: tenant.id, now: now)), window, now: now
                ) { catalog[$0]?.prices[$1] }
            }
            position = chunk.last?.id
            isComplete = chunk.count < asked
        }
        let figures = leases.figures.filter { $0.name == "license_active_sessions" }
        let used = try await store.kernelRead(KernelReason("backoffice.seats_used")) { db in
            try figures.reduce(0.0) { sum, figure in sum + (try figure.read(db, now).first?.1 ?? 0) }
        }
        return Analytics(window: window, tally: tally, seatsUsed: Int64(used), isComplete: isComplete)
    }
}
