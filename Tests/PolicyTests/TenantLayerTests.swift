import Foundation
import HookEngine
import Synchronization
import Testing
import Vocabulary

@testable import PolicyHost

/// Uploads by hash, as a store would keep them.
final class PaperShelf: TenantPolicySource {
    private let kept = Mutex<[TenantSetName: [String: String]]>([:])
    private let reads = Mutex(0)
    struct Away: Error {}
    private let isAway = Mutex(false)
    func put(_ files: [String: String], _ hash: String, _ tenant: TenantID) {
        kept.withLock { $0[TenantSetName(tenant: tenant, hash: hash)] = files }
    }
    func goAway() { isAway.withLock { $0 = true } }
    func files(_ hash: String, of tenant: TenantID) async throws -> [String: String]? {
        reads.withLock { $0 += 1 }
        if isAway.withLock({ $0 }) { throw Away() }
        return kept.withLock { $0[TenantSetName(tenant: tenant, hash: hash)] }
    }
    var readCount: Int { reads.withLock { $0 } }
    var bundles: [TenantSetName: TenantBundle] {
        get throws { try kept.withLock { try $0.mapValues { try TenantBundle($0) } } }
    }
}

@Suite("tenants' own policies")
struct TenantLayerTests {
    static let one = TenantID(UUID())
    static let other = TenantID(UUID())

    /// A platform that allows what `body` says, and tenants with policies of their own.
    struct House {
        let folder: PolicyFolder
        let engine: PolicyEngine
        let sink: MemorySink
        let shelf = PaperShelf()

        init(_ body: String = "return allow{ overdraft_seats = 5 }", contained: Bool = true, sink: MemorySink = MemorySink()) throws {
            folder = try PolicyFolder.single("return { id = 'x.y', api = 1, on_seat_request = function(request) \(body) end }")
            self.sink = sink
            engine = folder.engine(sink: sink)
            try engine.load()
            engine.tenants.read(from: shelf)
            if contained { engine.containment.settle(.contained(files: 1)) }
        }

        static func bundle(_ body: String, hook: String = "on_seat_request") -> [String: String] {
            [
                "init.lua": "return { tenant = { 'own/rule' } }",
                "own/rule/policy.lua": "return { id = 'own.rule', api = 1,\n \(hook) = function(request)\n \(body)\n end }",
            ]
        }

        @discardableResult func put(_ files: [String: String], _ tenant: TenantID = one, revision: Int64 = 1) async throws -> String {
            let checked = try #require(try await engine.tenants.check(try TenantBundle(files), for: tenant))
            shelf.put(files, checked.hash.hex, tenant)
            engine.tenants.put(checked.hash.hex, hooks: checked.hooks, revision: revision, for: tenant)
            return checked.hash.hex
        }

        func ask(_ tenant: TenantID = one, used: Int64 = 1, asksTenant: Bool = true) async throws -> Verdict<SeatHook.Terms> {
            try await engine.decide(
                SeatHook.self, .init(used: used),
                HookSubject(
                    tenant: tenant, tier: nil, requestID: "r-1", now: Timestamp(seconds: 1_795_253_400), asksTenant: asksTenant))
        }
    }

    @Test("deny and tighten for their own tenant and for nobody else; the record names both sets and keeps both answers")
    func narrows() async throws {
        let house = try House()
        let hash = try await house.put(
            House.bundle("if request.license.seats_used > 3 then return deny('enough') end return allow{ overdraft_seats = 2 }"))
        let allowed = try await house.ask()
        #expect(allowed.outcome == .allow && allowed.terms.overdraftSeats == 2 && allowed.tenantPolicyHash == hash)
        let denied = try await house.ask(used: 4)
        #expect(denied.outcome == .deny(reason: "enough", retryAfterSeconds: nil))
        let record = try #require(house.sink.last)
        #expect(record.tenantPolicyHash == hash && record.policyHash == house.engine.hash?.hex)
        #expect(record.answers.map(\.layer) == [.platform, .tenant] && record.decidedBy == 1)
        #expect(record.answers[1].place == "own/rule/policy.lua:3" && record.fuel == record.answers.reduce(0) { $0 + $1.fuel })
        let stranger = try await house.ask(Self.other, used: 4)
        #expect(stranger.outcome == .allow && stranger.terms.overdraftSeats == 5 && stranger.tenantPolicyHash == nil)
        #expect(house.sink.last?.answers.map(\.layer) == [.platform])
    }

    @Test("widen nothing, but what an upper layer delegates")
    func widens() async throws {
        let greedy = House.bundle("return allow{ overdraft_seats = 900, lease_ttl_seconds = 86400 }")
        let house = try House()
        try await house.put(greedy)
        let verdict = try await house.ask()
        #expect(verdict.terms == .init(overdraftSeats: 5, ttlSeconds: nil))
        let open = try House("return allow{ overdraft_seats = 5, delegate = { 'overdraft_seats' } }")
        try await open.put(greedy)
        #expect(try await open.ask().terms == .init(overdraftSeats: 900, ttlSeconds: nil))
        let closed = try House("return deny('closed')")
        try await closed.put(House.bundle("return allow{}"))
        #expect(try await closed.ask().outcome == .deny(reason: "closed", retryAfterSeconds: nil))
        // It was not asked; a replay must know what it would have been asked.
        #expect(closed.sink.last?.answers.map(\.layer) == [.platform] && closed.sink.last?.tenantPolicyHash != nil)
        #expect(closed.engine.tenants.health(of: Self.one)?.asked == 0)
    }

    @Test(
        "that fail deny for their tenant alone, say where, and leave nothing behind",
        arguments: [
            "while true do end", "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) end", "local x; return x.y", "return 7", "error{}",
        ])
    func fails(_ body: String) async throws {
        let house = try House()
        try await house.put(House.bundle("if request.license.seats_used == 4 then \(body) end return allow{}"))
        for _ in 0..<3 {
            #expect(try await house.ask(used: 4).outcome == .deny(reason: "policy_failed", retryAfterSeconds: nil))
            #expect(try await house.ask().outcome == .allow)
            #expect(try await house.ask(Self.other, used: 4).outcome == .allow)
        }
        let health = try #require(house.engine.tenants.health(of: Self.one))
        #expect(health.asked == 6 && health.failed == 3)
        #expect(health.lastFailure?.message.hasPrefix("own/rule/policy.lua:") == true)
    }

    @Test("that fail are no fault of the operator's set: it is not rolled back for them")
    func probation() async throws {
        let house = try House()
        try await house.put(House.bundle("error('broken')"))
        try house.folder.write("x/y/policy.lua", "return { id = 'x.y', api = 1, on_seat_request = function() return allow{} end }")
        let second = try house.engine.load()
        for _ in 0..<100 { _ = try await house.ask() }
        #expect(house.engine.hash == second && house.engine.refused.isEmpty)
    }

    @Test("are not asked where the hook is not open to them, nor who may change them")
    func closed() async throws {
        let house = try House()
        try await house.put(House.bundle("return deny('mine')"))
        #expect(try await house.ask(asksTenant: false).outcome == .allow)
        await #expect(throws: PolicyRefusal.self) { try await house.put(House.bundle("return plan{}", hook: "on_payment")) }
    }

    @Test("wait until hostile policies were tried, and never run where one got through")
    func containment() async throws {
        let house = try House(contained: false)
        // The check is the engine's; the room asks for containment before it.
        try await house.put(House.bundle("return deny('mine')"))
        async let first = house.ask()
        async let stranger = house.ask(Self.other)
        #expect(try await stranger.outcome == .allow)
        house.engine.containment.settle(.contained(files: 1))
        #expect(try await first.outcome == .deny(reason: "mine", retryAfterSeconds: nil))
        let breached = try House(contained: false)
        try await breached.put(House.bundle("return allow{}"))
        breached.engine.containment.settle(.breached(["weak.lua"]))
        #expect(try await breached.ask().outcome == .deny(reason: "policies_not_contained", retryAfterSeconds: nil))
        #expect(breached.engine.tenants.health(of: Self.one)?.failed == 0)
    }

    @Test("that cannot be read deny; news that come late change nothing; none in force asks nobody")
    func news() async throws {
        let house = try House()
        let first = try await house.put(House.bundle("return deny('first')"), revision: 5)
        try await house.put(House.bundle("return deny('second')"), revision: 7)
        house.engine.tenants.put(first, hooks: ["on_seat_request"], revision: 6, for: Self.one)
        #expect(try await house.ask().outcome == .deny(reason: "second", retryAfterSeconds: nil))
        house.engine.tenants.put(nil, hooks: [], revision: 8, for: Self.one)
        #expect(try await house.ask().outcome == .allow)
        #expect(house.engine.tenants.health(of: Self.one) == nil)
        house.shelf.goAway()
        house.engine.tenants.put(String(repeating: "ab", count: 32), hooks: ["on_seat_request"], revision: 9, for: Self.one)
        #expect(try await house.ask().outcome == .deny(reason: "policies_not_read", retryAfterSeconds: nil))
    }

    @Test("a set is read and compiled once for many questions at once")
    func compiledOnce() async throws {
        let house = try House()
        try await house.put(House.bundle("return allow{ overdraft_seats = 1 }"))
        let outcomes = await withTaskGroup(of: Int64?.self) { group in
            for _ in 0..<50 { group.addTask { try? await house.ask().terms.overdraftSeats } }
            return await group.reduce(into: [Int64?]()) { $0.append($1) }
        }
        #expect(outcomes == Array(repeating: 1, count: 50) && house.shelf.readCount == 1)
    }

    @Test("replayed by another process's means they give the same bytes and fuel; a changed platform flips what it should")
    func replays() async throws {
        let place = FileManager.default.temporaryDirectory.appending(path: "tenant-log-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: place) }
        let body = "if request.license.seats_used == 9 then return deny('full') end return allow{ overdraft_seats = 5 }"
        let folder = try PolicyFolder.single("return { id = 'x.y', api = 1, on_seat_request = function(request) \(body) end }")
        let log = try DecisionLog(directory: place)
        let engine = folder.engine(sink: log)
        try engine.load()
        let shelf = PaperShelf()
        engine.tenants.read(from: shelf)
        engine.containment.settle(.contained(files: 1))
        let files = House.bundle(
            "if request.license.seats_used % 3 == 0 then return deny('third') end return allow{ overdraft_seats = math.random(5) }")
        let checked = try #require(try await engine.tenants.check(try TenantBundle(files), for: Self.one))
        shelf.put(files, checked.hash.hex, Self.one)
        engine.tenants.put(checked.hash.hex, hooks: checked.hooks, revision: 1, for: Self.one)
        for used in 0..<90 {
            for tenant in [Self.one, Self.other] {
                _ = try await engine.decide(
                    SeatHook.self, .init(used: Int64(used % 10)),
                    HookSubject(tenant: tenant, tier: nil, requestID: "r", now: Timestamp(seconds: 1_795_253_400)))
            }
        }
        func replay(_ folder: PolicyFolder, _ bundles: [TenantSetName: TenantBundle]) throws -> PolicyReplayReport {
            try PolicyReplay(PolicyWorkbench(directory: folder.url, definitions: Hooked.all), tenants: bundles).run(
                DecisionArchive.files(place))
        }
        let same = try replay(folder, shelf.bundles)
        #expect(same.decisions == 180 && same.same == 180 && same.broken.isEmpty && same.gone == 0)
        // Without the tenant's set what it had a say in cannot be asked again; what the platform denied can.
        let alone = try replay(folder, [:])
        #expect(alone.gone == 81 && alone.same == 99)
        // A platform that no longer denies 9: the stranger's nine flip, the tenant's nine meet its own denial of every third.
        let open = try PolicyFolder.single(
            "return { id = 'x.y', api = 1, on_seat_request = function(request) return allow{ overdraft_seats = 5 } end }")
        let flipped = try replay(open, shelf.bundles)
        #expect(flipped.byChange == ["on_seat_request: deny full → allow": 9, "on_seat_request: deny full → deny third": 9])
    }

    @Test("a candidate's shadow folds the tenant's answers in")
    func shadows() async throws {
        let house = try House()
        try await house.put(House.bundle("if request.license.seats_used == 4 then return deny('mine') end"))
        let candidate = try PolicyFolder.single(
            "return { id = 'x.y', api = 1, on_seat_request = function(request) return allow{ overdraft_seats = 5 } end }")
        try house.engine.shadow(candidate.url)
        for used in 0..<10 { _ = try await house.ask(used: Int64(used)) }
        await house.engine.settleShadow()
        let report = try #require(house.engine.shadowReport)
        #expect(report.asked == 10 && report.same == 10 && report.flips == 0)
    }

    @Test(
        "an upload's names and sizes are bounded, and every finding names file and line",
        arguments: [
            (["init.lua": "return { platform = { 'own/rule' } }"], "policies/init.lua:1: platform is not a layer; accepted are: tenant"),
            (["init.lua": "return { tenant = { 'own/rule' } }"], "policies/init.lua:1: there is no policy own/rule; there are: none"),
            (["../init.lua": ""], "policies/../init.lua: is no file of a bundle; accepted are"),
            (["a/b/c.lua": ""], "policies/a/b/c.lua: is no file of a bundle"),
            (["A/b/policy.lua": ""], "policies/A/b/policy.lua: is no file"),
            (["a/\u{1b}[2J/policy.lua": ""], "policies/a/?[2J/policy.lua: is no file"),
            (["_a/b/policy.lua": ""], "policies/_a/b/policy.lua: is no"),
            (["a//policy.lua": ""], "policies/a//policy.lua: is no file"), ([:], "policies/init.lua: is missing; it returns { tenant = {"),
            (["init.lua": String(repeating: " ", count: 70_000)], "policies/: holds 70000 bytes; at most 65536"),
            (
                [
                    "init.lua": "return { tenant = { 'a/b' } }",
                    "a/b/policy.lua": "return { id = 'a.b', api = 1,\n on_payment = function() end }",
                ],
                "policies/a/b/policy.lua:2: on_payment is not a field of a policy"
            ),
            (
                [
                    "init.lua": "return { tenant = { 'a/b' } }",
                    "a/b/policy.lua": "return { id = 'a.b', api = 1, data = { 'roles' },\n on_role_check = function() end }",
                ],
                "policies/a/b/policy.lua:1: there is no data \"roles\"; accepted are: nothing"
            ),
            (
                [
                    "init.lua": "return { tenant = { 'a/b' } }",
                    "a/b/policy.lua": "return { id = 'a.b', api = 1, on_role_check = function() end }",
                    "a/b/policy_test.lua": "local t = {} for i = 1, 201 do t[i] = { name = 'n' } end return t",
                ], "policies/a/b/policy_test.lua: holds 201 tests; of all policies together at most 200"
            ),
            (
                [
                    "init.lua": "return { tenant = { 'a/b' } }",
                    "a/b/policy.lua": "return { id = 'a.b', api = 1, on_role_check = function() return deny('no') end }",
                    "a/b/policy_test.lua":
                        "return {\n { name = 'lets in', hook = 'on_role_check', input = { user = { role = 'owner' }, permission = 'a:b', tenant = { kind = 'individual' } }, expect = { outcome = 'allow' } } }",
                ], "policies/a/b/policy_test.lua:2: lets in: expected allow, got deny"
            ),
        ] as [([String: String], String)])
    func uploads(_ files: [String: String], _ expected: String) async throws {
        let house = try House()
        do throws(PolicyRefusal) {
            _ = try await house.engine.tenants.check(try TenantBundle(files), for: Self.one)
            Issue.record("was accepted; expected \(expected)")
        } catch {
            #expect(error.findings.contains { $0.description.hasPrefix(expected) }, "\(error)")
        }
    }

    @Test("who asks much waits for itself: the others are served in turn, and each may have only so much waiting")
    func fairness() {
        var queue = TenantQueue<String>(most: 10, ofOne: 6)
        func add(_ item: String, _ tenant: TenantID) -> Bool { queue.append(item, of: tenant) }
        func take(_ count: Int) -> [String?] { (0..<count).map { _ in queue.next() } }
        let first = (1...7).map { add("one \($0)", Self.one) }
        #expect(first == [true, true, true, true, true, true, false])
        let second = (1...2).map { add("other \($0)", Self.other) }
        #expect(second == [true, true])
        let taken = take(5)
        #expect(taken == ["one 1", "other 1", "one 2", "other 2", "one 3"] && queue.count == 3)
        let third = add("third", TenantID(UUID()))
        let rest = take(5)
        #expect(third && rest == ["one 4", "third", "one 5", "one 6", nil])
        #expect(queue.isEmpty && queue.count == 0)
        let many = (0...10).map { add("\($0)", TenantID(UUID())) }
        #expect(many == Array(repeating: true, count: 10) + [false])
    }

    @Test("a flood of one tenant is refused beyond its share, and everybody else is answered")
    func flood() async throws {
        let house = try House()
        try await house.put(House.bundle("while true do end"))
        try await house.put(House.bundle("return allow{ overdraft_seats = 1 }"), Self.other)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<400 { group.addTask { _ = try? await house.ask() } }
            for _ in 0..<40 {
                group.addTask { #expect((try? await house.ask(Self.other))?.terms.overdraftSeats == 1) }
            }
        }
        #expect(house.engine.tenants.health(of: Self.one)?.failed == 400)
    }
}
