import Foundation
import Testing
import Vocabulary

@testable import Billing

@Suite("Whose an event is")
struct RoutingTests {
    @Test("an event before its object is parked, and applied when the link appears")
    func parked() async throws {
        let house = try await House.make()
        try await house.checkout()
        let invoice = Told("e3", Say.invoice("in_1"))
        try await house.deliverAndRun(invoice)
        #expect(try await house.event("e3").status == .parked)
        #expect(house.hooks.questions.isEmpty, "nobody is asked about an event that is nobody's yet")
        try await house.deliverAndRun(Told("e2", Say.plan(.active).referring(to: nil)))
        #expect(try await house.event("e2").status == .parked, "without a reference the subscription is unknown, too")
        try await house.deliverAndRun(Told("e1", Say.checkout().referring(to: house.reference, session: "cs_1")))
        #expect(try await house.events().map(\.status) == [.applied, .applied, .applied])
        #expect(try await house.state() == .active)
    }

    @Test("an event that comes before the session is recorded waits for it")
    func beforeTheSession() async throws {
        let house = try await House.make()
        house.provider.script(.lose)
        await #expect(throws: BillingProblems.providerUnreachable.retry(afterSeconds: 5)) { try await house.checkout(key: "k") }
        try await house.deliverAndRun(Told("e1", Say.checkout().referring(to: house.reference, session: "cs_1")))
        #expect(try await house.event("e1").status == .parked)
        try await house.checkout(key: "k")
        try await house.run()
        #expect(try await house.event("e1").status == .applied)
    }

    @Test("a foreign session with a reference of ours attaches nobody's subscription to the tenant")
    func forgedSession() async throws {
        let house = try await House.make()
        try await house.checkout()
        try await house.deliverAndRun(Told("e1", Say.checkout().referring(to: house.reference, session: "cs_foreign")))
        try await house.deliverAndRun(Told("e2", Say.plan(.active).referring(to: nil)))
        #expect(try await house.events().allSatisfy { $0.status == .parked })
        #expect(try await house.billing.subscriptions(of: house.tenant, now: house.clock.now()).isEmpty)
    }

    @Test("a reference counts only for the provider that it was given to")
    func foreignProvider() async throws {
        let house = try await House.make()
        try await house.checkout()
        let news = PaymentNews(
            provider: "other", event: "e", facts: [Say.plan(.active).referring(to: house.reference)])
        let reference = house.reference
        let owners = try await house.rows("SELECT provider FROM payment_route WHERE object = '\(reference)'")
        #expect(owners == [[.text("fake")]])
        let routing = PaymentRouting.find(news) { _ in nil }
        guard case .parked = routing else { throw StringError("\(routing)") }
    }

    @Test("a subscription of one tenant's customer with the reference of another tenant's checkout is refused, and staff is told")
    func twoTenants() async throws {
        let house = try await House.make()
        let mine = try await house.checkout()
        let myReference = house.reference
        try await house.deliverAndRun(Told("e1", Say.checkout().referring(to: myReference, session: mine.sessionID)))
        try await house.deliverAndRun(Told("e2", Say.plan(.active).referring(to: myReference)))
        try await house.checkout(tenant: house.stranger)
        let forged = Told("e3", Say.plan(.active, quantity: 50, at: day(0, 5)).referring(to: house.reference))
        try await house.deliverAndRun(forged)
        #expect(try await house.event("e3").status == .refused)
        #expect(house.mails().contains("staff:event_refused"))
        #expect(try await house.subscription(house.stranger) == nil)
        #expect(try await house.subscription()?.standing.quantity == 1)
    }

    @Test("an event with the sessions of two tenants is nobody's")
    func twoSessions() {
        let (mine, theirs) = (TenantID(UUID(bytes: Array(repeating: 1, count: 16))), TenantID(UUID(bytes: Array(repeating: 2, count: 16))))
        let news = PaymentNews(
            provider: "fake", event: "e",
            facts: ["cs_1", "cs_2"].map {
                .checkout(CheckoutFact(session: $0, reference: nil, customer: nil, subscription: nil, isPaid: true, asOf: day(0)))
            })
        let routing = PaymentRouting.find(news) { $0.object == "cs_1" ? mine : theirs }
        #expect(routing == .refused("it names objects of 2 tenants"))
    }

    @Test("a stranger's reference alone buys nothing: without a paid checkout of ours the subscription stays pending")
    func referenceAlone() async throws {
        let house = try await House.make()
        try await house.checkout()
        try await house.deliverAndRun(Told("e2", Say.plan(.active).referring(to: house.reference)))
        try await house.deliverAndRun(Told("e3", Say.invoice("in_1")))
        let view = try #require(try await house.subscription())
        #expect(view.standing.state == .pending && view.standing.reason == .checkoutOpen)
        #expect(house.heardStandings.isEmpty)
    }

    @Test("what a known customer buys at the provider itself needs no checkout of ours")
    func portalBorn() async throws {
        let house = try await House.make()
        try await house.checkout()
        for told in Lives.bought { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        var second = SubscriptionFact(
            subscription: "sub_2", customer: "cus_1_a", reference: nil, status: .active, providerPrice: "price_pro_year", tier: nil,
            quantity: 2,
            periodStart: day(1), periodEnd: day(366), asOf: day(1))
        try await house.deliverAndRun(Told("s2", .subscription(second)))
        #expect(
            try await house.billing.subscriptions(of: house.tenant, now: day(1)).map(\.standing.state).sorted { $0.rawValue < $1.rawValue }
                == [.active, .pending])
        try await house.deliverAndRun(Told("i2", Say.invoice("in_2", from: day(1), to: day(366), at: day(1), subscription: "sub_2")))
        let views = try await house.billing.subscriptions(of: house.tenant, now: day(1))
        let pro = try #require(views.first { $0.standing.tier == "pro" })
        #expect(pro.standing.state == .active && pro.standing.interval == .year && pro.seats == 100)
        // Its end ends nothing else.
        second.status = .cancelled
        second.endedAt = day(2)
        second.asOf = day(2)
        try await house.deliverAndRun(Told("s3", .subscription(second)))
        #expect(try await house.state() == .active)
    }

    @Test("staff hears of an event whose object does not appear, once")
    func parkedNotice() async throws {
        let house = try await House.make()
        try await house.deliverAndRun(Told("e1", Say.invoice("in_1", subscription: "sub_nobody")))
        house.clock.advance(by: .hours(23))
        try await house.run()
        #expect(house.mails().isEmpty)
        house.clock.advance(by: .hours(2))
        try await house.run()
        try await house.run()
        #expect(house.mails() == ["staff:event_parked"])
    }

    @Test("a dispute that names only a payment finds its tenant by whatever told of that payment, before or after")
    func byPayment() async throws {
        for invoiceFirst in [true, false] {
            let house = try await House.make()
            try await house.checkout()
            for told in Lives.bought.prefix(2) { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
            let invoice = InvoiceFact(
                invoice: "in_1", subscription: "sub_1_a", customer: nil, isPaid: true, hasFailed: false, amount: nil, periodStart: day(0),
                periodEnd: day(30), asOf: day(0), payment: "pi_1")
            let dispute = DisputeFact(
                dispute: "dp_1", payment: "pi_1", customer: nil, subscription: nil, amount: nil, status: "open", reason: nil, asOf: day(0))
            let events = [Told("i", .invoice(invoice)), Told("d", .dispute(dispute))]
            for told in invoiceFirst ? events : events.reversed() { try await house.deliverAndRun(told) }
            #expect(try await house.event("d").status == .applied && house.mails(house.tenant).contains("staff:dispute_opened"))
            #expect(house.mails().contains("staff:event_parked") == !invoiceFirst, "nobody waits a day to hear of a dispute")
            #expect(try await house.rows("SELECT kind, object FROM billing_reversal_all") == [[.text("dispute"), .text("dp_1")]])
        }
    }

    @Test("a payment told apart from its invoice leads a dispute to the invoice's tenant, whichever of the three comes first")
    func byInvoice() async throws {
        let invoice = InvoiceFact(
            invoice: "in_1", subscription: "sub_1_a", customer: nil, isPaid: true, hasFailed: false, amount: nil, periodStart: day(0),
            periodEnd: day(30), asOf: day(0))
        let paid = InvoiceFact(
            invoice: "in_1", subscription: nil, customer: nil, isPaid: false, hasFailed: false, amount: nil, periodStart: nil,
            periodEnd: nil, asOf: day(0), payment: "pi_1")
        let dispute = DisputeFact(
            dispute: "dp_1", payment: "pi_1", customer: nil, subscription: nil, amount: nil, status: "open", reason: nil, asOf: day(0))
        let events = [Told("i", .invoice(invoice)), Told("p", .invoice(paid)), Told("d", .dispute(dispute))]
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let house = try await House.make()
            try await house.checkout()
            for told in Lives.bought.prefix(2) { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
            for index in order { try await house.deliverAndRun(events[index]) }
            try await house.run()
            for event in events { #expect(try await house.event(event.id).status == .applied, "\(event.id) in \(order)") }
            #expect(house.mails(house.tenant).contains("staff:dispute_opened"), "\(order)")
        }
    }

    @Test("an event that names nothing to route by is refused, not lost")
    func unroutable() async throws {
        let house = try await House.make()
        let dispute = DisputeFact(
            dispute: "dp_1", payment: nil, customer: nil, subscription: nil, amount: nil, status: "open", reason: nil, asOf: day(0))
        try await house.deliverAndRun(Told("e1", .dispute(dispute)))
        #expect(try await house.event("e1").status == .refused)
        #expect(house.mails() == ["staff:event_refused"])
    }
}

struct StringError: Error {
    let text: String
    init(_ text: String) { self.text = text }
}

extension PaymentFact {
    /// The same fact with another reference, and for a checkout another session.
    func referring(to reference: String?, session: String? = nil) -> PaymentFact {
        switch self {
        case .checkout(var fact):
            fact.reference = reference
            fact.session = session ?? fact.session
            return .checkout(fact)
        case .subscription(var fact):
            fact.reference = reference
            return .subscription(fact)
        default: return self
        }
    }
}
