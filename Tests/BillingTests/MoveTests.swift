import PluginKit
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Billing

@Suite("A tenant moves to another provider")
struct MoveTests {
    /// Bought at the first, then a checkout at the second; not yet paid there.
    static func moving(at now: Timestamp = day(10)) async throws -> (house: House, old: SubscriptionID, session: String) {
        let house = try await House.make()
        try await house.bought(3, at: now)
        let old = try #require(try await house.subscription()?.id)
        let order = CheckoutOrder(tier: nil, interval: nil, priceID: nil, quantity: 1, provider: "rival", replaces: old)
        let answer = try await house.billing.checkout(order, tenant: house.tenant, origin: "https://app.example", house.act("m"))
        return (house, old, answer.sessionID)
    }
    static func reference(_ house: House) -> String { house.providers.rival.requests.last?.reference ?? "" }

    /// The second provider tells that it was bought there, in trial until what is paid to the first is over.
    static func news(_ house: House, _ session: String, at: Timestamp, until: Timestamp) -> [Told] {
        let reference = reference(house)
        return [
            Told(
                "n1",
                .checkout(
                    CheckoutFact(
                        session: session, reference: reference, customer: "cus_r", subscription: "sub_r", isPaid: true, asOf: at))),
            Told(
                "n2",
                .subscription(
                    SubscriptionFact(
                        subscription: "sub_r", customer: "cus_r", reference: reference, status: .trialing, providerPrice: nil, tier: "team",
                        quantity: 3, periodStart: at, periodEnd: until, trialEnd: until, asOf: at))),
        ]
    }

    @Test("the new one charges when the old one's time is over, the licence stays one, the old one is cancelled with its period")
    func moves() async throws {
        let (house, old, session) = try await Self.moving()
        let request = try #require(house.providers.rival.requests.last)
        #expect(request.trialDays == 20 && request.quantity == 3 && request.tier == "team", "nothing is paid twice")
        #expect(house.effects("cancel") == 0, "nothing is cancelled before the new one stands")
        for told in Self.news(house, session, at: day(10), until: day(30)).reversed() {
            try await house.deliver(told, by: "rival")
            try await house.run()
        }
        #expect(house.effects("cancel") == 1)
        #expect(house.provider.desk.state.with { $0.subscriptions["sub_1_x"]?.cancelsAt } == day(30))
        #expect(Set(house.heardStandings.map(\.subscription)) == [old], "to others it is one subscription")
        let versions = house.heardStandings.map(\.version)
        #expect(versions == versions.sorted() && Set(versions).count == versions.count)
        #expect(house.heardStandings.allSatisfy { $0.standing == .active } && house.heardStandings.last?.cancelsAt == nil, "no gap")
        // The old period ends; the new provider was paid.
        house.move(to: day(30, 60))
        let end = SubscriptionFact(
            subscription: "sub_1_x", customer: "cus_1_x", reference: nil, status: .cancelled, providerPrice: nil, tier: "team", quantity: 3,
            periodStart: day(0), periodEnd: day(30), endedAt: day(30), asOf: day(30))
        let paid = InvoiceFact(
            invoice: "in_r", subscription: "sub_r", customer: "cus_r", isPaid: true, hasFailed: false,
            amount: Money(amountMinor: 8_700, currency: Say.usd), periodStart: day(30), periodEnd: day(60), asOf: day(30))
        try await house.deliver(Told("n3", .invoice(paid)), by: "rival")
        try await house.deliverAndRun(Told("o9", .subscription(end)))
        #expect(house.heardStandings.last?.standing == .active && house.heardStandings.last?.periodEnd == day(60))
        #expect(!house.mails().contains("subscription_cancelled") && !house.mails().contains("access_suspended"))
        #expect(try await house.state() == .active)
    }

    @Test("late news of the old provider, in any order and of any kind, changes nothing for anybody else")
    func lateNews() async throws {
        let (house, _, session) = try await Self.moving()
        for told in Self.news(house, session, at: day(10), until: day(30)) { try await house.deliver(told, by: "rival") }
        try await house.run()
        let before = house.heardStandings.count
        let mails = house.mails().filter { !$0.hasPrefix("staff:") }.count
        var dice = Dice(seed: 5)
        let late = [
            Told("o1", Say.failure("in_9", at: day(11))), Told("o2", Say.plan(.pastDue, quantity: 9, at: day(12))),
            Told("o3", Say.plan(.cancelled, endedAt: day(13), at: day(13))), Told("o4", Say.plan(.active, quantity: 7, at: day(1))),
            Told("o5", Say.refund("re_9", at: day(12))), Told("o6", Say.plan(.paused, at: day(12, 60))),
        ]
        for told in (late + late).shuffled(using: &dice) {
            try await house.deliver(told.of("x", session: "cs_1", reference: house.reference))
            try await house.run()
        }
        house.move(to: day(29))
        try await house.run()
        #expect(house.heardStandings.count == before, "\(house.heardStandings.dropFirst(before))")
        // Time alone reminds of the renewal, once: of the one that goes on.
        #expect(house.mails().filter { $0 == "renewal_reminder" }.count == 1)
        #expect(house.mails().filter { !$0.hasPrefix("staff:") && $0 != "renewal_reminder" }.count == mails)
    }

    @Test("a move that is not finished at the new provider leaves the old one as it is; an unpaid old one is stopped at once")
    func unfinished() async throws {
        let (house, old, _) = try await Self.moving()
        house.move(to: day(12))
        try await house.run()
        #expect(house.effects("cancel") == 0 && house.heardStandings.last?.subscription == old)
        #expect(house.heardStandings.last?.standing == .active)

        let (second, _, session) = try await Self.moving(at: day(33))
        #expect(second.providers.rival.requests.last?.trialDays == 0, "nothing is paid any more")
        for told in Self.news(second, session, at: day(33), until: day(63)) { try await second.deliver(told, by: "rival") }
        try await second.run()
        #expect(second.provider.desk.state.with { $0.subscriptions["sub_1_x"]?.status } == .cancelled)
        // Told in any order; the highest version is what holds.
        let heard = second.heardStandings.sorted { $0.version < $1.version }
        #expect(heard.last?.standing == .active, "\(heard.map { "\($0.version) \($0.standing)" })")
    }

    @Test("the cancellation of the old one survives lost answers, once; where the old one cannot cancel, staff is told")
    func finishing() async throws {
        let (house, _, session) = try await Self.moving()
        house.provider.desk.lose(.answer, .question, .answer)
        for told in Self.news(house, session, at: day(10), until: day(30)) { try await house.deliver(told, by: "rival") }
        for _ in 0..<8 {
            try await house.run()
            house.move(to: house.clock.now() + .minutes(3))
        }
        #expect(house.effects("cancel") == 1)
        let (second, _, other) = try await Self.moving()
        second.provider.desk.state.with { $0.capabilities = [] }
        for told in Self.news(second, other, at: day(10), until: day(30)) { try await second.deliver(told, by: "rival") }
        try await second.run()
        #expect(second.mails().contains("staff:move_not_finished"))
    }

    @Test("what a move may not do: stay where it is, take more than is paid, touch a stranger's")
    func refusals() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(10))
        let old = try #require(try await house.subscription()?.id)
        func order(_ provider: String, _ tier: String? = nil, _ quantity: Int = 1) -> CheckoutOrder {
            CheckoutOrder(tier: tier, interval: nil, priceID: nil, quantity: quantity, provider: provider, replaces: old)
        }
        await expectProblem(BillingProblems.moveNowhere) { try await house.checkout(order("fake")) }
        await expectProblem(BillingProblems.moveChanges) { try await house.checkout(order("rival", "pro")) }
        await expectProblem(BillingProblems.moveChanges) { try await house.checkout(order("rival", "team", 9)) }
        await expectProblem(CommonProblems.notFound) { try await house.checkout(order("rival"), tenant: house.stranger) }
        house.providers.rival.desk.state.with { $0.capabilities = [] }
        await expectProblem(BillingProblems.providerCannot) { try await house.checkout(order("rival")) }
    }
}
