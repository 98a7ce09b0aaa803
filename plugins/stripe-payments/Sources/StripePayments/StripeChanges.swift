import Foundation
import PluginKit

/// Stripe lists by when an object was *made*. So these lists reach back as far as an older one may still change, and leave out what
/// certainly did not. Newest first: what is made while somebody walks through the pages moves none of them.
extension StripeProvider {
    /// A failed payment is retried for two months at most; then a month for a hand.
    static let invoiceReach = Duration.days(90)
    /// A dispute is decided within some months.
    static let disputeReach = Duration.days(180)
    /// A refund may still fail, or arrive.
    static let refundReach = Duration.days(60)
    /// How long Stripe keeps events.
    static let eventLife = Duration.days(30)

    func listSubscriptions(_ request: ChangesRequest) async throws -> ProviderPage<SubscriptionFact> {
        var form = StripeForm()
        form.add("status", "all")
        return try await page("/v1/subscriptions", form, cursor: request.cursor, limit: request.limit) { object, asOf in
            if let ended = object.time("ended_at"), ended < request.since { return [] }
            return try Self.facts("customer.subscription.updated", object, asOf).compactMap {
                if case .subscription(let fact) = $0 { fact } else { nil }
            }
        }
    }

    func listPayments(_ request: ChangesRequest) async throws -> ProviderPage<InvoiceFact> {
        var form = StripeForm()
        form.add("created[gte]", (request.since - Self.invoiceReach).seconds)
        return try await page("/v1/invoices", form, cursor: request.cursor, limit: request.limit) { object, asOf in
            let status = object["status"]?.string
            let moments = object.child("status_transitions")
            let settled = ["paid_at", "voided_at", "marked_uncollectible_at"].compactMap { moments.time($0) }
            // Still open, or settled since: else nothing happened to it.
            guard status != "draft", status == "open" || settled.isEmpty || settled.contains(where: { $0 >= request.since }) else {
                return []
            }
            // An attempt failed where another one is planned; without one the money may be on its way.
            let hasFailed = status == "open" && object.time("next_payment_attempt") != nil && object["attempt_count"]?.int ?? 0 > 0
            // An old shape may name several payments, each a fact: the invoice is listed once.
            return try Self.facts(hasFailed ? "invoice.payment_failed" : "invoice.updated", object, asOf).prefix(1).compactMap {
                if case .invoice(let fact) = $0 { fact } else { nil }
            }
        }
    }

    func listRefunds(_ request: ChangesRequest) async throws -> ProviderPage<RefundFact> {
        var form = StripeForm()
        form.add("created[gte]", (request.since - Self.refundReach).seconds)
        return try await page("/v1/refunds", form, cursor: request.cursor, limit: request.limit) { object, asOf in
            try Self.facts("refund.updated", object, asOf).compactMap { if case .refund(let fact) = $0 { fact } else { nil } }
        }
    }

    func listDisputes(_ request: ChangesRequest) async throws -> ProviderPage<DisputeFact> {
        var form = StripeForm()
        form.add("created[gte]", (request.since - Self.disputeReach).seconds)
        return try await page("/v1/disputes", form, cursor: request.cursor, limit: request.limit) { object, asOf in
            try Self.facts("charge.dispute.updated", object, asOf).compactMap { if case .dispute(let fact) = $0 { fact } else { nil } }
        }
    }

    /// Refused where Stripe no longer has all of them: a gap must not look like silence.
    func listEvents(_ request: ChangesRequest) async throws -> ProviderPage<VerifiedEvent> {
        guard request.since >= clock.now() - Self.eventLife else {
            throw PaymentProviderError.refused(code: "events_not_kept", message: "Stripe keeps events for 30 days only.")
        }
        var form = StripeForm()
        form.add("created[gte]", request.since.seconds)
        return try await page("/v1/events", form, cursor: request.cursor, limit: request.limit) { object, _ in
            [try Self.event(object.value, body: object.value.encoded())]
        }
    }

    private static func facts(_ type: String, _ object: StripeObject, _ asOf: Timestamp) throws -> [PaymentFact] {
        try StripeEvent(type: type, object: object, asOf: asOf).facts()
    }

    /// One page of any of Stripe's lists. The cursor is the last object's id, also of one that `read` left out.
    func page<Item>(
        _ path: String, _ query: StripeForm, cursor: String?, limit: Int, _ read: (StripeObject, Timestamp) throws -> [Item]
    ) async throws -> ProviderPage<Item> {
        var query = query
        query.add("limit", Int64(min(max(1, limit), 100)))
        query.add("starting_after", cursor)
        let answer = try await client.get(path, query)
        guard let listed = answer.object["data"]?.array, let hasMore = answer.object["has_more"]?.bool else {
            throw PaymentProviderError.malformed("Stripe answered a list that is none.")
        }
        let objects = listed.map { StripeObject($0) }
        let last = objects.last?.id
        guard !hasMore || (last != nil && last != cursor) else {
            throw PaymentProviderError.malformed("Stripe answered a page that does not lead on.")
        }
        return ProviderPage(items: try objects.flatMap { try read($0, answer.asOf) }, next: hasMore ? last : nil)
    }
}
