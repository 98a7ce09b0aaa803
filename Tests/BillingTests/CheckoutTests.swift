import Store
import Testing
import Vocabulary

@testable import Billing
@testable import Catalog

@Suite("Checkouts and the portal")
struct CheckoutTests {
    @Test("a checkout asks the provider for exactly what the tier says")
    func request() async throws {
        let house = try await House.make()
        let answer = try await house.checkout(house.order("pro", .year, quantity: 3))
        #expect(answer == CheckoutAnswer(sessionID: "cs_1", url: "https://pay.example/1"))
        let request = try #require(house.provider.requests.first)
        #expect(request.tier == "pro" && request.interval == .year && request.quantity == 3 && request.trialDays == 14)
        #expect(
            request.unitPrice == Money(amountMinor: 99000, currency: Say.usd) && request.providerPrice == "price_pro_year"
                && request.productName == "Pro")
        #expect(request.tenant == house.tenant.description && request.customer == nil && request.customerEmail == "buyer@example.com")
        #expect(request.successURL == "https://app.example/billing/success" && request.cancelURL == "https://app.example/billing/cancelled")
        let intents = try await house.rows("SELECT lower(hex(id)) FROM billing_checkout_all")
        #expect(intents.count == 1 && intents != [[.text(request.reference.replacing("-", with: ""))]], "the reference is no id of ours")
        let stored = try await house.rows("SELECT * FROM billing_checkout_all").flatMap { $0 }
        let clear = stored.compactMap { value in if case .text(let text) = value { text } else { nil } }.joined()
        #expect(!clear.contains("example.com") && !clear.contains("pay.example"), "neither address nor link is readable in the database")
    }

    @Test("a provider's own price stands for its tier and interval")
    func byPrice() async throws {
        let house = try await House.make()
        try await house.checkout(house.order(nil, nil, quantity: 2, price: "price_pro"))
        let request = try #require(house.provider.requests.first)
        #expect(request.tier == "pro" && request.interval == .month && request.quantity == 2 && request.providerPrice == "price_pro")
    }

    @Test("the same key gives the same session, and the provider is asked once")
    func idempotent() async throws {
        let house = try await House.make()
        let first = try await house.checkout(key: "k1")
        #expect(try await house.checkout(key: "k1") == first)
        #expect(house.provider.requests.count == 1)
        #expect(try await house.checkout(key: "k2") != first)
        await #expect(throws: CommonProblems.idempotencyKeyReused) {
            try await house.billing.checkout(
                house.order(), tenant: house.tenant, origin: "https://app.example", house.act("k1", fingerprint: [9]))
        }
    }

    @Test("a lost answer is asked for again under the same key and gives the same session")
    func lostAnswer() async throws {
        let house = try await House.make()
        house.provider.script(.lose, .unreachable)
        for _ in 0..<2 {
            await #expect(throws: BillingProblems.providerUnreachable.retry(afterSeconds: 5)) { try await house.checkout(key: "k") }
        }
        await #expect(throws: CommonProblems.idempotencyKeyReused) {
            try await house.billing.checkout(
                house.order("pro"), tenant: house.tenant, origin: "https://app.example", house.act("k", fingerprint: [9]))
        }
        let answer = try await house.checkout(key: "k")
        #expect(answer.sessionID == "cs_1")
        #expect(Set(house.provider.requests.map(\.idempotencyKey)).count == 1 && Set(house.provider.requests.map(\.reference)).count == 1)
        #expect(try await house.rows("SELECT id FROM billing_checkout_all").count == 1)
    }

    @Test("where the provider limits its requests, its own pause is told, and the same key opens one session")
    func limited() async throws {
        let house = try await House.make()
        house.provider.script(.limited(seconds: 90))
        await #expect(throws: BillingProblems.providerUnreachable.retry(afterSeconds: 90)) { try await house.checkout(key: "k") }
        #expect(try await house.checkout(key: "k").sessionID == "cs_1")
        #expect(Set(house.provider.requests.map(\.idempotencyKey)).count == 1)
    }

    @Test("after a refusal the same key asks anew, because the refusal belongs to the old question")
    func refused() async throws {
        let house = try await House.make()
        house.provider.script(.refuse("price_inactive"))
        await #expect(throws: BillingProblems.providerRefused.with(["provider_code": "price_inactive"])) {
            try await house.checkout(key: "k")
        }
        try await house.checkout(key: "k")
        let keys = house.provider.requests.map(\.idempotencyKey)
        #expect(keys.count == 2 && keys[0] != keys[1])
        #expect(try await house.rows("SELECT id FROM billing_checkout_all").count == 1)
    }

    @Test("a provider that hands out another tenant's session is not believed")
    func foreignSession() async throws {
        let house = try await House.make()
        try await house.checkout(tenant: house.stranger)
        house.provider.forgetSessions()
        await #expect(throws: PaymentPosting.ForeignObject.self) { try await house.checkout() }
        #expect(try await house.rows("SELECT status FROM billing_checkout_all ORDER BY status") == [[.text("asking")], [.text("open")]])
    }

    @Test("after a day the same key is another request")
    func expired() async throws {
        let house = try await House.make()
        let first = try await house.checkout(key: "k")
        house.clock.advance(by: .hours(25))
        #expect(try await house.checkout(key: "k") != first)
    }

    @Test("a crash before or after any step of a checkout is mended by asking again with the same key")
    func crashes() async throws {
        for moment in FaultyStore.Moment.allCases {
            for step in 1...4 {
                var faulty: FaultyStore?
                let house = try await House.make { inner in
                    let store = FaultyStore(inner)
                    faulty = store
                    return store
                }
                let store = try #require(faulty)
                store.crash(at: step, moment)
                await #expect(throws: FaultyStore.Crash.self) { try await house.checkout(key: "k") }
                let answer = try await house.checkout(key: "k")
                #expect(answer.sessionID == "cs_1" && house.provider.sessions.count == 1, "step \(step), \(moment)")
                #expect(try await house.rows("SELECT status FROM billing_checkout_all") == [[.text("open")]])
                #expect(try await house.rows("SELECT object FROM payment_route WHERE kind = 'session'") == [[.text("cs_1")]])
            }
        }
    }

    struct Wrong: Sendable, CustomTestStringConvertible {
        let order: CheckoutOrder
        let problem: Problem
        var testDescription: String { "\(order.tier ?? order.priceID ?? "-") \(problem.code)" }
        init(
            _ tier: String?, _ interval: BillingInterval?, _ quantity: Int = 1, price: String? = nil, provider: String? = nil,
            is problem: Problem
        ) {
            order = CheckoutOrder(tier: tier, interval: interval, priceID: price, quantity: quantity, provider: provider)
            self.problem = problem
        }
    }
    static let wrong = [
        Wrong("gold", .month, is: CatalogProblems.unknownTier), Wrong("free", .month, is: BillingProblems.tierIsFree),
        Wrong("enterprise", .year, is: BillingProblems.tierByContract.with(["contact_url": "/contact"])),
        Wrong("old", .month, is: BillingProblems.tierNotOffered), Wrong("team", .year, is: BillingProblems.noSuchPrice),
        Wrong("pilot_starter", .month, 2, is: BillingProblems.quantityTooLarge.with(["max_quantity": 1])),
        Wrong("team", .month, 0, is: CommonProblems.invalid("quantity", "must be 1 or more")),
        Wrong("team", .month, -5, is: CommonProblems.invalid("quantity", "must be 1 or more")),
        Wrong("team", nil, is: CommonProblems.invalid("interval", "is required: month or year")),
        Wrong(nil, .month, is: CommonProblems.invalid("tier", "is required, or price_id")),
        Wrong("team", .month, price: "price_pro", is: CommonProblems.invalid("price_id", "stands alone, without tier and interval")),
        Wrong(nil, nil, price: "price_other", is: BillingProblems.noSuchPrice),
        Wrong("team", .month, provider: "nobody", is: BillingProblems.providerUnknown),
        Wrong("team", .month, provider: "broken", is: BillingProblems.providerUnavailable.retry(afterSeconds: 60)),
        Wrong("4242 4242 4242 4242", .month, is: BillingProblems.cardNumberRefused.with(["fields": [["field": "tier"]]])),
        Wrong(nil, nil, price: "4000-0566-5566-5556", is: BillingProblems.cardNumberRefused.with(["fields": [["field": "price_id"]]])),
        Wrong(
            "team", .month, provider: "x378282246310005x", is: BillingProblems.cardNumberRefused.with(["fields": [["field": "provider"]]])),
    ]

    @Test("an order that cannot be is refused with its reason, and nothing is written", arguments: wrong)
    func refusals(wrong: Wrong) async throws {
        let house = try await House.make()
        await #expect(throws: wrong.problem) { try await house.checkout(wrong.order) }
        #expect(house.provider.requests.isEmpty)
        #expect(try await house.rows("SELECT id FROM billing_checkout_all").isEmpty)
    }

    @Test("a second purchase brings the known customer along, no address and no second trial")
    func second() async throws {
        let house = try await House.make()
        try await house.checkout()
        for told in Lives.bought { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        try await house.checkout()
        let request = try #require(house.provider.requests.last)
        #expect(request.customer == "cus_1_a" && request.customerEmail == nil && request.trialDays == 0)
        // Another tenant's purchase knows nothing of that.
        try await house.checkout(tenant: house.stranger)
        #expect(house.provider.requests.last?.customer == nil && house.provider.requests.last?.trialDays == 7)
    }

    @Test("the portal opens for the tenant's own customer and for nobody before a purchase")
    func portal() async throws {
        let house = try await House.make()
        await #expect(throws: BillingProblems.nothingBought) {
            try await house.billing.portal(provider: nil, tenant: house.tenant, origin: "https://app.example", house.act())
        }
        try await house.checkout()
        for told in Lives.bought { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        let url = try await house.billing.portal(provider: nil, tenant: house.tenant, origin: "https://app.example", house.act())
        #expect(url == "https://pay.example/portal/cus_1_a")
        #expect(house.provider.portals.first?.returnURL == "https://app.example/billing")
        await #expect(throws: BillingProblems.nothingBought) {
            try await house.billing.portal(provider: nil, tenant: house.stranger, origin: "https://app.example", house.act())
        }
    }

    @Test(
        "what looks like a card number is found, in whatever dress",
        arguments: [
            ("4242424242424242", true), ("4242 4242 4242 4242", true), ("4242-4242-4242-4242", true),
            ("pay with 378282246310005 please", true),
            ("6304000000000000000", true), ("4242424242424241", false), ("4242  4242 4242 4242", false), ("424242424242", false),
            ("42424242424242424242", false), ("0000000000000000", false), ("018f2345-6789-7abc-8def-0123456789ab", false),
            ("price_1MoBy5", false),
            ("4222222222222", true), ("x5555555555554444y", true), ("", false),
        ])
    func cards(text: String, isCard: Bool) {
        #expect(CardNumber.isPresent(in: text) == isCard)
    }
}
