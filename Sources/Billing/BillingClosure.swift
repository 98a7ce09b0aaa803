import Store
import Tenancy
import Vocabulary

extension Billing {
    /// For how long invoices and refunds are kept, whoever left: the longest that tax law asks for in the regions served (Germany, section
    /// 147 of the Abgabenordnung, until 2024 ten years; elsewhere less).
    package static let invoiceYears = 10
    static let invoicesKept = Duration.days(Int64(invoiceYears * 366))
    private static let closing = KernelReason("billing.close")

    /// Subscriptions of a tenant that leaves are ended at their providers, who prorate as their settings say. Invoices and refunds stay as
    /// long as tax law asks: amounts and providers' ids, nothing of a person.
    package var closure: RoomClosure {
        RoomClosure(
            "billing", store: parts.floor.store,
            rows: [
                TenantRows("billing_move_all", by: "checkout_id"), TenantRows("billing_decline_all", by: "object"),
                TenantRows("billing_quantity_wish_all", by: "id"), TenantRows("billing_operation_all", by: "id"),
                TenantRows("billing_checkout_all", by: "id"),
                TenantRows("billing_mail_all", by: "mail_key"), TenantRows("billing_correction_all", by: "id"),
                TenantRows("subscription_all", by: "id"),
                TenantRows("payment_route", by: "object"), TenantRows("payment_event", by: "id"),
            ],
            revoking: { [self] tenant, act in try await endSubscriptions(of: tenant, act) },
            clearing: { [self] tenant, act in
                try await parts.floor.store.kernel(Self.closing, .flushed) { db in
                    try BillingPurge.forgetDocuments(of: tenant, db, act)
                    let own = try db.rows(KeepTable.of, tenant).map(TenantKeep.init).filter { $0.kind == BillingRetention.invoices }
                    let kept = max(Self.invoicesKept, .days(Int64(own.compactMap(\.days).max() ?? 0)))
                    guard let newest = try db.row(BillingTable.newestDocument, tenant).flatMap({ try $0.optional(0, $0.time) }) else {
                        return []
                    }
                    return [
                        ClosureRemainder(
                            what: "invoices, refunds and disputes: amounts, dates and the payment provider's ids",
                            why: "tax law asks for them for \(Self.invoiceYears) years", until: newest + kept)
                    ]
                }
            })
    }

    /// When the tenant first went to buy something.
    package func customerSince(_ tenant: TenantID) async throws -> Timestamp? {
        try await parts.floor.store.tenantRead(tenant) { db in try db.row(BillingTable.firstCheckout, db.tenant).map { try $0.time(0) } }
    }

    /// A subscription that is over already, or that no provider in service can end, is no reason to stop: staff is told of the latter.
    private func endSubscriptions(of tenant: TenantID, _ act: Act) async throws {
        let living: Set<Standing.State> = [.active, .grace, .suspended]
        for view in try await subscriptions(of: tenant, now: act.now) where living.contains(view.standing.state) {
            do {
                _ = try await SubscriptionDesk(parts: parts).cancel(view.id, .now, reason: "tenant_leaving", tenant, act)
            } catch let problem as Problem where problem.code == BillingProblems.stateWrong.code {
                continue
            } catch let problem as Problem where problem.code == BillingProblems.providerCannot.code {
                try await parts.floor.store.tenant(tenant) { db in
                    try BillingMails(db: db, act: act).notifyStaff(
                        "subscription_outlives_tenant", about: "\(view.id)", ["subscription": view.id.description])
                }
            }
        }
    }
}
