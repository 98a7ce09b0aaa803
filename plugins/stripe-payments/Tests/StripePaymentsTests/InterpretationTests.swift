import Foundation
import PluginKit
import Testing

@testable import StripePayments

@Suite struct InterpretationTests {
    let start = Timestamp(seconds: Basil.start)
    let end = Timestamp(seconds: Basil.end)
    let asOf = Timestamp(seconds: 1_799_999_990)

    func subscription(_ object: JSONValue, _ type: String = "customer.subscription.updated") throws -> SubscriptionFact? {
        guard case .subscription(let fact) = try facts(type, object).first else { return nil }
        return fact
    }
    func invoice(_ object: JSONValue, _ type: String = "invoice.paid") throws -> InvoiceFact? {
        guard case .invoice(let fact) = try facts(type, object).first else { return nil }
        return fact
    }
    func checkout(_ object: JSONValue, _ type: String = "checkout.session.completed") throws -> CheckoutFact? {
        guard case .checkout(let fact) = try facts(type, object).first else { return nil }
        return fact
    }

    @Test("an unpaid checkout waits, whatever its event is called; the session's own state decides")
    func checkouts() throws {
        let paid = try checkout(Basil.session)
        #expect(
            paid
                == CheckoutFact(
                    session: "cs_test_1", reference: "ref_1", customer: "cus_1", subscription: "sub_1", isPaid: true, asOf: asOf))
        let table: [(String, JSONValue, Bool, Bool)] = [
            ("checkout.session.completed", "unpaid", false, false),
            ("checkout.session.completed", "no_payment_required", true, false),
            ("checkout.session.completed", "some_later_state", false, false),
            ("checkout.session.async_payment_succeeded", "paid", true, false),
            ("checkout.session.async_payment_failed", "unpaid", false, true),
            ("checkout.session.expired", "unpaid", false, true),
        ]
        for (type, status, isPaid, hasFailed) in table {
            let fact = try checkout(Basil.session.with(["payment_status": status]), type)
            #expect(fact?.isPaid == isPaid && fact?.hasFailed == hasFailed, "\(type) \(status)")
        }
        #expect(try checkout(Basil.session.with(["mode": "setup"])) == nil)
        #expect(try checkout(Basil.session.with(["client_reference_id": .null]))?.reference == "ref_1", "the metadata keeps it, too")
        #expect(try checkout(Basil.session.with(["customer": ["id": "cus_9"], "subscription": ["id": "sub_9"]]))?.subscription == "sub_9")
    }

    @Test("a subscription is read alike in new shape, in old shape, and in both at once")
    func shapes() throws {
        let expected = SubscriptionFact(
            subscription: "sub_1", customer: "cus_1", reference: "ref_1", status: .active, providerPrice: "price_team", tier: "team",
            quantity: 5,
            periodStart: start, periodEnd: end, interval: .month, asOf: asOf)
        #expect(try subscription(Basil.subscription) == expected)
        #expect(try subscription(Acacia.subscription) == expected)
        // Both at once, the old place stale: the items are the truth.
        let both = Basil.subscription.with([
            "current_period_start": 1_000_000_001, "current_period_end": 1_000_000_002, "quantity": 1, "plan": Acacia.plan,
        ])
        #expect(try subscription(both) == expected)
        // Older still: the item has a plan and no price.
        let item = Basil.item.with(["price": .some(nil), "plan": Acacia.plan])
        #expect(try subscription(Basil.subscription.with(["items": ["data": [item]]])) == expected)
        // No items at all.
        let bare = Acacia.subscription.with(["items": .some(nil)])
        #expect(try subscription(bare) == expected)
    }

    @Test("every status has its meaning, and one that is unknown states nothing")
    func statuses() throws {
        let table: [(String, SubscriptionStatus?)] = [
            ("incomplete", .incomplete), ("incomplete_expired", .cancelled), ("trialing", .trialing), ("active", .active),
            ("past_due", .pastDue),
            ("unpaid", .pastDue), ("canceled", .cancelled), ("paused", .paused), ("hibernating", nil),
        ]
        for (text, status) in table {
            #expect(try subscription(Basil.subscription.with(["status": .string(text)]))?.status == status, "\(text)")
        }
        // The deletion is the end even if the snapshot was taken a moment before.
        let deleted = try subscription(Basil.subscription, "customer.subscription.deleted")
        #expect(deleted?.status == .cancelled && deleted?.endedAt == asOf)
    }

    @Test("a cancellation stands in cancel_at, in the flag, or in both")
    func cancellations() throws {
        let moment = Timestamp(seconds: Basil.end - 1_000)
        #expect(try subscription(Basil.subscription)?.cancelsAt == nil)
        #expect(try subscription(Basil.subscription.with(["cancel_at": .int(moment.seconds)]))?.cancelsAt == moment)
        #expect(try subscription(Basil.subscription.with(["cancel_at_period_end": true]))?.cancelsAt == end)
        #expect(
            try subscription(Basil.subscription.with(["cancel_at_period_end": true, "cancel_at": .int(moment.seconds)]))?.cancelsAt
                == moment)
        #expect(try subscription(Acacia.subscription.with(["cancel_at_period_end": true]))?.cancelsAt == end)
        // A request to cancel is not the end.
        #expect(
            try subscription(Basil.subscription.with(["canceled_at": 1_799_999_000, "cancel_at": .int(moment.seconds)]))?.status == .active)
    }

    @Test("seats are the licensed item's quantity, whatever stands beside it")
    func quantities() throws {
        let metered = Basil.item.with([
            "id": "si_0", "quantity": .some(nil),
            "price": Basil.price.with(["id": "price_usage", "recurring": ["interval": "month", "usage_type": "metered"]]),
        ])
        let fact = try subscription(Basil.subscription.with(["items": ["data": [metered, Basil.item]]]))
        #expect(fact?.quantity == 5 && fact?.providerPrice == "price_team")
        #expect(try subscription(Basil.subscription.with(["items": ["data": [Basil.item.with(["quantity": .null])]]]))?.quantity == 1)
        #expect(throws: PaymentProviderError.self) {
            try subscription(Basil.subscription.with(["items": ["data": [Basil.item.with(["quantity": -1])]]]))
        }
        let yearly = Basil.item.with(["price": Basil.price.with(["recurring": ["interval": "year", "interval_count": 1]])])
        #expect(try subscription(Basil.subscription.with(["items": ["data": [yearly]]]))?.interval == .year)
        let odd = Basil.item.with(["price": Basil.price.with(["recurring": ["interval": "month", "interval_count": 3]])])
        #expect(try subscription(Basil.subscription.with(["items": ["data": [odd]]]))?.interval == nil)
    }

    @Test("previous_attributes is a partial patch and changes nothing")
    func previousAttributes() throws {
        let plain = try facts("customer.subscription.updated", Basil.subscription)
        let patched = try facts(
            "customer.subscription.updated", Basil.subscription, previous: ["status": "canceled", "quantity": 1, "items": ["data": [:]]])
        #expect(plain == patched)
    }

    @Test("an invoice is read alike in new shape, in old shape, and in both at once; its period stands on its lines")
    func invoices() throws {
        let expected = InvoiceFact(
            invoice: "in_1", subscription: "sub_1", customer: "cus_1", isPaid: true, hasFailed: false,
            amount: Money(amountMinor: 14_500, currency: Currency("USD")!), periodStart: start, periodEnd: end, asOf: asOf)
        #expect(try invoice(Basil.invoice) == expected)
        #expect(try invoice(Acacia.invoice) == expected)
        #expect(try invoice(Basil.invoice.with(["subscription": "sub_1", "paid": true])) == expected)
        #expect(try invoice(Basil.invoice, "invoice.payment_succeeded") == expected, "one payment, announced under two types, is one fact")
        #expect(try invoice(Basil.invoice.with(["status": .some(nil)])) == expected)
    }

    @Test("an invoice names its payment as disputes and refunds do: in new shape, in old shape, in both, and not where there is none")
    func paymentsOfInvoices() throws {
        func listed(_ payment: JSONValue, _ status: JSONValue = "paid") -> JSONValue {
            ["id": "inpay_1", "object": "invoice_payment", "invoice": "in_1", "status": status, "payment": payment]
        }
        func list(_ payments: JSONValue...) -> JSONValue { ["payments": ["object": "list", "data": .array(payments)]] }
        let intent: JSONValue = ["type": "payment_intent", "payment_intent": "pi_1"]
        let charge: JSONValue = ["type": "charge", "charge": "ch_1"]
        let table: [(String, JSONValue, JSONValue, [String])] = [
            ("new: the intent", Basil.invoice, list(listed(intent)), ["pi_1"]),
            (
                "new: the intent, expanded", Basil.invoice, list(listed(["payment_intent": ["id": "pi_1", "object": "payment_intent"]])),
                ["pi_1"]
            ),
            ("new: a charge without intent", Basil.invoice, list(listed(charge)), ["ch_1"]),
            ("new: the paid one first", Basil.invoice, list(listed(["payment_intent": "pi_0"], "open"), listed(intent)), ["pi_1", "pi_0"]),
            ("new: a given-up one not at all", Basil.invoice, list(listed(["payment_intent": "pi_0"], "canceled")), []),
            ("new: paid outside", Basil.invoice, list(listed(["type": "payment_record", "payment_record": "pr_1"])), []),
            ("new: left out, as in most events", Basil.invoice, [:], []),
            ("new: null", Basil.invoice, ["payments": nil], []),
            ("old: intent and charge", Acacia.invoice, ["payment_intent": "pi_1", "charge": "ch_1"], ["pi_1"]),
            ("old: expanded", Acacia.invoice, ["payment_intent": ["id": "pi_1"], "charge": ["id": "ch_1"]], ["pi_1"]),
            ("old: a charge alone", Acacia.invoice, ["payment_intent": nil, "charge": "ch_1"], ["ch_1"]),
            ("old: null", Acacia.invoice, ["payment_intent": nil, "charge": nil], []),
            ("both", Acacia.invoice, list(listed(intent)).with(["payment_intent": "pi_1", "charge": "ch_1"]), ["pi_1"]),
            ("odd", Basil.invoice, ["payments": ["data": [1, "pi_1", [:]]], "payment_intent": 7, "charge": ""], []),
        ]
        for (name, invoice, more, expected) in table {
            let found = try facts("invoice.paid", invoice.with(more.object ?? [:])).compactMap { fact -> InvoiceFact? in
                if case .invoice(let fact) = fact { fact } else { nil }
            }
            #expect(found.compactMap(\.payment) == expected, "\(name)")
            #expect(
                found.allSatisfy { $0.invoice == "in_1" } && found.first?.subscription == "sub_1" && found.first?.isPaid == true, "\(name)")
            #expect(found.dropFirst().allSatisfy { !$0.isPaid && $0.subscription == nil && $0.amount == nil }, "\(name)")
        }
        let dispute: JSONValue = [
            "id": "dp_1", "object": "dispute", "charge": "ch_1", "payment_intent": "pi_1", "status": "needs_response",
        ]
        guard case .dispute(let fact) = try facts("charge.dispute.created", dispute).first else { throw PaymentProviderError.malformed("") }
        #expect(fact.payment == "pi_1", "the dispute and the invoice speak of one payment")
    }

    @Test("a payment told apart from its invoice says whose it is and nothing else")
    func paymentsToldApart() throws {
        let apart: JSONValue = [
            "id": "inpay_1", "object": "invoice_payment", "invoice": "in_1", "status": "paid", "amount_paid": 14_500, "currency": "usd",
            "payment": ["type": "payment_intent", "payment_intent": "pi_1"],
        ]
        let expected = InvoiceFact(
            invoice: "in_1", subscription: nil, customer: nil, isPaid: false, hasFailed: false, amount: nil, periodStart: nil,
            periodEnd: nil, asOf: asOf, payment: "pi_1")
        #expect(try facts("invoice_payment.paid", apart) == [.invoice(expected)])
        #expect(try facts("invoice_payment.paid", apart.with(["payment": .null])) == [])
        #expect(try facts("invoice_payment.paid", apart.with(["invoice": .null])) == [])
    }

    @Test("an invoice made by hand has no parent and belongs to no subscription, even if its lines name one")
    func manualInvoices() throws {
        #expect(try invoice(Basil.invoice.with(["parent": .null]))?.subscription == nil)
        #expect(try invoice(Basil.invoice.with(["parent": ["type": "quote_details", "subscription_details": nil]]))?.subscription == nil)
    }

    @Test("a failed attempt is a failure only while the invoice is unpaid")
    func failures() throws {
        let failed = try invoice(Basil.openInvoice, "invoice.payment_failed")
        #expect(failed?.hasFailed == true && failed?.isPaid == false && failed?.amount?.amountMinor == 14_500)
        #expect(failed?.nextAttemptAt == Timestamp(seconds: Basil.start + 259_200))
        #expect(try invoice(Basil.invoice, "invoice.payment_failed")?.hasFailed == false)
        #expect(try invoice(Basil.openInvoice, "invoice.finalized")?.hasFailed == false)
        #expect(try invoice(Basil.openInvoice, "invoice.payment_action_required")?.hasFailed == false)
    }

    @Test(
        "why a payment was declined is read from the intent and from its charge, with the customer since basil and with the invoice before",
        arguments: [
            ("insufficient_funds", DeclineReason.insufficientFunds), ("expired_card", .expiredCard), ("incorrect_cvc", .incorrectDetails),
            ("authentication_required", .authenticationRequired), ("stolen_card", .lostOrStolen), ("fraudulent", .lostOrStolen),
            ("currency_not_supported", .notAccepted), ("processing_error", .processingError), ("do_not_honor", .other),
            ("a_code_of_tomorrow", .other),
        ])
    func declines(code: String, reason: DeclineReason) throws {
        let intent: JSONValue = [
            "id": "pi_1", "object": "payment_intent", "customer": "cus_1",
            "last_payment_error": ["code": "card_declined", "decline_code": .string(code), "message": "no"],
        ]
        let basil = DeclineFact(payment: "pi_1", invoice: nil, customer: "cus_1", reason: reason, asOf: asOf)
        #expect(try facts("payment_intent.payment_failed", intent) == [.decline(basil)])
        var older = basil
        older.invoice = "in_1"
        #expect(try facts("payment_intent.payment_failed", intent.with(["invoice": "in_1"])) == [.decline(older)])
        let charge: JSONValue = [
            "id": "ch_1", "object": "charge", "customer": "cus_1", "payment_intent": "pi_1", "failure_code": "card_declined",
            "outcome": ["reason": .string(code), "type": "issuer_declined"],
        ]
        #expect(try facts("charge.failed", charge) == [.decline(basil)])
        // Where the invoice carries the intent itself, its own fact says why; a paid one says nothing.
        let invoice = Basil.openInvoice.with(["payment_intent": intent])
        #expect(try self.invoice(invoice, "invoice.payment_failed")?.declineReason == reason)
        #expect(try self.invoice(invoice, "invoice.finalized")?.declineReason == nil)
        #expect(try self.invoice(Basil.invoice.with(["payment_intent": intent]), "invoice.paid")?.declineReason == nil)
    }

    @Test("a failed intent that names nobody, or does not say why, is no fact")
    func silentDeclines() throws {
        let error: JSONValue = ["code": "expired_card"]
        #expect(try facts("payment_intent.payment_failed", ["id": "pi_1", "customer": nil, "last_payment_error": error]) == [])
        #expect(try facts("payment_intent.payment_failed", ["id": "pi_1", "customer": "cus_1", "last_payment_error": nil]) == [])
        #expect(try facts("charge.failed", ["id": "ch_1", "customer": "cus_1", "failure_code": "expired_card"]).count == 1)
        #expect(try invoice(Basil.openInvoice, "invoice.payment_failed")?.declineReason == nil)
    }

    @Test("lines of proration give the period only where there are no others; another subscription's lines never")
    func periods() throws {
        func line(_ from: Int64, _ to: Int64, proration: Bool, of owner: String = "sub_1") -> JSONValue {
            Basil.line.with([
                "period": ["start": .int(from), "end": .int(to)],
                "parent": ["subscription_item_details": ["subscription": .string(owner), "proration": .bool(proration)]],
            ])
        }
        func end(_ lines: [JSONValue]) throws -> Int64? {
            try invoice(Basil.invoice.with(["lines": ["data": .array(lines)]]))?.periodEnd?.seconds
        }
        let base = Basil.start
        #expect(try end([line(base, base + 100, proration: true), line(base, base + 50, proration: false)]) == base + 50)
        #expect(try end([line(base, base + 100, proration: true)]) == base + 100)
        #expect(try end([line(base, base + 900, proration: false, of: "sub_2"), line(base, base + 50, proration: false)]) == base + 50)
        #expect(try end([line(base, base, proration: false)]) == nil, "a one-off item has no length")
        #expect(try end([]) == nil)
    }

    @Test("null amounts are no money, and currencies keep their minor unit")
    func money() throws {
        func amount(_ amount: JSONValue, _ currency: JSONValue) throws -> Money? {
            try invoice(Basil.invoice.with(["amount_paid": amount, "currency": currency]))?.amount
        }
        #expect(try amount(.null, "usd") == nil)
        #expect(try amount(500, .null) == nil)
        #expect(try amount(500, "jpy") == Money(amountMinor: 500, currency: Currency("JPY")!))
        #expect(try amount(50_000, "isk") == Money(amountMinor: 500, currency: Currency("ISK")!))
        #expect(try amount(500, "mga") == Money(amountMinor: 50_000, currency: Currency("MGA")!))
        #expect(StripeMoney.outgoing(Money(amountMinor: 500, currency: Currency("UGX")!)) == 50_000)
        #expect(StripeMoney.outgoing(Money(amountMinor: 501, currency: Currency("MGA")!)) == nil)
        #expect(StripeMoney.outgoing(Money(amountMinor: -1, currency: Currency("USD")!)) == nil)
    }

    @Test("refunds are told once each, from whichever event, and a refund that failed is none")
    func refunds() throws {
        let refund: JSONValue = [
            "id": "re_1", "object": "refund", "amount": 100, "currency": "usd", "charge": "ch_1", "payment_intent": "pi_1",
            "reason": "requested_by_customer", "status": "succeeded",
        ]
        let expected = RefundFact(
            refund: "re_1", payment: "pi_1", customer: nil, subscription: nil, amount: Money(amountMinor: 100, currency: Currency("USD")!),
            reason: "requested_by_customer", asOf: asOf)
        for type in ["refund.created", "refund.updated", "charge.refund.updated"] {
            #expect(try facts(type, refund) == [.refund(expected)], "\(type)")
        }
        #expect(try facts("refund.updated", refund.with(["status": "failed"])) == [])
        let charge: JSONValue = [
            "id": "ch_1", "object": "charge", "customer": "cus_1", "currency": "usd", "amount_refunded": 100, "payment_intent": "pi_1",
            "refunds": ["object": "list", "data": [refund]],
        ]
        var ofCharge = expected
        ofCharge.customer = "cus_1"
        #expect(try facts("charge.refunded", charge) == [.refund(ofCharge)])
        guard case .refund(let whole) = try facts("charge.refunded", charge.with(["refunds": .some(nil)])).first else {
            throw PluginRefusal("none")
        }
        #expect(whole.refund == "ch_1/refunded/100" && whole.amount?.amountMinor == 100)
    }

    @Test("a dispute is told with its state")
    func disputes() throws {
        let dispute: JSONValue = [
            "id": "du_1", "object": "dispute", "amount": 14_500, "currency": "usd", "charge": "ch_1", "payment_intent": nil,
            "reason": "fraudulent", "status": "needs_response",
        ]
        for type in ["created", "updated", "closed", "funds_withdrawn", "funds_reinstated"] {
            guard case .dispute(let fact) = try facts("charge.dispute.\(type)", dispute).first else { throw PluginRefusal("none") }
            #expect(
                fact.dispute == "du_1" && fact.payment == "ch_1" && fact.status == "needs_response" && fact.amount?.amountMinor == 14_500)
        }
    }

    @Test("types that do not matter state nothing, also those that look alike")
    func ignored() throws {
        for type in [
            "invoice.upcoming", "invoice.created", "invoice.deleted", "customer.created", "customer.subscription", "checkout.session",
            "v1.customer.subscription.updated", "payment_intent.succeeded", "charge.succeeded", "",
        ] { #expect(try facts(type, Basil.invoice) == [], "\(type)") }
    }

    @Test("an event that matters and names no object is malformed")
    func malformed() {
        for type in [
            "checkout.session.completed", "customer.subscription.updated", "invoice.paid", "refund.created", "charge.dispute.created",
        ] {
            #expect(throws: PaymentProviderError.self, "\(type)") { try facts(type, ["object": "x"]) }
        }
    }
}
