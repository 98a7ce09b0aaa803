import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(TemplatePayments()) }

struct TemplatePayments: Plugin {
    let id = "template"

    func make(_ context: PluginContext) async throws -> any PluginInstance {
        TemplateInstance(
            provider: TemplateProvider(
                http: context.http, base: try context.settings.text("api_base"), key: try context.secrets.one("TEMPLATE_SECRET_KEY"),
                secrets: context.secrets, clock: context.clock,
                signature: try WebhookSignature(secrets: context.secrets.list("TEMPLATE_WEBHOOK_SECRET"))))
    }
}

struct TemplateInstance: PluginInstance {
    let provider: TemplateProvider
    var paymentProvider: (any PaymentProvider)? { provider }
}

/// A provider with a JSON API and webhooks `{id, type, created, data}`, signed with a time. What differs at yours is here.
struct TemplateProvider: PaymentProvider {
    let http: any OutboundHTTP
    let base: String
    let key: String
    let secrets: PluginSecrets
    let clock: any PluginClock
    let signature: WebhookSignature

    /// What is implemented below, and nothing else: for the rest the kit answers that it is not supported.
    let capabilities: Set<PaymentCapability> = [
        .customerPortal, .subscriptionRead, .cancelNow, .cancelAtPeriodEnd, .refunds, .partialRefunds,
    ]

    // MARK: - Asking

    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession {
        let answer = try await post(
            "/checkouts", key: request.idempotencyKey,
            [
                "reference": .string(request.reference), "plan": .string(request.providerPrice ?? request.tier),
                "quantity": .int(Int64(request.quantity)), "amount_minor": .int(request.unitPrice.amountMinor),
                "currency": .string(request.unitPrice.currency.code), "interval": .string(request.interval.rawValue),
                "success_url": .string(request.successURL), "cancel_url": .string(request.cancelURL),
            ])
        guard let id = answer["id"]?.string, let url = answer["url"]?.string else {
            throw PaymentProviderError.unreachable("The provider answered a checkout without id or address.")
        }
        return CheckoutSession(id: id, url: url)
    }

    func openPortal(_ request: PortalRequest) async throws -> PortalSession {
        let answer = try await post(
            "/portals", key: nil, ["customer": .string(request.customer), "return_url": .string(request.returnURL)])
        guard let url = answer["url"]?.string else {
            throw PaymentProviderError.unreachable("The provider answered a portal without an address.")
        }
        return PortalSession(url: url)
    }

    func readSubscription(_ subscription: String) async throws -> SubscriptionFact {
        let asked = clock.now()
        return try fact(await call("GET", "/subscriptions/\(named(subscription))"), asOf: asked)
    }

    func cancelSubscription(_ cancellation: SubscriptionCancellation) async throws -> SubscriptionFact {
        let asked = clock.now()
        let path = "/subscriptions/\(try named(cancellation.subscription))/cancel"
        return try fact(await post(path, key: cancellation.idempotencyKey, ["when": .string(cancellation.when.rawValue)]), asOf: asked)
    }

    func refund(_ request: RefundRequest) async throws -> Refund {
        let asked = clock.now()
        var body: [String: JSONValue] = ["payment": .string(try named(request.payment)), "reason": .string(request.reason.rawValue)]
        if let amount = request.amount {
            guard amount.amountMinor > 0 else { throw PaymentProviderError.refused(code: "amount_invalid", message: "Refund more than 0.") }
            body["amount_minor"] = .int(amount.amountMinor)
            body["currency"] = .string(amount.currency.code)
        }
        let answer = try await post("/refunds", key: request.idempotencyKey, .object(body))
        guard let id = answer["id"]?.string, let amount = money(answer) else {
            throw PaymentProviderError.unreachable("The provider answered a refund without id or amount.")
        }
        let fact = RefundFact(
            refund: id, payment: answer["payment"]?.string, customer: answer["customer"]?.string, subscription: nil, amount: amount,
            reason: answer["reason"]?.string, asOf: asked)
        return Refund(fact: fact, status: answer["state"]?.string.flatMap { Refund.Status(rawValue: $0) } ?? .pending)
    }

    /// An id as a step of a path: what is none never becomes another address.
    private func named(_ id: String) throws -> String {
        guard (1...100).contains(id.utf8.count), id.utf8.allSatisfy({ (48...57).contains($0) || (97...122).contains($0) || $0 == 95 })
        else {
            throw PaymentProviderError.refused(code: "id_invalid", message: "This is not an id of the provider's.")
        }
        return id
    }

    private func post(_ path: String, key: String?, _ body: JSONValue) async throws -> JSONValue {
        try await call("POST", path, key: key, body.encoded())
    }

    /// A refusal is final; a limit tells its pause; everything else leaves the outcome unknown, and the caller asks again with the same
    /// key. What the provider says may quote what was sent to it: no secret of ours leaves here.
    private func call(_ method: String, _ path: String, key idempotencyKey: String? = nil, _ body: Data = Data()) async throws -> JSONValue
    {
        var headers = ["authorization": "Bearer \(key)", "content-type": "application/json"]
        if let idempotencyKey { headers["idempotency-key"] = idempotencyKey }
        let answer: OutboundResponse
        do { answer = try await http.send(OutboundRequest(method, base + path, headers: headers, body: body)) } catch {
            throw PaymentProviderError.unreachable(secrets.redacted("The provider did not answer: \(error)"))
        }
        let document = try? JSONValue.parse(answer.body)
        switch answer.status {
        case 200..<300:
            guard let document else { throw PaymentProviderError.unreachable("The provider's answer cannot be read.") }
            return document
        case 429:
            throw PaymentProviderError.rateLimited(retryAfter: answer.headers["retry-after"].flatMap { Int64($0) }.map { .seconds($0) })
        case 400..<500 where answer.status != 409:
            throw PaymentProviderError.refused(
                code: secrets.redacted(document?["code"]?.string ?? "status_\(answer.status)"),
                message: secrets.redacted(document?["message"]?.string ?? "The provider refused."))
        default: throw PaymentProviderError.unreachable("The provider answered \(answer.status).")
        }
    }

    // MARK: - Being told

    static let maxBodyBytes = 262_144

    /// The size first, then the proof, and only then the content.
    func verify(_ delivery: WebhookDelivery) throws -> VerifiedEvent {
        guard delivery.body.count <= Self.maxBodyBytes else { throw PaymentProviderError.malformed("The body is too large.") }
        try signature.verify(header: delivery.headers["template-signature"], body: delivery.body, receivedAt: delivery.receivedAt)
        let event = try document(delivery.body)
        guard let id = event["id"]?.string, !id.isEmpty, let type = event["type"]?.string, !type.isEmpty,
            let created = time(event["created"])
        else {
            throw PaymentProviderError.malformed("The event lacks id, type or time.")
        }
        return VerifiedEvent(id: id, type: type, createdAt: created, body: delivery.body)
    }

    func understands(_ type: String) -> Bool? { ["checkout.changed", "subscription.changed", "invoice.changed"].contains(type) }

    /// Pure, and about the object as the event shows it: never about what came before.
    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] {
        guard understands(event.type) == true else { return [] }
        let data = try document(event.body)["data"] ?? .null
        guard let id = data["id"]?.string, !id.isEmpty else { throw PaymentProviderError.malformed("The object has no id.") }
        let customer = data["customer"]?.string
        switch event.type {
        case "checkout.changed":
            return [
                .checkout(
                    CheckoutFact(
                        session: id, reference: data["reference"]?.string, customer: customer, subscription: data["subscription"]?.string,
                        isPaid: data["state"]?.string == "paid", hasFailed: data["state"]?.string == "failed", asOf: event.createdAt))
            ]
        case "subscription.changed":
            // A status or a quantity that is not known here states nothing.
            return subscription(data, asOf: event.createdAt).map { [.subscription($0)] } ?? []
        default:
            return [
                .invoice(
                    InvoiceFact(
                        invoice: id, subscription: data["subscription"]?.string, customer: customer,
                        isPaid: data["state"]?.string == "paid",
                        hasFailed: data["state"]?.string == "failed",
                        amount: money(data),
                        periodStart: time(data["period_start"]), periodEnd: time(data["period_end"]), asOf: event.createdAt))
            ]
        }
    }

    private func subscription(_ data: JSONValue, asOf: Timestamp) -> SubscriptionFact? {
        guard let id = data["id"]?.string, let status = data["status"]?.string.flatMap({ SubscriptionStatus(rawValue: $0) }),
            let quantity = data["quantity"]?.int, (0...1_000_000).contains(quantity)
        else { return nil }
        return SubscriptionFact(
            subscription: id, customer: data["customer"]?.string, reference: data["reference"]?.string, status: status,
            providerPrice: data["plan"]?.string, tier: nil, quantity: Int(quantity), periodStart: time(data["period_start"]),
            periodEnd: time(data["period_end"]), cancelsAt: time(data["cancels_at"]), endedAt: time(data["ended_at"]), asOf: asOf)
    }
    private func fact(_ data: JSONValue, asOf: Timestamp) throws -> SubscriptionFact {
        guard let fact = subscription(data, asOf: asOf) else {
            throw PaymentProviderError.malformed("The provider answered a subscription that cannot be read.")
        }
        return fact
    }
    /// Whole minor units only: a fraction is no money.
    private func money(_ data: JSONValue) -> Money? {
        guard let amount = data["amount_minor"]?.int, let currency = data["currency"]?.string.flatMap({ Currency($0) }) else { return nil }
        return Money(amountMinor: amount, currency: currency)
    }

    private func document(_ body: Data) throws -> JSONValue {
        do { return try JSONValue.parse(body, maxBytes: Self.maxBodyBytes) } catch { throw PaymentProviderError.malformed("\(error)") }
    }
    /// Seconds since 1970, within what a time can be.
    private func time(_ value: JSONValue?) -> Timestamp? {
        value?.int.flatMap { (1_000_000_000..<10_000_000_000).contains($0) ? Timestamp(seconds: $0) : nil }
    }
}
