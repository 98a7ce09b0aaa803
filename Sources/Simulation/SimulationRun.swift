import Composition
import Foundation
import Vocabulary

/// Lives a script: jumps from one due moment to the next, lets people and provider act, lets the platform work, and writes down what is seen.
package actor SimulationRun {
    /// What nobody waits for: sweeps and seals. They make no moment; they run once a week, with whatever else is due, and at the end.
    package static let housekeeping: Set<String> = [
        "store.checkpoint", "store.sweep", "store.journal_retention", "identity.sweep", "notifications.purge", "webhooks.sweep",
        "billing.purge_events", "compliance.daily", "seats.purge_history", "seats.retire", "projects.round", "projects.sweep",
        "provisioning.sweep",
        "licensing.key_ends", "usage.sweep",
    ]
    static let housekeepingEvery = Duration.days(7)

    struct Due: Sendable {
        var at: Timestamp
        let order: Int
        let what: What
    }
    enum What: Sendable {
        case step(household: Int, Script.Step, key: String, tries: Int)
        case crash(Script.Crash)
        case expect(Script.Expectation)
        case outage(ProviderManner.Outage, begins: Bool)
        case look(household: Int)
    }

    let script: Script
    let world: World
    var households: [Household]
    var agenda: [Due] = []
    var entries: [TimelineEntry] = []
    var findings: [String] = []
    var crashes = 0
    private var order = 0
    private var upAt: Timestamp?
    private var lastHousekeeping: Timestamp
    private var keepsHouse = false
    private var seenMails = 0
    private var touched: Set<Int> = []
    /// Whose a tenant and an address are; a person may live in more than one household.
    private var homesOfTenant: [String: Set<Int>] = [:]
    private(set) var homesOfPerson: [String: Set<Int>] = [:]
    private struct Look: Hashable {
        let household: Int
        let at: Timestamp
    }
    private var plannedLooks: Set<Look> = []

    /// - Parameter base: where data, policies and settings lie; the data is gone afterwards.
    package init(_ script: Script, over base: PlatformOptions) throws {
        let clock = VirtualClock(at: script.start)
        self.init(script, world: try World(base, clock: clock, manner: script.manner, seed: script.seed))
    }

    init(_ script: Script, world: World) {
        self.script = script
        self.world = world
        households = script.lives.map { Household(name: $0.name, owner: $0.owner) }
        lastHousekeeping = script.start
    }

    /// Those who have signed up, in the order of the script.
    package var tenants: [TenantID] { households.compactMap(\.tenant) }
    var now: Timestamp { world.clock.now() }
    private func plan(_ at: Timestamp, _ what: What) {
        order += 1
        let due = Due(at: at, order: order, what: what)
        let place = agenda.partitioningIndex { ($0.at, $0.order) > (due.at, due.order) }
        agenda.insert(due, at: place)
    }
    func note(_ tenant: String, _ kind: TimelineEntry.Kind, _ what: String) { entries.append(TimelineEntry(now, tenant, kind, what)) }
    func find(_ tenant: String, _ what: String) {
        findings.append("\(Timeline.moment(now)) \(tenant): \(what)")
        note(tenant, .finding, what)
    }
    /// Somebody has reason to look at this tenant once the moment is over.
    func touch(_ household: Int) { touched.insert(household) }
    func again(_ household: Int, _ step: Script.Step, key: String, tries: Int, at moment: Timestamp) {
        plan(moment, .step(household: household, step, key: key, tries: tries))
    }
    /// When the platform answers again; now, where it does.
    var answersAt: Timestamp { upAt ?? now }

    // MARK: - The run

    /// Lives everything up to the end and answers what happened.
    package func live() async throws -> Timeline {
        // Before the steps of their moment: a death meets whoever acts then.
        for crash in script.crashes { plan(crash.at, .crash(crash)) }
        for (household, life) in script.lives.enumerated() {
            for (number, step) in life.steps.enumerated() {
                plan(step.at, .step(household: household, step, key: "\(life.name)-\(number)", tries: 0))
            }
        }
        for expectation in script.expectations { plan(expectation.at, .expect(expectation)) }
        for outage in script.manner.outages {
            plan(outage.from, .outage(outage, begins: true))
            plan(outage.to, .outage(outage, begins: false))
        }
        for household in households.indices { register(household) }
        if world.platform == nil { try await world.open() }
        do { try await run() } catch {
            await world.close()
            throw error
        }
        if world.platform == nil { try await world.open() }
        let timeline = try await account()
        await world.close()
        return timeline
    }

    private func run() async throws {
        var stuck = 0
        try await settle()
        while let next = try await nextMoment(), next <= script.end {
            stuck = next <= now ? stuck + 1 : 0
            guard stuck < 1_000 else { throw SimulationFault("time does not go on at \(now.iso8601)") }
            world.clock.move(to: next > now ? next : now + .milliseconds(1))
            try await settle()
        }
        world.clock.move(to: script.end)
        lastHousekeeping = script.start - Self.housekeepingEvery
        try await settle()
    }

    private func nextMoment() async throws -> Timestamp? {
        var moments = [agenda.first?.at, upAt, world.provider.inBooks { books, _ in books.nextTurn() }]
        moments.append(world.provider.inBooks { books, _ in books.outbox.nextDue })
        if let platform = world.platform {
            moments.append(lastHousekeeping + Self.housekeepingEvery)
            moments.append(try await platform.runner.nextDue(besides: Self.housekeeping))
            moments.append(try await platform.pumps.nextDue(besides: []))
        }
        return moments.compactMap { $0 }.min()
    }

    /// Everything that is due now, and what that makes due, until nothing is.
    private func settle() async throws {
        if let up = upAt, up <= now {
            upAt = nil
            try await world.open()
            note("", .world, "the platform is up again")
        }
        keepsHouse = now >= lastHousekeeping + Self.housekeepingEvery
        if keepsHouse { lastHousekeeping = now }
        while true {
            world.provider.inBooks { books, now in books.turn(now) }
            let delivered = try await deliver()
            let worked = try await work()
            if let due = agenda.first, due.at <= now {
                agenda.removeFirst()
                try await take(due.what)
            } else if !delivered, !worked {
                break
            }
        }
        try await look()
    }

    /// Runs every job that is due; true where there was one.
    func work() async throws -> Bool {
        guard world.platform != nil else { return false }
        let later = keepsHouse ? [] : Self.housekeeping
        let count = try await world.alive { try await $0.runner.runDue(besides: later) + $0.pumps.runDue() }
        guard let count else {
            died(.minutes(1), "in the middle of its work")
            return true
        }
        return count > 0
    }

    private func take(_ what: What) async throws {
        switch what {
        case .step(let household, let step, let key, let tries):
            if let upAt { return again(household, step, key: key, tries: tries, at: max(upAt, now + .milliseconds(1))) }
            try await Deeds(run: self, household: household).take(step, key: key, tries: tries)
            touch(household)
        case .crash(let crash):
            guard upAt == nil else { return }
            if let point = crash.point {
                world.breaker.arm(point)
                downFor = crash.down
            } else {
                await world.die()
                downFor = nil
                died(crash.down, "between two jobs")
            }
        case .outage(let outage, let begins):
            let fate = outage.losesWebhooks ? ", and what it would tell is lost" : ""
            note("", .world, begins ? "the payment provider is away\(fate)" : "the payment provider is back")
        case .expect(let expectation): try await check(expectation)
        case .look(let household): touch(household)
        }
    }
    private var downFor: Duration?

    /// After a death: nobody answers until it is up again.
    func died(_ down: Duration, _ how: String) {
        crashes += 1
        upAt = now + (downFor ?? down)
        downFor = nil
        note("", .world, "the platform dies \(how)")
    }

    // MARK: - The provider's webhooks

    private func deliver() async throws -> Bool {
        var didAny = false
        while let (delivery, event) = world.provider.inBooks({ books, now in
            books.outbox.take(now).map { ($0, books.outbox.events[$0.event]) }
        }) {
            didAny = true
            if let outage = script.manner.outage(at: now) {
                world.provider.inBooks { books, now in
                    if outage.losesWebhooks { books.outbox.lose(delivery, now) } else { books.outbox.hold(delivery, until: outage.to) }
                }
                continue
            }
            var ask = Ask("POST", "/webhooks/\(webhookName)")
            ask.raw = event.body
            ask.headers = [PretendProvider.header: world.provider.header(event.body), "content-type": "application/json"]
            let answer = upAt == nil ? try await world.ask(ask) : nil
            if upAt == nil, answer == nil { died(.minutes(1), "while it takes a webhook") }
            if answer?.isGood != true {
                if let answer { note(event.tenant, .world, "a webhook is not taken: \(answer.told)") }
                world.provider.inBooks { books, now in books.outbox.again(delivery, now: now) }
            }
            for index in homesOfTenant[event.tenant] ?? [] { touch(index) }
        }
        return didAny
    }
    /// Under which of its names the provider tells.
    private var webhookName: String { world.providerName }

    // MARK: - What people see

    private func look() async throws {
        for mail in world.post.since(seenMails) {
            for index in homesOfPerson[mail.to] ?? [] { touch(index) }
        }
        seenMails = world.post.count
        guard upAt == nil else { return }
        for household in touched.sorted() {
            guard upAt == nil else { break }
            try await Checker(run: self).look(at: household)
            touched.remove(household)
        }
    }
    /// Somebody will look at a moment at which nothing else need be due.
    func lookAgain(_ household: Int, at moment: Timestamp) {
        guard moment > now, moment <= script.end, plannedLooks.insert(Look(household: household, at: moment)).inserted else { return }
        plan(moment, .look(household: household))
    }

    func update(_ household: Int, _ change: (inout Household) -> Void) {
        change(&households[household])
        register(household)
    }
    private func register(_ household: Int) {
        if let tenant = households[household].tenant?.description { homesOfTenant[tenant, default: []].insert(household) }
        for email in households[household].people.keys { homesOfPerson[email, default: []].insert(household) }
    }

    private func check(_ expectation: Script.Expectation) async throws {
        guard let household = households.firstIndex(where: { $0.name == expectation.tenant }) else { return }
        guard upAt == nil else { return find(expectation.tenant, "line \(expectation.line): the platform is down") }
        let seen = try await Checker(run: self).sight(of: household)
        func compare(_ what: String, _ wanted: String?, _ got: String) {
            if let wanted, wanted != got { find(expectation.tenant, "line \(expectation.line): \(what) is \(got), expected \(wanted)") }
        }
        compare("access", expectation.access.map { "\($0)" }, "\(seen.access ?? false)")
        compare("state", expectation.state, seen.state ?? "none")
        compare("tier", expectation.tier, seen.tier ?? "none")
    }
}

/// The simulation itself cannot go on.
package struct SimulationFault: Error, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}

extension Array {
    /// The first place from which on `isPast` holds, in an array in which it holds from some place on.
    func partitioningIndex(where isPast: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if isPast(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
