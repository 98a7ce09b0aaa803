import Store
import Testing
import Vocabulary

@testable import Billing

@Suite("What time alone does")
struct ReviewTests {
    /// A house whose tenant lived through `life`, at the moment of its last event.
    func lived(_ life: Life, until now: Timestamp? = nil, settings: Settings = Settings()) async throws -> House {
        let house = try await House.make(at: day(0, 1), settings: settings)
        try await house.checkout()
        for told in life.events {
            let at = told.at
            if at > house.clock.now() { house.clock.advance(by: at - house.clock.now() + .seconds(1)) }
            try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference))
        }
        if let now, now > house.clock.now() { house.clock.advance(by: now - house.clock.now()) }
        return house
    }

    @Test("grace ends by itself at its moment, and is told once")
    func graceEnds() async throws {
        let house = try await lived(Lives.fail, until: Timestamp(microseconds: day(37).microseconds - 1))
        try await house.run()
        #expect(house.heardStandings.last?.standing == .grace && house.heardStandings.last?.graceUntil == day(37))
        house.clock.advance(by: .microseconds(1))
        try await house.run()
        try await house.run()
        #expect(house.heardStandings.map(\.standing).suffix(2) == [.grace, .suspended])
        #expect(!house.mails().contains("access_suspended"), "not before it has stood for a while")
        house.clock.advance(by: .minutes(10))
        try await house.run()
        house.clock.advance(by: .days(3))
        try await house.run()
        #expect(house.mails().filter { $0 == "access_suspended" }.count == 1)
        #expect(house.heardStandings.filter { $0.standing == .suspended }.count == 1)
        let journal = try await house.rows("SELECT action FROM journal_entry_all WHERE action LIKE 'subscription.%' ORDER BY seq")
        #expect(journal == [[.text("subscription.activated")], [.text("subscription.grace_started")], [.text("subscription.suspended")]])
    }

    @Test("access follows the moment of the question, whether or not a review has run")
    func atRead() async throws {
        let house = try await lived(Lives.fail, until: day(36))
        #expect(try await house.state() == .grace)
        house.clock.advance(by: .days(2))
        #expect(try await house.state() == .suspended)
        #expect(house.heardStandings.last?.standing == .grace, "nothing ran yet")
    }

    @Test("a review that runs late, or that became pointless, does what is true then and nothing else")
    func late() async throws {
        let house = try await lived(Lives.fail, until: day(35))
        // Paid before the grace is over; the review of its end is still due.
        let paid = Told("paid", Say.invoice("in_2", from: day(30), to: day(60), at: day(35)))
        try await house.deliverAndRun(paid.of("a", session: "cs_1", reference: house.reference))
        #expect(house.heardStandings.last?.standing == .active)
        house.clock.advance(by: .days(10))
        try await house.run()
        #expect(house.heardStandings.last?.standing == .active && house.heardStandings.last?.periodEnd == day(60))
        #expect(!house.mails().contains("access_suspended"))
        // Weeks without a runner: the end state, in one step.
        house.clock.advance(by: .days(60))
        try await house.run()
        #expect(house.heardStandings.last?.standing == .suspended)
    }

    @Test("a downgrade comes into force at the period's end by itself")
    func downgrade() async throws {
        let house = try await lived(Lives.downgrade, until: day(29))
        #expect(house.heardStandings.last?.quantity == 5)
        house.clock.advance(by: .days(1))
        try await house.run()
        #expect(house.heardStandings.last?.quantity == 2)
    }

    @Test("a cancellation by date ends access at its date without any further event")
    func cancelsAt() async throws {
        var life = Lives.cancelByDate
        life = Life(name: "", events: Array(life.events.dropLast()), expectations: [], mails: [])
        let house = try await lived(life, until: day(29))
        #expect(house.heardStandings.last?.standing == .active && house.heardStandings.last?.cancelsAt == day(30))
        house.clock.advance(by: .days(1))
        try await house.run()
        #expect(house.heardStandings.last?.standing == .cancelled)
        #expect(try await house.state() == .cancelled)
    }

    @Test("a trial is reminded of once, some days before its end, unless it was cancelled")
    func trial() async throws {
        let events = Array(Lives.trial.events.prefix(3))
        let house = try await lived(Life(name: "", events: events, expectations: [], mails: []), until: day(3, 7200))
        try await house.run()
        #expect(!house.mails().contains("trial_ending"))
        house.clock.advance(by: .days(1))
        try await house.run()
        house.clock.advance(by: .days(1))
        try await house.run()
        #expect(house.mails().filter { $0 == "trial_ending" }.count == 1)
        #expect(house.heardMails.first { $0.template == "trial_ending" }?.values["trial_ends_at"] == day(7).iso8601)

        let cancelled =
            events + [
                Told("c", Say.plan(.trialing, to: day(7), trialEnd: day(7), cancelsAt: day(7), at: day(1)))
            ]
        let other = try await lived(Life(name: "", events: cancelled, expectations: [], mails: []), until: day(5))
        try await other.run()
        #expect(!other.mails().contains("trial_ending"))
    }

    @Test("a price that loses its name in the settings takes nothing away from who has it")
    func lostPrice() async throws {
        let house = try await House.make()
        try await house.checkout(house.order("pro"))
        let bought = [
            Told("e1", Say.checkout()), Told("e2", Say.plan(.active, price: "price_pro", tier: nil)), Told("e3", Say.invoice("in_1")),
        ]
        for told in bought { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        #expect(house.heardStandings.last?.tier == "pro")
        // The checkout's own offer still says what it was, so take a price that nobody ever knew.
        let moved = Told("e4", Say.plan(.active, at: day(0, 9), price: "price_nobody", tier: nil))
        try await house.deliverAndRun(moved.of("a", session: "cs_1", reference: house.reference))
        #expect(house.heardStandings.last?.tier == "pro" && house.heardStandings.last?.standing == .active)
    }

    @Test("a price that nobody knows grants nothing, and staff is told once")
    func unknownPrice() async throws {
        let house = try await House.make()
        try await house.checkout()
        for told in Lives.bought { try await house.deliverAndRun(told.of("a", session: "cs_1", reference: house.reference)) }
        let stray = SubscriptionFact(
            subscription: "sub_9", customer: "cus_1_a", reference: nil, status: .active, providerPrice: "price_nobody", tier: nil,
            quantity: 1,
            periodStart: day(0), periodEnd: day(30), asOf: day(0))
        try await house.deliverAndRun(Told("s1", .subscription(stray)))
        try await house.deliverAndRun(Told("i1", Say.invoice("in_9", subscription: "sub_9")))
        #expect(house.mails().filter { $0 == "staff:unknown_price" }.count == 1)
        #expect(Set(house.heardStandings.map(\.subscription)).count == 1)
    }
}
