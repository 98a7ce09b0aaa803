import Store
import Vocabulary

/// What goes once a day, when its time is over: news of providers, corrections, comparisons, and invoices of those who left.
struct BillingPurge {
    private static let reason = PaymentInbox.purging
    private static let atOnce = 500
    let parts: BillingParts
    private var store: any Store { parts.floor.store }

    func run(_ act: Act) async throws {
        let received = act.now - .days(Int64(parts.settings[BillingSettings.eventRetentionDays]))
        try await repeated(PaymentInbox.mostPurged) { most in
            try await store.kernel(Self.reason) { db in
                try db.rows(InboxTable.purge, received, act.now - PaymentInbox.keptSettled, most).count
            }
        }
        try await repeated(Self.atOnce) { most in
            try await store.kernel(Self.reason) { db in
                try db.rows(CorrectionTable.purge, act.now - CorrectionBooks.kept, most).count
            }
        }
        try await store.kernel(Self.reason) { db in try db.run(ReconciliationTable.purge, act.now - ReconciliationDesk.kept) }
        try await documents(act)
    }

    private func repeated(_ most: Int, _ some: (Int) async throws -> Int) async throws {
        while try await some(most) == most {}
    }

    /// A customer's own invoices stay as long as the customer: only those of who left go when the law is done with them.
    private func documents(_ act: Act) async throws {
        var last: [UInt8] = []
        while true {
            let from = last
            let tenants: [TenantID] = try await store.kernelRead(Self.reason) { db in
                try db.rows(BillingTable.oldDocuments, act.now - Billing.invoicesKept, from, Self.atOnce).map { try $0.id(0) }
            }
            for tenant in tenants where try await parts.floor.hasLeft(tenant) {
                try await store.kernel(Self.reason) { db in try Self.forgetDocuments(of: tenant, db, act) }
            }
            guard let end = tenants.last, tenants.count == Self.atOnce else { return }
            last = end.uuid.bytes
        }
    }

    static func forgetDocuments(of tenant: TenantID, _ db: any KernelScope, _ act: Act) throws {
        let before = act.now - Billing.invoicesKept
        try db.run(BillingTable.forgetInvoices, tenant, before, act.now)
        try db.run(BillingTable.forgetReversals, tenant, before, act.now)
    }
}
