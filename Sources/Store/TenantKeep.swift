import Vocabulary

/// Why records of one tenant stay beyond their usual time: a legal hold, or a duty that this tenant has and others have not. The jobs of
/// retention ask it in the very statement that deletes.
package struct TenantKeep: Sendable, Hashable {
    package typealias ID = Identifier<TenantKeep>
    /// Stands for every kind.
    package static let everything = "*"
    package let id: ID
    /// A kind's name, or everything.
    package let kind: String
    /// From where the kind's time begins; nil: until it is taken back.
    package let days: Int?
    package let why: String
    package let since: Timestamp
    package var isHold: Bool { kind == Self.everything }

    package init(id: ID, kind: String, days: Int?, why: String, since: Timestamp) {
        self.id = id
        self.kind = kind
        self.days = days
        self.why = why
        self.since = since
    }
    package init(_ row: Row) throws {
        self.init(
            id: try row.id(0), kind: try row.text(1), days: try row.optional(2, row.int), why: try row.text(3), since: try row.time(4))
    }

    /// True of a row of `table` whose tenant is under no legal hold, for the statement that deletes it.
    package static func unheld(_ table: String) -> String {
        "NOT EXISTS (SELECT 1 FROM tenant_keep k WHERE k.tenant_id = \(table).tenant_id AND k.kind = '\(everything)')"
    }
    /// The same, and that no duty of the tenant's own keeps a row of this kind and clock; `now` is a parameter.
    package static func unkept(_ table: String, _ kind: String, clock: String, now: String) -> String {
        """
        NOT EXISTS (SELECT 1 FROM tenant_keep k WHERE k.tenant_id = \(table).tenant_id AND (k.kind = '\(everything)'
            OR (k.kind = '\(kind)' AND \(table).\(clock) > \(now) - k.days * 86400000000)))
        """
    }
}

/// Every SQL statement over them. Kernel scope.
package enum KeepTable {
    package static let insert = SQL(
        "retention.keep",
        """
        INSERT INTO tenant_keep (tenant_id, keep_id, kind, days, why, since) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (keep_id) DO NOTHING
        """)
    package static let drop = SQL(
        "retention.keep_no_longer", "DELETE FROM tenant_keep WHERE tenant_id = $1 AND keep_id = $2 RETURNING kind")
    package static let of = SQL(
        "retention.keeps", "SELECT keep_id, kind, days, why, since FROM tenant_keep WHERE tenant_id = $1 ORDER BY keep_id LIMIT 200")
    package static let isHeld = SQL("retention.is_held", "SELECT 1 FROM tenant_keep WHERE tenant_id = $1 AND kind = '*' LIMIT 1")
}

extension KernelScope {
    /// Whether a legal hold keeps everything of the tenant's. Read it in the transaction that deletes.
    package func isHeld(_ tenant: TenantID) throws -> Bool { try row(KeepTable.isHeld, tenant) != nil }
}
