import Store
import Vocabulary

/// A tenant as a list shows it: nothing that says who it is.
package struct TenantLine: Sendable, Hashable {
    package let id: TenantID
    package let kind: Tenant.Kind
    package let region: Tenant.Region
    package let status: Tenant.Status
    package let createdAt: Timestamp
    package init(id: TenantID, kind: Tenant.Kind, region: Tenant.Region, status: Tenant.Status, createdAt: Timestamp) {
        self.id = id
        self.kind = kind
        self.region = region
        self.status = status
        self.createdAt = createdAt
    }
}

extension Tenancy {
    /// Every tenant, the newest first, from the one before `before` on.
    package func page(before: TenantID?, limit: Int) async throws -> [TenantLine] {
        let rows = try await store.kernelRead(KernelReason("tenancy.list_tenants")) { db in
            try db.rows(TenantTable.page, before?.uuid.bytes ?? Array(repeating: 0xFF, count: 16), limit)
        }
        return try rows.map { row in
            guard let kind = Tenant.Kind(rawValue: try row.text(1)), let region = Tenant.Region(rawValue: try row.text(2)),
                let status = Tenant.Status(rawValue: try row.text(3))
            else { throw StoreFault.corrupt("tenant: a word that this program does not know") }
            return TenantLine(id: try row.id(0), kind: kind, region: region, status: status, createdAt: try row.time(4))
        }
    }

    /// One tenant with how many belong to it. That staff looked stands in its own journal and in the platform's.
    package func look(at tenant: TenantID, _ act: Act) async throws -> (tenant: Tenant, members: Int, addressRule: AddressRule?) {
        try await store.kernel(KernelReason("tenancy.staff_view")) { db in
            guard let found = try self.tenant(tenant, in: db) else { throw CommonProblems.notFound }
            for journal in [tenant, nil] {
                try db.journal(JournalEntry("staff.tenant_viewed", subject: "tenant:\(tenant)"), act, tenant: journal)
            }
            let members = try db.within(tenant) { try memberCount(in: $0, now: act.now) }
            return (found, members, try addressRule(of: tenant, in: db))
        }
    }
}
