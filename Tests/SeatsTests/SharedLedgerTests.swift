import Foundation
import KeyValue
import KeyValueRedis
import RedisTesting
import RoomTesting
import Seats
import Store
import Testing
import Vocabulary

/// A house on a Redis of its own, which the test may kill, freeze and empty.
private struct SharedHouse {
    let server: RedisServer
    let house: SeatHouse
    static func make(
        seed: UInt64 = 1, isLasting: Bool = false, wrap: (any Store) -> any Store = { $0 }
    ) async throws -> SharedHouse {
        let server = try await RedisServer.start(isLasting: isLasting)
        return SharedHouse(
            server: server, house: try await SeatHouse.make(seed: seed, scripts: try SharedStore.runner(server), wrap: wrap))
    }
    func redis(_ words: String...) throws -> String { try RedisTool.run(["-s", server.socket] + words) }
    /// Past the pause in which the shared store is left alone.
    func settle() { house.advance(6) }
}

@Suite("Seats whose ends stand in Redis")
struct SharedLedgerTests {
    @Test("a heartbeat writes nothing into the store, and its lease lives on")
    func beat() async throws {
        let shared = try await SharedHouse.make()
        let house = shared.house
        try await house.license(seats: 1)
        let grant = try await house.acquire("a")
        try await house.beat(grant.session)
        let before = try await end(house, grant.session)
        #expect(before >= 1 << 61)
        for _ in 0..<5 {
            house.advance(300)
            #expect(try await house.beat(grant.session).epoch == 1)
        }
        #expect(try await end(house, grant.session) == before)
        #expect(try await house.refusal { try await house.acquire("b") } == "no_seats_available")
        house.advance(360)
        #expect(try await house.acquire("b").seatsUsed == 1)
    }
    @Test("beats of several tenants that come all at once get each its own answer")
    func together() async throws {
        let shared = try await SharedHouse.make()
        let house = shared.house
        let tenants: [TenantID] = [house.tenant] + (0..<2).map { _ in house.test.entropy.id(house.now) }
        var beats: [(session: Lease.ID, epoch: Int64?, person: Principal, refusal: String?)] = []
        for tenant in tenants {
            try await house.license(seats: 20, tenant: tenant)
            let (person, other) = (house.person(tenant: tenant), house.person(2, tenant: tenant))
            for number in 0..<18 {
                let grant = try await house.acquire("d\(number)", by: person)
                // Once, so that each of them stands in Redis.
                try await house.beat(grant.session, by: person)
                beats.append((grant.session, number == 3 ? 7 : number == 4 ? 1 : nil, person, number == 3 ? "superseded" : nil))
                if number == 5 { beats.append((grant.session, nil, other, "not_lease_holder")) }
                if number == 6 {
                    let stranger = house.person(tenant: tenants.first { $0 != tenant })
                    beats.append((grant.session, nil, stranger, "not_found"))
                }
            }
        }
        house.advance(300)
        let told = try await withThrowingTaskGroup(of: (Int, String?).self) { group in
            for (number, beat) in beats.enumerated() {
                group.addTask {
                    (number, try await house.refusal { try await house.beat(beat.session, epoch: beat.epoch, by: beat.person) })
                }
            }
            return try await group.reduce(into: [Int: String?]()) { $0[$1.0] = $1.1 }
        }
        for (number, beat) in beats.enumerated() { #expect(told[number] == .some(beat.refusal), "\(number)") }
        house.advance(359)
        // Whoever was answered lives on, to the last second.
        for beat in beats where beat.refusal == nil { #expect(try await house.beat(beat.session, by: beat.person).epoch == 1) }
    }
    private func end(_ house: SeatHouse, _ session: Lease.ID) async throws -> Int64 {
        try await house.test.store.tenantRead(house.tenant) { db in
            try db.row(SQL("test.end", "SELECT expires_at FROM seat WHERE session_id = $1"), session)?.integer(0) ?? 0
        }
    }

    @Test(
        "after a flush, a kill with or without a disk, or a script's keys removed, nobody's seat is given on before a full term is over",
        arguments: ["flush", "kill", "kill-lasting", "live", "held"])
    func loss(_ how: String) async throws {
        let shared = try await SharedHouse.make(isLasting: how == "kill-lasting")
        let house = shared.house
        try await house.license(seats: 2)
        let first = try await house.acquire("a")
        try await house.acquire("b")
        house.advance(350)
        try await house.beat(first.session)
        switch how {
        case "flush": _ = try shared.redis("FLUSHALL")
        case "live", "held":
            for key in try shared.redis("KEYS", "*\(how)").split(separator: "\n") { _ = try shared.redis("DEL", String(key)) }
        default:
            shared.server.kill()
            try await shared.server.restart()
        }
        // b's lease would be over by now. What was lost is not known, so it lives a full term more.
        house.advance(20)
        #expect(try await house.refusal { try await house.acquire("c") } == "no_seats_available")
        shared.settle()
        #expect(try await house.beat(first.session).epoch == 1)
        #expect(try await house.live() == 2)
        house.advance(359)
        #expect(try await house.beat(first.session).epoch == 1)
        house.advance(2)
        #expect(try await house.acquire("c").seatsUsed == 2)
        #expect(try await house.refusal { try await house.acquire("d") } == "no_seats_available")
    }

    @Test("while Redis is killed or frozen the store decides alone: beats, grants, releases and refusals go on", arguments: [true, false])
    func away(_ isKilled: Bool) async throws {
        let shared = try await SharedHouse.make()
        let house = shared.house
        try await house.license(seats: 2)
        let first = try await house.acquire("a")
        try await house.beat(first.session)
        if isKilled { shared.server.kill() } else { shared.server.freeze() }
        #expect(try await house.beat(first.session).epoch == 1)
        let second = try await house.acquire("b")
        #expect(try await house.refusal { try await house.acquire("c") } == "no_seats_available")
        try await house.release(second.session)
        #expect(try await house.refusal { try await house.beat(second.session) } == "lease_released")
        try await house.acquire("c")
        #expect(try await house.live() == 2)
        if isKilled { try await shared.server.restart() } else { shared.server.thaw() }
        shared.settle()
        #expect(try await eventuallyShared(house, first.session))
        house.advance(300)
        #expect(try await house.beat(first.session).epoch == 1)
        #expect(try await house.refusal { try await house.acquire("d") } == "no_seats_available")
        house.advance(61)
        try await house.acquire("d")
        #expect(try await house.live() == 2)
    }
    /// Beats until one was taken by Redis again: the connection is made anew in its own time.
    private func eventuallyShared(_ house: SeatHouse, _ session: Lease.ID) async throws -> Bool {
        for _ in 0..<1_000 {
            try await house.beat(session)
            if try await end(house, session) >= 1 << 61 { return true }
            house.advance(6)
            await Task.yield()
        }
        return false
    }

    @Test("a seat that was released, forced or suspended is not brought back by what still stands in Redis")
    func released() async throws {
        let shared = try await SharedHouse.make()
        let house = shared.house
        let (_, subscription) = try await house.license(seats: 3)
        let grants = [try await house.acquire("a"), try await house.acquire("b"), try await house.acquire("c")]
        for grant in grants { try await house.beat(grant.session) }
        try await house.release(grants[0].session)
        try await house.leases.forceRelease(grants[1].session, tenant: house.tenant, reason: "spring", house.act())
        #expect(try await house.refusal { try await house.beat(grants[0].session) } == "lease_released")
        #expect(try await house.refusal { try await house.beat(grants[1].session) } == "lease_ended_by_operator")
        try await house.license(seats: 3, subscription: subscription, version: 2, standing: .suspended)
        #expect(try await house.refusal { try await house.beat(grants[2].session) } == "license_suspended")
        #expect(try await house.live() == 0)
    }

    @Test("two processes that see different masters, as in a split network, give no seat twice")
    func split() async throws {
        let (left, right) = (try await RedisServer.start(), try await RedisServer.start())
        let one = try await SeatHouse.make(scripts: try SharedStore.runner(left))
        try await one.license(seats: 1)
        let two = try one.restarted(scripts: try SharedStore.runner(right))
        try await two.time.begin(two.test.store)
        let grant = try await one.acquire("a")
        for _ in 0..<6 {
            // The one beats where it always did; the other finds a memory that nobody knows, and takes all for lost.
            one.advance(200)
            #expect(try await one.beat(grant.session).epoch == 1)
            #expect(try await two.refusal { try await two.acquire("b") } == "no_seats_available")
        }
        one.advance(361)
        _ = try await two.acquire("b")
        #expect(try await one.refusal { try await one.beat(grant.session) } == "lease_expired")
        withExtendedLifetime((left, right)) {}
    }

    @Test("a process that died between Redis and the store, or between the store and Redis, leaves no seat lost and none given twice")
    func died() async throws {
        let server = try await RedisServer.start()
        let flaky = FlakyRunner(inner: try SharedStore.runner(server))
        let house = try await SeatHouse.make(scripts: flaky)
        try await house.license(seats: 1)
        // The lease is durable, and Redis never hears of it.
        flaky.fail(only: "seats-enter")
        let grant = try await house.acquire("a")
        flaky.fail(only: nil)
        house.advance(6)
        #expect(try await house.refusal { try await house.acquire("b") } == "no_seats_available")
        #expect(try await house.beat(grant.session).epoch == 1)
        // Ended in Redis, and the store never hears of it from the process that did it.
        let dying = try house.restarted(scripts: flaky) { DyingStore($0, seed: 5) }
        let after = try house.restarted(scripts: flaky)
        for one in [dying, after] { try await one.time.begin(house.test.store) }
        house.advance(400)
        for _ in 0..<6 { _ = try? await dying.acquire("b") }
        try await after.acquire("b")
        #expect(try await after.live() == 1)
        withExtendedLifetime(server) {}
    }
}

/// Does what is asked and loses the answer, for the scripts of one name.
final class FlakyRunner: ScriptRunner {
    private let inner: any ScriptRunner
    private let failing = Guarded<String?>(nil)
    private let isBefore = Guarded(false)
    init(inner: any ScriptRunner) { self.inner = inner }
    func fail(only name: String?) { failing.with { $0 = name } }
    func run(_ script: Script, keys: [String], _ arguments: [ScriptArgument]) async throws -> ScriptAnswer {
        let fails = failing.with { $0 == script.name }
        // Now before, now after it was done.
        let before = isBefore.with { isBefore -> Bool in
            isBefore.toggle()
            return isBefore
        }
        if fails, before { throw KeyValueFault.away }
        let answer = try await inner.run(script, keys: keys, arguments)
        if fails { throw KeyValueFault.away }
        return answer
    }
}
