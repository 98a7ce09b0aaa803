import Foundation
import PluginKit
import PluginKitTesting

@testable import StripePayments

let moment = Timestamp(seconds: 1_800_000_000)
let manifestFile = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../plugin.json")

func provider(_ bench: PluginBench, secrets: [String] = ["whsec_test"], settings: [String: JSONValue] = [:]) async throws
    -> any PaymentProvider
{
    let context = try bench.context(settings: settings, secrets: ["STRIPE_SECRET_KEY": ["sk_test_4242"], "STRIPE_WEBHOOK_SECRET": secrets])
    guard let provider = try await PluginBench.made(StripePayments(), context).paymentProvider else { throw PluginRefusal("no provider") }
    return provider
}

func event(_ type: String, _ object: JSONValue, id: String = "evt_1", created: Int64 = 1_799_999_990, previous: JSONValue? = nil)
    -> JSONValue
{
    var data: [String: JSONValue] = ["object": object]
    if let previous { data["previous_attributes"] = previous }
    return [
        "id": .string(id), "object": "event", "api_version": "2026-10-28.endive", "created": .int(created), "data": .object(data),
        "livemode": false, "pending_webhooks": 1, "request": ["id": nil, "idempotency_key": nil], "type": .string(type),
    ]
}

func facts(_ type: String, _ object: JSONValue, created: Int64 = 1_799_999_990, previous: JSONValue? = nil) throws -> [PaymentFact] {
    let body = try event(type, object, created: created, previous: previous).encoded()
    return try StripeEvent(
        type: type, object: StripeObject(JSONValue.parse(body)["data"]?["object"] ?? .null), asOf: Timestamp(seconds: created)
    ).facts()
}

extension JSONValue {
    /// The object with some members replaced; nil takes one away.
    func with(_ changes: [String: JSONValue?]) -> JSONValue {
        var members = object ?? [:]
        for (name, value) in changes { members[name] = value }
        return .object(members)
    }
}

/// Shapes since 2025-03-31.basil.
enum Basil {
    static let start: Int64 = 1_799_000_000
    static let end: Int64 = 1_801_592_000
    static let metadata: JSONValue = ["reference": "ref_1", "tenant": "ten_1", "tier": "team", "interval": "month"]
    static let price: JSONValue = [
        "id": "price_team", "object": "price", "currency": "usd", "unit_amount": 2_900, "product": "prod_1", "type": "recurring",
        "recurring": ["interval": "month", "interval_count": 1, "usage_type": "licensed"],
    ]
    static let session: JSONValue = [
        "id": "cs_test_1", "object": "checkout.session", "mode": "subscription", "status": "complete", "payment_status": "paid",
        "client_reference_id": "ref_1", "customer": "cus_1", "subscription": "sub_1", "metadata": metadata, "amount_total": 14_500,
        "currency": "usd", "url": nil,
    ]
    static let item: JSONValue = [
        "id": "si_1", "object": "subscription_item", "quantity": 5, "price": price, "current_period_start": .int(start),
        "current_period_end": .int(end), "subscription": "sub_1",
    ]
    static let subscription: JSONValue = [
        "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active", "metadata": metadata, "cancel_at": nil,
        "cancel_at_period_end": false, "canceled_at": nil, "ended_at": nil, "trial_end": nil, "currency": "usd",
        "items": ["object": "list", "data": [item], "has_more": false, "url": "/v1/subscription_items"],
    ]
    static let line: JSONValue = [
        "id": "il_1", "object": "line_item", "amount": 14_500, "currency": "usd", "quantity": 5,
        "period": ["start": .int(start), "end": .int(end)],
        "parent": [
            "type": "subscription_item_details", "invoice_item_details": nil,
            "subscription_item_details": ["subscription": "sub_1", "subscription_item": "si_1", "proration": false],
        ],
    ]
    static let invoice: JSONValue = [
        "id": "in_1", "object": "invoice", "customer": "cus_1", "status": "paid", "currency": "usd", "amount_due": 14_500,
        "amount_paid": 14_500, "billing_reason": "subscription_cycle", "period_start": .int(start - 2_592_000), "period_end": .int(start),
        "next_payment_attempt": nil, "lines": ["object": "list", "data": [line], "has_more": false],
        "parent": [
            "type": "subscription_details", "quote_details": nil, "subscription_details": ["subscription": "sub_1", "metadata": metadata],
        ],
    ]
    static var openInvoice: JSONValue {
        invoice.with(["status": "open", "amount_paid": 0, "next_payment_attempt": .int(start + 259_200)])
    }
}

/// Shapes before it: the period on the subscription, the subscription on the invoice.
enum Acacia {
    static var subscription: JSONValue {
        let item = Basil.item.with(["current_period_start": .some(nil), "current_period_end": .some(nil), "plan": plan])
        return Basil.subscription.with([
            "current_period_start": .int(Basil.start), "current_period_end": .int(Basil.end), "plan": plan, "quantity": 5,
            "items": ["object": "list", "data": [item]],
        ])
    }
    static let plan: JSONValue = ["id": "price_team", "object": "plan", "interval": "month", "interval_count": 1, "amount": 2_900]
    static var invoice: JSONValue {
        let line = Basil.line.with([
            "parent": .some(nil), "subscription": "sub_1", "subscription_item": "si_1", "proration": false, "type": "subscription",
        ])
        return Basil.invoice.with([
            "parent": .some(nil), "subscription": "sub_1", "paid": true, "lines": ["object": "list", "data": [line]],
        ])
    }
}

struct StripeSubject: PaymentProviderSubject {
    func provider(webhookSecrets: [String]) async throws -> any PaymentProvider {
        try await StripePaymentsTests.provider(PluginBench(manifest: manifestFile, at: moment), secrets: webhookSecrets)
    }
    func delivery(_ body: Data, secret: String, signedAt: Timestamp, receivedAt: Timestamp) -> WebhookDelivery {
        let mark = PluginDigest.hex(PluginDigest.hmacSHA256(key: Array(secret.utf8), Data("\(signedAt.seconds).".utf8) + body))
        return WebhookDelivery(headers: ["stripe-signature": "t=\(signedAt.seconds),v1=\(mark)"], body: body, receivedAt: receivedAt)
    }
    var life: [Data] { life(subscription: Basil.subscription, invoice: Basil.invoice) }
    func life(subscription: JSONValue, invoice: JSONValue) -> [Data] {
        let ended = subscription.with(["status": "canceled", "ended_at": 1_799_999_994])
        let open: [String: JSONValue?] = [
            "status": "open", "amount_paid": 0, "next_payment_attempt": .int(Basil.start + 259_200), "paid": false,
        ]
        let events = [
            event("checkout.session.completed", Basil.session, id: "evt_1"),
            event("customer.subscription.created", subscription, id: "evt_2", created: 1_799_999_991),
            event("invoice.paid", invoice, id: "evt_3", created: 1_799_999_991),
            event("invoice.payment_failed", invoice.with(open), id: "evt_4", created: 1_799_999_993),
            event("customer.subscription.deleted", ended, id: "evt_5", created: 1_799_999_994),
        ]
        // Two spaces of indentation, as the real sender prints: a receiver that parses and prints anew would sign other bytes.
        return events.compactMap { event in
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            return try? encoder.encode(event)
        }
    }
    var unknown: Data { (try? event("entitlements.active_entitlement_summary.updated", ["object": "x"]).encoded()) ?? Data() }
}
