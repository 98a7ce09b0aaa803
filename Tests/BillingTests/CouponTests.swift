import PluginKit
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Billing

@Suite("Coupons at a checkout")
struct CouponTests {
    static func coupon(
        _ code: String, share: Int? = nil, off: Money? = nil, months: Int? = nil, until: Timestamp? = nil, isValid: Bool = true
    ) -> Coupon {
        Coupon(
            code: code, id: "promo_\(code)", name: "Welcome", basisPointsOff: share, amountOff: off, months: months, validUntil: until,
            isValid: isValid)
    }
    static let tenUSD = Money(amountMinor: 1_000, currency: Say.usd)
    static let tenEUR = Money(amountMinor: 1_000, currency: Currency("EUR")!)

    static func house(_ coupons: Coupon...) async throws -> House {
        let house = try await House.make(at: day(0))
        house.provider.desk.state.with { state in for coupon in coupons { state.coupons[coupon.code] = coupon } }
        return house
    }
    static func order(_ house: House, _ code: String, provider: String? = nil) -> CheckoutOrder {
        var order = house.order(provider: provider)
        order.coupon = code
        return order
    }

    @Test("a code goes to the provider as the buyer wrote it, is kept with the checkout and shown with what was bought")
    func carried() async throws {
        let house = try await Self.house(Self.coupon("SPRING", share: 2_500, months: 3))
        let answer = try await house.checkout(Self.order(house, "SPRING"))
        #expect(house.provider.requests.map(\.coupon) == ["SPRING"])
        for told in Lives.bought { try await house.deliverAndRun(told.of("x", session: answer.sessionID, reference: house.reference)) }
        let shown = try #require(try await house.subscription())
        #expect(shown.coupon == Self.coupon("SPRING", share: 2_500, months: 3))
        #expect(
            shown.json["coupon"]
                == ["code": "SPRING", "name": "Welcome", "basis_points_off": 2_500, "amount_off": .null, "months": 3])
        let entries = try await house.rows("SELECT details FROM journal_entry_all WHERE action = 'checkout.intended'")
        #expect("\(entries)".contains("SPRING"))
    }

    @Test("without a code nothing is asked and nothing is said of one")
    func without() async throws {
        let house = try await Self.house()
        house.provider.desk.lose(.question)
        try await house.checkout()
        #expect(house.provider.requests.map(\.coupon) == [nil])
        try await house.bought()
        #expect(try await house.subscription()?.json["coupon"] == .null)
    }

    @Test(
        "a code that takes nothing off is refused by its reason, and nothing is begun",
        arguments: [
            (coupon("OTHER", share: 100), "unknown"), (coupon("CODE", share: 100, isValid: false), "not_valid"),
            (coupon("CODE", share: 100, until: day(0)), "not_valid"), (coupon("CODE", off: tenEUR), "currency"),
            (coupon("CODE"), "not_valid"), (coupon("CODE", share: 100, off: tenUSD), "not_valid"),
            (coupon("CODE", share: 0), "not_valid"), (coupon("CODE", off: Money(amountMinor: 0, currency: Say.usd)), "not_valid"),
            (coupon("CODE", share: 100, months: -1), "not_valid"),
        ])
    func refused(_ known: Coupon, _ reason: String) async throws {
        let house = try await Self.house(known)
        await #expect(throws: BillingProblems.couponInvalid.with(["reason": .string(reason)])) {
            try await house.checkout(Self.order(house, "CODE"))
        }
        #expect(house.provider.requests.isEmpty)
        #expect(try await house.rows("SELECT 1 FROM billing_checkout_all").isEmpty)
    }

    @Test("what cannot be a code is none, and is never asked for", arguments: ["", "two words", "é", String(repeating: "X", count: 65)])
    func noCode(_ text: String) async throws {
        let house = try await Self.house(Self.coupon(text, share: 100))
        await #expect(throws: BillingProblems.couponInvalid.with(["reason": "unknown"])) {
            try await house.checkout(Self.order(house, text))
        }
        await #expect(throws: BillingProblems.cardNumberRefused.with(["fields": [["field": "coupon"]]])) {
            try await house.checkout(Self.order(house, "4242424242424242"))
        }
    }

    @Test("a provider without coupons says so before it is asked for anything")
    func notSupported() async throws {
        let house = try await Self.house(Self.coupon("SPRING", share: 2_500))
        _ = house.provider.desk.state.with { $0.capabilities.remove(.coupons) }
        await #expect(throws: BillingProblems.couponNotSupported) { try await house.checkout(Self.order(house, "SPRING")) }
        #expect(house.provider.requests.isEmpty)
    }

    @Test("a provider that does not answer is not a wrong code, and a code that was used up in between is")
    func inBetween() async throws {
        let house = try await Self.house(Self.coupon("SPRING", off: Self.tenUSD))
        house.provider.desk.lose(.question)
        await #expect(throws: BillingProblems.providerUnreachable.retry(afterSeconds: 5)) {
            try await house.checkout(Self.order(house, "SPRING"), key: "k")
        }
        house.provider.script(.refuse("coupon_expired"))
        await #expect(throws: BillingProblems.couponInvalid.with(["reason": "not_valid"])) {
            try await house.checkout(Self.order(house, "SPRING"), key: "k")
        }
        house.provider.script(.refuse("card_declined"))
        await #expect(throws: BillingProblems.providerRefused.with(["provider_code": "card_declined"])) {
            try await house.checkout(Self.order(house, "SPRING"), key: "k")
        }
        // The same key is the same checkout all the same, and asks for the code that it was made with.
        let answer = try await house.checkout(Self.order(house, "SPRING"), key: "k")
        #expect(try await house.checkout(Self.order(house, "SPRING"), key: "k") == answer)
        #expect(Set(house.provider.requests.map(\.coupon)) == ["SPRING"])
        #expect(try await house.rows("SELECT 1 FROM billing_checkout_all").count == 1)
    }

    @Test(
        "a lost completion is concluded where what was paid is the price less the coupon, and no less",
        arguments: [(2_175, true), (2_174, false), (2_900, true)])
    func lostCheckout(_ paid: Int64, _ isSettled: Bool) async throws {
        let house = try await Self.house(Self.coupon("SPRING", share: 2_500))
        try await house.checkout(Self.order(house, "SPRING"))
        try await house.deliverAndRun(Told("e2", Say.plan(.active).referring(to: house.reference)))
        try await house.deliverAndRun(Told("e3", Say.invoice("in_1", amount: paid)))
        house.provider.desk.state.with { $0.capabilities = [.listSubscriptions, .listPayments] }
        house.move(to: day(0, 7_200))
        let found = try await ReconciliationTests.report(house)
        #expect(found.report.findings.map(\.isMended) == [isSettled], "\(found.report.findings)")
        #expect(try await house.state() == (isSettled ? .active : .pending))
    }

    @Test("what is left of an amount is rounded to the customer's advantage, and never less than nothing")
    func left() {
        #expect(Self.coupon("A", share: 3_333).left(of: 100) == 66)
        #expect(Self.coupon("A", share: 10_000).left(of: 100) == 0 && Self.coupon("A", share: 1).left(of: 1) == 0)
        #expect(Self.coupon("A", off: Self.tenUSD).left(of: 2_900) == 1_900 && Self.coupon("A", off: Self.tenUSD).left(of: 500) == 0)
    }
}
