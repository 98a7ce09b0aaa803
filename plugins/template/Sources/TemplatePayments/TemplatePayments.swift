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
    let signature: WebhookSignature

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

    /// A refusal is final; everything else leaves the outcome unknown, and the caller asks again with the same key.
    private func post(_ path: String, key idempotencyKey: String?, _ body: JSONValue) async throws -> JSONValue {
        var headers = ["authorization": "Bearer \(key)", "content-type": "application/json"]
        if let idempotencyKey { headers["idempotency-key"] = idempotencyKey }
        let answer: OutboundResponse
        do { answer = try await http.send(OutboundRequest("POST", base + path, headers: headers, body: body.encoded())) } catch {
            throw PaymentProviderError.unreachable("The provider did not answer: \(error)")
        }
        let document = try? JSONValue.parse(answer.body)
        switch answer.status {
        case 200..<300:
            guard let document else { throw PaymentProviderError.unreachable("The provider's answer cannot be read.") }
            return document
        case 400..<500 where answer.status != 409 && answer.status != 429:
            throw PaymentProviderError.refused(
                code: document?["code"]?.string ?? "status_\(answer.status)",
                message: document?["message"]?.string ?? "The provider refused.")
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

    /// Pure, and about the object as the event shows it: never about what came before.
    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] {
        guard ["checkout.changed", "subscription.changed", "invoice.changed"].contains(event.type) else { return [] }
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
            guard let status = data["status"]?.string.flatMap({ SubscriptionStatus(rawValue: $0) }), let quantity = data["quantity"]?.int,
                (0...1_000_000).contains(quantity)
            else { return [] }
            return [
                .subscription(
                    SubscriptionFact(
                        subscription: id, customer: customer, reference: data["reference"]?.string, status: status,
                        providerPrice: data["plan"]?.string, tier: nil, quantity: Int(quantity), periodStart: time(data["period_start"]),
                        periodEnd: time(data["period_end"]), cancelsAt: time(data["cancels_at"]), endedAt: time(data["ended_at"]),
                        asOf: event.createdAt))
            ]
        default:
            let currency = data["currency"]?.string.flatMap { Currency($0) }
            let amount = data["amount_minor"]?.int
            return [
                .invoice(
                    InvoiceFact(
                        invoice: id, subscription: data["subscription"]?.string, customer: customer,
                        isPaid: data["state"]?.string == "paid",
                        hasFailed: data["state"]?.string == "failed",
                        amount: currency.flatMap { currency in amount.map { Money(amountMinor: $0, currency: currency) } },
                        periodStart: time(data["period_start"]), periodEnd: time(data["period_end"]), asOf: event.createdAt))
            ]
        }
    }

    private func document(_ body: Data) throws -> JSONValue {
        do { return try JSONValue.parse(body, maxBytes: Self.maxBodyBytes) } catch { throw PaymentProviderError.malformed("\(error)") }
    }
    /// Seconds since 1970, within what a time can be.
    private func time(_ value: JSONValue?) -> Timestamp? {
        value?.int.flatMap { (1_000_000_000..<10_000_000_000).contains($0) ? Timestamp(seconds: $0) : nil }
    }
}
