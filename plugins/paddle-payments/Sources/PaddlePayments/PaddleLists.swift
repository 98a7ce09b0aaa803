import Foundation
import PluginKit

/// Lists for reconciliation. Oldest first, by id, which grows with time: what is made while somebody walks through the pages comes at the
/// end and moves nothing.
extension PaddleProvider {
    /// Adjustments have no filter by time. Older ones than this no longer change.
    static let adjustmentReach = Duration.days(180)

    /// Paddle cannot filter subscriptions by their last change: those that did not change since are left out here.
    func listSubscriptions(_ request: ChangesRequest) async throws -> ProviderPage<SubscriptionFact> {
        try await page("/subscriptions", [("order_by", "id[ASC]")], cursor: request.cursor, limit: request.limit) { object, asOf in
            if let changed = object.time("updated_at"), changed < request.since { return [] }
            let facts = try PaddleEvent(type: "subscription.updated", object: object, asOf: asOf).facts()
            return facts.compactMap { if case .subscription(let fact) = $0 { fact } else { nil } }
        }
    }

    func listPayments(_ request: ChangesRequest) async throws -> ProviderPage<InvoiceFact> {
        let filter = [
            ("updated_at[GTE]", request.since.iso8601), ("status", "billed,paid,completed,past_due"), ("order_by", "id[ASC]"),
        ]
        return try await page("/transactions", filter, cursor: request.cursor, limit: request.limit) { object, asOf in
            let facts = try PaddleEvent(type: "transaction.updated", object: object, asOf: asOf).facts()
            return facts.compactMap { if case .invoice(let fact) = $0 { fact } else { nil } }
        }
    }

    func listRefunds(_ request: ChangesRequest) async throws -> ProviderPage<RefundFact> {
        try await adjusted(request) { if case .refund(let fact) = $0 { fact } else { nil } }
    }
    func listDisputes(_ request: ChangesRequest) async throws -> ProviderPage<DisputeFact> {
        try await adjusted(request) { if case .dispute(let fact) = $0 { fact } else { nil } }
    }

    /// Newest first, until those that no longer change. Each fact as of its adjustment's own time: a reversal is newer than what it
    /// reverses.
    private func adjusted<Item>(_ request: ChangesRequest, _ read: (PaymentFact) -> Item?) async throws -> ProviderPage<Item> {
        let border = request.since - Self.adjustmentReach
        var isOver = false
        var page = try await page("/adjustments", [("order_by", "id[DESC]")], cursor: request.cursor, limit: request.limit) {
            (object, asOf) -> [Item] in
            guard let made = object.time("created_at") else { throw PaymentProviderError.malformed("An adjustment has no time.") }
            if made < border { isOver = true }
            let changed = max(made, object.time("updated_at") ?? made)
            guard changed >= request.since, let fact = PaddleEvent.adjustment(object, asOf: min(changed, asOf)) else { return [] }
            return read(fact).map { [$0] } ?? []
        }
        if isOver { page.next = nil }
        return page
    }

    func listEvents(_ request: ChangesRequest) async throws -> ProviderPage<VerifiedEvent> {
        let filter = [("from", request.since.iso8601), ("order_by", "id[ASC]")]
        return try await page("/events", filter, cursor: request.cursor, limit: request.limit) { object, _ in
            let event = try Self.event(object.value, body: object.value.encoded())
            // An older server of Paddle's does not know `from`.
            return event.createdAt < request.since ? [] : [event]
        }
    }

    /// One page of any of Paddle's lists. Paddle names the next page by an address: its `after` is the cursor, the address is not followed.
    func page<Item>(
        _ path: String, _ filter: [(String, String)], cursor: String?, limit: Int, _ read: (PaddleObject, Timestamp) throws -> [Item]
    ) async throws -> ProviderPage<Item> {
        var query = filter + [("per_page", String(min(max(1, limit), 100)))]
        if let cursor { query.append(("after", try Self.name(cursor))) }
        let answer = try await client.get(path, query)
        guard let listed = answer.body["data"]?.array, let paging = answer.body["meta"]?["pagination"],
            let hasMore = paging["has_more"]?.bool
        else { throw PaymentProviderError.malformed("Paddle answered a list that is none.") }
        let items = try listed.flatMap { try read(PaddleObject($0), answer.asOf) }
        guard hasMore else { return ProviderPage(items: items, next: nil) }
        guard let address = paging["next"]?.string, let next = Self.after(address), next != cursor else {
            throw PaymentProviderError.malformed("Paddle answered a page that does not lead on.")
        }
        return ProviderPage(items: items, next: next)
    }
    static func after(_ address: String) -> String? {
        PaddleObject.id(URLComponents(string: address)?.queryItems?.first { $0.name == "after" }?.value.map { .string($0) })
    }

    /// The first of a whole list for which `isIt` holds. Ends after a thousand pages: then nobody knows.
    func walked(_ path: String, _ filter: [(String, String)], _ isIt: (PaddleObject) -> Bool) async throws -> PaddleObject? {
        let limit = filter.first { $0.0 == "per_page" }.flatMap { Int($0.1) } ?? 50
        let others = filter.filter { $0.0 != "per_page" }
        var cursor: String?
        for _ in 0..<1_000 {
            var found: PaddleObject?
            let page = try await page(path, others, cursor: cursor, limit: limit) { object, _ -> [Bool] in
                if found == nil, isIt(object) { found = object }
                return []
            }
            if let found { return found }
            guard let next = page.next else { return nil }
            cursor = next
        }
        throw PaymentProviderError.unreachable("\(path) does not end.")
    }
}
