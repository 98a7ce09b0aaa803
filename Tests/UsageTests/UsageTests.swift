import Catalog
import Foundation
import HookEngine
import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Usage

/// Tiers by hand.
final class PaperTerms: UsageTerms {
    let tier = Guarded<Tier?>(nil)
    func tier(of tenant: TenantID, now: Timestamp) async throws -> Tier? { tier.with { $0 } }
}

struct UsageHouse {
    static let tenant = TenantID("01890000-0000-7000-8000-000000000001")!
    static let stranger = TenantID("01890000-0000-7000-8000-000000000002")!
    let test: TestStore
    let terms = PaperTerms()
    let hooks = ScriptedHooks(entropy: SeededEntropy(9))
    let heard: Guarded<[MailRequested]>
    let room: Usage

    static func tier(limit: JSONValue = 100, soft: JSONValue? = 80, per: String = "month") -> Tier? {
        var quota: [String: JSONValue] = ["limit": limit, "per": .string(per)]
        if let soft { quota["soft_limit"] = soft }
        let table: JSONValue = [
            "api": 1,
            "tiers": [
                [
                    "id": "pro", "name": "Pro", "prices": ["month": ["amount_minor": 100]], "seats_per_unit": 1, "devices": 1,
                    "quotas": ["ai_requests": .object(quota), "builds": ["limit": "unlimited", "per": "day"]],
                ]
            ],
        ]
        return (try? TierCatalog.read(table))?["pro"]
    }

    static func make(settings: Settings = Settings(), store wrap: (any Store) -> any Store = { $0 }) async throws -> UsageHouse {
        let test = try await TestStore.make(
            migrations: try UsageRoom.migrations(), topics: [MailRequested.topic: ["test"], StandingChanged.topic: ["usage"]])
        return UsageHouse(test, settings, wrap(test.store))
    }
    private init(_ test: TestStore, _ settings: Settings, _ store: any Store) {
        self.test = test
        heard = Guarded([])
        terms.tier.with { $0 = Self.tier() }
        room = Usage(store: store, hooks: hooks, terms: terms, settings: settings)
    }

    var now: Timestamp { test.clock.now() }
    func record(_ key: String, _ quantity: Int64 = 1, at moment: Timestamp? = nil, meter: String = "ai_requests") -> UsageRecord {
        UsageRecord(key: key, meter: meter, quantity: quantity, occurredAt: moment ?? now, isDated: moment != nil)
    }
    @discardableResult func report(_ records: UsageRecord..., tenant: TenantID = Self.tenant) async throws -> [String] {
        try await room.report(records, tenant: tenant, test.act()).map { $0.refusal?.rawValue ?? $0.status.rawValue }
    }
    func used(_ meter: String = "ai_requests") async throws -> Int64? {
        try await room.readings(of: Self.tenant, now: now).first { $0.meter == meter }?.used
    }
    func run() async throws {
        try await test.runDue(
            subscribers: room.subscribers() + [
                EventSubscriber(MailRequested.self, subscriber: "test") { event, _, _ in heard.with { $0.append(event) } }
            ])
    }
    func stand(
        _ standing: StandingChanged.Standing, until end: Timestamp, version: Int64 = 1,
        subscription: String = "01890000-0000-7000-8000-0000000000a1"
    ) async throws {
        let event = StandingChanged(
            tenant: Self.tenant, subscription: SubscriptionID(subscription)!, version: version, standing: standing, tier: "pro",
            quantity: 1,
            interval: .month, periodEnd: end, graceUntil: nil, cancelsAt: nil)
        let act = test.act()
        try await test.store.kernel(KernelReason("test.tell")) { db in try db.within(Self.tenant) { try $0.emit(event, act) } }
        try await run()
    }
    /// What the books say, beside the sum of what they hold.
    func books() async throws -> [(used: Int64, sum: Int64, start: Timestamp, end: Timestamp)] {
        try await test.store.kernelRead(KernelReason("test.look")) { db in
            try db.rows(
                SQL(
                    "test.look",
                    """
                    SELECT p.used, (SELECT coalesce(sum(r.quantity), 0) FROM usage_record_all r
                        WHERE r.tenant_id = p.tenant_id AND r.meter = p.meter AND r.starts_at = p.starts_at), p.starts_at, p.ends_at
                    FROM usage_period_all p WHERE p.meter = 'ai_requests' ORDER BY p.starts_at
                    """)
            ).map { (try $0.integer(0), Int64(try $0.int(1)), try $0.time(2), try $0.time(3)) }
        }
    }
}

@Suite("Usage")
struct UsageTests {
    @Test("a key counts once, a key that stands for another use is refused, and each record is answered by itself")
    func once() async throws {
        let house = try await UsageHouse.make()
        #expect(
            try await house.report(house.record("a", 3), house.record("b"), house.record("a", 3)) == ["accepted", "accepted", "duplicate"])
        house.test.clock.advance(by: .seconds(9))
        #expect(try await house.report(house.record("a", 3), house.record("a", 4)) == ["duplicate", "key_reused"])
        #expect(try await house.report(house.record("c", meter: "nothing"), house.record("d")) == ["meter_unknown", "accepted"])
        #expect(try await house.used() == 5)
        #expect(try await house.report(house.record("a", 3), tenant: UsageHouse.stranger) == ["accepted"], "keys are the tenant's own")
        #expect(try await house.used() == 5)
    }

    @Test("a limit is never passed but by what on_usage grants, and a denial refuses whatever is left")
    func limits() async throws {
        let house = try await UsageHouse.make()
        #expect(
            try await house.report(house.record("a", 99), house.record("b", 2), house.record("c", 1)) == [
                "accepted", "quota_exceeded", "accepted",
            ])
        #expect(try await house.report(house.record("b", 2)) == ["quota_exceeded"])
        house.hooks.script("on_usage", .allow(.object([("overage_units", .int(5))])))
        #expect(try await house.report(house.record("b", 2), house.record("e", 4)) == ["accepted", "quota_exceeded"])
        house.hooks.script("on_usage", .deny(reason: "not_paid", retryAfterSeconds: nil))
        #expect(try await house.report(house.record("f")) == ["policy_denied"])
        #expect(try await house.used() == 102)
        let question = try #require(house.hooks.questions.first)
        #expect(HookCheck.issues(question.input, OnUsage.definition.input).isEmpty)
        #expect(question.input["quantity"]?.int == 102 && question.input["limit"]?.int == 100 && question.input["soft_limit"]?.int == 80)
        // A larger tier lets the same record in.
        house.hooks.script("on_usage", nil)
        house.terms.tier.with { $0 = UsageHouse.tier(limit: 1_000) }
        #expect(try await house.report(house.record("e", 4)) == ["accepted"])
        house.terms.tier.with { $0 = nil }
        #expect(try await house.report(house.record("g")) == ["meter_unknown"])
    }

    @Test(
        "owners hear once of each limit that is near and once that it is reached, and again only in the next period or under another limit")
    func mails() async throws {
        let house = try await UsageHouse.make()
        for number in 0..<100 { try await house.report(house.record("k\(number)")) }
        try await house.run()
        // Both are delivered at one moment, in any order.
        #expect(
            house.heard.with { Dictionary(uniqueKeysWithValues: $0.map { ($0.template, $0.values["used"]) }) } == [
                "usage_warning": "80", "usage_exhausted": "100",
            ])
        #expect(house.heard.with { $0.count } == 2)
        house.terms.tier.with { $0 = UsageHouse.tier(limit: 200, soft: nil) }
        try await house.report(house.record("more", 60))
        house.test.clock.advance(by: .days(40))
        try await house.report(house.record("next", 160))
        try await house.run()
        #expect(
            house.heard.with { $0.map(\.template) }.sorted() == ["usage_exhausted", "usage_warning", "usage_warning", "usage_warning"])
        #expect(Set(house.heard.with { $0.map(\.key) }).count == 4)
    }

    @Test("late uses count in their own period while it closes; then it is final. The future is refused")
    func late() async throws {
        let house = try await UsageHouse.make()
        let (yesterday, end) = (house.now - .days(1), house.now + .days(10))
        try await house.stand(.active, until: end)
        try await house.report(house.record("a", at: house.now))
        house.test.clock.advance(by: .days(12))
        #expect(try await house.used() == 0)
        #expect(try await house.report(house.record("b", 7, at: yesterday)) == ["accepted"])
        #expect(try await house.report(house.record("c", at: house.now + .minutes(6))) == ["in_the_future"])
        house.test.clock.advance(by: .hours(25))
        #expect(
            try await house.report(house.record("d", at: yesterday), house.record("b", 7, at: yesterday)) == ["period_closed", "duplicate"])
        let history = try await house.room.history(of: "ai_requests", UsageHouse.tenant, now: house.now)
        #expect(history.map(\.used) == [8] && history[0].period.end == end && history[0].state == .closed)
        #expect(try await house.used() == 0)
    }

    @Test("quotas reset with the subscription's period; a renewal moves none that has begun, another subscription starts anew")
    func resets() async throws {
        let house = try await UsageHouse.make()
        let end = house.now + .days(5)
        try await house.stand(.active, until: end)
        try await house.report(house.record("a", 10))
        // Renewed before it is over.
        try await house.stand(.active, until: end + .days(30), version: 2)
        #expect(try await house.used() == 10)
        house.test.clock.advance(by: .days(5))
        #expect(try await house.used() == 0)
        try await house.report(house.record("b", 20))
        try await house.stand(.suspended, until: end + .days(30), version: 3)
        try await house.stand(.active, until: end + .days(30), version: 4)
        #expect(try await house.used() == 20, "who pays after all goes on where it stopped")
        house.test.clock.advance(by: .hours(1))
        try await house.stand(.active, until: house.now + .days(30), subscription: "01890000-0000-7000-8000-0000000000b1")
        #expect(try await house.used() == 0, "what is bought anew is new")
        try await house.stand(.active, until: house.now + .days(3), version: 1, subscription: "01890000-0000-7000-8000-0000000000b1")
        try await house.report(house.record("c", 5))
        let books = try await house.books()
        #expect(books.map(\.used) == [10, 20, 5])
        for (one, next) in zip(books, books.dropFirst()) { #expect(one.end <= next.start) }
    }

    @Test(
        "without a subscription the calendar counts; months keep the anchor's day where they have it",
        arguments: [
            ("2027-02-10T00:00:00Z", "2027-01-31T12:00:00Z", "2027-01-31T12:00:00Z", "2027-02-28T12:00:00Z"),
            ("2027-03-01T00:00:00Z", "2027-01-31T12:00:00Z", "2027-02-28T12:00:00Z", "2027-03-31T12:00:00Z"),
            ("2026-12-31T11:59:59Z", "2027-01-31T12:00:00Z", "2026-11-30T12:00:00Z", "2026-12-31T12:00:00Z"),
            ("2028-02-29T12:00:00Z", "2027-01-31T12:00:00Z", "2028-02-29T12:00:00Z", "2028-03-31T12:00:00Z"),
            ("2027-05-05T05:05:05Z", "1970-01-01T00:00:00Z", "2027-05-01T00:00:00Z", "2027-06-01T00:00:00Z"),
        ])
    func months(moment: String, anchor: String, start: String, end: String) throws {
        func time(_ text: String) throws -> Timestamp { try #require(Timestamp(iso8601: text)) }
        let period = UsagePeriod.holding(try time(moment), .month, anchor: try time(anchor))
        #expect(period == UsagePeriod(start: try time(start), end: try time(end)))
    }

    @Test("a moment lies in its period, and the next one begins where it ends, whatever the anchor")
    func tiling() {
        var dice = SeededDice(5)
        for _ in 0..<3_000 {
            let anchor = Timestamp(seconds: Int64.random(in: -2_000_000_000...4_000_000_000, using: &dice))
            let moment = Timestamp(seconds: Int64.random(in: -2_000_000_000...4_000_000_000, using: &dice))
            for length in Quota.Period.allCases {
                let period = UsagePeriod.holding(moment, length, anchor: anchor)
                #expect(period.start <= moment && moment < period.end)
                #expect(UsagePeriod.holding(period.end, length, anchor: anchor).start == period.end)
                #expect(UsagePeriod.holding(period.start, length, anchor: anchor) == period)
            }
        }
    }

    @Test("random order, repeats, late records and crashes at any call leave exact sums", arguments: 1...25)
    func property(seed: Int) async throws {
        var dice = SeededDice(UInt64(seed))
        let faulty = Guarded<CrashingStore?>(nil)
        let house = try await UsageHouse.make { inner in
            let store = CrashingStore(inner)
            faulty.with { $0 = store }
            return store
        }
        house.terms.tier.with {
            $0 = UsageHouse.tier(limit: .int(Int64.random(in: 40...2_000, using: &dice)), per: seed.isMultiple(of: 2) ? "day" : "month")
        }
        let store = try #require(faulty.with { $0 })
        let begin = house.now
        var waiting = (0..<60).map { number in
            UsageRecord(
                key: "k\(number)", meter: "ai_requests", quantity: Int64.random(in: 1...9, using: &dice),
                occurredAt: begin + .minutes(Int64.random(in: 0...4_000, using: &dice)))
        }.shuffled(using: &dice)
        var accepted: [String: Int64] = [:]
        while !waiting.isEmpty {
            house.test.clock.advance(by: .minutes(Int64.random(in: 1...300, using: &dice)))
            if Bool.random(using: &dice) {
                try? await house.stand(
                    .active, until: begin + .days(Int64.random(in: 1...40, using: &dice)), version: Int64.random(in: 1...90, using: &dice))
            }
            let batch = (0..<Int.random(in: 1...12, using: &dice)).map { _ in waiting[Int.random(in: 0..<waiting.count, using: &dice)] }
            store.crashes.with {
                $0 = Int.random(in: 0..<5, using: &dice) == 0 ? (Int.random(in: 1...2, using: &dice), Bool.random(using: &dice)) : nil
            }
            guard let outcomes = try? await house.room.report(batch, tenant: UsageHouse.tenant, house.test.act()) else { continue }
            for (record, outcome) in zip(batch, outcomes) {
                if outcome.status != .refused { accepted[record.key] = record.quantity }
                // Who is refused for the limit or the clock tries again now and then.
                if outcome.refusal != .inTheFuture { waiting.removeAll { $0.key == record.key } }
            }
        }
        store.crashes.with { $0 = nil }
        let books = try await house.books()
        for book in books { #expect(book.used == book.sum) }
        // What was answered as taken is there, once, and nothing else: a crash after the commit was asked about again.
        let kept = try await house.test.store.kernelRead(KernelReason("test.look")) { db in
            try db.rows(SQL("test.kept", "SELECT record_key, quantity FROM usage_record_all")).map { (try $0.text(0), try $0.integer(1)) }
        }
        #expect(Dictionary(uniqueKeysWithValues: kept) == accepted)
        let limit = try #require(house.terms.tier.with { $0 }?.quotas["ai_requests"]?.limit)
        for book in books { #expect(book.used <= limit) }
        for (one, next) in zip(books, books.dropFirst()) { #expect(one.end <= next.start) }
    }

    @Test("racing reporters of one key count it once, and together never pass the limit")
    func race() async throws {
        let house = try await UsageHouse.make()
        let results = try await withThrowingTaskGroup(of: [String].self) { group in
            for number in 0..<40 {
                group.addTask { try await house.report(house.record("same", 3, at: house.now), house.record("k\(number)", 4)) }
            }
            return try await group.reduce(into: [String]()) { $0 += $1 }
        }
        #expect(results.filter { $0 == "quota_exceeded" }.count == 40 - 24)
        #expect(try await house.used() == 3 + 24 * 4)
        let books = try await house.books()
        #expect(books.count == 1 && books[0].used == books[0].sum)
    }

    @Test("a leaving tenant's export has every period and record, and a purge leaves nothing of it and everything of others")
    func leaves() async throws {
        let house = try await UsageHouse.make()
        for number in 0..<3 { try await house.report(house.record("k\(number)", 2), tenant: UsageHouse.tenant) }
        try await house.report(house.record("other", 2), tenant: UsageHouse.stranger)
        let sink = PaperSink()
        try await house.room.export(UsageHouse.tenant, to: sink, house.test.act())
        #expect(sink.kinds.with { $0 } == ["periods": 1, "records": 3])
        for _ in 0..<2 { #expect(try await house.room.purge(UsageHouse.tenant, house.test.act()).isEmpty) }
        #expect(try await house.used() == 0)
        #expect(try await house.books().map(\.used) == [2])
    }

    @Test("the README shows the life of a period as it is declared, and the declaration is sound")
    func lifecycle() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Sources/Usage/README.md")
        let readme = try String(contentsOf: file, encoding: .utf8)
        #expect(UsagePeriod.lifecycle.flaws.isEmpty)
        #expect(readme.contains("```mermaid\n\(UsagePeriod.lifecycle.diagram)\n```"), "\(UsagePeriod.lifecycle.diagram)")
        #expect(readme.contains("\n\(UsagePeriod.lifecycle.table)\n"), "\(UsagePeriod.lifecycle.table)")
        let period = UsagePeriod(start: Timestamp(seconds: 0), end: Timestamp(seconds: 100))
        let states = [0, 99, 100, 109, 110, 999].map { period.state(at: Timestamp(seconds: $0), window: .seconds(10)) }
        #expect(states == [.open, .open, .closing, .closing, .closed, .closed])
        for (from, to) in zip(states, states.dropFirst()) where from != to {
            #expect(UsagePeriod.lifecycle.transition(from: from, to: to) != nil)
        }
        for setting in UsageSettings.all { #expect(setting.check(setting.default) == nil) }
        #expect(Set(UsageTable.all.map(\.name)).count == UsageTable.all.count)
    }
}

final class PaperSink: ExportSink {
    let kinds = Guarded<[String: Int]>([:])
    func record(_ kind: String, _ object: JSONValue) async throws { kinds.with { $0[kind, default: 0] += 1 } }
    func line(_ kind: String, _ text: String) async throws { kinds.with { $0[kind, default: 0] += 1 } }
    func file(_ kind: String, path: [String], content: any AsyncSequence<[UInt8], any Error> & Sendable) async throws {}
}

struct SeededDice: RandomNumberGenerator {
    var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}

/// Dies at a chosen call, once: before it, or after its commit and before its answer.
final class CrashingStore: Store {
    struct Crash: Error {}
    private let inner: any Store
    let crashes = Guarded<(call: Int, isAfter: Bool)?>(nil)
    init(_ inner: any Store) { self.inner = inner }
    var jobSignal: JobSignal { inner.jobSignal }

    private func through<Value: Sendable>(_ call: () async throws -> Value) async throws -> Value {
        let isAfter = crashes.with { crash -> Bool? in
            guard let found = crash else { return nil }
            crash = found.call > 1 ? (found.call - 1, found.isAfter) : nil
            return found.call == 1 ? found.isAfter : nil
        }
        if isAfter == false { throw Crash() }
        let value = try await call()
        if isAfter == true { throw Crash() }
        return value
    }
    func tenant<Value: Sendable>(
        _ id: TenantID, _ durability: Durability, _ body: @escaping @Sendable (any TenantScope) throws -> Value
    ) async throws -> Value { try await through { try await inner.tenant(id, durability, body) } }
    func tenantRead<Value: Sendable>(_ id: TenantID, _ body: @escaping @Sendable (any TenantScope) throws -> Value) async throws -> Value {
        try await through { try await inner.tenantRead(id, body) }
    }
    func kernel<Value: Sendable>(
        _ reason: KernelReason, _ durability: Durability, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value { try await inner.kernel(reason, durability, body) }
    func kernelRead<Value: Sendable>(
        _ reason: KernelReason, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value { try await inner.kernelRead(reason, body) }
}
