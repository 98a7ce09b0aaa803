import HookEngine
import Testing
import Vocabulary

@testable import Billing

@Suite("what the hook of changes is sent")
struct TierChangeHookTests {
    @Test("what is sent is what it declares")
    func fits() throws {
        let tenant = try #require(TenantID("018f0000-0000-7000-8000-000000000001"))
        let price = Money(amountMinor: 9_900, currency: try #require(Currency("USD")))
        let offer = OnTierChange.Offer(tier: "pro", quantity: 1, interval: .month, price: price)
        let change = OnTierChange.encode(
            .init(
                tenant: tenant, role: "owner", from: offer, to: offer, isUpgrade: false, seatsUsed: 3, customerAgeDays: 40,
                failedPayments: 0))
        #expect(HookCheck.issues(change, OnTierChange.definition.input).isEmpty)
    }
}
