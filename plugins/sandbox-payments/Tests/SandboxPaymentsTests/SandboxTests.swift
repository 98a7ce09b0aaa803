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
        // Pause, trial, coupon, PDF, events; and the clauses of a network that is not there.
        #expect(findings.filter(\.isSkipped).count == 5 + 7)
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

@Suite struct StageTests {
    private func customer(_ session: CheckoutSession, _ stage: Stage) async throws -> String {
        String(decoding: try #require(try await stage.bench.space.get("session/\(session.id)")), as: UTF8.self)
    }

    @Test("what the server asks for comes back to it by webhook, once for each key")
    func asked() async throws {
        let stage = try Stage()
        let plugin = try await stage.start()
        let provider = try #require(plugin.paymentProvider)
        let checkout = try await provider.startCheckout(request())
        _ = try await plugin.page("POST", checkout.url, ["method": "card_succeeds", "webhooks": "in_order"])
        let customer = try await customer(checkout, stage)
        let account = try #require(try await Ledger(space: stage.bench.space).account(customer))
        let subscription = account.subscriptions[0].id
        let leave = SubscriptionCancellation(subscription: subscription, when: .periodEnd, idempotencyKey: "leave")
        let fact = try await provider.cancelSubscription(leave)
        #expect(try await provider.cancelSubscription(leave) == fact)
        let part = Money(amountMinor: 500, currency: usd)
        let request = RefundRequest(payment: account.invoices[0].id, amount: part, reason: .duplicate, idempotencyKey: "back")
        let refund = try await provider.refund(request)
        #expect(try await provider.refund(request) == refund)
        try await stage.settled(customer)
        #expect(stage.types.suffix(2) == ["subscription.changed", "refund.created"] && stage.types.count == 5)
        guard case .refund(let told)? = stage.inbox.withLock({ $0.facts.last }) else { throw PluginRefusal("no refund was told") }
        #expect(told.refund == refund.fact.refund && told.amount == part && told.reason == "duplicate")
        await plugin.stop()
    }

    @Test("an account that an older build wrote is read, and can be refunded")
    func olderAccounts() async throws {
        let stage = try Stage()
        let plugin = try await stage.start()
        let provider = try #require(plugin.paymentProvider)
        let checkout = try await provider.startCheckout(request())
        _ = try await plugin.page("POST", checkout.url, ["method": "card_succeeds", "webhooks": "in_order"])
        let customer = try await customer(checkout, stage)
        try await stage.settled(customer)
        let key = "account/\(customer)"
        var written = try JSONValue.parse(try #require(try await stage.bench.space.get(key))).object ?? [:]
        for name in ["deeds", "refunds", "disputes"] { written[name] = nil }
        try await stage.bench.space.set(key, JSONValue.object(written).encoded())
        let invoice = try #require(written["invoices"]?.array?.first?["id"]?.string)
        let request = RefundRequest(payment: invoice, amount: nil, reason: .duplicate, idempotencyKey: "back")
        #expect(try await provider.refund(request).fact.amount?.amountMinor == 14_500)
        await plugin.stop()
    }

    @Test("from checkout to webhook: the person pays on the page, the server hears of it by signed requests")
    func wholeWay() async throws {
        let stage = try Stage()
        let plugin = try await stage.start()
        let provider = try #require(plugin.paymentProvider)
        let checkout = try await provider.startCheckout(request())
        #expect(try await provider.startCheckout(request()) == checkout, "the same key is the same checkout")
        #expect(try await provider.startCheckout(request("key_2")).id != checkout.id)
        let page = try await plugin.page("GET", checkout.url)
        let html = String(decoding: page.body, as: UTF8.self)
        #expect(page.status == 200 && html.contains("USD 145.00") && html.contains("Card that pays"))
        #expect(html.contains("name=\"csrf\" value=\"t0&lt;k&gt;en\""))
        #expect(!html.contains("<script") && !html.contains("style="))

        let declined = try await plugin.page("POST", checkout.url, ["method": "card_declined", "webhooks": "in_order"])
        #expect(declined.status == 422 && String(decoding: declined.body, as: UTF8.self).contains("role=\"alert\""))
        let done = try await plugin.page("POST", checkout.url, ["method": "card_succeeds", "webhooks": "in_order"])
        #expect(done.status == 303 && done.location == "http://127.0.0.1:8080/billing/done?a=1&b=2")
        let customer = try await customer(checkout, stage)
        try await stage.settled(customer)
        #expect(stage.types == ["subscription.changed", "invoice.paid", "checkout.paid"])
        guard case .checkout(let fact) = stage.inbox.withLock({ $0.facts.last }) else { throw PluginRefusal("no checkout") }
        #expect(fact.isPaid && fact.reference == "ref_key_1" && fact.customer == customer)
        #expect(stage.bench.http.requests.allSatisfy { $0.url == "http://127.0.0.1:8080/webhooks/sandbox" })
        let again = try await plugin.page("GET", checkout.url)
        #expect(String(decoding: again.body, as: UTF8.self).contains("This checkout is paid."))

        // The portal of the same customer.
        let portal = try await provider.openPortal(PortalRequest(customer: customer, returnURL: "http://127.0.0.1:8080/billing"))
        let subscription = try #require(fact.subscription)
        #expect(String(decoding: try await plugin.page("GET", portal.url).body, as: UTF8.self).contains(subscription))
        let step = try await plugin.page("POST", portal.url, ["step": "cancel", "subscription": subscription])
        #expect(step.status == 303 && step.location?.hasSuffix("?done=cancel") == true)
        try await stage.settled(customer)
        guard case .subscription(let leaving) = stage.inbox.withLock({ $0.facts.last }) else { throw PluginRefusal("no subscription") }
        #expect(leaving.cancelsAt == leaving.periodEnd && leaving.status == .active)
        #expect(
            try await plugin.page("POST", portal.url, ["step": "quantity", "quantity": "0", "subscription": subscription]).status == 422)
        #expect(try await plugin.page("POST", portal.url, ["step": "nonsense", "subscription": subscription]).status == 422)
        await plugin.drain()
    }

    @Test("late webhooks wait for their time, and a transfer for its own")
    func late() async throws {
        let stage = try Stage()
        let plugin = try await stage.start(settings: ["delay_seconds": 20])
        let provider = try #require(plugin.paymentProvider)
        let checkout = try await provider.startCheckout(request())
        _ = try await plugin.page("POST", checkout.url, ["method": "transfer_arrives", "webhooks": "late"])
        let customer = try await customer(checkout, stage)
        await stage.bench.clock.sleepers(1)
        #expect(stage.types == [])
        stage.bench.clock.advance(by: .seconds(20))
        try await stage.settled(customer)
        #expect(stage.types == ["subscription.changed", "invoice.open", "checkout.waiting"])
        await stage.bench.clock.sleepers(1)
        stage.bench.clock.advance(by: .seconds(20))
        try await stage.settled(customer)
        #expect(stage.types.suffix(3) == ["subscription.changed", "invoice.paid", "checkout.paid"])
        await plugin.drain()
    }

    @Test("a server that is down or refuses gets each webhook again, also after the plugin was started anew")
    func restart() async throws {
        let stage = try Stage()
        let first = try await stage.start()
        let provider = try #require(first.paymentProvider)
        let checkout = try await provider.startCheckout(request())
        stage.inbox.withLock { $0.answers = [503, 0, 400] }
        _ = try await first.page("POST", checkout.url, ["method": "card_succeeds"])
        let customer = try await customer(checkout, stage)
        await stage.bench.clock.sleepers(1)
        #expect(stage.inbox.withLock { $0.refused } == 3 && stage.types == [])
        await first.drain()
        await first.stop()

        // A second start reads what waits and signs with the secret that was kept.
        let second = try await stage.start()
        await stage.bench.clock.sleepers(1)
        stage.bench.clock.advance(by: .seconds(1))
        try await stage.settled(customer)
        #expect(stage.types.sorted() == ["checkout.paid", "invoice.paid", "subscription.changed"])
        #expect(try await Ledger(space: stage.bench.space).waiting() == [])
        await second.drain()
    }

    @Test("on an address that strangers reach, the sandbox sells only where the operator said so")
    func closed() async throws {
        let stage = try Stage(origin: "https://platform.test")
        let plugin = try await stage.start()
        let provider = try #require(plugin.paymentProvider)
        await #expect(throws: PaymentProviderError.refused(code: "sandbox_closed", message: Shop.closedSentence)) {
            _ = try await provider.startCheckout(request())
        }
        #expect(try await plugin.page("GET", "/plugins/sandbox/checkout/cs_0123456789abcdef01234567").status == 403)
        let open = try await stage.start(settings: ["allow_public": true])
        #expect(
            try await #require(open.paymentProvider).startCheckout(request()).url.hasPrefix(
                "https://platform.test/plugins/sandbox/checkout/cs_"))
    }

    @Test("what is not a page, not a checkout or not this portal is 404, and a number that looks like a card is refused")
    func strangers() async throws {
        let stage = try Stage()
        let plugin = try await stage.start()
        let provider = try #require(plugin.paymentProvider)
        let checkout = try await provider.startCheckout(request())
        let customer = try await customer(checkout, stage)
        let portal = try await provider.openPortal(PortalRequest(customer: customer, returnURL: "http://127.0.0.1:8080/"))
        for path in [
            "", "checkout", "checkout/", "checkout/cs_0123456789abcdef01234567", "checkout/../account", "checkout/\(checkout.id)/x",
            "portal/\(customer)/ps_0", "portal/cus_0123456789abcdef01234567/\(portal.url.suffix(35))", "portal/../x", "webhook-secret",
        ] { #expect(try await plugin.page("GET", path).status == 404, "\(path)") }
        #expect(try await plugin.page("PUT", checkout.url).status == 405)
        for number in ["4242424242424242", "4242 4242 4242 4242", "4242-4242-4242-4242", "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢"] {
            let page = try await plugin.page("POST", checkout.url, ["method": "card_succeeds", "note": number])
            #expect(page.status == 422 && !String(decoding: page.body, as: UTF8.self).contains("4242"), "\(number)")
        }
        await #expect(throws: PaymentProviderError.self) {
            _ = try await provider.openPortal(PortalRequest(customer: "cus_nobody", returnURL: "http://x.test"))
        }
        stage.bench.clock.advance(by: .hours(2))
        #expect(try await plugin.page("GET", portal.url).status == 404, "a portal's address runs out")
        stage.bench.clock.advance(by: .days(1))
        #expect(String(decoding: try await plugin.page("GET", checkout.url).body, as: UTF8.self).contains("This checkout has run out."))
        try await stage.settled(customer)
        #expect(stage.types == ["checkout.failed"])
        await plugin.drain()
    }

    @Test("what a tenant typed is printed as text")
    func escaping() async throws {
        let stage = try Stage()
        let plugin = try await stage.start()
        let checkout = try await #require(plugin.paymentProvider).startCheckout(request(tier: "<script>alert(1)</script>\"'&"))
        let html = String(decoding: try await plugin.page("GET", checkout.url).body, as: UTF8.self)
        #expect(!html.contains("<script>") && html.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"))
    }

    @Test("two people at once on one account: both steps hold, none is lost")
    func concurrency() async throws {
        let stage = try Stage()
        let plugin = try await stage.start()
        let provider = try #require(plugin.paymentProvider)
        let checkout = try await provider.startCheckout(request())
        let results = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<6 { group.addTask { (try? await plugin.page("POST", checkout.url, ["method": "card_succeeds"]).status) ?? 0 } }
            return await group.reduce(into: [Int: Int]()) { $0[$1, default: 0] += 1 }
        }
        let customer = try await customer(checkout, stage)
        let account = try #require(try await Ledger(space: stage.bench.space).account(customer))
        #expect(account.subscriptions.count == 1 && account.invoices.count == 1, "one checkout is paid once: \(results)")
        try await stage.settled(customer)
        await plugin.drain()
    }

    @Test("money is printed in its currency's own unit")
    func money() {
        let table: [(Int64, String, String)] = [
            (9_900, "USD", "USD 99.00"), (123_456_789, "EUR", "EUR 1,234,567.89"), (500, "JPY", "JPY 500"), (1_005, "KWD", "KWD 1.005"),
            (5, "USD", "USD 0.05"),
        ]
        for (amount, code, text) in table { #expect(Markup.money(Money(amountMinor: amount, currency: Currency(code)!)) == text) }
    }
}
