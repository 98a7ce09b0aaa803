import Foundation
import HookEngine
import Licensing
import RoomTesting
import Seats
import Store
import Testing
import Vocabulary

struct LedgerTests {
    @Test("64 clients at once on 10 seats: exactly 10 get one")
    func race() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 10)
        let granted = await withTaskGroup(of: Lease.ID?.self) { group in
            for client in 0..<64 { group.addTask { try? await house.acquire("device-\(client)").session } }
            return await group.reduce(into: [Lease.ID]()) { if let session = $1 { $0.append(session) } }
        }
        #expect(granted.count == 10)
        #expect(Set(granted).count == 10)
        #expect(try await house.live() == 10)
    }

    @Test("the same device, asking at once from many places, gets one lease")
    func sameDevice() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 10)
        let sessions = try await withThrowingTaskGroup(of: LeaseGrant.self) { group in
            for _ in 0..<20 { group.addTask { try await house.acquire("one") } }
            return try await group.reduce(into: Set<String>()) { $0.insert("\($1.session)/\($1.epoch)") }
        }
        #expect(sessions.count == 1)
        #expect(try await house.live() == 1)
    }

    @Test("an expired lease gives its seat back without any sweep, and the answer of the newcomer says so")
    func expiry() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        let first = try await house.acquire("a")
        #expect(first.expiresAt == house.now + .seconds(360))
        #expect(first.seatsUsed == 1)
        house.advance(359)
        #expect(try await house.refusal { try await house.acquire("b") } == "no_seats_available")
        house.advance(1)
        let second = try await house.acquire("b")
        #expect(second.seatsUsed == 1)
        #expect(try await house.refusal { try await house.beat(first.session) } == "lease_expired")
        #expect(try await house.journal() == ["seat.acquired", "seat.denied", "seat.ended", "seat.acquired"])
    }

    @Test("a refusal tells how many seats are used and when the next lease expires")
    func refusal() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        try await house.acquire("a")
        house.advance(48)
        let problem = await #expect(throws: Problem.self) { try await house.acquire("b") }
        #expect(problem?.status == 429)
        #expect(problem?.fields["seats_used"] == 1)
        #expect(problem?.fields["seats_total"] == 1)
        #expect(problem?.fields["retry_after"] == 312)
        #expect(problem?.fields["receipt"]?["document"]?["act"] == "refused")
    }

    @Test("a repeated acquire answers the same lease and epoch; a new life is a new session and the next epoch")
    func lives() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 3)
        let first = try await house.acquire("a")
        house.advance(100)
        let again = try await house.acquire("a")
        #expect(again.session == first.session)
        #expect(again.epoch == 1)
        #expect(again.expiresAt == first.expiresAt + .seconds(100))
        try await house.release(first.session)
        let second = try await house.acquire("a")
        #expect(second.session != first.session)
        #expect(second.epoch == 2)
        house.advance(1_000)
        #expect(try await house.acquire("a").epoch == 3)
        #expect(try await house.acquire("b").epoch == 1)
    }

    @Test("a heartbeat after release never revives, a superseded one is told so, and releasing again is harmless")
    func released() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 2)
        let first = try await house.acquire("a")
        try await house.release(first.session)
        #expect(try await house.live() == 0)
        #expect(try await house.refusal { try await house.beat(first.session) } == "lease_released")
        try await house.release(first.session)
        let second = try await house.acquire("a")
        #expect(try await house.refusal { try await house.beat(first.session) } == "lease_released")
        house.advance(400)
        let third = try await house.acquire("a")
        #expect(try await house.refusal { try await house.beat(second.session) } == "superseded")
        #expect(try await house.live() == 1)
        #expect(try await house.refusal { try await house.beat(third.session, epoch: second.epoch) } == "superseded")
        #expect(try await house.beat(third.session, epoch: third.epoch).epoch == third.epoch)
    }

    @Test("a late heartbeat gets its lease back as a new epoch while a seat is free, and only within the window")
    func revival() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        let grant = try await house.acquire("a")
        house.advance(500)
        let beat = try await house.beat(grant.session)
        #expect(beat.epoch == 2)
        #expect(beat.isResurrected)
        #expect(try await house.live() == 1)
        #expect(try await house.refusal { try await house.beat(grant.session, epoch: 1) } == "superseded")
        #expect(try await house.acquire("a").epoch == 2)
        house.advance(660)
        #expect(try await house.refusal { try await house.beat(grant.session) } == "lease_expired")
        #expect(try await house.live() == 0)
        #expect(try await house.journal().contains("seat.resurrected"))
    }

    @Test("a late heartbeat does not take a seat beyond the licence")
    func revivalWhenFull() async throws {
        let house = try await SeatHouse.make()
        let (_, subscription) = try await house.license(seats: 2)
        let late = try await house.acquire("a")
        try await house.acquire("b")
        house.advance(400)
        try await house.acquire("c")
        // Seat 1 is still nobody else's, but only one seat is left by now.
        try await house.license(seats: 1, subscription: subscription, version: 2)
        #expect(try await house.refusal { try await house.beat(late.session) } == "lease_expired")
        #expect(try await house.live() == 1)
    }

    @Test("lowering the seats kills nobody; the leases drain, and only then is a newcomer let in")
    func drain() async throws {
        let house = try await SeatHouse.make()
        let (_, subscription) = try await house.license(seats: 4)
        var sessions: [Lease.ID] = []
        for device in ["a", "b", "c", "d"] { sessions.append(try await house.acquire(device).session) }
        try await house.license(seats: 2, subscription: subscription, version: 2)
        for session in sessions { try await house.beat(session) }
        #expect(try await house.live() == 4)
        for session in sessions.prefix(2) {
            #expect(try await house.refusal { try await house.acquire("e") } == "no_seats_available")
            try await house.release(session)
        }
        #expect(try await house.refusal { try await house.acquire("e") } == "no_seats_available")
        try await house.release(sessions[2])
        #expect(try await house.acquire("e").seatsUsed == 2)
        // The device whose seat lies beyond the new ceiling comes back to one within it.
        try await house.release(sessions[3])
        #expect(try await house.acquire("d").seatsUsed == 2)
        #expect(try await house.refusal { try await house.acquire("f") } == "no_seats_available")
    }

    @Test("a device whose expired seat lies beyond a lowered ceiling moves to one within, with its epoch")
    func moveDown() async throws {
        let house = try await SeatHouse.make()
        let (_, subscription) = try await house.license(seats: 3)
        for device in ["a", "b", "c"] { try await house.acquire(device) }
        try await house.license(seats: 1, subscription: subscription, version: 2)
        house.advance(400)
        #expect(try await house.acquire("c").epoch == 2)
        #expect(try await house.live() == 1)
        try await house.license(seats: 3, subscription: subscription, version: 3)
        #expect(try await house.acquire("a").epoch == 2)
        #expect(try await house.acquire("b").epoch == 2)
        #expect(try await house.live() == 3)
    }

    @Test("suspension ends each lease at its next heartbeat and gives no seat; paid again, all is back")
    func suspension() async throws {
        let house = try await SeatHouse.make()
        let (_, subscription) = try await house.license(seats: 2)
        let grant = try await house.acquire("a")
        try await house.license(seats: 2, subscription: subscription, version: 2, standing: .suspended)
        #expect(try await house.refusal { try await house.acquire("b") } == "license_suspended")
        #expect(try await house.refusal { try await house.beat(grant.session) } == "license_suspended")
        #expect(try await house.live() == 0)
        #expect(try await house.refusal { try await house.beat(grant.session) } == "license_suspended")
        try await house.license(seats: 2, subscription: subscription, version: 3)
        #expect(try await house.refusal { try await house.beat(grant.session) } == "license_suspended")
        #expect(try await house.acquire("a").epoch == 2)
    }

    @Test("an operator's release is told to the holder with its reason at the next heartbeat")
    func forced() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        let grant = try await house.acquire("a")
        let admin = house.person(9, role: "admin")
        try await house.leases.forceRelease(grant.session, tenant: house.tenant, reason: "needed for the demo", house.act(admin))
        #expect(try await house.live() == 0)
        let problem = await #expect(throws: Problem.self) { try await house.beat(grant.session) }
        #expect(problem?.code == "lease_ended_by_operator")
        #expect(problem?.fields["reason"] == "needed for the demo")
        try await house.acquire("b", by: admin)
    }

    @Test("only the holder beats and releases; another tenant's lease does not exist")
    func holders() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 2)
        let grant = try await house.acquire("a")
        let colleague = house.person(2)
        let stranger = house.person(1, tenant: house.test.entropy.id(house.now))
        #expect(try await house.refusal { try await house.beat(grant.session, by: colleague) } == "not_lease_holder")
        #expect(try await house.refusal { try await house.release(grant.session, by: colleague) } == "not_lease_holder")
        #expect(try await house.refusal { try await house.beat(grant.session, by: stranger) } == "not_found")
        #expect(try await house.refusal { try await house.release(grant.session, by: stranger) } == "not_found")
        #expect(
            try await house.refusal {
                try await house.leases.forceRelease(grant.session, tenant: stranger.tenant, reason: "x", house.act(stranger))
            } == "not_found")
        #expect(try await house.live() == 1)
    }

    @Test("another user of the same device takes the lease over; the first is superseded, and no second seat is used")
    func sharedDevice() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        let first = try await house.acquire("a")
        let colleague = house.person(2)
        let second = try await house.acquire("a", by: colleague)
        #expect(second.session != first.session)
        #expect(second.epoch == 2)
        #expect(try await house.live() == 1)
        #expect(try await house.refusal { try await house.beat(first.session) } == "superseded")
        try await house.beat(second.session, by: colleague)
    }

    @Test("policy's overdraft lets so many more in, and never one more than that; it is not revived")
    func overdraft() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        try await house.acquire("a")
        house.hooks.script("on_seat_request", .allow(.object([("overdraft_seats", .int(1)), ("lease_ttl_seconds", .int(60))])))
        let second = try await house.acquire("b")
        #expect(second.seatsUsed == 2)
        #expect(second.seatsTotal == 1)
        #expect(second.expiresAt == house.now + .seconds(60))
        #expect(try await house.refusal { try await house.acquire("c") } == "no_seats_available")
        house.advance(61)
        #expect(try await house.refusal { try await house.beat(second.session) } == "lease_expired")
    }

    @Test("the schema refuses a second lease on a seat, a seat beyond the ceiling and a second seat for a device")
    func schemaRefuses() async throws {
        let house = try await SeatHouse.make()
        let (license, _) = try await house.license(seats: 2)
        try await house.acquire("a")
        let taken = house.licenses.device("a", tenant: house.tenant).bytes
        let free = [UInt8](repeating: 3, count: 32)
        for (slot, ceiling, device) in [(1, 2, free), (3, 2, free), (2, 2, taken)] {
            let session: Lease.ID = house.test.entropy.id(house.now)
            let user = house.person().user
            await #expect(throws: StoreFault.self) {
                try await house.test.store.tenant(house.tenant) { db in
                    try db.run(
                        SQL(
                            "test.over",
                            """
                            INSERT INTO seat
                                (tenant_id, license_id, slot, ceiling, session_id, device, user_id, epoch, ttl, expires_at, resurrected,
                                 acquired_at, beat_at, hostname_box, os, version)
                            VALUES ($1, $2, $3, $4, $5, $6, $7, 1, 1, 999999999999, 0, 1, 1, NULL, NULL, NULL)
                            """), db.tenant, license, slot, ceiling, session, device, user)
                }
            }
        }
    }

    @Test("heartbeats are journalled as one entry per tenant and second, none lost over a restart")
    func beatJournal() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 5)
        var sessions: [Lease.ID] = []
        for device in 0..<5 { sessions.append(try await house.acquire("d\(device)").session) }
        for _ in 0..<3 { for session in sessions { try await house.beat(session) } }
        house.advance(1)
        for session in sessions { try await house.beat(session) }
        #expect(try await house.refusal { try await house.beat(house.test.entropy.id(house.now)) } == "not_found")
        // The shared ledger counts in memory: a process that stops writes it down, one that is killed loses its last second's.
        try await house.stop()
        let after = try house.restarted()
        after.advance(10)
        try await after.test.runDue(handlers: after.ledger.jobs())
        let counts = try await house.test.store.tenantRead(house.tenant) { db in
            try db.rows(SQL("test.beats", "SELECT details FROM journal_entry WHERE action = 'seat.heartbeats' ORDER BY seq")).map {
                try JSONCoding.decode(JSONValue.self, Data(try $0.text(0).utf8))["heartbeats"]?.int
            }
        }
        #expect(counts == [15, 5])
        try await after.test.runDue(handlers: after.ledger.jobs())
    }

    @Test("hundreds of heartbeats at once each get their own answer")
    func manyBeats() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 50)
        var sessions: [Lease.ID] = []
        for device in 0..<50 { sessions.append(try await house.acquire("d\(device)").session) }
        try await house.release(sessions[7])
        let codes = await withTaskGroup(of: (Int, String?).self) { group in
            for round in 0..<20 {
                for (index, session) in sessions.enumerated() {
                    group.addTask { (round * 50 + index, try? await house.refusal { try await house.beat(session) }) }
                }
            }
            return await group.reduce(into: [Int: String?]()) { $0[$1.0] = $1.1 }
        }
        #expect(codes.count == 1_000)
        for (index, code) in codes { #expect(code == (index % 50 == 7 ? "lease_released" : nil)) }
    }

    @Test("a lost answer to acquire is repeated by its Idempotency-Key without asking policy again")
    func idempotency() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 2)
        let request = Leases.Request(hardwareID: "a")
        let claim = IdempotencyClaim(key: "k", scope: "acquire", fingerprint: [1])
        let first = try await house.answer(request, house.person(), house.act(idempotency: claim))
        let again = try await house.answer(request, house.person(), house.act(idempotency: claim))
        #expect(first.grant == again.grant)
        #expect(house.hooks.count("on_seat_request") == 1)
    }

    @Test("the owners hear once when use rises to nine tenths, and a licence of one seat is left in peace")
    func warning() async throws {
        let house = try await SeatHouse.make()
        let (license, _) = try await house.license(seats: 10)
        for device in 0..<8 { try await house.acquire("d\(device)", license: license) }
        #expect(try await house.mails().isEmpty)
        let ninth = try await house.acquire("d8", license: license)
        #expect(try await house.mails() == ["seats_nearly_full"])
        try await house.acquire("d9", license: license)
        try await house.acquire("d9", license: license)
        #expect(try await house.mails().isEmpty)
        try await house.release(ninth.session)
        let (single, _) = try await house.license(seats: 1)
        try await house.acquire("e", license: single)
        #expect(try await house.mails().isEmpty)
    }

    @Test("history keeps who held a seat for 90 days, in pages, and then forgets")
    func history() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 3)
        for device in ["a", "b", "c"] {
            let grant = try await house.acquire(device)
            house.advance(1)
            try await house.release(grant.session)
        }
        var query = LeaseQuery(tenant: house.tenant, limit: 2)
        let first = try await house.leases.history(query)
        query.after = first.last?.id
        let rest = try await house.leases.history(query)
        #expect(first.count == 2)
        #expect(rest.count == 1)
        #expect((first + rest).map(\.end) == [.released, .released, .released])
        house.test.clock.advance(by: .days(89))
        try await house.test.runDue(handlers: house.ledger.jobs())
        #expect(try await house.leases.history(LeaseQuery(tenant: house.tenant)).count == 3)
        house.test.clock.advance(by: .days(3))
        try await house.test.runDue(handlers: house.ledger.jobs())
        #expect(try await house.leases.history(LeaseQuery(tenant: house.tenant)).isEmpty)
    }

    @Test("the list shows live leases with their machines, to operators all and to a user the own")
    func list() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 3)
        try await house.acquire("a")
        house.advance(10)
        try await house.acquire("b", by: house.person(2))
        let all = try await house.leases.list(LeaseQuery(tenant: house.tenant), now: house.now)
        #expect(all.map(\.hostname) == ["host-a", "host-b"])
        #expect(all.map(\.expiresAt) == [house.now + .seconds(350), house.now + .seconds(360)])
        let own = try await house.leases.list(LeaseQuery(tenant: house.tenant, user: house.person(2).user), now: house.now)
        #expect(own.map(\.hostname) == ["host-b"])
        house.advance(400)
        #expect(try await house.leases.list(LeaseQuery(tenant: house.tenant), now: house.now).isEmpty)
    }
}
