import Foundation
import PluginKit

extension PaddleProvider {
    func readSubscription(_ subscription: String) async throws -> SubscriptionFact { try Self.fact(await raw(subscription)) }

    // MARK: - Change

    func previewChange(_ change: SubscriptionChange) async throws -> ChangePreview {
        let current = try await raw(change.subscription).object
        let asked = clock.now()
        var body = try Self.items(change, of: current)
        body["proration_billing_mode"] = .string(Self.mode(change.proration, of: current))
        let answer = try await client.write("PATCH", Self.path(change.subscription) + "/preview", .object(body))
        return try Self.preview(answer.object, change.proration, at: asked)
    }

    /// What Paddle will ask for: its new lines, and as credits what it takes back of the old ones.
    private static func preview(_ object: PaddleObject, _ proration: Proration, at moment: Timestamp) throws -> ChangePreview {
        let isNow = proration == .invoiceNow
        let bill = object.child(isNow ? "immediate_transaction" : "next_transaction")
        let code = object["currency_code"]?.string
        guard let currency = code.flatMap({ Currency($0) }) else {
            throw PaymentProviderError.unreachable("Paddle answered a preview without a currency.")
        }
        var lines = try PaddleLines.lines(bill.child("details"), currency: code)
        for adjustment in bill.list("adjustments") {
            for item in adjustment.list("items") {
                guard let credit = item.child("totals").money("total", code) else {
                    throw PaymentProviderError.malformed("Paddle answered a preview with a credit that cannot be read.")
                }
                let period = item.child("proration").child("billing_period").period
                lines.append(
                    InvoiceLine(
                        summary: "Credit for unused time", quantity: nil,
                        amount: Money(amountMinor: -credit.amountMinor, currency: currency),
                        periodStart: period?.start, periodEnd: period?.end, isProration: true))
            }
        }
        var total = lines.reduce(0) { $0 + $1.amount.amountMinor }
        // Where Paddle says itself what it comes to, that holds.
        let result = object.child("update_summary").child("result")
        if isNow, let told = result.money("amount") {
            let signed = result["action"]?.string == "credit" ? -abs(told.amountMinor) : told.amountMinor
            if signed != total {
                lines.append(
                    InvoiceLine(
                        summary: "Credits and taxes", quantity: nil, amount: Money(amountMinor: signed - total, currency: currency),
                        periodStart: nil, periodEnd: nil, isProration: true))
                total = signed
            }
        }
        guard !lines.isEmpty else { throw PaymentProviderError.unreachable("Paddle answered a preview without an amount.") }
        let prorated = lines.filter(\.isProration).reduce(0) { $0 + $1.amount.amountMinor }
        return ChangePreview(
            total: Money(amountMinor: total, currency: currency), prorated: Money(amountMinor: prorated, currency: currency), lines: lines,
            prorationAt: moment)
    }

    /// All or nothing: a payment that fails prevents the change. The mark goes with it, so that a change is found by it.
    func changeSubscription(_ change: SubscriptionChange) async throws -> SubscriptionFact {
        let mark = PaddleJournal.mark(change.idempotencyKey)
        let deed = try await journal.once(change.idempotencyKey, asked: PaddleJournal.digest(change)) { _ in
            try await raw(change.subscription).object.custom("change") == mark ? change.subscription : nil
        } act: {
            let current = try await raw(change.subscription).object
            var body = try Self.items(change, of: current)
            body["proration_billing_mode"] = .string(Self.mode(change.proration, of: current))
            if change.proration == .invoiceNow { body["on_payment_failure"] = "prevent_change" }
            // Paddle replaces the whole of it: what is there stays.
            var data = current["custom_data"]?.object ?? [:]
            data["tier"] = .string(change.tier)
            data["interval"] = .string(change.interval.rawValue)
            data["change"] = .string(mark)
            body["custom_data"] = .object(data)
            let answer = try await client.write("PATCH", Self.path(change.subscription), .object(body))
            return PaddleJournal.Deed(made: change.subscription, answer: answer)
        }
        // What came of an earlier call may have become something else since.
        guard let answer = deed.answer else { return try await readSubscription(change.subscription) }
        return try Self.fact(answer)
    }

    /// The whole list, because Paddle takes away what is not in it.
    private static func items(_ change: SubscriptionChange, of current: PaddleObject) throws -> [String: JSONValue] {
        guard (1...1_000_000).contains(change.quantity) else {
            throw PaymentProviderError.refused(code: "quantity_invalid", message: "The quantity must be positive.")
        }
        let quantity = JSONValue.int(Int64(change.quantity))
        guard let seat = PaddleEvent.seatItem(current), let seatPrice = seat.child("price").id else {
            throw PaymentProviderError.refused(code: "subscription_empty", message: "The subscription has no item to change.")
        }
        var item: [String: JSONValue] = ["quantity": quantity]
        let old = seat.child("price")
        if let price = change.providerPrice {
            item["price_id"] = .string(price)
        } else if current.custom("tier") == change.tier, old.child("unit_price").money("amount") == change.unitPrice,
            PaddleEvent.interval(old.child("billing_cycle")) == change.interval
        {
            item["price_id"] = .string(seatPrice)
        } else {
            guard current["currency_code"]?.string == change.unitPrice.currency.code else {
                throw PaymentProviderError.refused(code: "currency_differs", message: "The subscription is billed in another currency.")
            }
            guard let product = old.reference("product_id") ?? seat.child("product").id else {
                throw PaymentProviderError.refused(code: "product_missing", message: "The subscription's price names no product.")
            }
            var price = try Self.price(change.unitPrice, change.interval, name: change.tier, quantity: change.quantity)
            price["product_id"] = .string(product)
            item["price"] = .object(price)
        }
        let others = current.list("items").compactMap { other -> JSONValue? in
            guard let price = other.child("price").id, price != seatPrice, other["recurring"]?.bool ?? true else { return nil }
            return ["price_id": .string(price), "quantity": other["quantity"] ?? 1]
        }
        return ["items": .array([.object(item)] + others)]
    }
    /// In a trial nothing was paid that could be prorated: Paddle takes `do_not_bill` only.
    private static func mode(_ proration: Proration, of current: PaddleObject) -> String {
        guard current.status != "trialing" else { return "do_not_bill" }
        switch proration {
        case .invoiceNow: return "prorated_immediately"
        case .nextInvoice: return "prorated_next_billing_period"
        case .none: return "do_not_bill"
        @unknown default: return "prorated_next_billing_period"
        }
    }

    // MARK: - Cancel, resume, pause: states, not deeds

    func cancelSubscription(_ cancellation: SubscriptionCancellation) async throws -> SubscriptionFact {
        let body: JSONValue = ["effective_from": cancellation.when == .now ? "immediately" : "next_billing_period"]
        let path = try Self.path(cancellation.subscription) + "/cancel"
        let isWished: @Sendable (PaddleObject) -> Bool = { object in
            object.status == "canceled"
                || (cancellation.when == .periodEnd && object.child("scheduled_change")["action"]?.string == "cancel")
        }
        return try await reached(cancellation.subscription, isWished) { current in
            do { return try await client.write("POST", path, body) } catch PaymentProviderError.refused(
                code: "subscription_locked_pending_changes", message: _)
            {
                // What is scheduled stands in the way of what is wished.
                _ = try await client.write("PATCH", Self.path(cancellation.subscription), ["scheduled_change": .null])
                return try await client.write("POST", path, body)
            }
        }
    }

    /// A pause ends without a charge while what was paid for still lasts; later a new period begins.
    func resumeSubscription(_ resumption: SubscriptionResumption) async throws -> SubscriptionFact {
        let path = try Self.path(resumption.subscription)
        return try await reached(resumption.subscription) { object in
            object.status != "paused" && object.status != "canceled" && object["scheduled_change"]?.object == nil
        } by: { current in
            guard current.status != "canceled" else {
                throw PaymentProviderError.refused(
                    code: "subscription_ended", message: "The subscription has ended; a new checkout is needed.")
            }
            if current["scheduled_change"]?.object != nil {
                let answer = try await client.write("PATCH", path, ["scheduled_change": .null])
                guard answer.object.status == "paused" else { return answer }
            }
            let lasts = current.child("current_billing_period").time("ends_at").map { $0 > clock.now() } ?? false
            return try await client.write(
                "POST", path + "/resume",
                [
                    "effective_from": "immediately",
                    "on_resume": lasts ? "continue_existing_billing_period" : "start_new_billing_period",
                ])
        }
    }

    func pauseSubscription(_ pause: SubscriptionPause) async throws -> SubscriptionFact {
        let path = try Self.path(pause.subscription) + "/pause"
        return try await reached(pause.subscription, { $0.status == "paused" }) { _ in
            var body: [String: JSONValue] = ["effective_from": "immediately"]
            if let end = pause.resumesAt { body["resume_at"] = .string(Timestamp(seconds: end.seconds).iso8601) }
            return try await client.write("POST", path, .object(body))
        }
    }

    // MARK: - Trial and coupon

    /// Paddle moves and ends trials; it makes none of a subscription that is paid for.
    func changeTrial(_ change: TrialChange) async throws -> SubscriptionFact {
        let path = try Self.path(change.subscription)
        guard let end = change.endsAt.map({ Timestamp(seconds: $0.seconds) }) else {
            return try await reached(change.subscription, { $0.status != "trialing" }) { _ in
                try await client.write("POST", path + "/activate", .object([:]))
            }
        }
        return try await reached(change.subscription) {
            $0.status == "trialing" && $0.time("next_billed_at") == end
        } by: { current in
            guard current.status == "trialing" else {
                throw PaymentProviderError.refused(code: "subscription_not_trialing", message: "The subscription is not in a trial.")
            }
            return try await client.write(
                "PATCH", path, ["next_billed_at": .string(end.iso8601), "proration_billing_mode": "do_not_bill"])
        }
    }

    /// A buyer's code is the code of a discount; a discount's own id counts too. A discount per seat has no word in the kit: nil.
    func readCoupon(_ code: String) async throws -> Coupon? {
        guard (1...100).contains(code.utf8.count), code.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != 44 }) else { return nil }
        let filter = code.hasPrefix("dsc_") ? "id" : "code"
        let found = try await walked(
            "/discounts", [(filter, code), ("order_by", "id[ASC]"), ("per_page", "50")]
        ) { $0.id == code || $0["code"]?.string?.lowercased() == code.lowercased() }
        guard let object = found, let id = object.id, let written = object["amount"]?.string else { return nil }
        var coupon = Coupon(
            code: code, id: id, name: object["description"]?.string.map { String($0.prefix(200)) }, basisPointsOff: nil, amountOff: nil,
            months: nil, validUntil: object.time("expires_at"), isValid: object.status == "active")
        switch object["type"]?.string {
        case "percentage":
            // Of a currency with two digits, hence basis points, exactly or not at all.
            guard let share = Money(decimal: written, currency: Currency("USD")!), (0...10_000).contains(share.amountMinor) else {
                return nil
            }
            coupon.basisPointsOff = Int(share.amountMinor)
        case "flat":
            guard let amount = object.money("amount") else { return nil }
            coupon.amountOff = amount
        default: return nil
        }
        coupon.months = object["recur"]?.bool == true ? object["maximum_recurring_intervals"]?.int.map { Int(clamping: $0) } : 0
        if let limit = object["usage_limit"]?.int, object["times_used"]?.int ?? 0 >= limit { coupon.isValid = false }
        if let until = coupon.validUntil, until <= clock.now() { coupon.isValid = false }
        return coupon
    }

    func applyCoupon(_ application: CouponApplication) async throws -> SubscriptionFact {
        var discount: String?
        if let code = application.code { discount = try await resolved(code) }
        return try await reached(application.subscription) { [discount] object in
            object.child("discount").id == discount
        } by: { [discount] _ in
            let wish: JSONValue = discount.map { ["id": .string($0), "effective_from": "next_billing_period"] } ?? .null
            return try await client.write("PATCH", Self.path(application.subscription), ["discount": wish])
        }
    }

    /// Paddle's name of a code; refused where there is no such code.
    func resolved(_ code: String) async throws -> String {
        guard let coupon = try await readCoupon(code) else {
            throw PaymentProviderError.refused(code: "coupon_unknown", message: "There is no such code.")
        }
        return coupon.id
    }

    // MARK: - One subscription

    /// Writes only where what is wished does not hold already, so that a repetition finds it done. Where somebody else was faster, a
    /// refusal is no failure.
    private func reached(
        _ id: String, _ isWished: @Sendable (PaddleObject) -> Bool, by write: @Sendable (PaddleObject) async throws -> PaddleClient.Answer
    ) async throws -> SubscriptionFact {
        let current = try await raw(id)
        if isWished(current.object) { return try Self.fact(current) }
        do { return try Self.fact(await write(current.object)) } catch let refusal as PaymentProviderError {
            guard case .refused = refusal, let found = try? await raw(id), isWished(found.object) else { throw refusal }
            return try Self.fact(found)
        }
    }
    private func raw(_ id: String) async throws -> PaddleClient.Answer { try await client.get(Self.path(id)) }

    static func path(_ id: String) throws -> String { try "/subscriptions/" + name(id) }
    static func fact(_ answer: PaddleClient.Answer) throws -> SubscriptionFact {
        guard
            case .subscription(let fact)? = try PaddleEvent(type: "subscription.updated", object: answer.object, asOf: answer.asOf).facts()
                .first
        else { throw PaymentProviderError.malformed("Paddle answered a subscription in a status that is not known here.") }
        return fact
    }
}
