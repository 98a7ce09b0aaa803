import HookEngine
import RoomTesting
import Testing
import Vocabulary

@testable import Billing

@Suite("why a payment was declined")
struct DeclineTests {
    private static func decline(
        _ reason: DeclineReason, invoice: String? = nil, customer: String? = Say.customer, at: Timestamp = day(30)
    ) -> PaymentFact {
        .decline(DeclineFact(payment: "pay_9", invoice: invoice, customer: customer, reason: reason, asOf: at))
    }
    /// Bought, and the house's names given to the facts.
    private static func house() async throws -> House {
        let house = try await House.make()
        try await house.checkout()
        for told in Lives.bought { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        return house
    }
    private static func tell(_ house: House, _ id: String, _ fact: PaymentFact) async throws {
        try await house.deliverAndRun(Told(id: id, facts: [fact]).of("a", session: "cs_1", reference: house.reference))
    }
    private static func asked(_ house: House) -> [String?] {
        house.hooks.questions.filter { $0.input["event"]?["type"] == .string("payment_failed") }
            .map { $0.input["event"]?["decline_reason"]?.string }
    }

    @Test("on_payment is told the reason that the invoice's own event gives")
    func own() async throws {
        let house = try await Self.house()
        guard case .invoice(var failed) = Say.failure("in_2", at: day(30)) else { return }
        failed.declineReason = .expiredCard
        try await Self.tell(house, "f1", .invoice(failed))
        #expect(Self.asked(house) == ["expired_card"])
    }

    @Test("one told apart counts by its invoice, or by its customer within an hour; it asks nothing and changes no standing")
    func apart() async throws {
        let house = try await Self.house()
        let before = house.hooks.questions.count
        try await Self.tell(house, "d1", Self.decline(.insufficientFunds))
        #expect(house.hooks.questions.count == before)
        #expect(try await house.state() == .active)
        #expect(try await house.event("d1_a").status == .applied)
        try await Self.tell(house, "f1", Say.failure("in_2", at: day(30, 3_600)))
        try await Self.tell(house, "f2", Say.failure("in_3", at: day(30, 3_601)))
        // By its own invoice, whatever the customer's last attempt was.
        try await Self.tell(house, "d2", Self.decline(.lostOrStolen, invoice: "in_4", customer: nil, at: day(60)))
        try await Self.tell(house, "d3", Self.decline(.other, at: day(60, 5)))
        try await Self.tell(house, "f3", Say.failure("in_4", at: day(60, 10)))
        #expect(Self.asked(house) == ["insufficient_funds", nil, "lost_or_stolen"])
    }

    @Test("of several attempts the newest counts, in whatever order they are told")
    func newest() async throws {
        let house = try await Self.house()
        try await Self.tell(house, "d2", Self.decline(.processingError, at: day(30, 60)))
        try await Self.tell(house, "d1", Self.decline(.expiredCard, at: day(30)))
        try await Self.tell(house, "f1", Say.failure("in_2", at: day(30, 61)))
        #expect(Self.asked(house) == ["processing_error"])
    }

    @Test("a reason that comes after the failure changes nothing: the plan was asked for once and stands")
    func late() async throws {
        let house = try await Self.house()
        try await Self.tell(house, "f1", Say.failure("in_2", at: day(30)))
        try await Self.tell(house, "d1", Self.decline(.lostOrStolen, at: day(30, 1)))
        #expect(Self.asked(house) == [nil])
        #expect(try await house.subscription()?.standing.graceUntil == day(37))
    }

    @Test("an attempt of nobody who is known is ignored, and staff is not told")
    func nobody() async throws {
        let house = try await Self.house()
        try await house.deliverAndRun(Told("d1", Self.decline(.insufficientFunds, customer: "cus_stranger")))
        #expect(try await house.event("d1").status == .ignored)
        #expect(!house.mails().contains { $0.hasPrefix("staff:") })
    }

    @Test("another tenant's attempt says nothing about this one")
    func tenants() async throws {
        let house = try await Self.house()
        try await house.checkout(tenant: house.stranger)
        for told in Lives.bought { try await house.deliverAndRun(told.of("b", session: "cs_2", reference: house.reference)) }
        try await house.deliverAndRun(
            Told(id: "d1", facts: [Self.decline(.lostOrStolen)]).of("b", session: "cs_2", reference: house.reference))
        try await Self.tell(house, "f1", Say.failure("in_2", at: day(30)))
        #expect(Self.asked(house) == [nil])
    }
}
