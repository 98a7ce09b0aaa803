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
    static func census(_ live: Int, highest: Int, vacant: Int? = nil, lapsed: Int? = nil, next: Int64? = 300) -> LeasePool.Census {
        LeasePool.Census(live: live, highest: highest, vacant: vacant, lapsed: lapsed, nextExpiry: next.map(at))
    }

    struct Acquire: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let own: Lease?
        let census: LeasePool.Census
        var ceiling = 3
        var now: Int64 = 100
        let step: LeasePool.AcquireStep
    }
    static let acquires: [Acquire] = [
        Acquire(testDescription: "the first seat is opened", own: nil, census: census(0, highest: 0, next: nil), step: .open(slot: 1)),
        Acquire(testDescription: "the next seat is opened", own: nil, census: census(2, highest: 2), step: .open(slot: 3)),
        Acquire(
            testDescription: "an emptied seat comes before a new one", own: nil, census: census(1, highest: 2, vacant: 1),
            step: .take(slot: 1)),
        Acquire(
            testDescription: "a new seat comes before one whose holder is only late", own: nil, census: census(1, highest: 2, lapsed: 2),
            step: .open(slot: 3)),
        Acquire(
            testDescription: "an expired lease is reclaimed before a newcomer is refused", own: nil,
            census: census(2, highest: 3, lapsed: 2), step: .reclaim(slot: 2)),
        Acquire(
            testDescription: "a full licence refuses, and says when the next lease expires", own: nil, census: census(3, highest: 3),
            step: .refuse(retryAfterSeconds: 200)),
        Acquire(
            testDescription: "a part of a second counts as one", own: nil,
            census: LeasePool.Census(
                live: 3, highest: 3, vacant: nil, lapsed: nil, nextExpiry: LedgerTime(microseconds: 100_000_001)),
            step: .refuse(retryAfterSeconds: 1)),
        Acquire(
            testDescription: "the own live lease is kept, however full", own: lease(), census: census(3, highest: 3), step: .keep),
        Acquire(
            testDescription: "another user of the device takes its seat over, however full", own: lease(user: other),
            census: census(3, highest: 3), step: .renew(slot: 1)),
        Acquire(
            testDescription: "an own lease that expired gets its own seat for a new life", own: lease(slot: 2, expires: 100),
            census: census(2, highest: 3, lapsed: 2), step: .renew(slot: 2)),
        Acquire(
            testDescription: "an own lease that expired waits like others when all seats are taken", own: lease(slot: 2, expires: 50),
            census: census(3, highest: 4), step: .refuse(retryAfterSeconds: 200)),
        Acquire(
            testDescription: "an own seat beyond a lowered ceiling is given up for one within", own: lease(slot: 5, expires: 50),
            census: census(1, highest: 5, vacant: 2), step: .take(slot: 2)),
        Acquire(
            testDescription: "leases beyond a lowered ceiling count until they are gone", own: nil,
            census: census(4, highest: 5, vacant: 1),
            step: .refuse(retryAfterSeconds: 200)),
        Acquire(
            testDescription: "no seats, no lease", own: nil, census: census(0, highest: 0, next: nil), ceiling: 0,
            step: .refuse(retryAfterSeconds: 60)),
    ]

    @Test("acquire", arguments: acquires)
    func acquire(_ row: Acquire) {
        #expect(LeasePool.acquire(own: row.own, user: Self.me, census: row.census, ceiling: row.ceiling, now: Self.at(row.now)) == row.step)
    }

    struct Beat: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var lease: Lease? = LeasePoolTests.lease()
        var ended: LeaseEnd?
        var user = LeasePoolTests.me
        var epoch: Int64?
        var license: LicenseStatus? = .active
        var live = 2
        let now: Int64
        let step: LeasePool.BeatStep
    }
    static let beats: [Beat] = [
        Beat(testDescription: "in time", now: 359, step: .extend),
        Beat(testDescription: "in grace everything works", license: .grace, now: 359, step: .extend),
        Beat(testDescription: "late, and a seat is free", now: 360, step: .revive),
        Beat(testDescription: "late, and just within the window", now: 659, step: .revive),
        Beat(testDescription: "late, and no seat is free", live: 3, now: 400, step: .refuse(.ended(.expired, note: nil))),
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

    @Test("heartbeat", arguments: beats)
    func beat(_ row: Beat) {
        let past = row.ended.map {
            EndedLease(
                id: Self.lease().id, license: Self.lease().license, user: Self.me, epoch: 3, acquiredAt: Timestamp(seconds: 0),
                endedAt: Timestamp(seconds: 0), end: $0, note: "why")
        }
        let step = LeasePool.beat(
            row.lease, ended: past, by: row.user, epoch: row.epoch, license: row.license, seats: 3, now: Self.at(row.now),
            reviveWindow: .seconds(300)
        ) { row.live }
        #expect(step == row.step)
    }

    @Test("a release empties a live seat, is harmless when repeated, and never touches another's")
    func release() {
        let past = EndedLease(
            id: Self.lease().id, license: Self.lease().license, user: Self.me, epoch: 3, acquiredAt: Timestamp(seconds: 0),
            endedAt: Timestamp(seconds: 0), end: .released, note: nil)
        #expect(LeasePool.release(Self.lease(), ended: nil, by: Self.me, now: Self.at(1)) == .vacate(.released))
        #expect(LeasePool.release(Self.lease(), ended: nil, by: nil, now: Self.at(1)) == .vacate(.forced))
        #expect(LeasePool.release(Self.lease(), ended: nil, by: Self.me, now: Self.at(500)) == .vacate(.expired))
        #expect(LeasePool.release(Self.lease(), ended: nil, by: Self.other, now: Self.at(1)) == .refuse(.notHolder))
        #expect(LeasePool.release(nil, ended: past, by: Self.me, now: Self.at(1)) == .nothing)
        #expect(LeasePool.release(nil, ended: past, by: Self.other, now: Self.at(1)) == .refuse(.notHolder))
        #expect(LeasePool.release(nil, ended: nil, by: Self.me, now: Self.at(1)) == .refuse(.unknown))
    }
}
