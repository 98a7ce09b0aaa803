import Catalog
import HookEngine
import PluginKit
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Billing

@Suite("Wishes for a quantity")
struct QuantityWishTests {
    static func wish(_ quantity: Int) -> QuantityWish {
        QuantityWish(
            id: QuantityWish.ID("01890000-0000-7000-8000-0000000000f1")!,
            subscription: SubscriptionID("01890000-0000-7000-8000-0000000000f2")!,
            revision: 1, provider: "fake", object: "sub", quantity: quantity, wishedBy: House.user, role: "owner", status: .waiting,
            operation: nil, tries: 0, code: nil, openedAt: day(1), wishedAt: day(1), dueAt: day(1, 60), settledAt: nil)
    }

    @Test(
        "the first wish opens a window, others stay in it, what is billed already ends it",
        arguments: [
            (nil, 5, 3, QuantityWish.Step.open), (4, 5, 3, .renew), (5, 5, 3, .renew), (4, 3, 3, .withdraw), (nil, 3, 3, .nothing),
        ] as [(Int?, Int, Int, QuantityWish.Step)])
    func steps(waiting: Int?, wanted: Int, billed: Int, step: QuantityWish.Step) {
        #expect(QuantityWish.step(waiting: waiting.map(Self.wish), wanted: wanted, billed: billed) == step)
    }

    @Test("only a quantity alone, to which no price was agreed, is gathered")
    func gathered() throws {
        let (plain, agreed) = (
            ChangeOrder(quantity: 5), [ChangeOrder(quantity: 5, dueNowMinor: 0), ChangeOrder(quantity: 5, prorationAt: day(1))]
        )
        func isGathered(_ order: ChangeOrder, _ apply: QuantityWish.Apply?, alone: Bool = true, window: Int64 = 60) throws -> Bool {
            try QuantityWish.isGathered(order, apply, isQuantityAlone: alone, window: .seconds(window))
        }
        #expect(try isGathered(plain, nil) && isGathered(plain, .window))
        #expect(try !isGathered(plain, .now) && !isGathered(plain, nil, alone: false))
        #expect(try !isGathered(plain, nil, window: 0) && !isGathered(plain, .window, window: 0))
        for order in agreed {
            #expect(try !isGathered(order, nil) && !isGathered(order, .now))
            #expect(throws: CommonProblems.invalid("apply", "is now where a preview is agreed to")) { try isGathered(order, .window) }
        }
        #expect(throws: CommonProblems.invalid("apply", "is now where more than the quantity changes")) {
            try isGathered(plain, .window, alone: false)
        }
        #expect(QuantityWish.pause(tries: 1, asked: nil) == .seconds(30) && QuantityWish.pause(tries: 99, asked: nil) == .hours(1))
        #expect(
            QuantityWish.pause(tries: 1, asked: .seconds(70)) == .seconds(70) && QuantityWish.pause(tries: 1, asked: .days(9)) == .days(1))
    }

    static func house(_ seconds: Int = 60) async throws -> House {
        let house = try await House.make(settings: Settings().setting(BillingSettings.quantityWindow, to: seconds))
        try await house.bought(3, at: day(10))
        return house
    }

    @Test("many wishes within one window are one call and one proration, when the window of the first is over")
    func once() async throws {
        let house = try await Self.house()
        for quantity in [4, 9, 5, 7] {
            let answer = try await house.wish(quantity)
            #expect(answer.operation == nil && answer.subscription?.standing.quantity == 3)
            let wish = try #require(answer.subscription?.wish)
            #expect(wish.quantity == quantity && wish.status == .waiting && wish.dueAt == minute(1) && wish.wishedBy == House.user)
            house.clock.advance(by: .seconds(15))
        }
        // The last second of the window.
        #expect(house.clock.now() == minute(1))
        #expect(house.effects("change") == 0)
        try await house.run()
        #expect(house.effects("change") == 1)
        let view = try #require(try await house.subscription())
        #expect(view.standing.quantity == 7 && view.wish == nil)
        #expect(house.heardStandings.last?.quantity == 7 && house.heardStandings.filter { $0.quantity > 3 }.count == 1)
        #expect(try await house.operations.map(\.status) == [.done])
        house.move(to: minute(5))
        try await house.run()
        #expect(house.effects("change") == 1 && house.mails().allSatisfy { $0 != "quantity_refused" })
        #expect(try await house.journal("quantity_wish.") == ["wished", "wished", "wished", "wished", "asked", "done"])
    }

    @Test("nobody asks the provider a second before")
    func early() async throws {
        let house = try await Self.house()
        _ = try await house.wish(5)
        house.clock.advance(by: .seconds(59))
        try await house.run()
        #expect(house.effects("change") == 0)
        house.clock.advance(by: .seconds(1))
        try await house.run()
        #expect(house.effects("change") == 1)
    }

    @Test("back to what is billed, or withdrawn: nobody hears of it", arguments: [false, true])
    func roundTrip(isWithdrawn: Bool) async throws {
        let house = try await Self.house()
        await expectProblem(BillingProblems.nothingChanges) { try await house.wish(3) }
        await expectProblem(BillingProblems.noQuantityWish) {
            try await house.billing.withdrawQuantity(nil, tenant: house.tenant, house.act("none"))
        }
        let id = try #require(try await house.wish(5).subscription?.id)
        await #expect(throws: CommonProblems.notFound) {
            try await house.billing.withdrawQuantity(id, tenant: house.stranger, house.act())
        }
        for _ in 0..<2 where isWithdrawn {
            // The same key is the same withdrawal.
            #expect(try await house.billing.withdrawQuantity(nil, tenant: house.tenant, house.act("w"))?.wish == nil)
        }
        if !isWithdrawn {
            let answer = try await house.wish(3)
            #expect(answer.operation == nil && answer.subscription?.wish == nil)
        }
        house.move(to: minute(10))
        try await house.run()
        #expect(try await house.operations.isEmpty)
        #expect(house.effects("change") == 0)
        #expect(try await house.journal("quantity_wish.") == ["wished", "withdrawn"])
        // The next wish has a window of its own.
        #expect(try await house.wish(4).subscription?.wish?.dueAt == minute(11))
        house.move(to: minute(11))
        try await house.run()
        #expect(try await house.subscription()?.standing.quantity == 4)
    }

    @Test("a change at once takes its place; where it names no quantity it takes the wish along")
    func atOnce() async throws {
        let house = try await Self.house()
        _ = try await house.wish(9)
        let answer = try await house.billing.change(ChangeOrder(quantity: 5), apply: .now, house.caller, house.act("n"))
        #expect(answer.operation?.status == .done && answer.subscription?.standing.quantity == 5 && answer.subscription?.wish == nil)
        // Back at once to what is billed: only the wish goes.
        _ = try await house.wish(8)
        let back = try await house.billing.change(ChangeOrder(quantity: 5), apply: .now, house.caller, house.act("b"))
        #expect(back.operation == nil && back.subscription?.wish == nil)
        _ = try await house.wish(6)
        #expect(try await house.billing.previewChange(ChangeOrder(tier: "pro"), house.caller, house.act()).to.quantity == 6)
        let other = try await house.billing.change(ChangeOrder(tier: "pro"), apply: nil, house.caller, house.act("y"))
        #expect(other.operation?.status == .done && other.subscription?.wish == nil)
        #expect(house.provider.desk.state.with { $0.subscriptions["sub_1_x"]?.quantity } == 6)
        house.move(to: minute(10))
        try await house.run()
        #expect(house.effects("change") == 2)
        #expect(
            try await house.journal("quantity_wish.") == ["wished", "replaced", "wished", "withdrawn", "wished", "replaced"])
    }

    @Test("a cancellation or a pause takes its place; one that the provider refuses does not")
    func otherOperations() async throws {
        let house = try await Self.house()
        _ = try await house.wish(5)
        house.provider.desk.lose(.refusal)
        await expectProblem(BillingProblems.providerRefused) {
            try await house.billing.cancel(nil, .periodEnd, reason: nil, tenant: house.tenant, house.act("c"))
        }
        #expect(try await house.subscription()?.wish?.status == .waiting)
        let cancelled = try await house.billing.cancel(nil, .periodEnd, reason: nil, tenant: house.tenant, house.act("c"))
        #expect(cancelled.subscription?.wish == nil)
        await expectProblem(BillingProblems.stateWrong) { try await house.wish(6) }
        house.move(to: minute(10))
        try await house.run()
        #expect(house.effects("change") == 0 && !house.mails().contains("quantity_refused"))
        _ = try await house.billing.resume(nil, tenant: house.tenant, house.act("r"))
        _ = try await house.wish(6)
        let paused = try await house.billing.pause(nil, until: nil, tenant: house.tenant, house.act("p"))
        #expect(paused.subscription?.wish == nil)
    }

    @Test("a policy is asked when it is wished and when it is carried out; a refusal by then is shown and mailed once")
    func policy() async throws {
        let house = try await Self.house()
        house.hooks.script("on_tier_change", .deny(reason: "too_soon", retryAfterSeconds: 60))
        await #expect(throws: CommonProblems.denied("too_soon", retryAfterSeconds: 60)) { try await house.wish(5) }
        #expect(try await house.subscription()?.wish == nil)
        house.hooks.script("on_tier_change", .allow(.object([])))
        _ = try await house.wish(5)
        house.hooks.script("on_tier_change", .deny(reason: "too_soon", retryAfterSeconds: 60))
        house.move(to: minute(5))
        try await house.run()
        let wish = try #require(try await house.subscription()?.wish)
        #expect(wish.status == .refused && wish.code == "policy_denied" && house.effects("change") == 0)
        let mail = try #require(house.heardMails.filter { $0.template == "quantity_refused" }.last)
        #expect(
            mail.values["quantity"] == "5" && mail.values["reason"] == "a rule does not allow it" && mail.recipient == .owners(house.tenant)
        )
        #expect(house.mails().filter { $0 == "quantity_refused" }.count == 1)
        house.move(to: day(18))
        try await house.run()
        #expect(try await house.subscription()?.wish == nil, "an old refusal is not shown for ever")
    }

    @Test("the provider's no is told; its limit puts the wish off; a provider that is away is waited for")
    func refused() async throws {
        let house = try await Self.house()
        _ = try await house.wish(5)
        house.provider.desk.lose(.refusal)
        house.move(to: minute(1))
        try await house.run()
        #expect(try await house.subscription()?.wish?.code == "not_today")
        #expect(house.mails().filter { $0 == "quantity_refused" }.count == 1)
        _ = try await house.wish(6)
        house.provider.desk.lose(.limited)
        house.move(to: minute(2))
        try await house.run()
        let wish = try #require(try await house.subscription()?.wish)
        #expect(wish.status == .waiting && wish.quantity == 6 && wish.dueAt > house.clock.now())
        house.providers.isDown.with { $0 = true }
        house.move(to: minute(10))
        try await house.run()
        #expect(try await house.subscription()?.wish?.status == .waiting && house.effects("change") == 0)
        house.providers.isDown.with { $0 = false }
        house.move(to: minute(20))
        try await house.run()
        #expect(try await house.subscription()?.standing.quantity == 6 && house.effects("change") == 1)
        #expect(house.mails().filter { $0 == "quantity_refused" }.count == 1)
    }

    @Test("a provider that is away for days: the wish is given up and told")
    func givenUp() async throws {
        let house = try await Self.house()
        _ = try await house.wish(5)
        house.providers.isDown.with { $0 = true }
        for hour in 1...80 {
            house.move(to: minute(Int64(hour) * 60))
            try await house.run()
        }
        #expect(try await house.subscription()?.wish?.code == BillingProblems.providerUnavailable.code)
        #expect(house.mails().filter { $0 == "quantity_refused" }.count == 1)
    }

    @Test(
        "an unknown outcome settles as every operation does; meanwhile no other wish, and no withdrawal",
        arguments: [FakeDesk.Loss.answer, .question])
    func unknown(_ loss: FakeDesk.Loss) async throws {
        let house = try await Self.house()
        _ = try await house.wish(5)
        house.provider.desk.lose(loss)
        house.clock.advance(by: .seconds(60))
        try await house.run()
        let wish = try #require(try await house.subscription()?.wish)
        #expect(wish.status == .asked && wish.operation != nil)
        await expectProblem(BillingProblems.operationOpen) { try await house.wish(6) }
        await expectProblem(BillingProblems.operationOpen) {
            try await house.billing.withdrawQuantity(nil, tenant: house.tenant, house.act())
        }
        house.move(to: minute(10))
        try await house.run()
        #expect(house.effects("change") == 1)
        #expect(try await house.subscription()?.standing.quantity == 5)
        #expect(try await house.subscription()?.wish == nil)
    }

    @Test("the same Idempotency-Key is one wish, also after a later one; another body with it is refused")
    func idempotency() async throws {
        let house = try await Self.house()
        _ = try await house.wish(5, key: "a")
        _ = try await house.wish(7, key: "b")
        #expect(try await house.wish(5, key: "a").subscription?.wish?.quantity == 7)
        await #expect(throws: CommonProblems.idempotencyKeyReused) {
            try await house.billing.change(ChangeOrder(quantity: 9), apply: nil, house.caller, house.act("a", fingerprint: [9]))
        }
        house.move(to: minute(2))
        try await house.run()
        #expect(try await house.wish(5, key: "a").subscription?.standing.quantity == 7)
        #expect(house.effects("change") == 1)
    }

    @Test("fewer units wait for the period's end, as ever; a news of the provider that says so already makes a call needless")
    func fewer() async throws {
        let house = try await Self.house()
        _ = try await house.wish(1)
        house.move(to: minute(1))
        try await house.run()
        let view = try #require(try await house.subscription())
        #expect(view.standing.quantity == 3 && view.standing.change?.quantity == 1 && house.effects("change") == 1)
        await expectProblem(BillingProblems.downgradeWaits) { try await house.wish(9) }
        _ = try await house.wish(2)
        house.provider.desk.state.with { $0.subscriptions["sub_1_x"]?.quantity = 2 }
        house.move(to: minute(1) + .seconds(30))
        var fact = try #require(house.provider.desk.state.with { $0.subscriptions["sub_1_x"] })
        fact.asOf = house.clock.now()
        try await house.deliverAndRun(Told(id: "portal", facts: [.subscription(fact)]))
        house.move(to: minute(3))
        try await house.run()
        #expect(house.effects("change") == 1)
        #expect(try await house.subscription()?.standing.change?.quantity == 2)
        #expect(try await house.journal("quantity_wish.").suffix(2) == ["wished", "done"])
    }

    @Test("with no window each is asked for at once, as before")
    func noWindow() async throws {
        let house = try await Self.house(0)
        let answer = try await house.wish(5)
        #expect(answer.operation?.status == .done && answer.subscription?.wish == nil && house.effects("change") == 1)
    }

    @Test("nobody moves to another provider and loses what waits")
    func move() async throws {
        let house = try await Self.house()
        let id = try #require(try await house.wish(5).subscription?.id)
        var order = house.order("team", .month, quantity: 3, provider: "rival")
        order.replaces = id
        await expectProblem(BillingProblems.quantityWishWaits) { try await house.checkout(order) }
    }

    @Test("wishes at the same moment are one window, and the last of them is what is asked for")
    func race() async throws {
        let house = try await Self.house()
        await withTaskGroup(of: Void.self) { group in
            for quantity in 4...11 { group.addTask { _ = try? await house.wish(quantity) } }
        }
        let last = try #require(try await house.subscription()?.wish)
        house.move(to: minute(1))
        try await house.run()
        #expect(house.effects("change") == 1)
        #expect(try await house.subscription()?.standing.quantity == last.quantity)
    }
}

/// Of the day on which the tests begin.
func minute(_ count: Int64) -> Timestamp { day(10) + .minutes(count) }

extension House {
    @discardableResult func wish(_ quantity: Int, key: String? = nil) async throws -> ChangeAnswer {
        try await billing.change(ChangeOrder(quantity: quantity), apply: nil, caller, act(key))
    }
    var operations: [BillingOperation] {
        get async throws { try await billing.operations(of: tenant, after: nil, limit: 100).items }
    }
    /// What the tenant's journal says of one noun, in order.
    func journal(_ noun: String) async throws -> [String] {
        try await rows("SELECT action FROM journal_entry_all WHERE action LIKE '\(noun)%' ORDER BY seq").compactMap {
            guard case .text(let action)? = $0.first else { return nil }
            return String(action.dropFirst(noun.count))
        }
    }
}

extension Billing {
    /// At once.
    func change(_ order: ChangeOrder, _ caller: Principal, _ act: Act) async throws -> OperationAnswer {
        let answer = try await change(order, apply: .now, caller, act)
        guard let operation = answer.operation else { throw PermanentFailure("no operation") }
        return OperationAnswer(operation: operation, subscription: answer.subscription)
    }
}
