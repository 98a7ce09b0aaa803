import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import SandboxPayments

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
