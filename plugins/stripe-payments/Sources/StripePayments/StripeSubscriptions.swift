import Foundation
import PluginKit

extension StripeProvider {
    func readSubscription(_ subscription: String) async throws -> SubscriptionFact { try Self.fact(await raw(subscription)) }

    // MARK: - Change

    func previewChange(_ change: SubscriptionChange) async throws -> ChangePreview {
        let current = try await raw(change.subscription)
        let prorationAt = Timestamp(seconds: (change.prorationAt ?? clock.now()).seconds)
        var form = StripeForm()
        form.add("subscription", change.subscription)
        try Self.items(change, of: current, prefix: "subscription_details[items][0]", into: &form)
        form.add("subscription_details[proration_behavior]", Self.behaviour(change.proration))
        if change.proration != .none { form.add("subscription_details[proration_date]", prorationAt.seconds) }
        let invoice = StripeObject(try await client.write("/v1/invoices/create_preview", form, key: nil).object)
        // A preview of one item has a few lines; where there are more, what is summed here would be a guess.
        guard invoice.child("lines")["has_more"]?.bool != true else {
            throw PaymentProviderError.refused(code: "preview_too_long", message: "The preview has more lines than can be shown.")
        }
        let lines = try Self.lines(invoice)
        guard let total = StripeMoney.incoming(invoice["total"], invoice["currency"]) else {
            throw PaymentProviderError.unreachable("Stripe answered a preview without an amount.")
        }
        let prorated = lines.filter(\.isProration).reduce(0) { $0 + $1.amount.amountMinor }
        return ChangePreview(
            total: total, prorated: Money(amountMinor: prorated, currency: total.currency), lines: lines, prorationAt: prorationAt)
    }

    /// With `invoiceNow` a card that is declined changes nothing: `error_if_incomplete`.
    func changeSubscription(_ change: SubscriptionChange) async throws -> SubscriptionFact {
        let current = try await raw(change.subscription)
        var form = StripeForm()
        try Self.items(change, of: current, prefix: "items[0]", into: &form)
        // The tier is read from here where no price is configured: it must move with the price.
        form.add("metadata", metadata: ["tier": change.tier, "interval": change.interval.rawValue])
        form.add("proration_behavior", Self.behaviour(change.proration))
        if change.proration != .none { form.add("proration_date", change.prorationAt?.seconds) }
        if change.proration == .invoiceNow { form.add("payment_behavior", "error_if_incomplete") }
        return try await written(change.subscription, form, key: change.idempotencyKey) { object in
            guard let item = StripeEvent.seatItem(object), item["quantity"]?.int == Int64(change.quantity),
                object.metadata("tier") == change.tier
            else { return false }
            let price = item.child("price")
            if let wanted = change.providerPrice { return price.id == wanted }
            return StripeMoney.incoming(price["unit_amount"], price["currency"]) == change.unitPrice
                && StripeEvent.interval(price) == change.interval
        }
    }

    /// Says the same for the same wish, whatever the subscription has become: a repetition must send the same body.
    private static func items(
        _ change: SubscriptionChange, of current: StripeClient.Answer, prefix: String, into form: inout StripeForm
    ) throws {
        guard (1...1_000_000).contains(change.quantity) else {
            throw PaymentProviderError.refused(code: "quantity_invalid", message: "The quantity must be positive.")
        }
        guard let item = StripeEvent.seatItem(StripeObject(current.object)), let id = item.id else {
            throw PaymentProviderError.refused(code: "subscription_empty", message: "The subscription has no item to change.")
        }
        form.add("\(prefix)[id]", id)
        if let price = change.providerPrice {
            form.add("\(prefix)[price]", price)
        } else {
            guard let amount = StripeMoney.outgoing(change.unitPrice) else {
                throw PaymentProviderError.refused(
                    code: "amount_invalid", message: "Stripe cannot charge this amount in \(change.unitPrice.currency).")
            }
            guard let product = item.child("price").reference("product") ?? item.child("plan").reference("product") else {
                throw PaymentProviderError.refused(code: "product_missing", message: "The subscription's price names no product.")
            }
            form.add("\(prefix)[price_data][currency]", change.unitPrice.currency.code.lowercased())
            form.add("\(prefix)[price_data][product]", product)
            form.add("\(prefix)[price_data][unit_amount]", amount)
            form.add("\(prefix)[price_data][recurring][interval]", change.interval.rawValue)
        }
        form.add("\(prefix)[quantity]", Int64(change.quantity))
    }
    private static func behaviour(_ proration: Proration) -> String {
        switch proration {
        case .invoiceNow: "always_invoice"
        case .nextInvoice: "create_prorations"
        case .none: "none"
        @unknown default: "create_prorations"
        }
    }

    // MARK: - Cancel, resume, pause

    func cancelSubscription(_ cancellation: SubscriptionCancellation) async throws -> SubscriptionFact {
        let id = cancellation.subscription
        let isWished: @Sendable (StripeObject) -> Bool = { object in
            if object["status"]?.string == "canceled" { return true }
            return cancellation.when == .periodEnd && (object["cancel_at_period_end"]?.bool == true || object.time("cancel_at") != nil)
        }
        do {
            guard cancellation.when == .now else {
                var form = StripeForm()
                form.add("cancel_at_period_end", "true")
                return try await written(id, form, key: cancellation.idempotencyKey, isWished)
            }
            let path = try Self.path(id)
            // `DELETE` ends it at once and takes no key; the second one finds nothing, and then it is read what there is.
            let answer = try await client.write(path, StripeForm(), key: nil, method: "DELETE") { try await found(id, isWished) }
            return try Self.fact(answer)
        } catch let refusal as PaymentProviderError {
            // Ended already, in whatever way: what was wished holds.
            guard case .refused = refusal, let found = try? await found(id, isWished) else { throw refusal }
            return try Self.fact(found)
        }
    }

    func resumeSubscription(_ resumption: SubscriptionResumption) async throws -> SubscriptionFact {
        let current = try await raw(resumption.subscription)
        let object = StripeObject(current.object)
        guard Self.isAlive(object) else {
            throw PaymentProviderError.refused(code: "subscription_ended", message: "The subscription has ended; a new checkout is needed.")
        }
        var form = StripeForm()
        if object["cancel_at_period_end"]?.bool == true {
            form.add("cancel_at_period_end", "false")
        } else if object.time("cancel_at") != nil {
            form.add("cancel_at", "")
        }
        if object["pause_collection"]?.object != nil { form.add("pause_collection", "") }
        var fact = try Self.fact(current)
        if !form.isEmpty {
            fact = try await written(resumption.subscription, form, key: resumption.idempotencyKey) { object in
                object["cancel_at_period_end"]?.bool != true && object.time("cancel_at") == nil && object["pause_collection"]?.object == nil
            }
        }
        // A trial that ended without a card is paused in another way.
        guard object["status"]?.string == "paused" else { return fact }
        let path = try Self.path(resumption.subscription) + "/resume"
        _ = try await client.write(path, StripeForm(), key: resumption.idempotencyKey + ".resume") {
            try await found(resumption.subscription) { $0["status"]?.string != "paused" }
        }
        return try await readSubscription(resumption.subscription)
    }

    /// `void`: what falls due meanwhile is never collected, and nothing is promised. Read back as `paused`.
    func pauseSubscription(_ pause: SubscriptionPause) async throws -> SubscriptionFact {
        var form = StripeForm()
        form.add("pause_collection[behavior]", "void")
        form.add("pause_collection[resumes_at]", pause.resumesAt?.seconds)
        return try await written(pause.subscription, form, key: pause.idempotencyKey) { object in
            object.child("pause_collection")["behavior"]?.string == "void"
                && object.child("pause_collection").time("resumes_at")?.seconds == pause.resumesAt?.seconds
        }
    }

    // MARK: - Trial and coupon

    func changeTrial(_ change: TrialChange) async throws -> SubscriptionFact {
        var form = StripeForm()
        form.add("trial_end", change.endsAt.map { String($0.seconds) } ?? "now")
        form.add("proration_behavior", "none")
        return try await written(change.subscription, form, key: change.idempotencyKey) { object in
            change.endsAt.map { object.time("trial_end")?.seconds == $0.seconds } ?? (object["status"]?.string != "trialing")
        }
    }

    /// A buyer's code is a promotion code; where there is none, a coupon's own id counts too.
    func readCoupon(_ code: String) async throws -> Coupon? {
        guard StripeObject.id(.string(code)) != nil else { return nil }
        var query = StripeForm()
        query.add("code", code)
        query.add("limit", 10)
        let listed = try await client.get("/v1/promotion_codes", query).object["data"]?.array ?? []
        let found = listed.first { $0["code"]?.string?.lowercased() == code.lowercased() }
        if let promotion = found.map({ StripeObject($0) }), let id = promotion.id {
            guard let name = promotion.child("promotion").reference("coupon") ?? promotion.reference("coupon"),
                let object = try await coupon(name)
            else { return nil }
            let isActive = promotion["active"]?.bool ?? true
            return Self.described(object, code: code, id: id, isActive: isActive, until: promotion.time("expires_at"))
        }
        return try await coupon(code).map { Self.described($0, code: code, id: code, isActive: true, until: nil) }
    }

    func applyCoupon(_ application: CouponApplication) async throws -> SubscriptionFact {
        var form = StripeForm()
        if let code = application.code { try await Self.discount(code, resolved(code), into: &form) } else { form.add("discounts", "") }
        return try await written(application.subscription, form, key: application.idempotencyKey) { _ in false }
    }

    /// The provider's name of a code; refused where there is no such code.
    func resolved(_ code: String) async throws -> String {
        guard let coupon = try await readCoupon(code) else {
            throw PaymentProviderError.refused(code: "coupon_unknown", message: "There is no such code.")
        }
        return coupon.id
    }
    static func discount(_ code: String, _ id: String, into form: inout StripeForm) {
        form.add(id.hasPrefix("promo_") ? "discounts[0][promotion_code]" : "discounts[0][coupon]", id)
    }
    private func coupon(_ id: String) async throws -> StripeObject? {
        do { return StripeObject(try await client.get("/v1/coupons/\(StripeForm.escape(id))").object) } catch PaymentProviderError.refused(
            code: "resource_missing", message: _)
        { return nil }
    }
    private static func described(_ object: StripeObject, code: String, id: String, isActive: Bool, until: Timestamp?) -> Coupon {
        // `percent_off` is the one number of Stripe's that may have a fraction: two digits, hence basis points.
        var basisPoints = object["percent_off"]?.int.map { Int(clamping: $0) * 100 }
        if case .double(let share)? = object["percent_off"], (0...100).contains(share) { basisPoints = Int((share * 100).rounded()) }
        let months: Int? =
            switch object["duration"]?.string {
            case "once": 0
            case "repeating": object["duration_in_months"]?.int.map { Int(clamping: $0) }
            default: nil
            }
        return Coupon(
            code: code, id: id, name: object["name"]?.string.map { String($0.prefix(200)) }, basisPointsOff: basisPoints,
            amountOff: StripeMoney.incoming(object["amount_off"], object["currency"]), months: months,
            validUntil: [until, object.time("redeem_by")].compactMap { $0 }.min(), isValid: isActive && object["valid"]?.bool == true)
    }

    // MARK: - One subscription

    /// Writes and answers what it then is. `isWished` tells, after a failure that may have been carried out, whether it was.
    private func written(
        _ id: String, _ form: StripeForm, key: String, _ isWished: @escaping @Sendable (StripeObject) -> Bool
    ) async throws -> SubscriptionFact {
        let answer = try await client.write(Self.path(id), form, key: key) { try await found(id, isWished) }
        // A replayed answer shows what was then; since, it may have become something else.
        return answer.isReplay ? try await readSubscription(id) : try Self.fact(answer)
    }
    private func found(_ id: String, _ isWished: (StripeObject) -> Bool) async throws -> StripeClient.Answer? {
        let answer = try await raw(id)
        return isWished(StripeObject(answer.object)) ? answer : nil
    }
    private func raw(_ id: String) async throws -> StripeClient.Answer { try await client.get(Self.path(id)) }
    private static func isAlive(_ object: StripeObject) -> Bool {
        StripeEvent.status(object["status"]?.string) != .cancelled
    }

    static func path(_ id: String) throws -> String { try "/v1/subscriptions/" + name(id) }
    /// An id as a step of a path; what is none never becomes another address.
    static func name(_ id: String) throws -> String {
        guard StripeObject.id(.string(id)) != nil else {
            throw PaymentProviderError.refused(code: "id_invalid", message: "This is not an id of Stripe's.")
        }
        return StripeForm.escape(id)
    }
    static func fact(_ answer: StripeClient.Answer) throws -> SubscriptionFact {
        let facts = try StripeEvent(
            type: "customer.subscription.updated", object: StripeObject(answer.object), asOf: answer.asOf
        ).facts()
        guard case .subscription(let fact)? = facts.first else {
            throw PaymentProviderError.malformed("Stripe answered a subscription in a status that is not known here.")
        }
        return fact
    }
}
