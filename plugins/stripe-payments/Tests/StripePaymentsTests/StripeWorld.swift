import Foundation
import PluginKit
import PluginKitTesting

@testable import StripePayments

/// Stripe in a few words, for the conformance kit: one account in memory that answers the requests of this plugin as Stripe's public
/// API does, idempotency keys included. What it takes is not proof: the stand-in written by others judges every request, too.
actor StripeWorld {
    struct Refusal: Error {
        var status = 400
        var code: String
        var message = "Refused."
    }
    typealias Object = [String: JSONValue]

    let currency: String
    private(set) var subscriptions: [String: Object] = [:]
    private var invoices: [Object] = []
    private var events: [Object] = []
    private(set) var refunds: [Object] = []
    private(set) var sessions: [Object] = []
    private(set) var changes = 0
    private var kept: [String: (request: String, answer: OutboundResponse)] = [:]
    private var counter = 1

    init(currency: Currency) { self.currency = currency.code.lowercased() }

    func add(_ name: String, at created: Int64) {
        let price = Basil.price.with(["currency": .string(currency)])
        let item = Basil.item.with(["id": .string("si_" + name), "price": price, "subscription": .string("sub_" + name)])
        let subscription = Basil.subscription.with([
            "id": .string("sub_" + name), "currency": .string(currency), "created": .int(created),
            "items": ["object": "list", "data": [item], "has_more": false],
        ])
        subscriptions["sub_" + name] = subscription.object
        let line = Basil.line.with([
            "currency": .string(currency), "description": "5 × Team",
            "parent": [
                "type": "subscription_item_details",
                "subscription_item_details": ["subscription": .string("sub_" + name), "proration": false],
            ],
        ])
        let invoice = Basil.invoice.with([
            "id": .string("in_" + name), "currency": .string(currency), "created": .int(created), "total": 14_500, "amount_remaining": 0,
            "number": .string("A-" + name), "invoice_pdf": .string("https://pay.stripe.com/invoice/\(name)/pdf?s=ap"),
            "hosted_invoice_url": .string("https://invoice.stripe.com/i/\(name)"), "attempt_count": 1,
            "status_transitions": ["finalized_at": .int(created), "paid_at": .int(created + 5)],
            "lines": ["object": "list", "data": [line], "has_more": false],
            "parent": ["type": "subscription_details", "subscription_details": ["subscription": .string("sub_" + name)]],
        ])
        invoices.append(invoice.object ?? [:])
        for (type, object) in [("customer.subscription.created", subscription), ("invoice.paid", invoice)] {
            counter += 1
            events.append(event(type, object, id: "evt_\(counter)", created: created + 5).object ?? [:])
        }
    }
    func populate(_ count: Int) {
        for _ in 0..<count {
            counter += 1
            add("\(counter)", at: moment.seconds - 60)
        }
    }

    /// As Stripe does after a day.
    func forgetsKeys() { kept = [:] }

    // MARK: - Answering

    func answer(_ request: OutboundRequest) -> OutboundResponse {
        guard request.headers["authorization"] == "Bearer sk_test_4242", request.headers["stripe-version"] != nil else {
            return Self.refusal(Refusal(status: 401, code: "api_key_missing"))
        }
        guard let parts = URLComponents(string: request.url) else { return Self.refusal(Refusal(code: "url_invalid")) }
        let text = request.method == "GET" ? parts.percentEncodedQuery ?? "" : String(decoding: request.body, as: UTF8.self)
        var form: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
                String($0).removingPercentEncoding ?? ""
            }
            form[sides[0]] = sides.count > 1 ? sides[1] : ""
        }
        let key = request.method == "POST" ? request.headers["idempotency-key"] : nil
        let said = parts.path + "?" + text
        if let key, let old = kept[key] {
            guard old.request == said else {
                return Self.refusal(Refusal(code: "idempotency_error", message: "Keys can only be used with the same parameters."))
            }
            var answer = old.answer
            answer.headers["idempotent-replayed"] = "true"
            return answer
        }
        let answer: OutboundResponse
        do {
            let object = try run(request.method, parts.path.split(separator: "/").dropFirst().map(String.init), form)
            answer = OutboundResponse(status: 200, body: (try? object.encoded()) ?? Data())
        } catch { answer = Self.refusal(error as? Refusal ?? Refusal(status: 500, code: "api_error")) }
        if let key, answer.status == 200 { kept[key] = (said, answer) }
        return answer
    }

    static func refusal(_ refusal: Refusal) -> OutboundResponse {
        let body: JSONValue = [
            "error": ["type": "invalid_request_error", "code": .string(refusal.code), "message": .string(refusal.message)]
        ]
        return OutboundResponse(status: refusal.status, body: (try? body.encoded()) ?? Data())
    }
    private static let missing = Refusal(status: 404, code: "resource_missing", message: "No such object.")

    private func run(_ method: String, _ path: [String], _ form: [String: String]) throws -> JSONValue {
        switch (method, path.first ?? "", path.count) {
        case ("GET", "subscriptions", 1): return page(Array(subscriptions.values).sorted { id($0) > id($1) }, form)
        case ("GET", "subscriptions", 2): return .object(try subscription(path[1]))
        case ("POST", "subscriptions", 2): return try change(path[1], form)
        case ("DELETE", "subscriptions", 2):
            var object = try subscription(path[1])
            guard object["status"]?.string != "canceled" else { throw Self.missing }
            object["status"] = "canceled"
            object["ended_at"] = .int(moment.seconds)
            return write(object)
        case ("POST", "invoices", 2) where path[1] == "create_preview": return try preview(form)
        case ("GET", "invoices", 1):
            let asked = form["customer"].map { $0 == "cus_1" } ?? true
            return page(asked ? invoices.reversed() : [], form)
        case ("GET", "invoices", 2):
            guard let object = invoices.first(where: { id($0) == path[1] }) else { throw Self.missing }
            return .object(object)
        case ("GET", "invoice_payments", 1):
            let payment: Object = [
                "id": "inpay_1", "invoice": "in_1", "status": "paid", "payment": ["type": "payment_intent", "payment_intent": "pi_1"],
            ]
            return page(form["invoice"] == "in_1" ? [payment] : [], form)
        case ("GET", "payment_intents", 2):
            guard path[1] == "pi_1" else { throw Self.missing }
            return ["id": "pi_1", "object": "payment_intent", "amount": 14_500, "currency": .string(currency)]
        case ("GET", "refunds", 1): return page(refunds.reversed(), form)
        case ("GET", "refunds", 2):
            guard let object = refunds.first(where: { id($0) == path[1] }) else { throw Self.missing }
            return .object(object)
        case ("POST", "refunds", 1): return try refund(form)
        case ("GET", "disputes", 1):
            let dispute: Object = [
                "id": "du_1", "object": "dispute", "payment_intent": "pi_9", "amount": 500, "currency": .string(currency),
                "status": "needs_response", "reason": "fraudulent", "created": .int(moment.seconds - 50),
            ]
            return page([dispute], form)
        case ("GET", "events", 1): return page(events.reversed(), form)
        case ("GET", "promotion_codes", 1):
            let code: Object = [
                "id": "promo_1", "active": true, "code": "SPRING", "promotion": ["type": "coupon", "coupon": "co_1"],
            ]
            return page(form["code"] == "SPRING" ? [code] : [], form)
        case ("GET", "coupons", 2):
            guard path[1] == "co_1" else { throw Self.missing }
            return ["id": "co_1", "valid": true, "percent_off": .double(12.5), "duration": "repeating", "duration_in_months": 3]
        case ("POST", "checkout", 2):
            let object: Object = [
                "id": .string("cs_\(sessions.count + 1)"), "mode": "subscription", "status": "open",
                "url": .string("https://checkout.stripe.com/c/pay/cs_\(sessions.count + 1)"),
                "client_reference_id": .string(form["client_reference_id"] ?? ""), "created": .int(moment.seconds),
            ]
            sessions.append(object)
            return .object(object)
        case ("GET", "checkout", 2): return page(sessions.reversed(), form)
        default: throw Refusal(status: 404, code: "url_unknown", message: "\(method) \(path)")
        }
    }

    private func id(_ object: Object) -> String { object["id"]?.string ?? "" }
    private func subscription(_ id: String) throws -> Object {
        guard let object = subscriptions[id] else { throw Self.missing }
        return object
    }
    private func write(_ object: Object) -> JSONValue {
        changes += 1
        subscriptions[id(object)] = object
        return .object(object)
    }

    /// Newest first, as every list of Stripe's.
    private func page(_ objects: [Object], _ form: [String: String]) -> JSONValue {
        var rest = objects[...]
        if let since = form["created[gte]"].flatMap(Int64.init) { rest = rest.filter { $0["created"]?.int ?? 0 >= since }[...] }
        if let after = form["starting_after"] { rest = rest.drop { id($0) != after }.dropFirst() }
        let limit = form["limit"].flatMap(Int.init) ?? 10
        return ["object": "list", "data": .array(rest.prefix(limit).map { .object($0) }), "has_more": .bool(rest.count > limit)]
    }

    private func change(_ id: String, _ form: [String: String]) throws -> JSONValue {
        var object = try subscription(id)
        guard object["status"]?.string != "canceled" else { throw Refusal(code: "subscription_canceled") }
        var item = object["items"]?["data"]?.array?.first ?? .null
        if let wanted = form["items[0][id]"], wanted != item["id"]?.string { throw Self.missing }
        if let quantity = form["items[0][quantity]"].flatMap(Int64.init) { item = item.with(["quantity": .int(quantity)]) }
        if let amount = form["items[0][price_data][unit_amount]"].flatMap(Int64.init) {
            item = item.with(["price": (item["price"] ?? .null).with(["id": "price_inline", "unit_amount": .int(amount)])])
        }
        object["items"] = ["object": "list", "data": [item], "has_more": false]
        var metadata = object["metadata"] ?? .null
        for name in ["tier", "interval"] { if let value = form["metadata[\(name)]"] { metadata = metadata.with([name: .string(value)]) } }
        object["metadata"] = metadata
        if let flag = form["cancel_at_period_end"] {
            object["cancel_at_period_end"] = .bool(flag == "true")
            object["cancel_at"] = flag == "true" ? .int(Basil.end) : .null
        }
        if form["cancel_at"] == "" { object["cancel_at"] = .null }
        if let behaviour = form["pause_collection[behavior]"] {
            object["pause_collection"] = ["behavior": .string(behaviour), "resumes_at": .null]
        } else if form["pause_collection"] == "" {
            object["pause_collection"] = .null
        }
        if let end = form["trial_end"] {
            object["trial_end"] = Int64(end).map { .int($0) } ?? .int(moment.seconds)
            object["status"] = end == "now" ? "active" : "trialing"
        }
        return write(object)
    }

    private func preview(_ form: [String: String]) throws -> JSONValue {
        _ = try subscription(form["subscription"] ?? "")
        guard let quantity = form["subscription_details[items][0][quantity]"].flatMap(Int64.init) else { throw Refusal(code: "items") }
        func line(_ amount: Int64, _ text: String) -> JSONValue {
            Basil.line.with([
                "amount": .int(amount), "currency": .string(currency), "description": .string(text),
                "parent": [
                    "type": "subscription_item_details", "subscription_item_details": ["subscription": "sub_1", "proration": true],
                ],
            ])
        }
        let lines = [line(-7_250, "Unused time"), line(quantity * 1_450, "Remaining time")]
        return Basil.invoice.with([
            "id": "upcoming_in_1", "currency": .string(currency), "total": .int(quantity * 1_450 - 7_250),
            "lines": ["object": "list", "data": .array(lines), "has_more": false],
        ])
    }

    private func refund(_ form: [String: String]) throws -> JSONValue {
        guard form["payment_intent"] == "pi_1" else { throw Self.missing }
        let left = 14_500 - refunds.reduce(0) { $0 + ($1["amount"]?.int ?? 0) }
        let amount = form["amount"].map { Int64($0) ?? -1 } ?? left
        guard left > 0 else { throw Refusal(code: "charge_already_refunded") }
        guard amount > 0, amount <= left else { throw Refusal(code: "amount_too_large") }
        let object: Object = [
            "id": .string("re_\(refunds.count + 1)"), "object": "refund", "payment_intent": "pi_1", "amount": .int(amount),
            "currency": .string(currency), "status": "succeeded", "reason": .string(form["reason"] ?? ""), "created": .int(moment.seconds),
            "metadata": ["wish": .string(form["metadata[wish]"] ?? ""), "asked": .string(form["metadata[asked]"] ?? "")],
        ]
        refunds.append(object)
        return .object(object)
    }
}

extension StripeSubject: PaymentCallsSubject {
    func stage(_ currency: Currency) async throws -> PaymentStage? {
        let world = StripeWorld(currency: currency)
        await world.add("1", at: moment.seconds - 3_600)
        let wire = FaultyWire { await world.answer($0) }
        let bench = try PluginBench(manifest: manifestFile, at: moment, skipsSleep: true) { try await wire.send($0) }
        let provider = try await StripePaymentsTests.provider(bench)
        var stage = PaymentStage(
            provider: provider, customer: "cus_1", subscription: "sub_1", invoice: "in_1", payment: "pi_1",
            paid: Money(amountMinor: 14_500, currency: currency), now: { bench.clock.now() },
            truth: {
                guard let object = await world.subscriptions["sub_1"] else { throw PluginRefusal("it is gone") }
                let item = object["items"]?["data"]?.array?.first
                let isPaused = object["pause_collection"]?["behavior"]?.string == "void"
                return PaymentTruth(
                    status: isPaused ? .paused : StripeEvent.status(object["status"]?.string) ?? .incomplete,
                    quantity: Int(item?["quantity"]?.int ?? 0), tier: object["metadata"]?["tier"]?.string,
                    isCancelling: object["cancel_at"]?.int != nil, changes: await world.changes,
                    refunds: await world.refunds.map { Money(amountMinor: $0["amount"]?.int ?? 0, currency: currency) },
                    checkouts: await world.sessions.count)
            })
        stage.populate = { await world.populate($0) }
        stage.coupon = "SPRING"
        stage.wire = wire
        stage.refusal = { StripeWorld.refusal(StripeWorld.Refusal(code: "card_declined", message: $0)) }
        stage.secrets = ["sk_test_4242", "whsec_test", "pi_3_secret_abc", "4242424242424242"]
        stage.log = { bench.log.lines }
        return stage
    }

    var waitingCheckout: Data? {
        try? event("checkout.session.completed", Basil.session.with(["payment_status": "unpaid"]), id: "evt_9").encoded()
    }

    /// Before basil, and both at once.
    var otherShapes: [[Data]] {
        func both(_ new: JSONValue, _ old: JSONValue) -> JSONValue {
            .object((new.object ?? [:]).merging(old.object ?? [:]) { new, _ in new })
        }
        return [
            (Acacia.subscription, Acacia.invoice), (both(Basil.subscription, Acacia.subscription), both(Basil.invoice, Acacia.invoice)),
        ]
        .map { life(subscription: $0.0, invoice: $0.1) }
    }
}
