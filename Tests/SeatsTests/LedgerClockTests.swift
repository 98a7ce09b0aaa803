import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Seats

/// What the holder of a lease and a newcomer see of time.
struct LedgerClockTests {
    @Test("a step of the wall clock, either way, neither ends a lease nor prolongs it")
    func wallSteps() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        let grant = try await house.acquire("d1")
        house.test.clock.step(by: .days(40))
        #expect(try await house.live() == 1)
        try await house.beat(grant.session)
        house.test.clock.step(by: .days(-80))
        #expect(try await house.live() == 1)
        house.advance(359)
        #expect(try await house.live() == 1)
        house.advance(1)
        #expect(try await house.live() == 0)
    }

    @Test("a process that was frozen does not wake to find every lease expired, nor gives a seat twice")
    func frozen() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 3)
        var sessions: [Lease.ID] = []
        for device in ["a", "b", "c"] {
            sessions.append(try await house.acquire(device).session)
            house.advance(1)
            house.time.tick()
        }
        house.advance(3_600)
        #expect(try await house.live() == 3)
        #expect(try await house.refusal { try await house.acquire("d") } == "no_seats_available")
        for session in sessions { #expect(try await !house.beat(session).isResurrected) }
        // It runs again: time counts again.
        for _ in 0..<361 {
            house.advance(1)
            house.time.tick()
        }
        #expect(try await house.live() == 0)
    }

    @Test("idle seconds in which the process ran count in full, without any sweep")
    func idle() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        try await house.acquire("a")
        for _ in 0..<360 {
            house.advance(1)
            house.time.tick()
        }
        try await house.acquire("b")
        #expect(try await house.live() == 1)
    }

    @Test("after a restart the leases get the outage back, and from then on every second counts")
    func restart() async throws {
        let house = try await SeatHouse.make()
        try await house.license(seats: 1)
        let grant = try await house.acquire("a")
        house.advance(100)
        try await house.beat(grant.session)
        // Where a beat writes nothing into the store, the process' tick does.
        if house.isShared { try await house.time.tick(sharing: house.test.store) }
        house.advance(7_200)
        let after = try house.restarted()
        try await after.time.begin(after.test.store)
        #expect(try await after.live() == 1)
        try await after.beat(grant.session)
        after.advance(300)
        #expect(try await after.live() == 1)
        after.advance(60)
        #expect(try await after.live() == 0)
    }

    @Test("two processes on one ledger: the frozen one holds nobody up, and none runs ahead of real time")
    func twoProcesses() async throws {
        let one = try await SeatHouse.make()
        try await one.license(seats: 1)
        let two = try one.restarted()
        try await two.time.begin(two.test.store)
        func seconds(_ count: Int, frozen: Bool = false) async throws {
            for _ in 0..<count {
                one.advance(1)
                try await one.time.tick(sharing: one.test.store)
                if !frozen { try await two.time.tick(sharing: two.test.store) }
            }
        }
        try await seconds(1)
        let grant = try await one.acquire("a")
        try await seconds(200, frozen: true)
        #expect(try await two.live() == 1)
        try await two.beat(grant.session)
        try await seconds(359)
        #expect(try await one.live() == 1)
        #expect(try await two.live() == 1)
        try await seconds(1)
        #expect(try await two.live() == 0)
        #expect(try await one.live() == 0)
    }

    @Test("where processes share a store, a decision writes the time only where what stands there is older than the pace")
    func paced() async throws {
        let house = try await SeatHouse.make()
        let store = house.test.store
        func process() -> LedgerClock { LedgerClock(clock: house.test.clock, settings: Settings(), writesEvery: .milliseconds(250)) }
        func decide(_ process: LedgerClock) async throws -> Int64 {
            try await store.kernel(KernelReason("test")) { db in try process.advance(in: db).microseconds }
        }
        func stored() async throws -> Int64? {
            try await store.kernelRead(KernelReason("test")) { db in try db.row(SeatTable.readTime)?.integer(0) }
        }
        let one = process()
        house.test.clock.advance(by: .milliseconds(40))
        #expect(try await decide(one) == 40_000)
        #expect(try await stored() == 40_000)
        house.test.clock.advance(by: .milliseconds(249))
        #expect(try await decide(one) == 289_000)
        #expect(try await stored() == 40_000)
        house.test.clock.advance(by: .milliseconds(1))
        #expect(try await decide(one) == 290_000)
        #expect(try await stored() == 290_000)
        // Another one begins where the store is, and finds it young enough.
        let two = process()
        try await two.begin(store)
        house.test.clock.advance(by: .milliseconds(200))
        #expect(try await decide(two) == 490_000)
        #expect(try await stored() == 290_000)
        // One that knows less is told by what it reads, also where it has nothing to write.
        let late = process()
        #expect(try await decide(late) == 290_000)
        house.test.clock.advance(by: .milliseconds(30))
        // A tick is for the others: it is written, however young.
        try await one.tick(sharing: store)
        #expect(try await stored() == 520_000)
        house.test.clock.advance(by: .milliseconds(10))
        #expect(try await decide(late) == 520_000)
        // A decision that is undone leaves the time to the next one.
        house.test.clock.advance(by: .milliseconds(300))
        struct Undone: Error {}
        await #expect(throws: Undone.self) {
            try await store.kernel(KernelReason("test")) { db in
                _ = try one.advance(in: db)
                throw Undone()
            }
        }
        #expect(try await stored() == 520_000)
        house.test.clock.advance(by: .milliseconds(250))
        #expect(try await decide(one) == 1_080_000)
        #expect(try await stored() == 1_080_000)
    }
}
