import Foundation
import HookEngine
import LicenseFormat
import Licensing
import RoomTesting
import Seats
import Signing
import Store
import Testing
import Vocabulary

struct QueueTests {
    @Test("those who wait get free seats in the order in which they came, and nobody overtakes them")
    func fair() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        let holder = try await house.acquire("a")
        #expect(try await house.wait("b")?.position == 1)
        house.advance(1)
        #expect(try await house.wait("c")?.position == 2)
        try await house.release(holder.session)
        #expect(try await house.refusal { try await house.acquire("d") } == "no_seats_available")
        #expect(try await house.wait("c")?.position == 2)
        #expect(try await house.wait("b") == nil)
        #expect(try await house.wait("c")?.position == 1)
        #expect(try await house.ledger.queue(LeaseQuery(tenant: house.tenant)).count == 1)
    }

    @Test("whoever does not ask again within the claim time-out has left the queue, and his seat goes to the next")
    func claimTimeout() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        let holder = try await house.acquire("a")
        #expect(try await house.wait("b")?.claimSeconds == 30)
        house.advance(20)
        #expect(try await house.wait("c")?.position == 2)
        try await house.release(holder.session)
        #expect(try await house.wait("c")?.position == 2)
        house.advance(11)
        #expect(try await house.wait("c") == nil)
        // Too late, he begins at the end.
        #expect(try await house.wait("b")?.position == 1)
    }

    @Test("whoever comes back after the claim time-out begins at the end of the queue, behind those who came meanwhile")
    func latecomer() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        let holder = try await house.acquire("a")
        #expect(try await house.wait("b")?.position == 1)
        house.advance(20)
        #expect(try await house.wait("c")?.position == 2)
        house.advance(11)
        #expect(try await house.wait("b")?.position == 2)
        #expect(try await house.wait("c")?.position == 1)
        try await house.release(holder.session)
        #expect(try await house.wait("b")?.position == 2)
        #expect(try await house.wait("c") == nil)
        #expect(try await house.ledger.queue(LeaseQuery(tenant: house.tenant)).count == 1)
    }

    @Test("a place in the queue takes no number of a receipt, so that no customer sees a gap")
    func placesTakeNoNumber() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        let first = try await house.acquire("a")
        #expect(try await house.wait("b")?.position == 1)
        #expect(try await house.wait("b")?.position == 1)
        #expect(try await house.acquire("a").count.sequence == first.count.sequence + 1)
    }

    @Test("a late heartbeat does not take the seat for which somebody waits")
    func revivalStandsBack() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        let holder = try await house.acquire("a")
        #expect(try await house.wait("b")?.position == 1)
        for _ in 0..<14 {
            house.advance(25)
            #expect(try await house.wait("b")?.position == 1)
        }
        house.advance(15)
        #expect(try await house.refusal { try await house.beat(holder.session) } == "lease_expired")
        #expect(try await house.wait("b") == nil)
    }

    @Test("a queue takes no more than its limit, and none where nobody may wait")
    func limit() async throws {
        let house = try await SeatHouse.make(settings: Settings().setting(SeatSettings.queueLimit, to: 1))
        try await house.license(seats: 1)
        try await house.acquire("a")
        #expect(try await house.wait("b")?.position == 1)
        #expect(try await house.refusal { _ = try await house.wait("c") } == "no_seats_available")
        house.advance(31)
        #expect(try await house.wait("c")?.position == 1)
    }

    @Test("seats that are reserved are kept for their users, whoever waits; lowering them harms no live lease")
    func reservations() async throws {
        let house = try await SeatHouse.make()
        let (license, _) = try await house.license(seats: 3)
        let team = house.person(7)
        try await house.ledger.reserve(license, name: "night", seats: 2, members: [team.user], tenant: house.tenant, house.act())
        try await house.acquire("a")
        #expect(try await house.refusal { try await house.acquire("b") } == "no_seats_available")
        #expect(try await house.wait("b")?.position == 1)
        let first = try await house.acquire("t1", by: team)
        try await house.acquire("t2", by: team)
        #expect(try await house.refusal { try await house.acquire("t3", by: team) } == "no_seats_available")
        #expect(try await house.ledger.reservations(license, tenant: house.tenant).map(\.live) == [2])
        try await house.release(first.session, by: team)
        #expect(try await house.wait("b")?.position == 1)
        try await house.ledger.reserve(license, name: "night", seats: 1, members: [team.user], tenant: house.tenant, house.act())
        #expect(try await house.wait("b") == nil)
        try await house.ledger.dropReservation(license, name: "night", tenant: house.tenant, house.act())
        #expect(try await house.live() == 3)
        #expect(try await house.ledger.reservations(license, tenant: house.tenant).isEmpty)
        #expect(
            try await house.refusal {
                try await house.ledger.reserve(license, name: "x", seats: 4, members: [], tenant: house.tenant, house.act())
            } == "reservation_limit_reached")
    }

    @Test("a late heartbeat that comes back on a reserved seat takes it: no other of its users passes the queue on the same one")
    func revivalTakesReservation() async throws {
        let house = try await SeatHouse.make()
        let (license, _) = try await house.license(seats: 2)
        let team = house.person(7)
        let early = try await house.acquire("t1", by: team)
        house.advance(355)
        let holder = try await house.acquire("a")
        try await house.ledger.reserve(license, name: "night", seats: 1, members: [team.user], tenant: house.tenant, house.act())
        #expect(try await house.wait("b")?.position == 1)
        house.advance(10)
        #expect(try await house.wait("b")?.position == 1)
        #expect(try await house.beat(early.session, by: team).isResurrected)
        #expect(try await house.ledger.reservations(license, tenant: house.tenant).map(\.live) == [1])
        try await house.release(holder.session)
        #expect(try await house.refusal { try await house.acquire("t2", by: team) } == "no_seats_available")
        #expect(try await house.wait("b") == nil)
    }

    @Test("a released seat lingers for its device, which gets it back as a new life, and then goes to others")
    func lingering() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        house.hooks.script("on_seat_request", .allow(.object([("linger_seconds", .int(60)), ("minimum_hold_seconds", .int(300))])))
        let first = try await house.acquire("a")
        try await house.release(first.session)
        #expect(try await house.refusal { try await house.beat(first.session) } == "lease_released")
        #expect(try await house.refusal { try await house.acquire("b") } == "no_seats_available")
        #expect(try await house.leases.list(LeaseQuery(tenant: house.tenant), now: house.now).isEmpty)
        house.advance(250)
        let second = try await house.acquire("a")
        #expect(second.epoch == 2)
        #expect(second.seatsUsed == 1)
        try await house.release(second.session)
        try await house.release(second.session)
        house.advance(299)
        #expect(try await house.refusal { try await house.acquire("b") } == "no_seats_available")
        house.advance(1)
        #expect(try await house.acquire("b").seatsUsed == 1)
        #expect(try await house.leases.history(LeaseQuery(tenant: house.tenant)).map(\.end) == [.released, .released])
    }

    @Test("policy sees how many other devices the user had of late")
    func churn() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 9)
        for device in ["a", "b", "b", "c"] { try await house.release(try await house.acquire(device).session) }
        try await house.acquire("d", by: house.person(2))
        try await house.acquire("c")
        #expect(house.hooks.questions.map { $0.input["user"]?["recent_devices"]?.int } == [0, 1, 1, 2, 0, 2])
        house.advance(86_401)
        try await house.acquire("c")
        #expect(house.hooks.questions.last?.input["user"]?["recent_devices"]?.int == 0)
    }

    @Test("a device that holds seats of two licences is one device, and one that gave its seat back counts once with it")
    func churnOverLicenses() async throws {
        let house = try await SeatHouse.make()
        let first = try await house.license(seats: 9).license
        let second = try await house.license(seats: 9).license
        for (device, license) in [("a", first), ("b", first), ("a", second), ("c", second)] {
            try await house.acquire(device, license: license)
        }
        try await house.release(try await house.acquire("b", license: second).session)
        try await house.acquire("d", license: first)
        #expect(house.hooks.questions.map { $0.input["user"]?["recent_devices"]?.int } == [0, 1, 1, 2, 2, 3])
    }
}

struct BorrowTests {
    private func borrow(_ house: SeatHouse, _ device: String, _ session: Lease.ID, hours: Int = 24) async throws -> Leases.Borrowing {
        try await house.leases.borrow(session, hardwareID: device, hours: hours, house.person(), house.act())
    }

    @Test("a borrowed seat lives without heartbeats to its end, and is nobody else's so long")
    func lent() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        let grant = try await house.acquire("a")
        let lent = try await borrow(house, "a", grant.session)
        #expect(lent.grant.expiresAt == house.now + .hours(24))
        house.advance(86_399)
        #expect(try await house.refusal { try await house.acquire("b") } == "no_seats_available")
        #expect(
            try await house.refusal {
                try await house.leases.forceRelease(grant.session, tenant: house.tenant, reason: "x", house.act())
            } == "lease_is_borrowed")
        try await house.beat(grant.session)
        house.advance(360)
        #expect(try await house.acquire("b").seatsUsed == 1)
    }

    @Test("a suspended licence tells the borrower, and still gives his seat to nobody before its end")
    func suspended() async throws {
        let house = try await SeatHouse.make()
        let (_, subscription) = try await house.license(seats: 1)
        let grant = try await house.acquire("a")
        _ = try await borrow(house, "a", grant.session)
        try await house.license(seats: 1, subscription: subscription, version: 2, standing: .suspended)
        #expect(try await house.refusal { try await house.beat(grant.session) } == "license_suspended")
        try await house.license(seats: 1, subscription: subscription, version: 3)
        #expect(try await house.refusal { try await house.acquire("b") } == "no_seats_available")
        try await house.beat(grant.session)
    }

    @Test("a heartbeat that is refused under a suspended licence does not keep a lent seat beyond its end")
    func refusedBeatsProlongNothing() async throws {
        let house = try await SeatHouse.make()
        let (_, subscription) = try await house.license(seats: 1)
        let grant = try await house.acquire("a")
        _ = try await borrow(house, "a", grant.session)
        house.advance(86_399)
        try await house.license(seats: 1, subscription: subscription, version: 2, standing: .suspended)
        #expect(try await house.refusal { try await house.beat(grant.session) } == "license_suspended")
        try await house.license(seats: 1, subscription: subscription, version: 3)
        house.advance(2)
        #expect(try await house.acquire("b").seatsUsed == 1)
    }

    @Test("a seat may come home early once: the file that is still out allows no second time")
    func once() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 2)
        let first = try await house.acquire("a")
        _ = try await borrow(house, "a", first.session)
        try await house.release(first.session)
        #expect(try await house.live() == 0)
        try await house.release(first.session)
        let second = try await house.acquire("a")
        _ = try await borrow(house, "a", second.session)
        #expect(try await house.refusal { try await house.release(second.session) } == "borrow_returned_before")
        #expect(try await house.live() == 1)
        house.advance(86_400)
        // The first file is over, and so is the second.
        #expect(try await house.acquire("b").seatsUsed <= 2)
    }

    @Test("some seats never leave; so long as policy and setting allow, no longer; and only to the device that holds the lease")
    func limits() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 10)
        for number in 0..<9 {
            let grant = try await house.acquire("d\(number)")
            _ = try await borrow(house, "d\(number)", grant.session)
        }
        let last = try await house.acquire("d9")
        #expect(try await house.refusal { _ = try await borrow(house, "d9", last.session) } == "borrow_limit_reached")
        #expect(try await house.refusal { _ = try await borrow(house, "d0", last.session) } != nil)
        house.hooks.script("on_seat_request", .allow(.object([("borrow_hours", .int(8))])))
        #expect(try await house.refusal { _ = try await borrow(house, "d9", last.session, hours: 9) } == "borrow_too_long")
        house.hooks.script("on_seat_request", .deny(reason: "not_at_weekends", retryAfterSeconds: nil))
        #expect(try await house.refusal { _ = try await borrow(house, "d9", last.session) } == "policy_denied")
        #expect(house.hooks.questions.last?.input["purpose"]?.string == "borrow")
    }

    @Test("another user of the device takes the seat over, and the file that is out still counts")
    func takenOver() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        let first = try await house.acquire("a")
        _ = try await borrow(house, "a", first.session)
        try await house.acquire("a", by: house.person(2))
        house.advance(3_600)
        #expect(try await house.refusal { try await house.acquire("b") } == "no_seats_available")
    }

    @Test("the lent file is checked on its device without the network, on no other, and not after its end")
    func file() async throws {
        let (house, keys) = try await SeatHouse.keyed()
        try await house.license(seats: 1)
        let grant = try await house.acquire("a")
        let lent = try await borrow(house, "a", grant.session, hours: 2)
        let bytes = Array(try CanonicalJSON.encode(lent.file.json))
        let seat = try SignedDocument.checkBorrowed(bytes, keys: keys, hardwareID: "a", now: house.now)
        #expect(seat.session == grant.session.description)
        #expect(throws: LicenseFileFault.otherDevice) {
            try SignedDocument.checkBorrowed(bytes, keys: keys, hardwareID: "b", now: house.now)
        }
        #expect(throws: LicenseFileFault.expired(seat.expiresAt)) {
            try SignedDocument.checkBorrowed(bytes, keys: keys, hardwareID: "a", now: seat.expiresAt)
        }
        #expect(throws: LicenseFileFault.notSigned) {
            try SignedDocument.check(bytes, as: .seatReceipt, keys: keys)
        }
    }
}

struct ReceiptTests {
    @Test("each grant, repetition, refusal, denial, overdraft, revival and forced end has its number, without a gap")
    func sequence() async throws {
        let (house, keys) = try await SeatHouse.keyed()
        try await house.license(seats: 1)
        let told = Guarded<[(String, Int64)]>([])
        func note(_ json: JSONValue?) throws {
            let bytes = Array(try CanonicalJSON.encode(try #require(json)))
            let document = try SignedDocument.check(bytes, as: .seatReceipt, keys: keys)
            told.with { $0.append((document["act"]?.string ?? "", document["sequence"]?.int ?? 0)) }
        }
        func problem(_ body: () async throws -> Void) async throws {
            do { try await body() } catch let problem as Problem { try note(problem.fields["receipt"]) }
        }
        func ask(_ device: String) async throws -> Leases.Answer {
            let answer = try await house.answer(Leases.Request(hardwareID: device), house.person(), house.act())
            try note(answer.receipt?.json)
            return answer
        }
        let first = try await ask("a")
        _ = try await ask("a")
        try await problem { _ = try await ask("b") }
        house.hooks.script("on_seat_request", .deny(reason: "no", retryAfterSeconds: nil))
        try await problem { _ = try await ask("b") }
        house.hooks.script("on_seat_request", .allow(.object([("overdraft_seats", .int(1))])))
        let second = try await ask("b")
        try note(
            try await house.leases.forceRelease(second.grant.session, tenant: house.tenant, reason: "needed", house.act())?.json)
        house.advance(400)
        let person = house.person()
        try note(try await house.leases.heartbeat(first.grant.session, epoch: nil, person, house.act(person)).receipt?.json)
        try await house.release(first.grant.session)
        _ = try await ask("c")
        #expect(told.with { $0.map(\.0) } == ["granted", "repeated", "refused", "denied", "overdraft", "forced", "resurrected", "granted"])
        #expect(told.with { $0.map(\.1) } == Array(1...8))
    }

    @Test("a receipt names what policy was asked and who answered, and the same lost answer has the same receipt")
    func content() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        let claim = IdempotencyClaim(key: "k", scope: "acquire", fingerprint: [1])
        let first = try await house.answer(Leases.Request(hardwareID: "a"), house.person(), house.act(idempotency: claim))
        let again = try await house.answer(Leases.Request(hardwareID: "a"), house.person(), house.act(idempotency: claim))
        #expect(first.receipt == again.receipt)
        let document = try #require(first.receipt?.document)
        let question = try #require(house.hooks.questions.last?.input)
        #expect(document["policy_hash"]?.string == first.grant.asked?.policyHash)
        let form = try CanonicalJSON.encode(question.json)
        #expect(document["input_hash"]?.string == Hex.encode(Digest.sha256(form)))
    }

    @Test("a refusal tells the figures of its receipt, however many race for the seats")
    func figures() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 4)
        let refusals = await withTaskGroup(of: Problem?.self) { group in
            for client in 0..<32 {
                group.addTask {
                    do { try await house.acquire("d\(client)") } catch { return error as? Problem }
                    return nil
                }
            }
            return await group.reduce(into: [Problem]()) { if let problem = $1 { $0.append(problem) } }
        }
        #expect(refusals.count == 28)
        for refusal in refusals {
            #expect(refusal.fields["seats_used"] == 4)
            #expect(refusal.fields["receipt"]?["document"]?["seats_used"] == 4)
        }
    }

    @Test("switched off, no answer carries one")
    func off() async throws {
        let house = try await SeatHouse.make(settings: Settings().setting(SeatSettings.receipts, to: false))
        try await house.license(seats: 1)
        let answer = try await house.answer(Leases.Request(hardwareID: "a"), house.person(), house.act())
        #expect(answer.receipt == nil)
    }
}

struct RetireTests {
    @Test("leases that expired for good are ended in time by a job that goes on by itself, and the numbers stay what they were")
    func retire() async throws {
        let house = try await SeatHouse.make()
        let (license, _) = try await house.license(seats: 20)
        for device in 0..<12 { try await house.acquire("d\(device)") }
        try await house.ledger.start(house.act())
        house.advance(400)
        let late = try await house.acquire("new")
        #expect(late.seatsUsed == 1)
        try await house.test.runDue(handlers: house.ledger.jobs())
        #expect(try await house.leases.history(LeaseQuery(tenant: house.tenant)).isEmpty)
        house.advance(300)
        try await house.beat(late.session)
        try await house.test.runDue(handlers: house.ledger.jobs())
        #expect(try await house.leases.history(LeaseQuery(tenant: house.tenant)).map(\.end) == Array(repeating: .expired, count: 12))
        #expect(try await house.live() == 1)
        let pool = try await house.test.store.tenantRead(house.tenant) { db in
            try db.row(
                SQL(
                    "test.pool",
                    """
                    SELECT p.occupied, p.highest, (SELECT count(*) FROM seat s WHERE s.license_id = p.license_id AND s.session_id IS NOT NULL),
                        (SELECT max(slot) FROM seat s WHERE s.license_id = p.license_id) FROM seat_pool p WHERE p.license_id = $1
                    """), license
            )?.values
        }
        #expect(pool == [.integer(1), .integer(13), .integer(1), .integer(13)])
        house.advance(700)
        try await house.test.runDue(handlers: house.ledger.jobs())
        #expect(try await house.leases.history(LeaseQuery(tenant: house.tenant)).count == 13)
    }

    @Test("hundreds of them, of several licences, are ended a few at a time, and all of them")
    func many() async throws {
        let house = try await SeatHouse.make()
        let (first, _) = try await house.license(seats: 300)
        let (second, _) = try await house.license(seats: 300)
        for device in 0..<260 { try await house.acquire("d\(device)", license: first) }
        for device in 0..<170 { try await house.acquire("e\(device)", license: second) }
        try await house.ledger.start(house.act())
        house.advance(700)
        try await house.test.runDue(handlers: house.ledger.jobs())
        let ended = try await house.test.store.tenantRead(house.tenant) { db in
            try db.row(SQL("test.ended", "SELECT count(*) FROM seat_history WHERE end_reason = 'expired'"))?.int(0)
        }
        #expect(ended == 430)
    }
}
