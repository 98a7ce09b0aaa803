import Catalog
import HTTPEdge
import Vocabulary

/// The shapes of `SubscriptionRoutes` and `PaymentStaffRoutes`.
enum OperationSchemas {
    static let time = Schema.string(max: 40, format: .dateTime)
    private static let interval = Schema.choice(BillingInterval.allCases.map(\.rawValue))
    private static let count = Schema.integer(0...Int64.max)
    static let money = Schema.named(
        "Money",
        .object([
            SchemaField("amount_minor", .integer(Int64.min...Int64.max), "In the currency's minor unit; negative: a credit"),
            SchemaField("currency", .string(min: 3, max: 3)),
        ]))
    static let subscription = SchemaField(
        "subscription_id", .string(max: 36, format: .uuid), "The one that counts most if absent", optional: true)
    static let wanted = [
        subscription, SchemaField("tier", .string(min: 1, max: 64), "As it is if absent", optional: true),
        SchemaField("interval", interval, "As it is if absent", optional: true),
        SchemaField("quantity", .integer(1...10_000), "As it is if absent", optional: true),
    ]
    static let agreed = [
        SchemaField("proration_at", time, "Of the preview, so that what was shown is what is charged", optional: true),
        SchemaField(
            "due_now_minor", .integer(Int64.min...Int64.max), "What the preview said; another amount is refused (amount_changed)",
            optional: true),
    ]
    static let apply = SchemaField(
        "apply", .choice(QuantityWish.Apply.allCases.map(\.rawValue)),
        "now: at once. window: with whatever else is wished within billing.quantity_window_seconds, as one change; absent: window for a change of the quantity alone without proration_at and due_now_minor, else now",
        optional: true)
    static let quantityWish = Schema.named(
        "QuantityWish",
        .object([
            SchemaField("id", .string(max: 36, format: .uuid)),
            SchemaField("status", .choice(QuantityWish.Status.allCases.map(\.rawValue))),
            SchemaField("quantity", .integer(1...1_000_000), "As it was wished last"),
            SchemaField("wished_by", .string(max: 36, format: .uuid), "The user who wished last"),
            SchemaField("opened_at", time, "When the first wish came"), SchemaField("wished_at", time, "When the last one came"),
            SchemaField("carried_out_at", time, "When the provider is asked: the window does not grow with later wishes"),
            SchemaField("operation_id", .nullable(.string(max: 36, format: .uuid)), "By which it was asked"),
            SchemaField("code", .nullable(.string(max: 100)), "Why it was refused"),
        ]))
    private static let offer = Schema.object([
        SchemaField("tier", .string(max: 64)), SchemaField("quantity", count), SchemaField("interval", interval),
        SchemaField("unit_price", money),
    ])
    private static let line = Schema.object([
        SchemaField("summary", .string(max: 500)), SchemaField("quantity", .nullable(.integer(Int64.min...Int64.max))),
        SchemaField("amount", money), SchemaField("period_start", .nullable(time)), SchemaField("period_end", .nullable(time)),
        SchemaField("is_proration", .boolean, "It is there because something changed within the period"),
    ])
    static let quote = Schema.named(
        "ChangeQuote",
        .object([
            SchemaField("subscription_id", .string(max: 36, format: .uuid)), SchemaField("from", offer), SchemaField("to", offer),
            SchemaField("when", .choice(ChangeQuote.When.allCases.map(\.rawValue)), "More holds now, less from the period's end on"),
            SchemaField("at", time, "From when on it holds"),
            SchemaField("due_now", .nullable(money), "Charged at once; negative: a credit for the next invoice"),
            SchemaField("prorated", .nullable(money), "The part of it that is there because of the change alone"),
            SchemaField("lines", .array(line, max: 250)), SchemaField("proration_at", .nullable(time), "Give it back with the change"),
            SchemaField("next_amount", money, "Each period from then on, without taxes"),
        ]))
    static let operation = Schema.named(
        "BillingOperation",
        .object([
            SchemaField("id", .string(max: 36, format: .uuid)),
            SchemaField("kind", .choice(BillingOperation.Kind.allCases.map(\.rawValue))), SchemaField("provider", .string(max: 64)),
            SchemaField(
                "status", .choice(BillingOperation.Status.allCases.map(\.rawValue)),
                "unknown: the provider was asked and nobody knows whether it did it; a job finds out"),
            SchemaField("code", .nullable(.string(max: 100)), "Why it was refused"),
            SchemaField("amount", .nullable(money), "Of a refund"), SchemaField("created_at", time),
            SchemaField("settled_at", .nullable(time)),
        ]))
    static let answer = Schema.object([
        SchemaField("operation", operation), SchemaField("subscription", .nullable(BillingSchemas.subscription)),
    ])
    static let changed = Schema.object([
        SchemaField("operation", .nullable(operation), "Null: the provider was not asked"),
        SchemaField("subscription", .nullable(BillingSchemas.subscription), "quantity_wish says what waits"),
    ])
    static let document = Schema.object([
        SchemaField("number", .nullable(.string(max: 255)), "As printed"),
        SchemaField("status", .choice(ProviderInvoice.Status.allCases.map(\.rawValue))), SchemaField("total", money),
        SchemaField("due", money, "What is still to be paid"), SchemaField("issued_at", time), SchemaField("due_at", .nullable(time)),
        SchemaField("paid_at", .nullable(time)), SchemaField("lines", .array(line, max: 250)), SchemaField("has_more_lines", .boolean),
        SchemaField("hosted_url", .nullable(.string(max: 8_192)), "The provider's page of it"),
    ])
    static let refund = Schema.object([
        SchemaField("invoice_id", .string(max: 36, format: .uuid), "Whose payment goes back"),
        SchemaField("amount_minor", .integer(1...Int64.max), "All that is left if absent", optional: true),
        SchemaField("reason", .choice(RefundReason.allCases.map(\.rawValue)), "As the provider is told"),
        SchemaField("note", .string(min: 1, max: 200), "Why, for the tenant's journal; nothing of a person"),
    ])
    static let event = Schema.named(
        "PaymentEvent",
        .object([
            SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("provider", .string(max: 64)),
            SchemaField("event", .string(max: 255), "The provider's id"), SchemaField("type", .string(max: 255)),
            SchemaField("status", .choice(PaymentEvent.Status.allCases.map(\.rawValue))),
            SchemaField("tenant_id", .nullable(.string(max: 36, format: .uuid))), SchemaField("reason", .nullable(.string(max: 500))),
            SchemaField("deliveries", count), SchemaField("failures", count),
            SchemaField("decision_id", .nullable(.string(max: 36, format: .uuid))), SchemaField("occurred_at", time),
            SchemaField("received_at", time), SchemaField("settled_at", .nullable(time)),
        ]))
    static let reconciliation = Schema.named(
        "Reconciliation",
        .object([
            SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("provider", .string(max: 64)),
            SchemaField("status", .choice(Reconciliation.Status.allCases.map(\.rawValue))), SchemaField("since", time),
            SchemaField("started_at", time), SchemaField("finished_at", .nullable(time)),
            SchemaField("failure", .nullable(.string(max: 500)), "Why it ended early"),
            SchemaField("compared", .map(count), "Objects looked at, by kind"), SchemaField("foreign", count, "Objects of nobody here"),
            SchemaField("unlisted", .array(.string(max: 64), max: 20), "Lists that the provider does not have"),
            SchemaField("found", count, "What differed, in all"),
            SchemaField(
                "findings",
                .array(
                    .object([
                        SchemaField("kind", .choice(ReconciliationReport.Kind.allCases.map(\.rawValue))),
                        SchemaField("object", .string(max: 255)), SchemaField("tenant_id", .nullable(.string(max: 36, format: .uuid))),
                        SchemaField("what", .string(max: 100)), SchemaField("is_mended", .boolean, "False: a person must look"),
                    ]), max: Int(ReconciliationReport.mostFindings)), "The first ones"),
        ]))
}
