import Foundation
import PluginKit

struct PaddleProvider: PaymentProvider {
    let client: PaddleClient
    let clock: any PluginClock
    let signature: PaddleSignature
    let journal: PaddleJournal
    let checkoutPage: String?
    let taxCategory: String

    static let maxBodyBytes = 1_048_576
    /// Paddle's clock and ours may differ by this much.
    static let skew = Duration.minutes(5)

    let capabilities: Set<PaymentCapability> = PaymentCapability.all
    func understands(_ type: String) -> Bool? { PaddleEvent.kinds[type] != nil }

    // MARK: - Asking

    /// A transaction whose payment link the buyer opens. Paddle has no return address in it: where the buyer lands, its page decides.
    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession {
        guard (1...1_000_000).contains(request.quantity) else {
            throw PaymentProviderError.refused(code: "quantity_invalid", message: "The quantity must be positive.")
        }
        let mark = PaddleJournal.mark(request.idempotencyKey)
        let deed = try await journal.once(request.idempotencyKey, asked: PaddleJournal.digest(request)) { note in
            try await made(mark, since: note.begunAt, customer: request.customer)
        } act: {
            let answer = try await client.write("POST", "/transactions", body(of: request, mark: mark))
            guard let id = answer.object.id else { throw PaymentProviderError.unreachable("Paddle answered a transaction without an id.") }
            return PaddleJournal.Deed(made: id, answer: answer)
        }
        let object: PaddleObject
        if let answer = deed.answer { object = answer.object } else { object = try await transaction(deed.made).object }
        switch object.status {
        case "draft", "ready":
            guard let url = object.child("checkout")["url"]?.string, WebOrigin(url, allowingQuery: true) != nil else {
                throw PaymentProviderError.refused(
                    code: "payment_link_missing", message: "Paddle made no payment link: set a default one, or checkout_page.")
            }
            return CheckoutSession(id: deed.made, url: url)
        // Paid in the meantime: the person is done.
        case "paid", "completed", "billed": return CheckoutSession(id: deed.made, url: request.successURL)
        default: throw PaymentProviderError.refused(code: "checkout_expired", message: "This checkout was cancelled; start a new one.")
        }
    }

    private func body(of request: CheckoutRequest, mark: String) async throws -> JSONValue {
        var body: [String: JSONValue] = [
            "items": [try await item(of: request)], "collection_mode": "automatic",
            // Paddle copies it to the subscription, where it names tenant and tier for good.
            "custom_data": [
                "reference": .string(request.reference), "tenant": .string(request.tenant), "tier": .string(request.tier),
                "interval": .string(request.interval.rawValue), "wish": .string(mark),
            ],
        ]
        if let customer = request.customer { body["customer_id"] = .string(customer) }
        if let code = request.coupon { body["discount_id"] = .string(try await resolved(code)) }
        if let checkoutPage { body["checkout"] = ["url": .string(checkoutPage)] }
        return .object(body)
    }

    /// A trial belongs to a price at Paddle: one of the catalogue that has another trial is sent as a copy with the trial that was asked for.
    private func item(of request: CheckoutRequest) async throws -> JSONValue {
        let quantity = JSONValue.int(Int64(request.quantity))
        let trial: JSONValue =
            request.trialDays > 0 ? ["interval": "day", "frequency": .int(Int64(min(request.trialDays, 730)))] : .null
        var price = try Self.price(
            request.unitPrice, request.interval, name: String((request.productName ?? request.tier).prefix(150)), quantity: request.quantity
        )
        if let id = request.providerPrice {
            let known = try await client.get("/prices/" + Self.name(id)).object
            let days = Self.days(known.child("trial_period"))
            if days == request.trialDays { return ["price_id": .string(id), "quantity": quantity] }
            guard let product = known.reference("product_id"), let amount = known["unit_price"], let cycle = known["billing_cycle"] else {
                throw PaymentProviderError.refused(code: "price_invalid", message: "The configured price is not a recurring one.")
            }
            price["product_id"] = .string(product)
            price["unit_price"] = amount
            price["billing_cycle"] = cycle
            if let description = known["description"] { price["description"] = description }
        } else {
            price["product"] = ["name": price["name"] ?? "", "tax_category": .string(taxCategory)]
        }
        if !trial.isNull { price["trial_period"] = trial }
        return ["price": .object(price), "quantity": quantity]
    }
    private static func days(_ trial: PaddleObject) -> Int {
        guard let count = trial["frequency"]?.int else { return 0 }
        switch trial["interval"]?.string {
        case "day": return Int(clamping: count)
        case "week": return Int(clamping: count) * 7
        // No number of days: never the one that was asked for.
        default: return -1
        }
    }
    static func price(_ amount: Money, _ interval: BillingInterval, name: String, quantity: Int) throws -> [String: JSONValue] {
        guard (0...999_999_999_999).contains(amount.amountMinor) else {
            throw PaymentProviderError.refused(code: "amount_invalid", message: "Paddle cannot charge this amount.")
        }
        return [
            "name": .string(name), "description": .string(name),
            "unit_price": ["amount": .string(String(amount.amountMinor)), "currency_code": .string(amount.currency.code)],
            "billing_cycle": ["interval": .string(interval.rawValue), "frequency": 1],
            "quantity": ["minimum": 1, "maximum": .int(Int64(max(quantity, 100_000)))],
        ]
    }

    /// The transaction that carries this mark. Renewals copy the mark of the first and come from elsewhere: they do not count.
    private func made(_ mark: String, since: Timestamp, customer: String?) async throws -> String? {
        var query = [("created_at[GTE]", (since - Self.skew).iso8601), ("origin", "api"), ("order_by", "id[ASC]"), ("per_page", "30")]
        // A buyer may have been recognised since, hence no filter where no customer was sent.
        if let customer { query.append(("customer_id", customer)) }
        return try await walked("/transactions", query) { $0.custom("wish") == mark && $0["origin"]?.string ?? "api" == "api" }?.id
    }

    func transaction(_ id: String) async throws -> PaddleClient.Answer { try await client.get("/transactions/" + Self.name(id)) }

    /// Paddle's page has no way back: `returnURL` is not used.
    func openPortal(_ request: PortalRequest) async throws -> PortalSession {
        let answer = try await client.write("POST", "/customers/\(Self.name(request.customer))/portal-sessions", .object([:]))
        guard let url = answer.object.child("urls").child("general")["overview"]?.string, WebOrigin(url, allowingQuery: true) != nil else {
            throw PaymentProviderError.unreachable("Paddle answered a portal without an address.")
        }
        return PortalSession(url: url)
    }

    /// An id as a step of a path; what is none never becomes another address.
    static func name(_ id: String) throws -> String {
        guard let name = PaddleObject.id(.string(id)) else {
            throw PaymentProviderError.refused(code: "id_invalid", message: "This is not an id of Paddle's.")
        }
        return name
    }

    // MARK: - Being told

    func verify(_ delivery: WebhookDelivery) throws -> VerifiedEvent {
        guard delivery.body.count <= Self.maxBodyBytes else { throw PaymentProviderError.malformed("The body is larger than any event.") }
        try signature.verify(header: delivery.headers["paddle-signature"], body: delivery.body, receivedAt: delivery.receivedAt)
        return try Self.event(try Self.document(delivery.body), body: delivery.body)
    }

    static func event(_ document: JSONValue, body: Data) throws -> VerifiedEvent {
        guard let id = PaddleObject.id(document["event_id"]), let type = document["event_type"]?.string, !type.isEmpty,
            type.utf8.count <= 100
        else { throw PaymentProviderError.malformed("The event has no id or no type.") }
        guard let occurred = PaddleObject.time(document["occurred_at"]) else {
            throw PaymentProviderError.malformed("The event has no time.")
        }
        return VerifiedEvent(id: id, type: type, createdAt: occurred, body: body)
    }

    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] {
        try PaddleEvent(type: event.type, object: PaddleObject(try Self.document(event.body)["data"]), asOf: event.createdAt).facts()
    }

    private static func document(_ body: Data) throws -> JSONValue {
        do { return try JSONValue.parse(body, maxBytes: maxBodyBytes) } catch {
            throw PaymentProviderError.malformed("The body is not a JSON document.")
        }
    }
}
