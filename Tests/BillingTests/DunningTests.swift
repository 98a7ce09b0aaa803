import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Billing

/// Every mail of a subscription's life, once each, whatever is late, repeated or lost on the way.
@Suite("Dunning and reminders")
struct DunningTests {
    /// A house whose tenant has just opened its checkout, with the life's events as the provider will send them.
    static func house(_ life: Life, settings: Settings = Settings(), store: (any Store) -> any Store = { $0 }) async throws -> (
        House, [Told]
    ) {
        let house = try await House.make(at: day(0, 1), settings: settings, store: store)
        try await house.checkout()
        return (house, life.events.map { $0.of("a", session: "cs_1", reference: house.reference) })
    }

    /// Lets the days pass; each event comes on its day.
    static func live(_ house: House, _ events: [Told], until last: Double) async throws {
        var waiting = events
        for half in 1...Int(last * 2) {
            house.move(to: day(Double(half) / 2, 60))
            for told in waiting.filter({ $0.at <= house.clock.now() }) { try await house.deliver(told) }
            waiting.removeAll { $0.at <= house.clock.now() }
            try await house.run()
        }
    }

    @Test("a life of dunning is told step by step: renewal, failure, reminders, suspension, restoration")
    func whole() async throws {
        let (house, events) = try await Self.house(Lives.suspendAndRecover)
        try await Self.live(house, events, until: 50)
        #expect(
            house.mails() == [
                "purchase_confirmed", "renewal_reminder", "payment_failed", "grace_reminder", "grace_reminder", "access_suspended",
                "access_restored",
            ])
        let reminder = try #require(house.heardMails.first { $0.template == "renewal_reminder" })
        #expect(reminder.values == ["tier": "Team", "period_end": day(30).iso8601])
        #expect(house.heardMails.first { $0.template == "grace_reminder" }?.values["grace_until"] == day(37).iso8601)
    }

    @Test("a payment that comes in grace is told to whoever heard of its failure; nobody is restored who was not suspended")
    func recovers() async throws {
        let (house, events) = try await Self.house(Lives.failAndRecover)
        try await Self.live(house, events, until: 45)
        #expect(house.mails() == ["purchase_confirmed", "renewal_reminder", "payment_failed", "payment_recovered"])
    }

    @Test("a second suspension is told again, and so is its end")
    func twice() async throws {
        let again = [
            Told("f1", Say.failure("in_3", at: day(60), from: day(60), to: day(90))),
            Told("f2", Say.invoice("in_3", from: day(60), to: day(90), at: day(70))),
        ]
        let life = Life(name: "", events: Lives.suspendAndRecover.events + again, expectations: [], mails: [])
        let (house, events) = try await Self.house(life)
        try await Self.live(house, events, until: 75)
        for template in ["access_suspended", "access_restored", "payment_failed", "renewal_reminder"] {
            #expect(house.mails().filter { $0 == template }.count == 2, "\(template)")
        }
    }

    @Test("a pause is no missing payment: its mails say pause, and restoration when it is resumed")
    func pause() async throws {
        let events =
            Lives.bought + [
                Told("p1", Say.plan(.paused, at: day(5))), Told("p2", Say.plan(.active, at: day(9))),
            ]
        let (house, told) = try await Self.house(Life(name: "", events: events, expectations: [], mails: []))
        try await Self.live(house, told, until: 20)
        #expect(house.mails() == ["purchase_confirmed", "subscription_paused", "access_restored"])
    }

    @Test("who cancelled is not reminded of a renewal, and settings say how long before and how often")
    func settings() async throws {
        let (house, told) = try await Self.house(Lives.cancelByDate)
        try await Self.live(house, told, until: 31)
        #expect(!house.mails().contains("renewal_reminder"))

        let settings = Settings().setting(BillingSettings.renewalReminderDays, to: 0)
            .setting(BillingSettings.graceReminderDays, to: ["5", "2", "1"])
        let (other, events) = try await Self.house(Lives.fail, settings: settings)
        try await Self.live(other, events, until: 40)
        #expect(other.mails().filter { $0 == "grace_reminder" }.count == 3 && !other.mails().contains("renewal_reminder"))
        #expect(BillingSettings.graceReminderDays.accepts(["90"]) == false && BillingSettings.graceReminderDays.accepts([]))
    }

    @Test("days without a runner cost no mail that still matters, and none comes twice for it")
    func outage() async throws {
        let (house, events) = try await Self.house(Lives.fail)
        for told in events.prefix(3) { try await house.deliver(told) }
        try await house.run()
        house.move(to: day(36, 3_600))
        for told in events.dropFirst(3) { try await house.deliver(told) }
        for _ in 0..<3 { try await house.run() }
        // Two reminders were due: the last one says it.
        #expect(house.mails().filter { $0 == "grace_reminder" }.count == 1)
        house.move(to: day(38))
        try await house.run()
        house.move(to: day(38, 3_600))
        try await house.run()
        #expect(house.mails().filter { $0 == "access_suspended" }.count == 1 && !house.mails().contains("access_restored"))
    }

    @Test("late, repeated and disordered events and crashes at any step send no mail twice and lose none", arguments: 1...25)
    func property(seed: Int) async throws {
        var dice = Dice(seed: UInt64(seed))
        let faulty = Guarded<FaultyStore?>(nil)
        let life = [Lives.suspendAndRecover, Lives.failAndRecover, Lives.fail, Lives.trial][seed % 4]
        let (house, events) = try await Self.house(life) { inner in
            let store = FaultyStore(inner)
            faulty.with { $0 = store }
            return store
        }
        let store = try #require(faulty.with { $0 })
        // Each event comes up to three times, hours or days after it happened.
        var arrivals: [(at: Timestamp, told: Told)] = []
        for told in events {
            for _ in 0..<Int.random(in: 1...3, using: &dice) {
                arrivals.append((told.at + .seconds(Int64.random(in: 60...130_000, using: &dice)), told))
            }
        }
        for _ in 0..<130 {
            house.move(to: house.clock.now() + .hours(9))
            // A provider repeats what was not taken, and sometimes what was.
            var waiting: [(at: Timestamp, told: Told)] = []
            for arrival in arrivals {
                guard arrival.at <= house.clock.now() else {
                    waiting.append(arrival)
                    continue
                }
                do {
                    try await house.deliver(arrival.told)
                    if Int.random(in: 0..<5, using: &dice) == 0 { waiting.append(arrival) }
                } catch is FaultyStore.Crash { waiting.append(arrival) }
            }
            arrivals = waiting
            if Int.random(in: 0..<4, using: &dice) == 0 {
                store.crash(at: Int.random(in: 1...6, using: &dice), FaultyStore.Moment.allCases[Int.random(in: 0...1, using: &dice)])
            }
            do { try await house.run() } catch is FaultyStore.Crash {}
        }
        store.crash(at: nil, .before)
        for _ in 0..<6 {
            house.move(to: house.clock.now() + .hours(2))
            try await house.run()
        }
        let keys = house.heardMails.map(\.key)
        #expect(Set(keys).count == keys.count, "\(keys)")
        let mails = house.mails()
        func count(_ template: String) -> Int { mails.filter { $0 == template }.count }
        #expect(count("purchase_confirmed") == 1)
        // The journal says how often it was suspended and came back; those that stood for ten minutes were told.
        let isUp = try await house.state() == .active
        #expect(count("access_restored") == count("access_suspended") - (isUp || count("access_suspended") == 0 ? 0 : 1), "\(mails)")
        #expect(count("payment_recovered") <= count("payment_failed"))
        if life.name == Lives.fail.name {
            #expect(!isUp && count("access_suspended") >= 1 && count("payment_failed") == 1)
        }
        if life.name == Lives.suspendAndRecover.name || life.name == Lives.fail.name { #expect(count("renewal_reminder") == 1) }
    }
}
