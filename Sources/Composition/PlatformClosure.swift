import Foundation
import Identity
import Notifications
import Seats
import Store
import Tenancy
import Vocabulary

/// What no room keeps of a tenant: plugins' values, and jobs that wait or are done.
struct PlatformClosure: ClosureStep {
    private static let values = KernelReason("plugins.purge_values")
    private static let jobs = KernelReason("store.purge_jobs")
    private static let dropValues = SQL(
        "plugins.purge_values",
        """
        DELETE FROM plugin_value WHERE space = $1 AND name IN (SELECT name FROM plugin_value WHERE space = $1 LIMIT 500) RETURNING name
        """)
    let store: any Store
    /// How long a tenant's audit log is kept.
    let journal: Duration
    let name = "platform"
    let tables: [String] = []

    func revoke(_ tenant: TenantID, _ act: Act) async throws {}
    func restore(_ tenant: TenantID, _ act: Act) async throws {}
    func purge(_ tenant: TenantID, _ act: Act) async throws -> [ClosureRemainder] {
        while try await store.kernel(Self.values, .flushed, { db in try !db.rows(Self.dropValues, tenant.description).isEmpty }) {}
        while try await store.kernel(Self.jobs, .flushed, { db in try db.ledger.forget(jobsOf: tenant, limit: 500) }) == 500 {}
        let own = try await store.kernelRead(Self.jobs) { db in
            try db.rows(KeepTable.of, tenant).map(TenantKeep.init).filter { $0.kind == StoreRetention.auditLog }.compactMap(\.days).max()
        }
        return [
            ClosureRemainder(
                what: "the audit log: who did what when, by ids, without names or addresses",
                why: "its retention, and the law in regulated fields, ask for it; it is chained and signed, so nothing is taken out of it",
                until: act.now + max(journal, .days(Int64(own ?? 0))))
        ]
    }
}

extension Rooms {
    /// What happens to a person who is erased; the address is looked up before Identity forgets it.
    var erasures: [any PersonErasure] { [consents, NotificationErasure(notifications, mailbox: mailbox), IdentityErasure(identity)] }

    /// Runs every erasure; each may be repeated.
    func erase(_ person: UserID, _ act: Act) async throws -> [ClosureRemainder] {
        var remainders: [ClosureRemainder] = []
        for step in erasures { remainders += try await step.erase(person, act) }
        return remainders
    }
}
