import Foundation
import PluginKit
import Testing

@testable import PaddlePayments

/// Tables of shapes and traps: what an entity of Paddle's states, and what it must not.
@Suite struct InterpretationTests {
    private func subscription(_ changes: [String: JSONValue?], type: String = "subscription.updated") throws -> SubscriptionFact? {
        guard case .subscription(let fact)? = try facts(type, Shapes.subscription.with(changes)).first else { return nil }
        return fact
    }
    private func invoice(_ changes: [String: JSONValue?], type: String = "transaction.updated") throws -> InvoiceFact? {
        try facts(type, Shapes.transaction.with(changes)).lazy.compactMap { if case .invoice(let fact) = $0 { fact } else { nil } }.first
    }
    private func checkout(_ changes: [String: JSONValue?]) throws -> CheckoutFact? {
        try facts("transaction.updated", Shapes.transaction.with(changes)).lazy.compactMap {
            if case .checkout(let fact) = $0 { fact } else { nil }
        }.first
    }

    @Test(
        "each status of a subscription is one of the kit's, and one of tomorrow states nothing",
        arguments: [
            ("active", SubscriptionStatus.active), ("trialing", .trialing), ("past_due", .pastDue), ("paused", .paused),
            ("canceled", .cancelled), ("inactive", nil), ("hibernating", nil),
        ] as [(String, SubscriptionStatus?)])
    func statuses(word: String, status: SubscriptionStatus?) throws {
        #expect(try subscription(["status": .string(word)])?.status == status)
    }

    @Test("a scheduled cancellation has its moment, a scheduled pause or resumption none")
    func scheduled() throws {
        func at(_ action: String) throws -> Timestamp? {
            try subscription(["scheduled_change": ["action": .string(action), "effective_at": .string(Shapes.end), "resume_at": nil]])?
                .cancelsAt
        }
        #expect(try at("cancel") == Timestamp(iso8601: Shapes.end))
        #expect(try at("pause") == nil && at("resume") == nil)
    }

    @Test("a trial ends when it is billed next, and an interval is a month or a year")
    func trials() throws {
        let moved = "2027-02-20T00:00:00Z"
        #expect(try subscription(["status": "trialing", "next_billed_at": .string(moved)])?.trialEnd == Timestamp(iso8601: moved))
        for (interval, frequency, expected) in [
            ("month", 1, BillingInterval.month), ("year", 1, .year), ("month", 12, .year), ("month", 3, nil), ("week", 1, nil),
        ] as [(String, Int64, BillingInterval?)] {
            let cycle: JSONValue = ["interval": .string(interval), "frequency": .int(frequency)]
            #expect(try subscription(["billing_cycle": cycle])?.interval == expected)
        }
    }

    @Test("a one-time item stands for no seats")
    func seats() throws {
        let extra = Shapes.item.with(["recurring": false, "quantity": 90])
        #expect(try subscription(["items": .array([extra, Shapes.item])])?.quantity == 5)
        #expect(throws: PaymentProviderError.self) { try subscription(["items": .array([Shapes.item.with(["quantity": -1])])]) }
    }

    @Test("only a transaction that carries a reference and comes from a checkout is one")
    func checkouts() throws {
        #expect(try checkout([:])?.isPaid == true)
        #expect(try checkout(["status": "paid", "subscription_id": .some(nil)])?.isPaid == true)
        #expect(try checkout(["status": "draft"])?.isPaid == false && checkout(["status": "canceled"])?.hasFailed == true)
        #expect(try checkout(["origin": "subscription_recurring"]) == nil, "renewals copy the reference")
        #expect(try checkout(["custom_data": .some(nil)]) == nil)
    }

    @Test("an unpaid transaction without a subscription is no invoice, and a changed card is no payment")
    func noInvoice() throws {
        #expect(try invoice(["status": "ready", "subscription_id": .some(nil)]) == nil)
        #expect(try facts("transaction.completed", Shapes.transaction.with(["origin": "subscription_payment_method_change"])) == [])
    }

    @Test(
        "a renewal that fails is owed; a change that could not be charged is not",
        arguments: [
            ("subscription_recurring", "transaction.payment_failed", "ready", true),
            ("subscription_recurring", "transaction.past_due", "past_due", true),
            ("subscription_recurring", "transaction.payment_failed", "completed", false),
            ("subscription_update", "transaction.payment_failed", "ready", false),
            ("subscription_update", "transaction.updated", "past_due", true),
            ("subscription_charge", "transaction.payment_failed", "ready", false),
            ("subscription_recurring", "transaction.canceled", "canceled", false),
        ])
    func owed(origin: String, type: String, status: String, hasFailed: Bool) throws {
        let fact = try invoice(["origin": .string(origin), "status": .string(status)], type: type)
        #expect(fact?.hasFailed == hasFailed && fact?.isPaid == (status == "completed"))
    }

    @Test("the reason is that of the newest attempt that failed")
    func declines() throws {
        func reason(_ attempts: [JSONValue]) throws -> DeclineReason? {
            let object = Shapes.failedRenewal.with(["payments": .array(attempts)])
            guard case .invoice(let fact)? = try facts("transaction.payment_failed", object).last else { return nil }
            return fact.declineReason
        }
        let old = Shapes.attempt("error", "expired_card", at: "2027-01-10T00:00:00Z")
        let new = Shapes.attempt("error", "fraud", at: "2027-01-12T00:00:00Z")
        #expect(try reason([old, new]) == .lostOrStolen && reason([new, old]) == .lostOrStolen)
        #expect(try reason([Shapes.attempt("error", "of_tomorrow")]) == .other && reason([]) == nil)
        // At the checkout there is no invoice yet, only the attempt.
        let first = Shapes.transaction.with(["status": "ready", "subscription_id": .some(nil), "payments": .array([old])])
        guard case .decline(let fact)? = try facts("transaction.payment_failed", first).last else {
            Issue.record("no decline")
            return
        }
        #expect(fact.reason == .expiredCard && fact.customer == "ctm_1" && fact.payment == "txn_1")
    }

    @Test("money is a text of whole units: yen stay yen, and fractions, numbers and signs are none")
    func money() {
        #expect(PaddleObject.money("14500", "USD") == Money(amountMinor: 14_500, currency: Currency("USD")!))
        #expect(PaddleObject.money("14500", "JPY") == Money(amountMinor: 14_500, currency: Currency("JPY")!))
        #expect(PaddleObject.money("-500", "KRW")?.amountMinor == -500)
        for wrong in ["145.00", "1e3", "+5", "", "-", " 5", "5 ", "٥", "9999999999999999"] {
            #expect(PaddleObject.amount(wrong) == nil, "\(wrong)")
        }
        #expect(PaddleObject.money(14_500, "USD") == nil && PaddleObject.money("14500", "DOLLAR") == nil)
    }

    @Test(
        "a refund went when Paddle approved it; a chargeback and its reversal are one dispute; a credit is neither",
        arguments: [
            ("refund", "approved", "refund"), ("refund", "pending_approval", ""), ("refund", "rejected", ""), ("refund", "reversed", ""),
            ("credit", "approved", ""), ("credit_reverse", "approved", ""), ("chargeback", "approved", "dispute"),
            ("chargeback_reverse", "approved", "dispute"), ("chargeback_warning", "approved", "dispute"), ("of_tomorrow", "approved", ""),
        ])
    func adjustments(action: String, status: String, kind: String) throws {
        let stated = try facts("adjustment.updated", Shapes.adjustment.with(["action": .string(action), "status": .string(status)]))
        switch stated.first {
        case .refund(let fact):
            #expect(kind == "refund" && fact.reason == "requested_by_customer" && fact.amount?.amountMinor == 1_000)
        case .dispute(let fact): #expect(kind == "dispute" && fact.dispute == "dispute_txn_1" && fact.status == action)
        default: #expect(kind.isEmpty && stated.isEmpty)
        }
    }

    @Test("an invoice shows a credit as a line, so that its lines add up")
    func credits() throws {
        let details = Shapes.transaction["details"]!
        let totals = details["totals"]!.with(["credit": "4500", "grand_total": "10000"])
        let invoice = try PaddleProvider.invoice(PaddleObject(Shapes.transaction.with(["details": details.with(["totals": totals])])))
        #expect(invoice.total.amountMinor == 10_000 && invoice.lines.map(\.amount.amountMinor) == [14_500, -4_500])
        let broken = details.with(["line_items": .array([Shapes.line.with(["totals": Shapes.totals("145.00")])])])
        #expect(throws: PaymentProviderError.self) {
            try PaddleProvider.invoice(PaddleObject(Shapes.transaction.with(["details": broken])))
        }
    }
}
