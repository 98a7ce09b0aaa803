import Store
import Vocabulary

/// Rows of one table that go with their tenant, some at a time: a big tenant holds up nobody's writing.
package struct TenantRows: Sendable {
    package let table: String
    package let statement: SQL

    /// `key` is a column that tells the tenant's rows apart, more or less: up to 500 of its values go in one transaction.
    package init(_ table: String, by key: String) {
        self.table = table
        statement = SQL(
            "tenancy.purge.\(table)",
            """
            DELETE FROM \(table) WHERE tenant_id = $1 AND \(key) IN (SELECT \(key) FROM \(table) WHERE tenant_id = $1 LIMIT 500)
            RETURNING tenant_id
            """)
    }
}

/// The usual step of a room: rows that go, work before and after, and what stays.
package struct RoomClosure: ClosureStep {
    package typealias Work = @Sendable (TenantID, Act) async throws -> Void
    package typealias Rest = @Sendable (TenantID, Act) async throws -> [ClosureRemainder]

    package let name: String
    /// Dependants first.
    package let rows: [TenantRows]
    package var tables: [String] { rows.map(\.table) }
    private let store: any Store
    private let revoking: Work
    private let restoring: Work
    private let clearing: Rest
    private static let reason = KernelReason("tenancy.purge_rows")

    /// - Parameter clearing: what goes before the rows, and what stays.
    package init(
        _ name: String, store: any Store, rows: [TenantRows], revoking: @escaping Work = { _, _ in },
        restoring: @escaping Work = { _, _ in }, clearing: @escaping Rest = { _, _ in [] }
    ) {
        self.name = name
        self.store = store
        self.rows = rows
        self.revoking = revoking
        self.restoring = restoring
        self.clearing = clearing
    }

    package func revoke(_ tenant: TenantID, _ act: Act) async throws { try await revoking(tenant, act) }
    package func restore(_ tenant: TenantID, _ act: Act) async throws { try await restoring(tenant, act) }
    package func purge(_ tenant: TenantID, _ act: Act) async throws -> [ClosureRemainder] {
        let remainders = try await clearing(tenant, act)
        for table in rows {
            while try await store.kernel(Self.reason, .flushed, { db in try !db.rows(table.statement, tenant).isEmpty }) {}
        }
        return remainders
    }
}
