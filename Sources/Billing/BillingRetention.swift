import Store
import Vocabulary

/// What the room keeps, and how long.
package enum BillingRetention {
    package static let events = "payment_events"
    package static let invoices = "invoices"
    package static let corrections = "billing_corrections"
    private static let daily = RetentionJob(PaymentInbox.purgeKind, every: .days(1))

    package static let kinds = [
        RetentionKind(
            events, "Payment providers' news as they came, sealed", .tenant,
            tables: ["payment_event", "payment_event_finding", "payment_wait"],
            [
                RetentionDuty(
                    .purpose, "providers repeat news for days, and questions come later", from: "when it came in", clock: "received_at",
                    .days(BillingSettings.eventRetentionDays)),
                RetentionDuty(
                    .contract, "what is not applied yet is money", from: "when it was settled",
                    clock: "CASE WHEN status = 'received' THEN NULL ELSE coalesce(settled_at, received_at) END",
                    .fixed(PaymentInbox.keptSettled)),
            ], end: .deleted, job: daily, probe: RetentionProbe("payment_event", .namesTenant, by: "id")),
        RetentionKind(
            invoices, "Invoices, refunds and disputes: amounts, dates and providers' ids; nothing of a person", .tenant,
            tables: ["billing_invoice_all", "billing_reversal_all"],
            [
                .lasting(.tenant, "a customer looks at what was paid"),
                RetentionDuty(
                    .law,
                    "tax law, the longest of the regions served: Germany, Abgabenordnung section 147 (3), eight years from the end of the "
                        + "year, ten until 2024",
                    from: "its date", clock: "issued_at", .fixed(Billing.invoicesKept)),
            ], end: .deleted, job: daily, probe: RetentionProbe("billing_invoice_all", by: "id"), canBeLengthened: true),
        RetentionKind(
            corrections, "What a comparison with a provider put right in an account", .tenant, tables: ["billing_correction_all"],
            [
                RetentionDuty(
                    .purpose, "owners see what changed without them; a year and a renewal", from: "when it was put right",
                    clock: "settled_at", .fixed(CorrectionBooks.kept))
            ], end: .deleted, job: daily, probe: RetentionProbe("billing_correction_all", by: "id")),
        RetentionKind(
            "billing_comparisons", "Comparisons of mirror, access and provider: counts and findings", .platform,
            tables: ["billing_reconciliation"],
            [
                RetentionDuty(
                    .purpose, "staff sees when something began to differ", from: "when it began",
                    clock: "CASE WHEN status = 'running' THEN NULL ELSE started_at END", .fixed(ReconciliationDesk.kept))
            ], end: .deleted, job: daily, probe: RetentionProbe("billing_reconciliation", .ofPlatform, by: "id")),
        RetentionKind(
            "subscriptions", "Subscriptions, wishes for a quantity, checkouts, operations and which mails told of them", .tenant,
            tables: [
                "subscription_all", "billing_checkout_all", "billing_move_all", "billing_decline_all", "billing_operation_all",
                "billing_mail_all", "billing_quantity_wish_all", "payment_route",
            ], [.lasting(.tenant, "it says what was bought and what is in force")], end: .deleted,
            probe: RetentionProbe("subscription_all", by: "id")),
    ]
}
