import Foundation
import PluginKit

struct StripeProvider: PaymentProvider {
    let client: StripeClient
    let clock: any PluginClock
    let signature: WebhookSignature

    static let maxBodyBytes = 1_048_576

    let capabilities: Set<PaymentCapability> = PaymentCapability.all
    func understands(_ type: String) -> Bool? { StripeEvent.kinds[type] != nil }

    // MARK: - Asking

    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession {
        var form = try Self.form(request)
        if let code = request.coupon { try await Self.discount(code, resolved(code), into: &form) }
        let object = try await client.write("/v1/checkout/sessions", form, key: request.idempotencyKey) {
            try await left(behind: request)
        }.object
        guard let id = object["id"]?.string else { throw PaymentProviderError.unreachable("Stripe answered a session without an id.") }
        if let url = object["url"]?.string { return CheckoutSession(id: id, url: url) }
        // Paid in the meantime: there is no page any more, the person is done.
        if object["status"]?.string == "complete" { return CheckoutSession(id: id, url: request.successURL) }
        throw PaymentProviderError.refused(code: "checkout_expired", message: "This checkout has run out; start a new one.")
    }

    func openPortal(_ request: PortalRequest) async throws -> PortalSession {
        var form = StripeForm()
        form.add("customer", request.customer)
        form.add("return_url", request.returnURL)
        let object = try await client.write("/v1/billing_portal/sessions", form, key: nil).object
        guard let url = object["url"]?.string else {
            throw PaymentProviderError.unreachable("Stripe answered a portal without an address.")
        }
        return PortalSession(url: url)
    }

    /// No `payment_method_types` and no `ui_mode`: the dashboard decides the methods, the hosted page is the default of every version.
    static func form(_ request: CheckoutRequest) throws -> StripeForm {
        guard request.quantity > 0 else {
            throw PaymentProviderError.refused(code: "quantity_invalid", message: "The quantity must be positive.")
        }
        var form = StripeForm()
        form.add("mode", "subscription")
        form.add("client_reference_id", request.reference)
        form.add("success_url", request.successURL)
        form.add("cancel_url", request.cancelURL)
        if let customer = request.customer { form.add("customer", customer) } else { form.add("customer_email", request.customerEmail) }
        if let price = request.providerPrice {
            form.add("line_items[0][price]", price)
        } else {
            guard let amount = StripeMoney.outgoing(request.unitPrice) else {
                throw PaymentProviderError.refused(
                    code: "amount_invalid", message: "Stripe cannot charge this amount in \(request.unitPrice.currency).")
            }
            form.add("line_items[0][price_data][currency]", request.unitPrice.currency.code.lowercased())
            form.add("line_items[0][price_data][unit_amount]", amount)
            form.add("line_items[0][price_data][recurring][interval]", request.interval.rawValue)
            form.add("line_items[0][price_data][product_data][name]", String((request.productName ?? request.tier).prefix(250)))
        }
        form.add("line_items[0][quantity]", Int64(request.quantity))
        let metadata = [
            "reference": request.reference, "tenant": request.tenant, "tier": request.tier, "interval": request.interval.rawValue,
        ]
        form.add("metadata", metadata: metadata)
        form.add("subscription_data[metadata]", metadata: metadata)
        if request.trialDays > 0 { form.add("subscription_data[trial_period_days]", Int64(min(request.trialDays, 730))) }
        return form
    }

    /// The session that an executed but failed request made after all: ours, of the last day, not expired.
    private func left(behind request: CheckoutRequest) async throws -> StripeClient.Answer? {
        var query = StripeForm()
        query.add("limit", 100)
        query.add("created[gte]", (clock.now() - .days(1)).seconds)
        query.add("customer", request.customer)
        let answer = try await client.get("/v1/checkout/sessions", query)
        let session = answer.object["data"]?.array?.first { session in
            session["client_reference_id"]?.string == request.reference && session["mode"]?.string == "subscription"
                && ["open", "complete"].contains(session["status"]?.string)
        }
        return session.map { StripeClient.Answer(object: $0, isReplay: false, asOf: answer.asOf) }
    }

    // MARK: - Being told

    func verify(_ delivery: WebhookDelivery) throws -> VerifiedEvent {
        guard delivery.body.count <= Self.maxBodyBytes else { throw PaymentProviderError.malformed("The body is larger than any event.") }
        try signature.verify(header: delivery.headers["stripe-signature"], body: delivery.body, receivedAt: delivery.receivedAt)
        let document: JSONValue
        do { document = try JSONValue.parse(delivery.body, maxBytes: Self.maxBodyBytes) } catch {
            throw PaymentProviderError.malformed("The body is not a JSON document.")
        }
        return try Self.event(document, body: delivery.body)
    }

    static func event(_ document: JSONValue, body: Data) throws -> VerifiedEvent {
        guard let id = StripeObject(document).id, let type = document["type"]?.string, !type.isEmpty, type.utf8.count <= 100 else {
            throw PaymentProviderError.malformed("The event has no id or no type.")
        }
        // A thin event says its time as text; its type begins with `v1.` or `v2.` and states nothing here.
        let written = document["created"]
        guard let created = StripeObject.time(written) ?? written?.string.flatMap({ Timestamp(iso8601: $0) }) else {
            throw PaymentProviderError.malformed("The event has no time.")
        }
        return VerifiedEvent(id: id, type: type, createdAt: created, body: body)
    }

    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] {
        let document: JSONValue
        do { document = try JSONValue.parse(event.body, maxBytes: Self.maxBodyBytes) } catch {
            throw PaymentProviderError.malformed("The body is not a JSON document.")
        }
        return try StripeEvent(type: event.type, object: StripeObject(document["data"]?["object"] ?? .null), asOf: event.createdAt).facts()
    }
}
