import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Billing

/// The lives of `Lives` through the whole room on a real database: inbox, jobs, hooks, mirror, events, mails.
@Suite("Orders and crashes through the service")
struct ServiceOrderTests {
    /// What a life leaves behind, without the names and times of one run.
    struct Outcome: Hashable {
        var states: [Standing.State]
        var told: [ToldStanding?]
        /// Without those of a trouble that later news may overtake.
        var mails: [String]
        var mirror: Mirror
    }

    /// One run of a life for a tenant of its own: buys, delivers in this order, and looks at the end.
    static func live(_ life: Life, order: [Int], as name: String, tenant: TenantID, in house: House, faulty: FaultyStore? = nil)
        async throws
        -> Outcome
    {
        house.provider.nameSessions("cs_\(name)_")
        let answer = try await house.checkout(tenant: tenant)
        let reference = house.reference
        let events = life.events.map { $0.of(name, session: answer.sessionID, reference: reference) }
        for index in order {
            try await deliver(events[index], in: house)
            try await house.run()
        }
        // Everything once more, as providers do.
        for event in events { try await deliver(event, in: house) }
        // A crash leaves a job that waits some seconds.
        for _ in 0..<3 {
            try await house.run()
            house.clock.advance(by: .seconds(30))
        }
        try await house.run()
        return try await outcome(life, name, tenant, in: house)
    }

    /// As a provider: again until it is acknowledged.
    static func deliver(_ told: Told, in house: House) async throws {
        do { try await house.deliver(told) } catch is FaultyStore.Crash { try await house.deliver(told) }
    }

    static func outcome(_ life: Life, _ name: String, _ tenant: TenantID, in house: House) async throws -> Outcome {
        let object = "\(Say.subscription)_\(name)"
        let (mirror, row) = try await house.test.store.tenantRead(tenant) { db in
            let books = MirrorBooks(db: db, provider: "fake", now: house.clock.now(), entropy: house.test.entropy)
            var names = Mirror()
            names.subscriptions[object] = SubscriptionState()
            for fact in life.events.flatMap(\.facts) {
                if case .invoice(let fact) = fact { names.invoices["\(fact.invoice)_\(name)"] = InvoiceState() }
            }
            return (
                try books.page(names).before,
                try db.row(BillingTable.subscriptionByObject, tenant, "fake", object).map(SubscriptionRow.init)
            )
        }
        let facts = mirror.facts(of: object)
        // No event may be left over.
        let open = try await house.events().filter { $0.event.hasSuffix("_\(name)") && $0.status != .applied }
        if !open.isEmpty { throw PermanentFailure("left over: \(open.map { ($0.event, $0.status) })") }
        let heard = house.heardStandings.filter { $0.tenant == tenant }
        // The stream that others hear: strictly growing, ending in what is stored.
        let versions = heard.map(\.version)
        guard versions == Array(versions.sorted()), Set(versions).count == versions.count, versions.last ?? 0 == row?.version ?? 0 else {
            throw PermanentFailure("versions \(versions), stored \(row?.version ?? 0)")
        }
        if let last = heard.last,
            try JSONCoding.encode(last)
                != row?.told.map({ try JSONCoding.encode($0.event(tenant, last.subscription, version: last.version)) })
        {
            throw PermanentFailure("told something else than stored")
        }
        if Set(heard.map(\.subscription)).count > 1 { throw PermanentFailure("two subscriptions were told of") }
        let mails = house.mails(tenant).sorted()
        if Set(mails).count != mails.count { throw PermanentFailure("twice in \(mails)") }
        if mails.contains("payment_recovered"), !mails.contains("payment_failed") { throw PermanentFailure("nobody heard that it failed") }
        let states = life.expectations.map { Standing.derive(facts, terms: Shop.terms(), now: $0.now).state }
        var plain = mirror
        plain = plain.renamed { $0.hasSuffix("_\(name)") ? String($0.dropLast(name.count + 1)) : $0 }
        return Outcome(states: states, told: [row?.told], mails: mails.filter { !Life.onTheWay.contains($0) }, mirror: plain)
    }

    static func tenant(_ number: Int) -> TenantID {
        TenantID("01890000-0000-7000-8000-\(String(1_000_000_000_000 + number).dropFirst())")!
    }

    static func orders(of count: Int) -> [[Int]] {
        guard count > 1 else { return [[0]] }
        return orders(of: count - 1).flatMap { order in
            (0...order.count).map { place in Array(order[..<place]) + [count - 1] + Array(order[place...]) }
        }
    }

    /// All orders where there are at most 120, else 60 of them.
    static func chosen(_ life: Life, _ dice: inout Dice) -> [[Int]] {
        if life.events.count <= 5 { return orders(of: life.events.count) }
        return (0..<60).map { _ in Array(life.events.indices).shuffled(using: &dice) }
    }

    /// The checkout's own steps are another test's.
    static let first = 5

    @Test("every order of at most five events, and sampled orders of seven, end alike with a crash at any step", arguments: Lives.all)
    func orders(life: Life) async throws {
        let faulty = Guarded<FaultyStore?>(nil)
        let now = try #require(life.expectations.first).now
        let house = try await House.make(at: now) { inner in
            let store = FaultyStore(inner)
            faulty.with { $0 = store }
            return store
        }
        let store = try #require(faulty.with { $0 })
        let expected = try await ServiceOrderTests.live(
            life, order: Array(life.events.indices), as: "n0", tenant: ServiceOrderTests.tenant(0), in: house)
        #expect(expected.states == life.expectations.map(\.state))
        #expect(expected.mails == life.mails.sorted())
        let steps = store.calls
        var dice = Dice(seed: 3)
        var crashes = 0
        for (number, order) in ServiceOrderTests.chosen(life, &dice).enumerated() {
            // Each order dies at another step, before and after its commit in turn.
            store.crash(
                at: ServiceOrderTests.first + (number * 7) % max(1, steps - ServiceOrderTests.first),
                number.isMultiple(of: 2) ? .before : .after)
            let outcome = try await ServiceOrderTests.live(
                life, order: order, as: "n\(number + 1)", tenant: ServiceOrderTests.tenant(number + 1), in: house)
            #expect(outcome == expected, "\(order)")
            if store.hasCrashed { crashes += 1 }
            store.crash(at: nil, .before)
        }
        #expect(crashes > 20, "the crashes were real")
    }

    @Test("a crash before and after each single step of a life leaves the same behind", arguments: [Lives.suspendAndRecover, Lives.cancel])
    func everyStep(life: Life) async throws {
        let faulty = Guarded<FaultyStore?>(nil)
        let house = try await House.make(at: try #require(life.expectations.first).now) { inner in
            let store = FaultyStore(inner)
            faulty.with { $0 = store }
            return store
        }
        let store = try #require(faulty.with { $0 })
        let order = Array(life.events.indices)
        store.crash(at: nil, .before)
        let expected = try await ServiceOrderTests.live(life, order: order, as: "n0", tenant: ServiceOrderTests.tenant(0), in: house)
        let steps = ServiceOrderTests.first...store.calls
        for (number, step) in steps.enumerated() {
            for moment in FaultyStore.Moment.allCases {
                let index = number * 2 + (moment == .before ? 1 : 2)
                store.crash(at: step, moment)
                let outcome = try await ServiceOrderTests.live(
                    life, order: order, as: "n\(index)", tenant: ServiceOrderTests.tenant(index), in: house)
                #expect(outcome == expected && store.hasCrashed, "step \(step), \(moment)")
            }
        }
    }
}

extension Mirror {
    /// The same with other names, to compare the lives of two customers.
    func renamed(_ name: (String) -> String) -> Mirror {
        var other = Mirror()
        for (key, var state) in subscriptions {
            state.customer = state.customer.map(name)
            if var latest = state.latest {
                latest.subscription = name(key)
                latest.customer = latest.customer.map(name)
                latest.reference = nil
                state.latest = latest
            }
            other.subscriptions[name(key)] = state
        }
        for (key, var state) in invoices {
            state.subscription = state.subscription.map(name)
            state.customer = state.customer.map(name)
            if var failure = state.firstFailure {
                failure.stamp = Stamp(asOf: failure.stamp.asOf, event: name(failure.stamp.event))
                state.firstFailure = failure
            }
            other.invoices[name(key)] = state
        }
        for var state in checkouts.values {
            state.customer = state.customer.map(name)
            state.subscription = state.subscription.map(name)
            other.checkouts["checkout"] = state
        }
        return other
    }
}
