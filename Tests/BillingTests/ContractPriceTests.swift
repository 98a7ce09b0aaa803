import Catalog
import Store
import Testing
import Vocabulary

@testable import Billing

@Suite("What is bought under a contract")
struct ContractPriceTests {
    @discardableResult private func agree(
        _ house: House, _ tier: String, _ terms: JSONValue, days: Int64? = nil
    ) async throws -> Contract {
        let order = ContractOrder(tier: tier, terms: terms, endsAt: days.map { house.clock.now() + .days($0) }, reason: "as signed")
        return try await house.billing.agree(order, with: house.tenant, house.act())
    }

    @Test("a tier by contract is bought at the price that was agreed, as long as that holds and by nobody else")
    func enterprise() async throws {
        let house = try await House.make()
        let order = house.order("enterprise", .year)
        let refusal = BillingProblems.tierByContract.with(["contact_url": "/contact"])
        await #expect(throws: refusal) { try await house.checkout(order) }
        try await agree(house, "enterprise", ["prices": ["year": ["amount_minor": 1_200_000]], "trial_days": 0], days: 10)
        try await house.checkout(order)
        let request = try #require(house.provider.requests.first)
        #expect(request.unitPrice == Money(amountMinor: 1_200_000, currency: Say.usd) && request.providerPrice == nil)
        #expect(request.tier == "enterprise" && request.trialDays == 0)
        await #expect(throws: BillingProblems.noSuchPrice) { try await house.checkout(house.order("enterprise", .month)) }
        await #expect(throws: refusal) { try await house.checkout(order, tenant: house.stranger) }
        house.clock.advance(by: .days(10))
        await #expect(throws: refusal) { try await house.checkout(order) }
    }

    @Test("the provider's own price is named only where the tenant pays what everybody pays")
    func providerPrice() async throws {
        let house = try await House.make()
        try await agree(house, "pro", ["prices": ["month": ["amount_minor": 8_000]], "max_quantity": 2])
        try await house.checkout(house.order("pro", .month))
        try await house.checkout(house.order("pro", .year))
        #expect(house.provider.requests.map(\.providerPrice) == [nil, "price_pro_year"])
        #expect(house.provider.requests.map(\.unitPrice.amountMinor) == [8_000, 99_000])
        await #expect(throws: BillingProblems.quantityTooLarge.with(["max_quantity": 2])) {
            try await house.checkout(house.order("pro", .year, quantity: 3))
        }
    }

    @Test("a tier that is hidden from others may be bought under a contract")
    func hidden() async throws {
        let house = try await House.make()
        await #expect(throws: BillingProblems.tierNotOffered) { try await house.checkout(house.order("old")) }
        try await agree(house, "old", ["seats_per_unit": 3])
        try await house.checkout(house.order("old"))
        #expect(house.provider.requests.map(\.tier) == ["old"])
    }

    @Test("a tier that is paid by invoice is asked of whoever writes invoices, unless the buyer names somebody")
    func invoiced() async throws {
        let house = try await House.make(settings: Settings().setting(BillingSettings.invoiceProvider, to: "nobody"))
        try await agree(house, "enterprise", ["prices": ["year": ["amount_minor": 1_200_000]], "invoice": true])
        await #expect(throws: BillingProblems.providerUnknown) { try await house.checkout(house.order("enterprise", .year)) }
        try await house.checkout(house.order("enterprise", .year, provider: "fake"))
        try await house.checkout(house.order("pro"))
        #expect(house.provider.requests.map(\.tier) == ["enterprise", "pro"])
    }

    @Test("a contract with a tenant that is none is not found, and a card number is no reason")
    func refused() async throws {
        let house = try await House.make()
        var floor = BillingFloor(
            store: house.test.store, hooks: house.hooks, sealer: house.test.sealer, entropy: house.test.entropy, note: { _, _ in })
        floor.isTenant = { [tenant = house.tenant] in $0 == tenant }
        let billing = Billing(
            floor, catalog: house.catalog, prices: Shop.prices, providers: house.providers, addresses: FakeAddresses(),
            access: house.access,
            settings: Settings())
        var order = ContractOrder(tier: "pro", terms: ["seats_per_unit": 60], reason: "as signed")
        await #expect(throws: CommonProblems.notFound) { try await billing.agree(order, with: house.stranger, house.act()) }
        _ = try await billing.agree(order, with: house.tenant, house.act())
        order.reason = "card 4242 4242 4242 4242"
        await #expect(throws: Problem.self) { try await billing.agree(order, with: house.tenant, house.act()) }
    }
}
