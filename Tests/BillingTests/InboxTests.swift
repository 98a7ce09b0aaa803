import Foundation
import Store
import Testing
import Vocabulary

@testable import Billing

@Suite("The inbox")
struct InboxTests {
    @Test("a delivery that is not proved leaves nothing behind")
    func unproved() async throws {
        let house = try await House.make()
        let told = Told("e1", Say.plan(.active))
        await #expect(throws: BillingProblems.webhookForged) { try await house.deliver(told, signature: "forged") }
        await #expect(throws: BillingProblems.webhookStale) { try await house.deliver(told, signature: "stale") }
        let act = house.test.act(.anonymous)
        let garbage = WebhookDelivery(headers: ["fake-signature": "valid"], body: Data("{".utf8), receivedAt: house.clock.now())
        await #expect(throws: BillingProblems.webhookMalformed) { try await house.billing.receive(garbage, provider: "fake", act) }
        await #expect(throws: BillingProblems.providerUnknown) { try await house.billing.receive(garbage, provider: "nobody", act) }
        await #expect(throws: BillingProblems.providerUnavailable.retry(afterSeconds: 60)) {
            try await house.billing.receive(garbage, provider: "broken", act)
        }
        #expect(try await house.rows("SELECT * FROM payment_event").isEmpty)
        #expect(try await house.rows("SELECT * FROM store_job").isEmpty)
    }

    @Test("an event is stored once, sealed, however often it comes")
    func once() async throws {
        let house = try await House.make()
        let told = Told("e1", Say.plan(.active))
        for _ in 0..<3 { try await house.deliver(told) }
        let event = try await house.event("e1")
        #expect(event.status == .received && event.deliveries == 3 && event.alteredDeliveries == 0)
        let box = try #require(try await house.rows("SELECT body_box FROM payment_event").first?.first)
        guard case .blob(let bytes) = box else { throw StoreFault.corrupt("body") }
        #expect(!String(decoding: bytes, as: UTF8.self).contains("cus_1"), "the body is not readable in the database")
        #expect(try await house.rows("SELECT id FROM store_job WHERE kind = 'billing.apply_event'").count == 1)
    }

    @Test("the same id with another body changes nothing and is noted once")
    func altered() async throws {
        let house = try await House.make()
        try await house.checkout()
        try await house.deliver(Told("e1", Say.plan(.active, quantity: 1)))
        for quantity in [7, 8] { try await house.deliver(Told("e1", Say.plan(.active, quantity: quantity))) }
        try await house.run()
        let event = try await house.event("e1")
        #expect(event.deliveries == 3 && event.alteredDeliveries == 2)
        #expect(try await house.rows("SELECT action FROM journal_entry_all WHERE action = 'payment_event.altered'").count == 1)
    }

    @Test("an event that says nothing is stored and ignored")
    func noise() async throws {
        let house = try await House.make()
        try await house.deliver(Told("e1"), type: "charge.something_new")
        try await house.run()
        #expect(try await house.event("e1").status == .ignored)
        #expect(house.heardMails.isEmpty && house.hooks.questions.isEmpty)
    }

    @Test("an event that its plugin cannot read is refused, and staff is told once")
    func unreadable() async throws {
        let house = try await House.make()
        try await house.deliver(Told("e1", Say.plan(.active)), type: "broken")
        try await house.run()
        #expect(try await house.event("e1").status == .refused)
        #expect(house.mails() == ["staff:event_refused"])
    }

    @Test(
        "facts that no provider may state are refused as a whole",
        arguments: [
            Say.plan(.active, quantity: -1), Say.plan(.active, quantity: 2_000_000), Say.invoice(""),
            Say.invoice(String(repeating: "x", count: 256)), Say.invoice("in 1"), Say.invoice("in_\u{0}"),
            Say.plan(.active, to: Timestamp(seconds: 253_402_300_799)), Say.plan(.active, from: Timestamp(seconds: 946_684_799)),
            Say.invoice("in_1", to: Timestamp(seconds: 7_258_118_401)),
        ])
    func impossible(fact: PaymentFact) async throws {
        let house = try await House.make()
        try await house.checkout()
        try await house.deliverAndRun(Told("e1", Say.checkout(), fact))
        #expect(try await house.event("e1").status == .refused)
        #expect(try await house.subscription() == nil)
    }

    @Test("more facts than an event can have are refused")
    func flood() async throws {
        let house = try await House.make()
        let facts = (0...100).map { Say.invoice("in_\($0)") }
        try await house.deliverAndRun(Told(id: "e1", facts: facts))
        #expect(try await house.event("e1").status == .refused)
    }

    @Test("while its plugin is down an event stays queued, comes back with growing pauses, and is applied in the end")
    func pluginDown() async throws {
        let house = try await House.make()
        try await house.checkout()
        house.providers.isDown.with { $0 = false }
        try await house.deliver(Told("e1", Say.checkout()))
        house.providers.isDown.with { $0 = true }
        for _ in 0..<40 {
            try await house.run()
            house.clock.advance(by: .hours(1))
        }
        let waiting = try await house.event("e1")
        #expect(waiting.status == .received && waiting.failures >= 20, "more failures than the runner's own patience")
        #expect(house.mails() == ["staff:event_waits"])
        house.providers.isDown.with { $0 = false }
        try await house.run()
        house.clock.advance(by: .hours(1))
        try await house.run()
        #expect(try await house.event("e1").status == .applied)
    }

    @Test("a policy that fails keeps the event queued; when it is mended the event is applied")
    func hookFailure() async throws {
        let house = try await House.make()
        try await house.checkout()
        for told in Lives.bought.dropFirst() { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        house.hooks.script("on_payment", .fail("fuel"))
        try await house.deliver(Lives.bought[0].of("a", session: "cs_1", reference: house.reference))
        for _ in 0..<30 {
            try await house.run()
            house.clock.advance(by: .minutes(20))
        }
        #expect(try await house.state() == .pending)
        #expect(try await house.event("e1_a").status == .received)
        #expect(house.mails().filter { $0 == "staff:event_waits" }.count == 1)
        house.hooks.script("on_payment", nil)
        house.clock.advance(by: .hours(1))
        try await house.run()
        #expect(try await house.state() == .active)
        #expect(house.mails().filter { $0 == "purchase_confirmed" }.count == 1)
    }

    @Test("raw events are kept for the retention and then removed, the applied state is not")
    func purge() async throws {
        let house = try await House.make()
        try await house.checkout()
        for told in Lives.bought { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        try await house.deliverAndRun(Told("stray", Say.invoice("in_stray", subscription: "sub_stray")))
        try await house.billing.scheduleDaily(house.test.act())
        try await house.billing.scheduleDaily(house.test.act())
        house.clock.advance(by: .days(29))
        try await house.run()
        #expect(try await house.events().count == 4)
        house.clock.advance(by: .days(3))
        try await house.run()
        #expect(try await house.events().isEmpty)
        #expect(try await house.rows("SELECT * FROM payment_wait").isEmpty)
        #expect(try await house.subscription()?.standing.periodEnd == day(30))
        let due = try await house.rows("SELECT id FROM store_job WHERE kind = 'billing.purge_events' AND state = 'due'")
        #expect(due.count == 1, "the next day's purge is due")
        // A provider that sends one again after that changes nothing.
        let mails = house.mails()
        try await house.deliverAndRun(Lives.bought[0].of("a", session: "cs_1", reference: house.reference))
        #expect(house.mails() == mails)
    }

    @Test("an event that still waits to be applied outlives the retention")
    func waitingStays() async throws {
        let house = try await House.make()
        try await house.checkout()
        house.hooks.script("on_payment", .fail("typing error"))
        try await house.deliver(Lives.bought[0].of("a", session: "cs_1", reference: house.reference))
        try await house.billing.scheduleDaily(house.test.act())
        for _ in 0..<40 {
            try await house.run()
            house.clock.advance(by: .days(1))
        }
        house.hooks.script("on_payment", nil)
        try await house.run()
        #expect(try await house.event("e1_a").status == .applied, "it stays a day, whichever of the two jobs ran first")
        for _ in 0..<3 {
            house.clock.advance(by: .days(1))
            try await house.run()
        }
        #expect(try await house.events().isEmpty)
    }

    @Test("staff lists the inbox by status, page by page, and replays an event by its id")
    func staff() async throws {
        let house = try await House.make()
        try await house.checkout()
        for number in 1...5 {
            try await house.deliver(Told("e\(number)", Say.invoice("in_\(number)", subscription: "sub_x")))
            house.clock.advance(by: .seconds(1))
        }
        try await house.run()
        var seen: [String] = []
        var cursor: PageCursor?
        repeat {
            let page = try await house.billing.events(.parked, after: cursor, limit: 2)
            seen += page.items.map(\.event)
            cursor = page.next
        } while cursor != nil
        #expect(seen == ["e5", "e4", "e3", "e2", "e1"])
        #expect(try await house.billing.events(.applied, after: nil, limit: 10).items.isEmpty)
        try await house.billing.replay(try await house.event("e1").id, house.act())
        #expect(try await house.event("e1").status == .received)
        try await house.run()
        #expect(try await house.event("e1").status == .parked)
        #expect(try await house.rows("SELECT action FROM journal_entry_all WHERE action = 'payment_event.replayed'").count == 1)
        await #expect(throws: CommonProblems.notFound) {
            try await house.billing.replay(PaymentEvent.ID(UUID(bytes: Array(repeating: 7, count: 16))), house.act())
        }
    }

    @Test("replaying an applied event does nothing twice and asks nobody again")
    func replayApplied() async throws {
        let house = try await House.make()
        try await house.checkout()
        for told in Lives.bought { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        let (mails, standings, questions) = (house.mails(), house.heardStandings.count, house.hooks.questions.count)
        for event in try await house.events() { try await house.billing.replay(event.id, house.act()) }
        try await house.run()
        #expect(house.mails() == mails && house.heardStandings.count == standings && house.hooks.questions.count == questions)
        #expect(try await house.events().allSatisfy { $0.status == .applied })
    }
}
