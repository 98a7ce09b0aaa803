import HTTPEdge
import Store
import Vocabulary

/// What comparisons with the providers put right in the caller's own account.
extension Billing {
    var correctionsRoute: Route {
        Route(
            .get, "/api/v1/billing/corrections", name: "billing.corrections",
            summary: "What comparisons with the payment providers found in this account and put right, newest first.",
            access: .permission(BillingPermissions.read), query: QueryField.paging,
            answers: [RouteAnswer(200, "One page", .page("corrections", of: CorrectionSchemas.correction))]
        ) { call in
            let wanted = try call.page()
            let listing = try await self.corrections(
                of: try call.caller().tenant, after: try PageCursor.wanted(wanted.after), limit: wanted.limit)
            return call.reply(Page(listing.items, next: listing.next?.text), named: "corrections", \.json)
        }
    }
}

enum CorrectionSchemas {
    private static let time = Schema.string(max: 40, format: .dateTime)
    private static let terms = Schema.nullable(
        .object([
            SchemaField("status", .choice(StandingChanged.Standing.allCases.map(\.rawValue))), SchemaField("tier", .string(max: 64)),
            SchemaField("quantity", .integer(0...1_000_000)), SchemaField("period_end", .nullable(time)),
        ]))
    static let correction = Schema.named(
        "Correction",
        .object([
            SchemaField("id", .string(max: 36, format: .uuid)), SchemaField("provider", .string(max: 64), "With whom was compared"),
            SchemaField(
                "found_in", .choice(Correction.Place.allCases.map(\.rawValue)),
                "Which was not as it should be: the provider, the record of it here, or the access that is granted"),
            SchemaField("kind", .choice(ReconciliationReport.Kind.allCases.map(\.rawValue))),
            SchemaField("what", .string(max: 100), "What of it differed"),
            SchemaField("done", .choice(Correction.Done.allCases.map(\.rawValue)), "`staff_looks`: no rule says what is right"),
            SchemaField("summary", .string(max: 300), "The same for a person"),
            SchemaField("subscription_id", .nullable(.string(max: 36, format: .uuid))),
            SchemaField("changes_access", .boolean, "What may be used is another than before"),
            SchemaField("changes_money", .boolean, "A payment, refund or dispute was not known before"),
            SchemaField("amount", .nullable(OperationSchemas.money)),
            SchemaField("before", terms, "What the subscription entitled to"), SchemaField("after", terms, "What it entitles to since"),
            SchemaField("found_at", time), SchemaField("corrected_at", time, "Or handed to the platform's people"),
        ]))
}

extension Billing {
    /// Newest first.
    package func corrections(of tenant: TenantID, after: PageCursor?, limit: Int) async throws -> Listing<Correction> {
        let cursor = after ?? .newest
        let count = min(max(limit, 1), 100)
        let rows = try await parts.floor.store.tenantRead(tenant) { db in
            try db.rows(CorrectionTable.list, db.tenant, cursor.at, cursor.id, count + 1).map(Correction.init)
        }
        let items = Array(rows.prefix(count))
        return Listing(items: items, next: rows.count > count ? items.last.map { PageCursor(at: $0.settledAt, id: $0.id.uuid) } : nil)
    }
}
