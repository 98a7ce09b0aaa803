import Foundation
import Licensing
import Seats
import Testing
import Vocabulary

struct LeasePoolTests {
    static let me: UserID = Identifier(UUID(bytes: [UInt8](repeating: 1, count: 16)))
    static let other: UserID = Identifier(UUID(bytes: [UInt8](repeating: 2, count: 16)))
    static func at(_ seconds: Int64) -> LedgerTime { LedgerTime(microseconds: seconds * 1_000_000) }
    static func lease(slot: Int = 1, user: UserID = me, epoch: Int64 = 3, expires: Int64 = 360) -> Lease {
        Lease(
            id: Identifier(UUID(bytes: [UInt8](repeating: 9, count: 16))),
            license: Identifier(UUID(bytes: [UInt8](repeating: 8, count: 16))),
            slot: slot, device: DeviceHandle([UInt8](repeating: 7, count: 32)), user: user, epoch: epoch, ttl: .seconds(360),
            expiresAt: at(expires), acquiredAt: Timestamp(seconds: 0))
    }
    typealias Census = LeasePool.Census

    struct Acquire: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var own: Lease?
        let census: Census
        var ceiling = 3
        let step: LeasePool.AcquireStep
    }
    static let acquires: [Acquire] = [
        Acquire(testDescription: "the first seat is opened", census: Census(free: 3, highest: 0), step: .open(slot: 1)),
        Acquire(testDescription: "the next seat is opened", census: Census(free: 1, highest: 2), step: .open(slot: 3)),
        Acquire(
            testDescription: "an emptied seat comes before a new one", census: Census(free: 2, highest: 2, vacant: 1), step: .take(slot: 1)),
        Acquire(
            testDescription: "a new seat comes before one whose holder is only late", census: Census(free: 2, highest: 2, lapsed: 2),
            step: .open(slot: 3)),
        Acquire(
            testDescription: "an expired lease is reclaimed before a newcomer is refused", census: Census(free: 1, highest: 3, lapsed: 2),
            step: .reclaim(slot: 2)),
        Acquire(testDescription: "a full licence refuses", census: Census(free: 0, highest: 3), step: .refuse),
        Acquire(
            testDescription: "an own lease that expired gets its own seat for a new life", own: lease(slot: 2, expires: 100),
            census: Census(free: 1, highest: 3, lapsed: 2), step: .renew(slot: 2)),
        Acquire(
            testDescription: "an own lease that expired waits like others when all seats are taken", own: lease(slot: 2, expires: 50),
            census: Census(free: 1, beyond: 1, highest: 4, lapsed: 2), step: .refuse),
        Acquire(
            testDescription: "an own seat beyond a lowered ceiling is given up for one within", own: lease(slot: 5, expires: 50),
            census: Census(free: 3, beyond: 1, highest: 5, vacant: 2), step: .take(slot: 2)),
        Acquire(
            testDescription: "leases beyond a lowered ceiling use up seats within it until they are gone",
            census: Census(free: 2, beyond: 2, highest: 5, vacant: 1), step: .refuse),
        Acquire(
            testDescription: "a seat that is kept for others is not free", census: Census(free: 2, held: 2, highest: 1, vacant: 1),
            step: .refuse),
        Acquire(
            testDescription: "one more than what is kept for others is", census: Census(free: 3, held: 2, highest: 1, vacant: 1),
            step: .take(slot: 1)),
        Acquire(testDescription: "no seats, no lease", census: Census(free: 0, highest: 0), ceiling: 0, step: .refuse),
    ]

    @Test("acquire, where the device holds no live lease", arguments: acquires)
    func acquire(_ row: Acquire) { #expect(LeasePool.acquire(lapsed: row.own, census: row.census, ceiling: row.ceiling) == row.step) }

    @Test("what the device holds itself is decided without a look at the others")
    func own() {
        #expect(LeasePool.acquire(own: Self.lease(), user: Self.me, now: Self.at(100)) == .keep)
        #expect(LeasePool.acquire(own: Self.lease(user: Self.other), user: Self.me, now: Self.at(100)) == .renew(slot: 1))
        #expect(LeasePool.acquire(own: Self.lease(), user: Self.me, now: Self.at(360)) == nil)
        #expect(LeasePool.acquire(own: nil, user: Self.me, now: Self.at(0)) == nil)
        var lingering = Self.lease()
        lingering.releasedAt = Timestamp(seconds: 1)
        #expect(LeasePool.acquire(own: lingering, user: Self.me, now: Self.at(100)) == .renew(slot: 1))
    }

    @Test("a refused caller is told whole seconds until the next lease expires, never none")
    func wait() {
        #expect(LeasePool.wait(until: Self.at(300), now: Self.at(100)) == 200)
        #expect(LeasePool.wait(until: LedgerTime(microseconds: 100_000_001), now: Self.at(100)) == 1)
        #expect(LeasePool.wait(until: nil, now: Self.at(100)) == 60)
    }

    @Test("reserved seats are kept from others, and those for whom they are reserved wait for nobody")
    func claims() {
        func id(_ number: UInt8) -> Reservation.ID { Identifier(UUID(bytes: [UInt8](repeating: number, count: 16))) }
        func standing(_ number: UInt8, _ seats: Int, _ live: Int, _ isMember: Bool) -> ReservationStanding {
            ReservationStanding(id: id(number), seats: seats, live: live, isMember: isMember)
        }
        #expect(LeasePool.claim([], ahead: 2) == .init(held: 2, reservation: nil))
        #expect(LeasePool.claim([standing(1, 3, 1, false)], ahead: 2) == .init(held: 4, reservation: nil))
        #expect(LeasePool.claim([standing(1, 3, 1, true)], ahead: 2) == .init(held: 0, reservation: id(1)))
        #expect(LeasePool.claim([standing(1, 3, 3, true), standing(2, 2, 0, false)], ahead: 1) == .init(held: 3, reservation: nil))
        #expect(LeasePool.claim([standing(1, 3, 5, false)], ahead: 0) == .init(held: 0, reservation: nil))
        #expect(LeasePool.claim([standing(1, 1, 0, true), standing(2, 2, 1, false)], ahead: 9) == .init(held: 1, reservation: id(1)))
    }

    struct Beat: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var lease: Lease? = LeasePoolTests.lease()
        var ended: LeaseEnd?
        var user = LeasePoolTests.me
        var epoch: Int64?
        var license: LicenseStatus? = .active
        var hasRoom = true
        let now: Int64
        let step: LeasePool.BeatStep
    }
    static let beats: [Beat] = [
        Beat(testDescription: "in time", now: 359, step: .extend),
        Beat(testDescription: "in grace everything works", license: .grace, now: 359, step: .extend),
        Beat(testDescription: "late, and a seat is free", now: 360, step: .revive),
        Beat(testDescription: "late, and just within the window", now: 659, step: .revive),
        Beat(testDescription: "late, and no seat is free", hasRoom: false, now: 400, step: .refuse(.ended(.expired, note: nil))),
        Beat(testDescription: "later than the window", now: 660, step: .refuse(.ended(.expired, note: nil))),
        Beat(testDescription: "with the right epoch", epoch: 3, now: 100, step: .extend),
        Beat(testDescription: "with an older epoch", epoch: 2, now: 100, step: .refuse(.ended(.superseded, note: nil))),
        Beat(testDescription: "late with an older epoch", epoch: 2, now: 400, step: .refuse(.ended(.superseded, note: nil))),
        Beat(testDescription: "somebody else's", user: other, now: 100, step: .refuse(.notHolder)),
        Beat(testDescription: "suspended", license: .suspended, now: 100, step: .end(.licenseSuspended)),
        Beat(testDescription: "late and suspended", license: .suspended, now: 400, step: .end(.licenseSuspended)),
        Beat(testDescription: "expired licence", license: .expired, now: 100, step: .end(.licenseExpired)),
        Beat(testDescription: "revoked", license: .revoked, now: 100, step: .end(.licenseRevoked)),
        Beat(testDescription: "a licence that is gone", license: nil, now: 100, step: .end(.licenseRevoked)),
        Beat(testDescription: "unknown", lease: nil, now: 100, step: .refuse(.unknown)),
        Beat(testDescription: "after release", lease: nil, ended: .released, now: 100, step: .refuse(.ended(.released, note: "why"))),
        Beat(
            testDescription: "after an operator's release", lease: nil, ended: .forced, now: 100,
            step: .refuse(.ended(.forced, note: "why"))),
        Beat(testDescription: "somebody else's past", lease: nil, ended: .released, user: other, now: 100, step: .refuse(.notHolder)),
    ]

    static let wall = Timestamp(seconds: 1_000)

    @Test("heartbeat", arguments: beats)
    func beat(_ row: Beat) {
        let past = row.ended.map {
            EndedLease(
                id: Self.lease().id, license: Self.lease().license, user: Self.me, epoch: 3, acquiredAt: Timestamp(seconds: 0),
                endedAt: Timestamp(seconds: 0), end: $0, note: "why")
        }
        let step = LeasePool.beat(
            row.lease, ended: past, by: row.user, epoch: row.epoch, license: row.license, at: Self.wall, now: Self.at(row.now),
            reviveWindow: .seconds(300)
        ) { row.hasRoom }
        #expect(step == row.step)
    }

    @Test("a release empties a live seat, is harmless when repeated, and never touches another's")
    func release() {
        let past = EndedLease(
            id: Self.lease().id, license: Self.lease().license, user: Self.me, epoch: 3, acquiredAt: Timestamp(seconds: 0),
            endedAt: Timestamp(seconds: 0), end: .released, note: nil)
        #expect(LeasePool.release(Self.lease(), ended: nil, by: Self.me, at: Self.wall, now: Self.at(1)) == .vacate(.released))
        #expect(LeasePool.release(Self.lease(), ended: nil, by: nil, at: Self.wall, now: Self.at(1)) == .vacate(.forced))
        #expect(LeasePool.release(Self.lease(), ended: nil, by: Self.me, at: Self.wall, now: Self.at(500)) == .vacate(.expired))
        #expect(LeasePool.release(Self.lease(), ended: nil, by: Self.other, at: Self.wall, now: Self.at(1)) == .refuse(.notHolder))
        #expect(LeasePool.release(nil, ended: past, by: Self.me, at: Self.wall, now: Self.at(1)) == .nothing)
        #expect(LeasePool.release(nil, ended: past, by: Self.other, at: Self.wall, now: Self.at(1)) == .refuse(.notHolder))
        #expect(LeasePool.release(nil, ended: nil, by: Self.me, at: Self.wall, now: Self.at(1)) == .refuse(.unknown))
    }

    @Test("a released seat lingers for its device as policy said, or until it was held long enough")
    func lingering() {
        var lease = Self.lease()
        lease.linger = .seconds(30)
        #expect(LeasePool.release(lease, ended: nil, by: Self.me, at: Self.wall, now: Self.at(10)) == .linger(until: Self.at(40)))
        lease.holdUntil = Self.at(100)
        #expect(LeasePool.release(lease, ended: nil, by: Self.me, at: Self.wall, now: Self.at(10)) == .linger(until: Self.at(100)))
        #expect(LeasePool.release(lease, ended: nil, by: nil, at: Self.wall, now: Self.at(10)) == .vacate(.forced))
        lease.releasedAt = Timestamp(seconds: 1)
        let past = EndedLease(
            id: lease.id, license: lease.license, user: Self.me, epoch: 3, acquiredAt: Timestamp(seconds: 0),
            endedAt: Timestamp(seconds: 0),
            end: .released, note: nil)
        #expect(LeasePool.release(lease, ended: past, by: Self.me, at: Self.wall, now: Self.at(20)) == .nothing)
        #expect(LeasePool.release(lease, ended: past, by: nil, at: Self.wall, now: Self.at(20)) == .vacate(.released))
        let beat = LeasePool.beat(
            lease, ended: past, by: Self.me, epoch: nil, license: .active, at: Self.wall, now: Self.at(20), reviveWindow: .seconds(300)
        ) { true }
        #expect(beat == .refuse(.ended(.released, note: nil)))
    }

    @Test("a borrowed seat is neither called back nor emptied under its holder, and some seats never leave")
    func borrowing() {
        var lease = Self.lease()
        lease.borrowedUntil = Self.wall + .hours(2)
        #expect(LeasePool.release(lease, ended: nil, by: nil, at: Self.wall, now: Self.at(1)) == .isBorrowed(until: Self.wall + .hours(2)))
        #expect(LeasePool.release(lease, ended: nil, by: Self.me, at: Self.wall, now: Self.at(1)) == .vacate(.released))
        #expect(LeasePool.release(lease, ended: nil, by: nil, at: Self.wall + .hours(2), now: Self.at(1)) == .vacate(.forced))
        let beat = LeasePool.beat(
            lease, ended: nil, by: Self.me, epoch: nil, license: .suspended, at: Self.wall, now: Self.at(1), reviveWindow: .seconds(300)
        ) { true }
        #expect(beat == .refuse(.ended(.licenseSuspended, note: nil)))
        #expect([1, 9, 10, 15, 100].map { LeasePool.mostBorrowed(seats: $0, lowWaterPercent: 10) } == [1, 9, 9, 14, 90])
        #expect(LeasePool.borrow(lease, ended: nil, by: Self.me, borrowed: 0, most: 1, now: Self.at(1)) == .lend)
        #expect(LeasePool.borrow(lease, ended: nil, by: Self.me, borrowed: 1, most: 1, now: Self.at(1)) == .lowWater(most: 1))
        #expect(LeasePool.borrow(lease, ended: nil, by: Self.other, borrowed: 0, most: 1, now: Self.at(1)) == .refuse(.notHolder))
        #expect(
            LeasePool.borrow(lease, ended: nil, by: Self.me, borrowed: 0, most: 1, now: Self.at(360))
                == .refuse(.ended(.expired, note: nil)))
        #expect(LeasePool.borrow(nil, ended: nil, by: Self.me, borrowed: 0, most: 1, now: Self.at(1)) == .refuse(.unknown))
    }
}
