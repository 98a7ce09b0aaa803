import Foundation
import PluginKit
import PluginKitTesting

@testable import PaddlePayments

let moment = Timestamp(seconds: 1_800_000_000)
let manifestFile = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../plugin.json")
let testKey = "pdl_sdbx_apikey_of_the_tests"

func provider(
    _ bench: PluginBench, secrets: [String] = ["pdl_ntfset_test"], key: String = testKey, settings: [String: JSONValue] = [:]
) async throws -> any PaymentProvider {
    let settings = ["api_base": JSONValue.string("https://sandbox-api.paddle.com")].merging(settings) { $1 }
    let context = try bench.context(settings: settings, secrets: ["PADDLE_API_KEY": [key], "PADDLE_WEBHOOK_SECRET": secrets])
    guard let provider = try await PluginBench.made(PaddlePayments(), context).paymentProvider else { throw PluginRefusal("no provider") }
    return provider
}

extension JSONValue {
    func without(_ names: Set<String>) -> JSONValue {
        switch self {
        case .object(let members): .object(members.filter { !names.contains($0.key) }.mapValues { $0.without(names) })
        case .array(let items): .array(items.map { $0.without(names) })
        default: self
        }
    }
    /// The object with some members replaced; nil takes one away.
    func with(_ changes: [String: JSONValue?]) -> JSONValue {
        var members = object ?? [:]
        for (name, value) in changes { members[name] = value }
        return .object(members)
    }
}

/// Shapes of Paddle Billing, as its webhooks carry them.
enum Shapes {
    static let start = "2027-01-03T14:13:20.5Z"
    static let end = "2027-02-03T14:13:20.5Z"
    static let made = "2027-01-15T07:59:50.123456Z"
    static let custom: JSONValue = ["reference": "ref_1", "tenant": "ten_1", "tier": "team", "interval": "month"]
    static let product: JSONValue = [
        "id": "pro_1", "name": "Team", "description": nil, "type": "custom", "tax_category": "saas", "image_url": nil, "custom_data": nil,
        "status": "active", "created_at": .string(start), "updated_at": .string(start), "import_meta": nil,
    ]
    static let price: JSONValue = [
        "id": "pri_team", "product_id": "pro_1", "type": "custom", "description": "Team", "name": "Team",
        "billing_cycle": ["interval": "month", "frequency": 1], "trial_period": nil, "tax_mode": "account_setting",
        "unit_price": ["amount": "2900", "currency_code": "USD"], "unit_price_overrides": [], "custom_data": nil, "status": "active",
        "quantity": ["minimum": 1, "maximum": 1000], "import_meta": nil, "created_at": .string(start), "updated_at": .string(start),
    ]
    static let period: JSONValue = ["starts_at": .string(start), "ends_at": .string(end)]
    static let item: JSONValue = [
        "status": "active", "quantity": 5, "recurring": true, "created_at": .string(start), "updated_at": .string(start),
        "previously_billed_at": .string(start), "next_billed_at": .string(end), "trial_dates": nil, "price": price, "product": product,
    ]
    static let subscription: JSONValue = [
        "id": "sub_1", "status": "active", "customer_id": "ctm_1", "address_id": "add_1", "business_id": nil, "currency_code": "USD",
        "created_at": .string(start), "updated_at": .string(made), "started_at": .string(start), "first_billed_at": .string(start),
        "next_billed_at": .string(end), "paused_at": nil, "canceled_at": nil, "discount": nil, "collection_mode": "automatic",
        "billing_details": nil, "current_billing_period": period, "billing_cycle": ["interval": "month", "frequency": 1],
        "scheduled_change": nil, "items": [item], "custom_data": custom, "import_meta": nil,
        "management_urls": ["update_payment_method": nil, "cancel": "https://buyer-portal.paddle.com/x"], "consent_requirements": [],
    ]
    static func totals(_ amount: String) -> JSONValue {
        ["subtotal": .string(amount), "discount": "0", "tax": "0", "total": .string(amount)]
    }
    static let line: JSONValue = [
        "id": "txnitm_1", "price_id": "pri_team", "quantity": 5, "proration": nil, "tax_rate": "0", "unit_totals": totals("2900"),
        "totals": totals("14500"), "product": product,
    ]
    static let transaction: JSONValue = [
        "id": "txn_1", "status": "completed", "customer_id": "ctm_1", "address_id": "add_1", "business_id": nil, "custom_data": custom,
        "origin": "api", "collection_mode": "automatic", "subscription_id": "sub_1", "invoice_id": "inv_1", "invoice_number": "325-10001",
        "billing_details": nil, "billing_period": period, "currency_code": "USD", "discount_id": nil, "created_at": .string(start),
        "updated_at": .string(made), "billed_at": .string(start), "revised_at": nil,
        "items": [["price": price, "price_id": "pri_team", "quantity": 5, "proration": nil]],
        "details": [
            "tax_rates_used": [["tax_rate": "0", "totals": totals("14500")]], "line_items": [line], "adjusted_totals": nil,
            "payout_totals": nil, "adjusted_payout_totals": nil,
            "totals": totals("14500").with([
                "credit": "0", "credit_to_balance": "0", "balance": "0", "grand_total": "14500", "grand_total_tax": "0", "fee": nil,
                "earnings": nil, "currency_code": "USD",
            ]),
        ],
        "payments": [attempt("captured", nil)], "checkout": ["url": nil],
    ]
    static func attempt(_ status: String, _ error: String?, at: String = start) -> JSONValue {
        [
            "payment_attempt_id": "0f8b0f5c-5a2a-4a3b-8a0e-000000000001",
            "stored_payment_method_id": "0f8b0f5c-5a2a-4a3b-8a0e-000000000000",
            "payment_method_id": "paymtd_1", "amount": "14500", "status": .string(status), "error_code": error.map { .string($0) } ?? .null,
            "method_details": [
                "type": "card",
                "card": ["type": "visa", "last4": "4242", "expiry_month": 1, "expiry_year": 2030, "cardholder_name": "Ada"],
            ],
            "created_at": .string(at), "captured_at": error == nil ? .string(at) : .null,
        ]
    }
    static var failedRenewal: JSONValue {
        transaction.with([
            "id": "txn_2", "origin": "subscription_recurring", "status": "past_due", "invoice_number": .some(.null),
            "payments": [attempt("error", "not_enough_balance")],
        ])
    }
    static let adjustment: JSONValue = [
        "id": "adj_1", "action": "refund", "type": "partial", "transaction_id": "txn_1", "subscription_id": "sub_1", "customer_id": "ctm_1",
        "reason": "requested_by_customer [a1/b2]", "credit_applied_to_balance": nil, "currency_code": "USD", "status": "approved",
        "totals": [
            "subtotal": "1000", "tax": "0", "total": "1000", "fee": "0", "retained_fee": "0", "earnings": "0", "currency_code": "USD",
        ],
        "items": [
            [
                "id": "adjitm_1", "item_id": "txnitm_1", "type": "partial", "amount": "1000", "proration": nil,
                "totals": ["subtotal": "1000", "tax": "0", "total": "1000"],
            ]
        ],
        "tax_rates_used": [], "payout_totals": nil, "created_at": .string(start), "updated_at": .string(made),
    ]
}

func event(_ type: String, _ object: JSONValue, id: String = "evt_1", at: String = Shapes.made) -> JSONValue {
    [
        "event_id": .string(id), "event_type": .string(type), "occurred_at": .string(at), "notification_id": .string("ntf_" + id),
        "data": object,
    ]
}
let madeAt = Timestamp(iso8601: Shapes.made) ?? moment
func facts(_ type: String, _ object: JSONValue) throws -> [PaymentFact] {
    try PaddleEvent(type: type, object: PaddleObject(JSONValue.parse(object.encoded())), asOf: madeAt).facts()
}

struct PaddleSubject: PaymentCallsSubject {
    func provider(webhookSecrets: [String]) async throws -> any PaymentProvider {
        try await PaddlePaymentsTests.provider(PluginBench(manifest: manifestFile, at: moment), secrets: webhookSecrets)
    }
    func delivery(_ body: Data, secret: String, signedAt: Timestamp, receivedAt: Timestamp) -> WebhookDelivery {
        let mark = PluginDigest.hex(PluginDigest.hmacSHA256(key: Array(secret.utf8), Data("\(signedAt.seconds):".utf8) + body))
        return WebhookDelivery(headers: ["paddle-signature": "ts=\(signedAt.seconds);h1=\(mark)"], body: body, receivedAt: receivedAt)
    }

    var events: [JSONValue] {
        let ended = Shapes.subscription.with([
            "status": "canceled", "canceled_at": "2027-01-15T07:59:54Z", "current_billing_period": .some(.null),
            "next_billed_at": .some(.null),
        ])
        return [
            event("transaction.completed", Shapes.transaction, id: "evt_1"),
            event("subscription.created", Shapes.subscription.with(["transaction_id": "txn_1"]), id: "evt_2"),
            event("transaction.updated", Shapes.transaction.with(["id": "txn_3", "origin": "subscription_recurring"]), id: "evt_3"),
            event("transaction.payment_failed", Shapes.failedRenewal, id: "evt_4", at: "2027-01-15T07:59:53Z"),
            event("subscription.canceled", ended, id: "evt_5", at: "2027-01-15T07:59:54.000001Z"),
        ]
    }
    // Not as we would print it: a receiver that parses and prints anew would sign other bytes.
    // The kit mangles every member: those that nobody reads here are left out, or it takes minutes.
    var life: [Data] { events.compactMap { (try? $0.without(Self.unread).encoded()).map { $0 + Data("\n".utf8) } } }
    static let unread: Set<String> = [
        "product", "unit_price_overrides", "method_details", "management_urls", "import_meta", "consent_requirements", "tax_rates_used",
        "adjusted_totals", "payout_totals", "adjusted_payout_totals", "unit_totals", "address_id", "business_id", "billing_details",
        "started_at", "first_billed_at", "paused_at", "discount", "revised_at", "discount_id", "tax_mode", "description", "type",
        "collection_mode", "payment_attempt_id", "stored_payment_method_id", "payment_method_id", "previously_billed_at", "line_items",
    ]
    var unknown: Data { (try? event("subscription.hibernated", Shapes.subscription).encoded()) ?? Data() }
    var waitingCheckout: Data? {
        let waiting = Shapes.transaction.with([
            "status": "ready", "subscription_id": .some(.null), "invoice_number": .some(.null), "payments": [],
        ])
        return try? event("transaction.ready", waiting, id: "evt_9").encoded()
    }

    /// A world of its own at the stand-in. Paddle does not sell in dinars.
    func stage(_ currency: Currency) async throws -> PaymentStage? {
        guard currency.code != "KWD" else { return nil }
        let standIn = try StandIn.shared.get()
        let key = "pdl_sdbx_apikey_" + UUID().uuidString.replacing("-", with: "").lowercased()
        let code = JSONValue.string(currency.code)
        let made = try await standIn.control("stage", key: key, ["currency": code])
        let trial = try await standIn.control("stage", key: key, ["currency": code, "trial": true])
        let wire = FaultyWire { try await LoopbackHTTP().send($0) }
        let bench = try PluginBench(manifest: manifestFile, at: moment, skipsSleep: true) { try await wire.send($0) }
        let provider = try await PaddlePaymentsTests.provider(bench, key: key, settings: ["api_base": .string(standIn.base)])
        let subscription = made["subscription"]?.string ?? ""
        let transaction = made["transaction"]?.string ?? ""
        var stage = PaymentStage(
            provider: provider, customer: made["customer"]?.string ?? "", subscription: subscription, invoice: transaction,
            payment: transaction, paid: Money(amountMinor: 14_500, currency: currency), now: { bench.clock.now() },
            truth: {
                let truth = try await standIn.control("truth", key: key, ["subscription": .string(subscription)])
                return PaymentTruth(
                    status: PaddleEvent.status(truth["status"]?.string) ?? .incomplete, quantity: Int(truth["quantity"]?.int ?? 0),
                    tier: truth["tier"]?.string, isCancelling: truth["isCancelling"]?.bool ?? false,
                    changes: Int(truth["changes"]?.int ?? 0),
                    refunds: (truth["refunds"]?.array ?? []).compactMap { PaddleObject.money($0, currency.code) },
                    checkouts: Int(truth["checkouts"]?.int ?? 0))
            })
        stage.populate = { try await standIn.control("populate", key: key, ["currency": code, "count": .int(Int64($0))]) }
        stage.coupon = "SPRING"
        stage.trial = trial["subscription"]?.string
        stage.wire = wire
        stage.refusal = { Self.refusal("bad_request", $0) }
        stage.secrets = [key, "pdl_ntfset_test", "pdl_live_apikey_of_somebody", "4242424242424242"]
        stage.log = { bench.log.lines }
        return stage
    }
    static func refusal(_ code: String, _ detail: String, status: Int = 400) -> OutboundResponse {
        let body: JSONValue = [
            "error": ["type": "request_error", "code": .string(code), "detail": .string(detail), "documentation_url": "https://x.test"],
            "meta": ["request_id": "r"],
        ]
        return OutboundResponse(status: status, body: (try? body.encoded()) ?? Data())
    }
}
