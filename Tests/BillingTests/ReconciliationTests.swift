import PluginKit
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Billing

@Suite("Comparing with providers")
struct ReconciliationTests {
    static func report(_ house: House) async throws -> Reconciliation {
        try await house.billing.requestReconciliation(house.act())
        try await house.run()
        return try #require(try await house.billing.reconciliations(after: nil, limit: 1).items.first)
    }

    @Test("where nothing differs nothing is done, however often it is looked at")
    func quiet() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(2))
        let version = house.heardStandings.last?.version
        for number in 0..<3 {
            house.move(to: day(2, Int64(number) * 600))
            let found = try await Self.report(house)
            #expect(found.status == .done && found.report.found == 0, "\(found.report.findings)")
            #expect(found.report.compared["subscription"] == 1 && found.report.compared["payment"] == 1)
        }
        #expect(house.heardStandings.last?.version == version && !house.mails().contains("staff:payments_differed"))
    }

    @Test("a licence that lets somebody in without any subscription is told to staff, page after page, and left as it is")
    func strangers() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(2))
        let known = try #require(try await house.subscription()?.id)
        func paid(_ tenant: TenantID, _ subscription: SubscriptionID) -> PaidLicense {
            PaidLicense(tenant: tenant, license: subscription.uuid, subscription: subscription)
        }
        house.access.paid.with { $0 = Array(repeating: paid(house.tenant, known), count: 1) }
        #expect(try await Self.report(house).report.found == 0)
        let strange = (0..<401).map { _ in house.test.entropy.id(day(2)) as SubscriptionID }
        // Another tenant's subscription is none.
        house.access.paid.with { $0 = strange.map { paid(house.tenant, $0) } + [paid(house.tenant, known), paid(house.stranger, known)] }
        house.move(to: day(2, 600))
        let found = try await Self.report(house).report
        #expect(found.found == 402 && found.findings.allSatisfy { $0.kind == .access && $0.what == "subscription_unknown" && !$0.isMended })
        #expect(found.findings.prefix(401).map(\.object) == strange.prefix(200).map(\.description))
        #expect(house.mails().contains("staff:payments_differed"))
        #expect(try await CorrectionTests.corrections(house).isEmpty)
    }

    @Test("a lost webhook of each kind is made good, once, and policy is asked about it")
    func lostWebhooks() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(2))
        house.provider.desk.state.with { state in
            state.subscriptions["sub_1_x"]?.quantity = 6
            state.refunds = [
                RefundFact(
                    refund: "re_9", payment: "pay_1_x", customer: "cus_1_x", subscription: nil, amount: nil, reason: nil, asOf: day(2))
            ]
            state.disputes = [
                DisputeFact(
                    dispute: "dp_9", payment: "pay_1_x", customer: "cus_1_x", subscription: "sub_1_x", amount: nil,
                    status: "needs_response",
                    reason: nil, asOf: day(2))
            ]
            state.invoices["in_2_x"] = ProviderInvoice(
                invoice: "in_2_x", number: nil, customer: "cus_1_x", subscription: "sub_1_x", status: .paid,
                total: Money(amountMinor: 2900, currency: Say.usd), due: Money(amountMinor: 0, currency: Say.usd), issuedAt: day(2),
                periodStart: day(30), periodEnd: day(60), lines: [])
            state.subscriptions["sub_foreign"] = state.subscriptions["sub_1_x"].map {
                var other = $0
                (other.subscription, other.customer, other.reference) = ("sub_foreign", "cus_foreign", nil)
                return other
            }
        }
        let found = try await Self.report(house)
        #expect(Set(found.report.findings.map(\.kind)) == [.subscription, .payment, .refund, .dispute] && found.report.foreign == 1)
        #expect(found.report.findings.allSatisfy { $0.isMended && $0.tenant == house.tenant })
        #expect(try await house.subscription()?.standing.quantity == 6)
        #expect(try await house.subscription()?.standing.periodEnd == day(60))
        #expect(Set(house.mails()).isSuperset(of: ["staff:refund_created", "staff:dispute_opened", "staff:payments_differed"]))
        house.move(to: day(2, 600))
        #expect(try await Self.report(house).report.found == 0)
        #expect(house.mails().filter { $0 == "staff:refund_created" }.count == 1)
        // The webhook comes after all.
        try await house.deliverAndRun(Told("late", OperationTests.told("re_9", 100)))
        #expect(house.mails().filter { $0 == "staff:refund_created" }.count == 1)
    }

    @Test("events that no webhook brought are taken from the provider's list, as if they had come")
    func events() async throws {
        let house = try await House.make(at: day(0))
        let answer = try await house.checkout()
        house.provider.desk.state.with { $0.capabilities = [.listEvents] }
        for told in Lives.bought {
            let told = told.of("x", session: answer.sessionID, reference: house.reference)
            let body = try JSONCoding.encode(FakeProvider.Body(id: told.id, type: "thing.changed", at: told.at, facts: told.facts))
            let event = VerifiedEvent(id: told.id, type: "thing.changed", createdAt: told.at, body: body)
            house.provider.desk.state.with { $0.events.append(event) }
        }
        let found = try await Self.report(house)
        #expect(found.report.findings.map(\.kind) == [.missedEvent, .missedEvent, .missedEvent] && found.report.unlisted.count == 4)
        #expect(try await house.state() == .active)
        house.move(to: day(0, 60))
        #expect(try await Self.report(house).report.found == 0)
    }

    @Test("a licence that lost its news, or shows something else, is told anew under a version that wins")
    func access() async throws {
        let house = try await House.make()
        house.access.isDeaf.with { $0 = true }
        try await house.bought(3, at: day(2))
        house.access.isDeaf.with { $0 = false }
        let found = try await Self.report(house)
        #expect(found.report.findings.map(\.what) == ["missing"])
        let id = try #require(try await house.subscription()?.id)
        #expect(house.access.shown.with { $0[id]?.quantity } == 3)
        house.access.shown.with {
            $0[id] = ShownLicense(version: 99, standing: .active, tier: "pro", quantity: 50, periodEnd: day(900), isRevoked: false)
        }
        house.move(to: day(3))
        #expect(try await Self.report(house).report.findings.map(\.what) == ["version"])
        #expect(house.access.shown.with { $0[id]?.quantity } == 3 && house.access.shown.with { $0[id]?.version } == 100)
        house.move(to: day(4))
        #expect(try await Self.report(house).report.found == 0)
    }

    /// Checkout, subscription and paid invoice, and the news that the checkout is complete is lost; the subscription is listed.
    private static func lost(paid: Int64 = 2_900, quantity: Int = 1, tier: String = "team") async throws -> House {
        let house = try await House.make(at: day(0))
        try await house.checkout()
        try await house.deliverAndRun(Told("e2", Say.plan(.active, quantity: quantity, tier: tier).referring(to: house.reference)))
        try await house.deliverAndRun(Told("e3", Say.invoice("in_1", amount: paid)))
        #expect(try await house.subscription()?.standing.reason == .checkoutOpen)
        house.provider.desk.state.with { $0.capabilities = [.listSubscriptions, .listPayments] }
        return house
    }

    @Test("a checkout whose completion never came is settled by what the provider tells of the sale, where it lists no events")
    func lostCheckout() async throws {
        let house = try await Self.lost()
        #expect(try await Self.report(house).report.found == 0, "its webhook may still be under way")
        house.move(to: day(0, 7_200))
        let found = try await Self.report(house)
        #expect(found.report.unlisted.contains("list_events"))
        #expect(
            found.report.findings.map(\.kind) == [.checkoutOpen] && found.report.findings.allSatisfy(\.isMended), "\(found.report.findings)"
        )
        #expect(try await house.state() == .active)
        let told = house.heardStandings.count
        // Once: neither the next run nor the webhook that comes after all grants anything anew.
        house.move(to: day(0, 14_400))
        #expect(try await Self.report(house).report.found == 0)
        try await house.deliverAndRun(Lives.bought[0].of("late", session: "cs_1", reference: house.reference))
        #expect(try await house.state() == .active)
        #expect(house.heardStandings.count == told && house.heardStandings.last?.quantity == 1)
    }

    @Test(
        "what was paid for and is not what the checkout offered waits for a person: less money, more units, a higher tier",
        arguments: [(Int64(100), 1, "team"), (2_900, 5, "team"), (2_900, 1, "pro")])
    func otherSale(_ paid: Int64, _ quantity: Int, _ tier: String) async throws {
        let house = try await Self.lost(paid: paid, quantity: quantity, tier: tier)
        house.move(to: day(0, 7_200))
        let found = try await Self.report(house)
        #expect(found.report.findings.map(\.isMended) == [false], "\(found.report.findings)")
        #expect(try await house.state() == .pending && house.heardStandings.isEmpty)
    }

    @Test("a run takes the writer for what it mends alone: as often for five subscriptions as for one")
    func writes() async throws {
        var counts: [Int] = []
        for subscriptions in [1, 5] {
            let faulty = Guarded<FaultyStore?>(nil)
            let house = try await House.make { inner in
                let store = FaultyStore(inner)
                faulty.with { $0 = store }
                return store
            }
            let store = try #require(faulty.with { $0 })
            try await house.bought(3, at: day(2))
            for number in 1..<subscriptions {
                // Bought at the provider itself by the same customer.
                let other = SubscriptionFact(
                    subscription: "sub_more_\(number)", customer: "cus_1_x", reference: nil, status: .active, providerPrice: nil,
                    tier: "team",
                    quantity: 1, periodStart: day(2), periodEnd: day(32), asOf: day(2))
                try await house.deliverAndRun(Told("more_\(number)", .subscription(other)))
            }
            #expect(try await house.billing.subscriptions(of: house.tenant, now: house.clock.now()).count == subscriptions)
            house.provider.desk.state.with { $0.capabilities = [] }
            house.move(to: day(3))
            let before = store.writes
            #expect(try await Self.report(house).report.compared["access"] == subscriptions)
            counts.append(store.writes - before)
        }
        #expect(counts[0] == counts[1], "\(counts)")
    }

    @Test("a provider that does not answer ends its own comparison only; what is here is looked after all the same")
    func unreachable() async throws {
        let house = try await House.make()
        house.access.isDeaf.with { $0 = true }
        try await house.bought(3, at: day(2))
        house.access.isDeaf.with { $0 = false }
        house.provider.desk.lose(.question)
        let found = try await Self.report(house)
        #expect(found.status == .failed && found.report.failure == "the provider: unreachable")
        #expect(found.report.findings.map(\.kind) == [.access])
    }

    @Test("after a provider was away for longer than a comparison looks back, the next one goes back to the last that was done")
    func longAway() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(2))
        #expect(try await Self.report(house).since == house.act().now - .days(7))
        let done = house.act().now
        for later in [day(12), day(39)] {
            house.move(to: later)
            house.provider.desk.lose(.question)
            #expect(try await Self.report(house).status == .failed)
        }
        house.move(to: day(40))
        let found = try await Self.report(house)
        #expect(found.status == .done && found.since == done)
        house.move(to: day(41))
        #expect(try await Self.report(house).since == day(34), "what was compared since is done with")
    }

    @Test("the regular run comes back by itself, and a crash at any step of a run repairs each thing once")
    func crashes() async throws {
        let (probe, counted) = try await OperationCrashTests.house()
        probe.provider.desk.state.with { $0.subscriptions["sub_1_x"]?.quantity = 6 }
        counted.crash(at: nil, .before)
        try await probe.billing.scheduleDaily(probe.act())
        probe.move(to: day(11))
        try await probe.run()
        let steps = counted.calls
        #expect(try await probe.subscription()?.standing.quantity == 6)
        for step in stride(from: 1, through: steps, by: 2) {
            let (house, store) = try await OperationCrashTests.house()
            house.provider.desk.state.with { $0.subscriptions["sub_1_x"]?.quantity = 6 }
            try await house.billing.scheduleDaily(house.act())
            store.crash(at: step, step.isMultiple(of: 4) ? .after : .before)
            house.move(to: day(11))
            for _ in 0..<4 {
                do { try await house.run() } catch is FaultyStore.Crash {}
                house.move(to: house.clock.now() + .minutes(20))
            }
            store.crash(at: nil, .before)
            house.move(to: house.clock.now() + .hours(7))
            try await house.run()
            #expect(try await house.subscription()?.standing.quantity == 6, "step \(step)")
            #expect(house.heardStandings.filter { $0.quantity == 6 }.count == 1, "step \(step)")
        }
    }
}
