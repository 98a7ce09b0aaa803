import HookEngine
import PluginKit
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Billing
@testable import Catalog

@Suite("What providers are asked to do")
struct OperationTests {
    @Test("an upgrade shows its money first, holds at once, and is charged as shown")
    func upgrade() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(10))
        let quote = try await house.billing.previewChange(ChangeOrder(quantity: 5), house.caller, house.act())
        #expect(quote.when == .now && quote.dueNow == Money(amountMinor: 2900, currency: Say.usd) && quote.prorationAt == day(10))
        #expect(quote.nextAmount == Money(amountMinor: 14_500, currency: Say.usd))
        #expect(house.effects("change") == 0, "a preview changes nothing")
        let order = ChangeOrder(quantity: 5, prorationAt: quote.prorationAt, dueNowMinor: quote.dueNow?.amountMinor)
        let answer = try await house.billing.change(order, house.caller, house.act("k"))
        #expect(answer.operation.status == .done && answer.subscription?.standing.quantity == 5)
        #expect(try await house.billing.change(order, house.caller, house.act("k")).operation.id == answer.operation.id)
        #expect(house.effects("change") == 1)
        try await house.run()
        #expect(house.heardStandings.last?.quantity == 5)
        await #expect(throws: CommonProblems.idempotencyKeyReused) {
            try await house.billing.change(order, house.caller, house.act("k", fingerprint: [9]))
        }
    }

    @Test("less waits for the period's end and costs nothing; it can be taken back for nothing, and no upgrade comes in between")
    func downgrade() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(10))
        let quote = try await house.billing.previewChange(ChangeOrder(quantity: 1), house.caller, house.act())
        #expect(quote.when == .periodEnd && quote.at == day(30) && quote.dueNow?.amountMinor == 0)
        let answer = try await house.billing.change(ChangeOrder(quantity: 1), house.caller, house.act("k"))
        #expect(answer.subscription?.standing.quantity == 3)
        #expect(answer.subscription?.standing.change == Standing.Change(tier: "team", quantity: 1, at: day(30)))
        await expectProblem(BillingProblems.downgradeWaits) {
            try await house.billing.change(ChangeOrder(quantity: 9), house.caller, house.act("k2"))
        }
        await expectProblem(BillingProblems.nothingChanges) {
            try await house.billing.change(ChangeOrder(quantity: 1), house.caller, house.act("k3"))
        }
        house.move(to: day(11))
        let back = try await house.billing.change(ChangeOrder(quantity: 3, dueNowMinor: 0), house.caller, house.act("k4"))
        #expect(back.subscription?.standing.change == nil && back.subscription?.standing.quantity == 3)
    }

    @Test("what was not agreed to is not bought: another amount, an old preview, a policy's no, a discount of policy")
    func agreed() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(10))
        await expectProblem(BillingProblems.amountChanged) {
            try await house.billing.change(ChangeOrder(quantity: 5, dueNowMinor: 1), house.caller, house.act("a"))
        }
        for moment in [day(10, 301), day(9)] {
            await expectProblem(BillingProblems.previewOver) {
                try await house.billing.change(ChangeOrder(quantity: 5, prorationAt: moment), house.caller, house.act("b"))
            }
        }
        house.access.seats.with { $0 = 7 }
        house.hooks.script("on_tier_change", .deny(reason: "too_soon", retryAfterSeconds: 60))
        await #expect(throws: CommonProblems.denied("too_soon", retryAfterSeconds: 60)) {
            try await house.billing.change(ChangeOrder(quantity: 5), house.caller, house.act("c"))
        }
        let asked = try #require(house.hooks.questions.last { $0.hook == "on_tier_change" })
        #expect(HookCheck.issues(asked.input, OnTierChange.definition.input).isEmpty && asked.input["tenant"]?["seats_used"]?.int == 7)
        house.hooks.script("on_tier_change", .allow(.object([("discount_basis_points", .int(1_000))])))
        let quote = try await house.billing.previewChange(ChangeOrder(quantity: 5), house.caller, house.act())
        #expect(quote.to.price.amountMinor == 2_610 && quote.nextAmount.amountMinor == 13_050)
        #expect(house.effects("change") == 0)
        #expect(SubscriptionDesk.discounted(999, basisPoints: 1) == 998 && SubscriptionDesk.discounted(.max, basisPoints: 0) == .max)
    }

    @Test("cancelled with the period, taken back, paused, stopped: each at the provider and here")
    func lifecycle() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(10))
        let cancelled = try await house.billing.cancel(nil, .periodEnd, reason: "unused", tenant: house.tenant, house.act("a"))
        #expect(cancelled.subscription?.standing.cancelsAt == day(30) && cancelled.subscription?.standing.state == .active)
        await expectProblem(BillingProblems.stateWrong) {
            try await house.billing.change(ChangeOrder(quantity: 5), house.caller, house.act("b"))
        }
        house.move(to: day(11))
        let resumed = try await house.billing.resume(nil, tenant: house.tenant, house.act("c"))
        #expect(resumed.subscription?.standing.cancelsAt == nil)
        house.move(to: day(12))
        let paused = try await house.billing.pause(nil, until: nil, tenant: house.tenant, house.act("d"))
        #expect(paused.subscription?.standing.state == .suspended && paused.subscription?.standing.reason == .paused)
        house.move(to: day(13))
        #expect(try await house.billing.resume(nil, tenant: house.tenant, house.act("e")).subscription?.standing.state == .active)
        let able = house.provider.desk.state.with { $0.capabilities }
        house.provider.desk.state.with { $0.capabilities = [] }
        await expectProblem(BillingProblems.providerCannot) {
            try await house.billing.pause(nil, until: nil, tenant: house.tenant, house.act("g"))
        }
        house.provider.desk.state.with { $0.capabilities = able }
        house.move(to: day(14))
        let ended = try await house.billing.cancel(nil, .now, reason: nil, tenant: house.tenant, house.act("f"))
        #expect(ended.subscription?.standing.cancelsAt == day(30), "what is paid for stays")
        await expectProblem(BillingProblems.stateWrong) {
            try await house.billing.resume(ended.subscription?.id, tenant: house.tenant, house.act("over"))
        }
        try await house.run()
        #expect(house.mails().filter { $0 == "subscription_cancelled" }.count == 1, "policy heard of the end")
        #expect(house.effects("cancel") == 2 && house.effects("resume") == 2 && house.effects("pause") == 1)
        await expectProblem(BillingProblems.nothingBought) {
            try await house.billing.cancel(nil, .now, reason: nil, tenant: house.stranger, house.act("h"))
        }
        await #expect(throws: CommonProblems.notFound) {
            try await house.billing.cancel(ended.subscription?.id, .now, reason: nil, tenant: house.stranger, house.act("i"))
        }
    }

    @Test(
        "an answer that is lost is unknown, not failed; nobody else asks meanwhile; a job finds out, and the effect is there once",
        arguments: [[FakeDesk.Loss.answer], [.question], [.answer, .question, .answer], [.question, .answer]])
    func lost(_ losses: [FakeDesk.Loss]) async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(10))
        house.provider.desk.state.with { $0.losses = losses }
        let answer = try await house.billing.cancel(nil, .periodEnd, reason: nil, tenant: house.tenant, house.act("k"))
        #expect(answer.operation.status == .unknown && answer.subscription?.standing.cancelsAt == nil)
        await expectProblem(BillingProblems.operationOpen) {
            try await house.billing.cancel(nil, .now, reason: nil, tenant: house.tenant, house.act("other"))
        }
        for _ in 0..<6 {
            house.move(to: house.clock.now() + .minutes(3))
            try await house.run()
        }
        let settled = try await house.billing.operation(answer.operation.id, of: house.tenant)
        #expect(settled.status == .done && house.effects("cancel") == 1)
        #expect(try await house.subscription()?.standing.cancelsAt == day(30))
        #expect(
            try await house.billing.cancel(nil, .periodEnd, reason: nil, tenant: house.tenant, house.act("k")).operation.id == settled.id)
        #expect(house.effects("cancel") == 1)
    }

    @Test("a definite no is told, and the same key asks anew; a limit is told with its pause")
    func refused() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(10))
        house.provider.desk.lose(.refusal, .limited)
        await #expect(throws: BillingProblems.providerRefused.with(["provider_code": "not_today"])) {
            try await house.billing.cancel(nil, .periodEnd, reason: nil, tenant: house.tenant, house.act("k"))
        }
        #expect(try await house.billing.operations(of: house.tenant, after: nil, limit: 5).items.map(\.status) == [.refused])
        await #expect(throws: BillingProblems.providerUnreachable.retry(afterSeconds: 7)) {
            try await house.billing.cancel(nil, .periodEnd, reason: nil, tenant: house.tenant, house.act("k"))
        }
        let done = try await house.billing.cancel(nil, .periodEnd, reason: nil, tenant: house.tenant, house.act("k"))
        #expect(done.operation.status == .done && done.operation.attempt == 2)
        #expect(try await house.billing.operations(of: house.tenant, after: nil, limit: 5).items.count == 1)
    }

    @Test("once the provider may have forgotten a key, what it shows decides: done where it shows, not done where it does not")
    func oldKeys() async throws {
        let house = try await House.make()
        try await house.bought(3, at: day(10))
        house.provider.desk.lose(.answer)
        let first = try await house.billing.cancel(nil, .periodEnd, reason: nil, tenant: house.tenant, house.act("k")).operation
        house.provider.desk.state.with { $0.forgetsKeys = true }
        house.move(to: day(12))
        try await house.run()
        #expect(try await house.billing.operation(first.id, of: house.tenant).status == .done && house.effects("cancel") == 1)
        house.provider.desk.lose(.question)
        let second = try await house.billing.resume(nil, tenant: house.tenant, house.act("k")).operation
        house.move(to: day(14))
        try await house.run()
        let settled = try await house.billing.operation(second.id, of: house.tenant)
        #expect(settled.status == .refused && settled.code == "not_carried_out" && house.effects("resume") == 0)
    }

    // MARK: - Refunds

    @Test("money goes back once under retries, never more than was paid, with its reason in the tenant's journal")
    func refund() async throws {
        let house = try await House.make()
        try await house.bought()
        let invoice = try await house.onlyInvoice()
        func order(_ minor: Int64?) -> RefundOrder {
            RefundOrder(invoice: invoice, amountMinor: minor, reason: .requestedByCustomer, note: "goodwill")
        }
        let first = try await house.billing.refund(order(1_000), of: house.tenant, house.act("k"))
        #expect(first.status == .done && first.made == "re_1")
        #expect(try await house.billing.refund(order(1_000), of: house.tenant, house.act("k")).id == first.id)
        await expectProblem(BillingProblems.notRefundable) {
            try await house.billing.refund(order(1_901), of: house.tenant, house.act("l"))
        }
        try await house.run()
        #expect(house.mails().filter { $0 == "staff:refund_created" }.count == 1, "policy heard of it")
        // The provider's own webhook of the same refund comes, too.
        try await house.deliverAndRun(Told("w1", Self.told("re_1", 1_000)))
        #expect(house.mails().filter { $0 == "staff:refund_created" }.count == 1)
        #expect(try await house.billing.refund(order(nil), of: house.tenant, house.act("m")).amount?.amountMinor == 1_900)
        await expectProblem(BillingProblems.notRefundable) { try await house.billing.refund(order(nil), of: house.tenant, house.act("n")) }
        await #expect(throws: CommonProblems.notFound) { try await house.billing.refund(order(1), of: house.stranger, house.act("o")) }
        #expect(house.provider.desk.state.with { $0.refunds.compactMap(\.amount?.amountMinor) } == [1_000, 1_900])
        let journal = try await house.rows("SELECT details FROM journal_entry_all").flatMap { $0 }.map { "\($0)" }.joined()
        #expect(journal.contains("goodwill"))
    }
    static func told(_ id: String, _ minor: Int64) -> PaymentFact {
        .refund(
            RefundFact(
                refund: id, payment: "pay_1_x", customer: "cus_1_x", subscription: nil,
                amount: Money(amountMinor: minor, currency: Say.usd),
                reason: nil, asOf: day(1)))
    }

    @Test("refunds that race, and one whose outcome nobody knows, together give back no more than was paid")
    func refundRace() async throws {
        let house = try await House.make()
        try await house.bought()
        let order = RefundOrder(invoice: try await house.onlyInvoice(), amountMinor: 2_000, reason: .duplicate, note: "twice")
        house.provider.desk.lose(.answer)
        let unknown = try await house.billing.refund(order, of: house.tenant, house.act("a"))
        #expect(unknown.status == .unknown)
        await expectProblem(BillingProblems.notRefundable) { try await house.billing.refund(order, of: house.tenant, house.act("b")) }
        house.move(to: day(1, 120))
        try await house.run()
        #expect(try await house.billing.operation(unknown.id, of: house.tenant).made == "re_1" && house.effects("refund") == 1)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask {
                    let order = RefundOrder(invoice: order.invoice, amountMinor: 300, reason: .duplicate, note: "race")
                    _ = try? await house.billing.refund(order, of: house.tenant, house.act("r\(number)"))
                }
            }
        }
        #expect(house.provider.desk.state.with { $0.refunds.compactMap(\.amount?.amountMinor).reduce(0, +) } <= 2_900)
    }

    @Test("an old refund of which nobody knows is found in the provider's list, but never one that somebody else made")
    func refundList() async throws {
        let house = try await House.make()
        try await house.bought()
        let invoice = try await house.onlyInvoice()
        let order = RefundOrder(invoice: invoice, amountMinor: 500, reason: .duplicate, note: "x")
        _ = try await house.billing.refund(order, of: house.tenant, house.act("a"))
        house.move(to: day(1, 60))
        house.provider.desk.lose(.answer)
        let lost = try await house.billing.refund(order, of: house.tenant, house.act("b"))
        house.provider.desk.state.with { $0.forgetsKeys = true }
        house.move(to: day(3))
        try await house.run()
        #expect(try await house.billing.operation(lost.id, of: house.tenant).made == "re_2" && house.effects("refund") == 2)
        house.provider.desk.lose(.question)
        let never = try await house.billing.refund(order, of: house.tenant, house.act("c"))
        house.move(to: day(5))
        try await house.run()
        #expect(try await house.billing.operation(never.id, of: house.tenant).status == .refused && house.effects("refund") == 2)
    }
}

/// The same problem, whatever its fields.
func expectProblem(_ problem: Problem, _ work: () async throws -> some Any, at place: SourceLocation = #_sourceLocation) async {
    do {
        _ = try await work()
        Issue.record("expected \(problem.code)", sourceLocation: place)
    } catch {
        #expect((error as? Problem)?.code == problem.code, "\(error)", sourceLocation: place)
    }
}
