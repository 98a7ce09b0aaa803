import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import SandboxPayments

@Suite struct ConformanceTests {
    @Test("the provider passes the public conformance kit")
    func conformance() async {
        let findings = await PaymentProviderConformance(SandboxSubject(), now: moment).run()
        for finding in findings { #expect(finding.faults == [], "\(finding.check)") }
        #expect(findings.count == 13)
    }

    @Test("the provider's calls pass the public conformance kit; skipped is only what it does not claim")
    func calls() async {
        let findings = await PaymentCallsConformance(SandboxSubject(), now: moment).run()
        for finding in findings { #expect(finding.faults == [], "\(finding.check)") }
        // Pause, trial, PDF, events; and the clauses of a network that is not there.
        #expect(findings.filter(\.isSkipped).count == 4 + 7)
    }
}

@Suite struct LifeTests {
    private func account() throws -> Account {
        var account = Account(customer: "cus_0123456789abcdef01234567", manner: .inOrder)
        try account.open(session("cs_1"), now: moment)
        return account
    }
    private func paid(_ manner: Manner = .inOrder, trialDays: Int = 0) throws -> Account {
        var account = Account(customer: "cus_0123456789abcdef01234567", manner: .inOrder)
        try account.open(session("cs_1", trialDays: trialDays), now: moment)
        try account.pay("cs_1", by: .cardSucceeds, manner: manner, delay: .seconds(15), now: moment)
        return account
    }
    private func types(_ account: Account) -> [String] {
        account.pending.compactMap { try? JSONValue.parse(Data($0.body.utf8))["type"]?.string }
    }

    @Test("a card that pays makes an active subscription, a paid invoice and a paid checkout")
    func pays() throws {
        let account = try paid()
        #expect(account.sessions[0].isPaid && account.subscriptions[0].status == .active)
        #expect(account.invoices[0].amount == Money(amountMinor: 14_500, currency: usd) && account.invoices[0].isPaid)
        #expect(account.subscriptions[0].periodEnd.iso8601 == "2027-02-15T08:00:00Z")
        #expect(types(account) == ["subscription.changed", "invoice.paid", "checkout.paid"])
    }

    @Test("a declined card changes nothing and can be followed by another")
    func declined() throws {
        var account = try account()
        let before = account
        #expect(throws: Misstep("The card was declined. Choose another way to pay.")) {
            try account.pay("cs_1", by: .cardDeclined, manner: .inOrder, delay: .seconds(15), now: moment)
        }
        #expect(account == before)
        try account.pay("cs_1", by: .cardSucceeds, manner: .inOrder, delay: .seconds(15), now: moment)
        #expect(throws: Misstep("This checkout is no longer open.")) {
            try account.pay("cs_1", by: .cardSucceeds, manner: .inOrder, delay: .seconds(15), now: moment)
        }
    }

    @Test("a bank transfer waits, then arrives or fails", arguments: [true, false])
    func transfers(arrives: Bool) throws {
        var account = try account()
        try account.pay("cs_1", by: arrives ? .transferArrives : .transferFails, manner: .inOrder, delay: .seconds(15), now: moment)
        #expect(types(account) == ["subscription.changed", "invoice.open", "checkout.waiting"])
        #expect(account.subscriptions[0].status == .incomplete && account.nextDue == moment)
        account.settle(delay: .seconds(15), now: moment + .seconds(14))
        #expect(account.transfers.count == 1)
        #expect(throws: Misstep("The first bank transfer is still on its way.")) {
            try account.take(.renewNow, on: account.subscriptions[0].id, delay: .seconds(15), now: moment)
        }
        account.settle(delay: .seconds(15), now: moment + .seconds(15))
        let rest = types(account).dropFirst(3)
        #expect(
            rest
                == (arrives
                    ? ["subscription.changed", "invoice.paid", "checkout.paid"]
                    : ["subscription.ended", "invoice.failed", "checkout.failed"]))
        #expect(account.subscriptions[0].status == (arrives ? .active : .cancelled))
    }

    @Test("a trial costs nothing until it is renewed")
    func trial() throws {
        var account = try paid(trialDays: 7)
        #expect(account.subscriptions[0].status == .trialing && account.subscriptions[0].trialEnd == moment + .days(7))
        #expect(account.invoices[0].amount.amountMinor == 0)
        try account.take(.renewNow, on: account.subscriptions[0].id, delay: .seconds(15), now: moment)
        #expect(account.subscriptions[0].status == .active && account.invoices[1].amount.amountMinor == 14_500)
        #expect(account.subscriptions[0].periodStart == moment + .days(7))
    }

    @Test("a failed payment, its cure, a changed quantity, a cancellation and its end are told as they happen")
    func life() throws {
        var account = try paid()
        let id = account.subscriptions[0].id
        func step(_ step: Account.Step) throws -> [String] {
            account.pending = []
            try account.take(step, on: id, delay: .seconds(15), now: moment)
            return types(account)
        }
        #expect(try step(.quantity(7)) == ["subscription.changed"])
        #expect(try step(.failNextPayment) == [])
        #expect(try step(.renewNow) == ["subscription.changed", "invoice.failed"])
        #expect(account.subscriptions[0].status == .pastDue && account.invoices[1].amount.amountMinor == 20_300)
        #expect(try step(.payOpenInvoice) == ["subscription.changed", "invoice.paid"])
        #expect(account.subscriptions[0].status == .active)
        #expect(try step(.refund) == ["refund.created"])
        #expect(try step(.dispute) == ["dispute.opened"])
        #expect(try step(.cancelAtPeriodEnd) == ["subscription.changed"])
        #expect(account.subscriptions[0].cancelsAt == account.subscriptions[0].periodEnd)
        #expect(try step(.keep) == ["subscription.changed"])
        #expect(try step(.cancelAtPeriodEnd) == ["subscription.changed"])
        #expect(try step(.renewNow) == ["subscription.ended"])
        #expect(throws: Misstep("This subscription has ended.")) { try account.take(.keep, on: id, delay: .seconds(15), now: moment) }
        #expect(throws: Misstep.self) { try account.take(.keep, on: "sub_other", delay: .seconds(15), now: moment) }
    }

    @Test(
        "a payment fails for the reason that was chosen, and its event says so; a paid invoice says nothing",
        arguments: DeclineReason.allCases)
    func declines(reason: DeclineReason) throws {
        var account = try paid()
        let id = account.subscriptions[0].id
        func told() throws -> InvoiceFact? {
            let events = try account.pending.map { try SandboxEvent.facts(SandboxEvent.verified(Data($0.body.utf8))) }.joined()
            return events.compactMap { if case .invoice(let fact) = $0 { fact } else { nil } }.last
        }
        try account.take(.failNextPaymentBecause(reason), on: id, delay: .seconds(15), now: moment)
        try account.take(.renewNow, on: id, delay: .seconds(15), now: moment)
        #expect(try told()?.hasFailed == true && told()?.declineReason == reason)
        account.pending = []
        try account.take(.payOpenInvoice, on: id, delay: .seconds(15), now: moment)
        #expect(try told()?.isPaid == true && told()?.declineReason == nil)
        account.pending = []
        try account.take(.failNextPayment, on: id, delay: .seconds(15), now: moment)
        try account.take(.renewNow, on: id, delay: .seconds(15), now: moment)
        #expect(try told()?.hasFailed == true && told()?.declineReason == nil)
    }

    @Test("webhooks come in order, twice, in the wrong order or late; an id is one event for ever")
    func manners() throws {
        func order(_ manner: Manner) throws -> ([String], Set<Duration>) {
            let account = try paid(manner)
            let due = account.pending.sorted { ($0.due, $0.number) < ($1.due, $1.number) }
            return (due.compactMap { try? JSONValue.parse(Data($0.body.utf8))["type"]?.string }, Set(due.map { $0.due - moment }))
        }
        let plain = ["subscription.changed", "invoice.paid", "checkout.paid"]
        #expect(try order(.inOrder) == (plain, [.zero]))
        #expect(try order(.twice) == (plain + plain, [.zero, .seconds(1)]))
        #expect(try order(.reversed) == (plain.reversed(), [.zero]))
        #expect(try order(.late) == (plain, [.seconds(15)]))
        let twice = try paid(.twice)
        #expect(Set(twice.pending.map(\.event)).count == 3 && Set(twice.pending.map(\.body)).count == 3)
    }

    @Test("every event is later than the one before, even within one moment")
    func ordered() throws {
        let account = try paid()
        let times = try account.pending.compactMap {
            try JSONValue.parse(Data($0.body.utf8))["created"]?.string.flatMap { Timestamp(iso8601: $0) }
        }
        #expect(times.count == 3 && times == times.sorted() && Set(times).count == 3)
    }

    @Test("a webhook is tried again at growing distances and given up in the end")
    func attempts() throws {
        var account = try paid()
        let number = try #require(account.pending.first).number
        var now = moment
        var gaps: [Int64] = []
        while !account.undelivered(number, now: now) {
            let due = try #require(account.pending.first { $0.number == number }).due
            gaps.append((due - now).wholeSeconds)
            now = due
        }
        #expect(gaps == [1, 2, 5, 15, 60, 300, 900, 3_600, 3_600, 3_600])
        #expect(account.pending.count == 2)
    }

    @Test("a whole account with everything that fits stays far below what one value may hold")
    func bounds() throws {
        var account = try paid(.twice)
        let id = account.subscriptions[0].id
        var steps = 0
        while (try? account.take(.renewNow, on: id, delay: .seconds(15), now: moment)) != nil { steps += 1 }
        for index in 0..<20 {
            account.openPortal(
                .init(token: "ps_\(index)", returnURL: String(repeating: "r", count: 300), expiresAt: moment + .hours(1)), now: moment)
        }
        #expect(steps > 3 && account.pending.count <= Account.maxPending)
        #expect(try JSONEncoder().encode(account).count < PluginSpaceLimits.maxValueBytes)
    }

    @Test("months end where the calendar says")
    func months() {
        let table = [
            ("2027-01-31T10:00:00Z", "2027-02-28T10:00:00Z"), ("2028-01-31T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("2027-12-15T23:59:59Z", "2028-01-15T23:59:59Z"),
        ]
        for (from, to) in table { #expect(Timestamp(iso8601: from)?.adding(.month).iso8601 == to) }
        #expect(Timestamp(iso8601: "2028-02-29T00:00:00Z")?.adding(.year).iso8601 == "2029-02-28T00:00:00Z")
    }
}

@Suite struct CouponTests {
    private static func account(_ code: String, trialDays: Int = 0) throws -> Account {
        var buyer = Account(customer: "cus_0123456789abcdef01234567", manner: .inOrder)
        var offered = session("cs_1", trialDays: trialDays)
        offered.coupon = try Rebates.usable(code, usd)
        try buyer.open(offered, now: moment)
        try buyer.pay("cs_1", by: .cardSucceeds, manner: .inOrder, delay: .seconds(15), now: moment)
        return buyer
    }
    private static func bills(_ code: String, renewals: Int, trialDays: Int = 0) throws -> [Int64] {
        var buyer = try account(code, trialDays: trialDays)
        for _ in 0..<renewals {
            buyer.pending = []
            let held = buyer.subscriptions[0]
            try buyer.take(.renewNow, on: held.id, delay: .seconds(15), now: held.periodEnd)
        }
        return buyer.invoices.map(\.amount.amountMinor)
    }

    @Test("a coupon is taken off as many bills as it says, and a trial uses nothing of it up")
    func duration() throws {
        #expect(try Self.bills("SANDBOX25", renewals: 3) == [10_875, 10_875, 10_875, 10_875])
        #expect(try Self.bills("SANDBOX50ONCE", renewals: 2) == [7_250, 14_500, 14_500])
        #expect(try Self.bills("SANDBOX50X3", renewals: 4) == [7_250, 7_250, 7_250, 14_500, 14_500])
        #expect(try Self.bills("sandbox10usd", renewals: 1) == [13_500, 14_500])
        #expect(try Self.bills("SANDBOX50ONCE", renewals: 2, trialDays: 14) == [0, 7_250, 14_500])
        #expect(try Self.bills("SANDBOX50X3", renewals: 4, trialDays: 14) == [0, 7_250, 7_250, 7_250, 14_500])
    }

    @Test(
        "a code that nobody knows, that was used up or is of another currency opens no checkout",
        arguments: [
            ("NONE", "coupon_unknown"), ("SANDBOXUSED", "coupon_used_up"), ("SANDBOX10EUR", "coupon_currency"),
        ])
    func refused(_ code: String, _ why: String) async throws {
        let stage = try Stage()
        let plugin = try await stage.start()
        let provider = try #require(plugin.paymentProvider)
        var wish = request()
        wish.coupon = code
        do {
            _ = try await provider.startCheckout(wish)
            Issue.record("a checkout was opened")
        } catch PaymentProviderError.refused(let said, _) { #expect(said == why) }
        await plugin.stop()
    }

    @Test("the page shows the coupon and asks for what is left; the bill has it as a line; the same key with another code is another wish")
    func page() async throws {
        let stage = try Stage()
        let plugin = try await stage.start()
        let provider = try #require(plugin.paymentProvider)
        var wish = request()
        wish.coupon = "SANDBOX25"
        let checkout = try await provider.startCheckout(wish)
        let html = String(decoding: try await plugin.page("GET", checkout.url).body, as: UTF8.self)
        #expect(html.contains("Pay USD 108.75") && html.contains("SANDBOX25: 25 % off, for ever"))
        wish.coupon = "SANDBOX50X3"
        do {
            _ = try await provider.startCheckout(wish)
            Issue.record("another code is another wish")
        } catch is PaymentProviderError {}
        _ = try await plugin.page("POST", checkout.url, ["method": "card_succeeds", "webhooks": "in_order"])
        let customer = String(decoding: try #require(try await stage.bench.space.get("session/\(checkout.id)")), as: UTF8.self)
        let bought = try #require(try await Ledger(space: stage.bench.space).account(customer))
        let invoice = try await provider.readInvoice(try #require(bought.invoices.first?.id))
        let billed: [Int64] = invoice.lines.map(\.amount.amountMinor)
        #expect(billed == [14_500, -3_625] && invoice.total.amountMinor == 10_875)
        // More of the same, at the share that holds.
        let subscription = bought.subscriptions[0]
        var change = SubscriptionChange(
            subscription: subscription.id, tier: "team", interval: .month, quantity: 10, unitPrice: subscription.unitPrice,
            providerPrice: nil, proration: .invoiceNow, prorationAt: moment, idempotencyKey: "more")
        let preview = try await provider.previewChange(change)
        let sum = preview.lines.reduce(Int64(0)) { $0 + $1.amount.amountMinor }
        #expect(preview.total.amountMinor == 10_875 && sum == 10_875)
        change.proration = .none
        #expect(try await provider.previewChange(change).total.amountMinor == 0)
        await plugin.stop()
    }
}
