import Tenancy

extension Billing {
    /// What was bought, paid, given back and asked for, as the provider's news made it; no address of a payment page, no claim on a call.
    package var export: RowExport {
        RowExport(
            "billing", store: parts.floor.store,
            [
                RowExport.Kind(
                    "subscriptions", "subscription_all",
                    [
                        ("id", .id), ("provider", .text), ("object", .text), ("facts", .json), ("standing", .text), ("version", .integer),
                        ("created_at", .time), ("changed_at", .time),
                    ]),
                RowExport.Kind(
                    "invoices", "billing_invoice_all",
                    [
                        ("id", .id), ("provider", .text), ("object", .text), ("subscription_object", .text), ("facts", .json),
                        ("issued_at", .time),
                    ]),
                RowExport.Kind(
                    "refunds-and-disputes", "billing_reversal_all",
                    [
                        ("id", .id), ("provider", .text), ("kind", .text), ("object", .text), ("facts", .json), ("happened_at", .time),
                    ]),
                RowExport.Kind(
                    "checkouts", "billing_checkout_all",
                    [
                        ("id", .id), ("provider", .text), ("reference", .text), ("tier", .text), ("interval", .text),
                        ("quantity", .integer), ("unit_amount_minor", .integer), ("currency", .text), ("trial_days", .integer),
                        ("status", .text), ("subscription_object", .text), ("created_at", .time), ("changed_at", .time),
                        ("coupon", .json),
                    ]),
                RowExport.Kind(
                    "operations", "billing_operation_all",
                    [
                        ("id", .id), ("provider", .text), ("kind", .text), ("object", .text), ("status", .text), ("code", .text),
                        ("amount_minor", .integer), ("currency", .text), ("asked_at", .time), ("settled_at", .time),
                    ]),
                RowExport.Kind(
                    "quantity-wishes", "billing_quantity_wish_all",
                    [
                        ("id", .id), ("provider", .text), ("object", .text), ("quantity", .integer), ("wished_by", .id), ("role", .text),
                        ("status", .text), ("code", .text), ("opened_at", .time), ("wished_at", .time), ("due_at", .time),
                        ("settled_at", .time),
                    ]),
                RowExport.Kind(
                    "corrections", "billing_correction_all",
                    [
                        ("id", .id), ("provider", .text), ("place", .text), ("kind", .text), ("what", .text), ("done", .text),
                        ("before_terms", .json), ("after_terms", .json), ("amount_minor", .integer), ("currency", .text),
                        ("found_at", .time), ("settled_at", .time), ("told_at", .time),
                    ]),
                RowExport.Kind(
                    "declined-payments", "billing_decline_all", keys: 3,
                    [("provider", .text), ("kind", .text), ("object", .text), ("reason", .text), ("declined_at", .time)]),
            ])
    }
}
