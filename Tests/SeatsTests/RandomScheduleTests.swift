import Foundation
import HookEngine
import Licensing
import RoomTesting
import Seats
import Store
import Testing
import Vocabulary

/// A store that dies now and then: before anything is done, or after the commit, so that only the answer is lost.
final class DyingStore: Store {
    struct Died: Error {}
    private let inner: any Store
    private let dice: Guarded<Dice>
    init(_ inner: any Store, seed: UInt64) {
        self.inner = inner
        dice = Guarded(Dice(seed: seed))
    }
    var jobSignal: JobSignal { inner.jobSignal }

    private func survive<Value>(_ work: () async throws -> Value) async throws -> Value {
        let fate = dice.with { $0.roll(20) }
        if fate == 0 { throw Died() }
        let value = try await work()
        if fate == 1 { throw Died() }
        return value
    }
    func tenant<Value: Sendable>(
        _ id: TenantID, _ durability: Durability, _ body: @escaping @Sendable (any TenantScope) throws -> Value
    ) async throws -> Value { try await survive { try await inner.tenant(id, durability, body) } }
    func tenantRead<Value: Sendable>(_ id: TenantID, _ body: @escaping @Sendable (any TenantScope) throws -> Value) async throws -> Value {
        try await survive { try await inner.tenantRead(id, body) }
    }
    func kernel<Value: Sendable>(
        _ reason: KernelReason, _ durability: Durability, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value { try await survive { try await inner.kernel(reason, durability, body) } }
    func kernelRead<Value: Sendable>(
        _ reason: KernelReason, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value { try await survive { try await inner.kernelRead(reason, body) } }
}

struct Dice {
    var seed: UInt64
    mutating func roll(_ sides: UInt64) -> UInt64 {
        seed ^= seed << 13
        seed ^= seed >> 7
        seed ^= seed << 17
        return seed % sides
    }
}

/// Knows nothing of ledger, slots or epochs: only who was told what, and how long ago in real time.
struct Witness {
    /// Device → until when its holder may believe that it holds a seat.
    private var believed: [String: Int64] = [:]
    /// Of whose seats the record knows nothing any more.
    private var unknown: Set<String> = []
    private(set) var most = 0

    mutating func told(_ device: String, until: Int64, now: Int64) {
        believed[device] = until
        unknown.remove(device)
        most = max(most, standing(now).count)
    }
    mutating func gone(_ device: String) { believed[device] = nil }
    /// Who believes now, but those whom the record forgot.
    func standing(_ now: Int64) -> Set<String> { Set(believed.filter { $0.value > now }.keys).subtracting(unknown) }
    /// The record was put back to when it knew of these alone.
    mutating func outlive(_ known: Set<String>) { unknown.formUnion(Set(believed.keys).subtracting(known)) }
}

struct RandomScheduleTests {
    @Test(
        "whatever is asked, retried, lost, frozen, restarted or stepped, no more holders than seats ever believe that they hold one",
        arguments: UInt64(1)...12)
    func neverOverGranted(_ seed: UInt64) async throws {
        var dice = Dice(seed: seed &* 0x9e37_79b9_7f4a_7c15)
        var house = try await SeatHouse.make(seed: seed) { DyingStore($0, seed: seed) }
        let seats = Int(dice.roll(4)) + 1
        let (_, subscription) = try await house.license(seats: seats)
        let isTicked = seed % 2 == 0
        var version: Int64 = 1
        var ceiling = seats
        var witness = Witness()
        /// Real seconds since the start.
        var real: Int64 = 0
        var sessions: [String: Lease.ID] = [:]
        var grants = 0
        var refusals = 0

        func pass(_ seconds: Int64) {
            real += seconds
            if isTicked {
                for _ in 0..<seconds {
                    house.advance(1)
                    house.time.tick()
                }
            } else {
                house.advance(seconds)
            }
        }

        for step in 0..<400 {
            let device = "d\(dice.roll(7))"
            let started = real
            switch dice.roll(14) {
            case 0...5:
                do {
                    let grant = try await house.acquire(device)
                    sessions[device] = grant.session
                    witness.told(device, until: started + 360, now: real)
                    grants += 1
                } catch is Problem { refusals += 1 } catch is DyingStore.Died {}
            case 6...8:
                guard let session = sessions[device] else { continue }
                do {
                    try await house.beat(session)
                    witness.told(device, until: started + 360, now: real)
                } catch is Problem {
                    witness.gone(device)
                    sessions[device] = nil
                } catch is DyingStore.Died {}
            case 9:
                guard let session = sessions[device] else { continue }
                // Whoever asks to release has stopped, whatever becomes of the request.
                witness.gone(device)
                _ = try? await house.release(session)
                if dice.roll(2) == 0 { sessions[device] = nil }
            case 10: pass(Int64(dice.roll(200)))
            case 11: pass(Int64(dice.roll(20)))
            case 12:
                switch dice.roll(4) {
                case 0: house.test.clock.step(by: .seconds(Int64(dice.roll(200_000)) - 100_000))
                case 1 where isTicked:
                    // Frozen: real time goes on, nobody ticks.
                    let seconds = Int64(dice.roll(2_000))
                    real += seconds
                    house.advance(seconds)
                case 2:
                    let outage = Int64(dice.roll(1_000))
                    real += outage
                    house.advance(outage)
                    house = try house.restarted { DyingStore($0, seed: seed &+ UInt64(step)) }
                    try await house.time.begin(house.test.store)
                default: break
                }
            default:
                // Lowered seats drain, and holders told before go on: only some of the schedules have it, the others count exactly.
                guard seed % 3 == 0 else { continue }
                version += 1
                let new = Int(dice.roll(4)) + 1
                ceiling = max(ceiling, new)
                try await house.license(seats: new, subscription: subscription, version: version)
            }
        }
        #expect(witness.most <= ceiling)
        #expect(grants > 8)
        #expect(refusals > 5)
    }

    @Test(
        "clients that acquire, beat and release at once, over answers that get lost, never hold more than the seats",
        arguments: UInt64(1)...4)
    func concurrent(_ seed: UInt64) async throws {
        let house = try await SeatHouse.make(seed: seed) { DyingStore($0, seed: seed) }
        try await house.license(seats: 4)
        let witness = Guarded(Witness())
        await withTaskGroup(of: Void.self) { group in
            for client in 0..<16 {
                group.addTask {
                    var dice = Dice(seed: seed &* 31 &+ UInt64(client) &+ 1)
                    let device = "d\(client)"
                    for _ in 0..<30 {
                        guard let grant = try? await house.acquire(device) else { continue }
                        witness.with { $0.told(device, until: 360, now: 0) }
                        if dice.roll(2) == 0 { _ = try? await house.beat(grant.session) }
                        witness.with { $0.gone(device) }
                        _ = try? await house.release(grant.session)
                    }
                }
            }
        }
        #expect(witness.with { $0.most } <= 4)
        #expect(witness.with { $0.most } >= 2)
    }
}
