import Foundation
import KeyValue
import NIOCore
import RedisTesting
import RoomTesting
import Seats
import Store
import Testing
import Vocabulary

/// Where seats may live: rows of either database alone, or rows of PostgreSQL whose ends stand in Redis.
enum LedgerEngine: String, CaseIterable, Sendable { case sqlite, postgresql, redis }

/// What clients and the world do next. Drawn from the seed alone, never from what a ledger answered: each engine is played the same.
enum LedgerMove: Sendable {
    case acquire(device: Int, process: Int)
    /// Every device asks at once.
    case rush(process: Int)
    case beat(device: Int, process: Int)
    case release(device: Int, process: Int)
    case pass(seconds: Int64)
    /// One process stands still meanwhile.
    case freeze(process: Int, seconds: Int64)
    /// Of the wall clock.
    case step(seconds: Int64)
    case crash(process: Int)
    /// In order.
    case restart(process: Int)
    /// Redis is emptied or killed; without it every line to the database is cut, and both processes are killed.
    case forget(isKilled: Bool)
    /// From now on answers of this script are lost, before or after it did its work; of none.
    case loseAnswers(of: String?)
    case backUp
    /// The database is put back as the last backup had it; Redis goes on.
    case restore

    static func schedule(_ seed: UInt64, length: Int) -> [LedgerMove] {
        var dice = Dice(seed: seed &* 0x9e37_79b9_7f4a_7c15)
        let scripts = ["seats-enter", "seats-settle", "seats-beat", "seats-open"]
        return (0..<length).map { _ in
            let (device, process) = (Int(dice.roll(7)), Int(dice.roll(2)))
            switch dice.roll(40) {
            case 0..<13: return .acquire(device: device, process: process)
            case 13..<22: return .beat(device: device, process: process)
            case 22..<25: return .release(device: device, process: process)
            case 25..<30: return .pass(seconds: Int64(dice.roll(150)))
            case 30: return .freeze(process: process, seconds: Int64(dice.roll(800)))
            case 31: return .step(seconds: Int64(dice.roll(200_000)) - 100_000)
            case 32: return .crash(process: process)
            case 33: return .restart(process: process)
            case 34: return .forget(isKilled: dice.roll(2) == 0)
            case 35: return .loseAnswers(of: scripts[Int(dice.roll(4))])
            case 36, 37: return .loseAnswers(of: nil)
            // These two copy a whole database.
            case 38 where dice.roll(3) == 0: return .backUp
            case 39 where dice.roll(3) == 0: return .restore
            default: return .rush(process: process)
            }
        }
    }
}

/// Two processes over one ledger, and what may befall them.
final class LedgerWorld {
    private let seed: UInt64
    private var server: RedisServer?
    private var runner: (any ScriptRunner)?
    private let flaky: FlakyRunner?
    private(set) var houses: [SeatHouse] = []
    private var backup: TestStore.Backup?
    private var lives: UInt64 = 0
    /// Real seconds since the start.
    private(set) var real: Int64 = 0

    init(_ engine: LedgerEngine, seed: UInt64, seats: Int) async throws {
        self.seed = seed
        if engine == .redis {
            let server = try await RedisServer.start(isLasting: seed % 2 == 0)
            // The schedule alone loses answers: one that is slow, as the machine does other things, too, would be another.
            let runner = try SharedStore.runner(server, timeout: .seconds(20))
            (self.server, self.runner, flaky) = (server, runner, FlakyRunner(inner: runner))
        } else {
            flaky = nil
        }
        let first = try await SeatHouse.make(seed: seed, scripts: flaky, engine: engine == .sqlite ? .sqlite : .postgresql) {
            DyingStore($0, seed: seed)
        }
        try await first.license(seats: seats)
        houses = [first, first]
        try await begin(1)
        backup = try first.test.backUp()
    }

    /// A new life of the process, on the database that the other one has or on `restored`.
    private func begin(_ process: Int, on restored: TestStore? = nil) async throws {
        lives += 1
        let life = seed &+ lives
        houses[process] = try houses[process].restarted(on: restored, scripts: process == 0 ? flaky : runner) {
            DyingStore($0, seed: life)
        }
        try await houses[process].time.begin(houses[process].test.store)
    }

    /// What each device is answered, when all seven ask at once.
    func rush(_ process: Int) async -> [(device: Int, answer: Result<LeaseGrant, any Error>)] {
        let house = houses[process]
        return await withTaskGroup(of: (device: Int, answer: Result<LeaseGrant, any Error>).self) { group in
            for device in 0..<7 {
                group.addTask {
                    do { return (device, .success(try await house.acquire("d\(device)"))) } catch { return (device, .failure(error)) }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
    }

    /// As servers do: each ticks every second, and writes it down for the other.
    func pass(_ seconds: Int64, without frozen: Int? = nil) async throws {
        real += seconds
        for _ in 0..<seconds {
            houses[0].advance(1)
            for (number, house) in houses.enumerated() where number != frozen { house.time.tick() }
        }
        for (number, house) in houses.enumerated() where number != frozen { try await house.time.tick(sharing: house.test.store) }
    }

    /// Answers true where the record was put back.
    func befalls(_ move: LedgerMove) async throws -> Bool {
        switch move {
        case .acquire, .rush, .beat, .release: break
        case .pass(let seconds): try await pass(seconds)
        case .freeze(let process, let seconds):
            try await pass(seconds, without: process)
            try await houses[process].time.tick(sharing: houses[process].test.store)
        case .step(let seconds): houses[0].test.clock.step(by: .seconds(seconds))
        case .crash(let process): try await begin(process)
        case .restart(let process):
            try? await houses[process].stop()
            try await begin(process)
        case .forget(let isKilled): try await forget(isKilled)
        case .loseAnswers(let script): flaky?.fail(only: script)
        case .backUp: backup = try houses[0].test.backUp()
        case .restore: return try await restore()
        }
        return false
    }

    private func forget(_ isKilled: Bool) async throws {
        guard let server else {
            try houses[0].test.cut()
            for process in houses.indices { try await begin(process) }
            return
        }
        if isKilled {
            server.kill()
            try await server.restart()
        } else {
            try RedisTool.run(["-s", server.socket, "FLUSHALL"])
        }
    }

    private func restore() async throws -> Bool {
        guard let backup else { return false }
        let old = houses[0].test
        let restored = try await old.restored(backup)
        try await RestoredSeats.begin(restored.store, restored.act())
        for process in houses.indices { try await begin(process, on: restored) }
        await old.discard()
        return true
    }

    /// Nothing gets lost any more, and nobody beats: as many as there are seats come in, and not one more.
    func freeSeats() async throws -> Int {
        flaky?.fail(only: nil)
        let house = try houses[0].restarted(scripts: runner)
        try await house.time.begin(house.test.store)
        houses = [house, house]
        // Whoever asks notices what was lost; what was held then comes back a term later.
        for _ in 0..<3 {
            _ = try? await house.acquire("last")
            try await pass(400)
        }
        var (came, delays) = (0, 0)
        while came < 20, delays < 20 {
            switch try await house.refusal({ try await house.acquire("new\(came)") }) {
            case nil: came += 1
            case "no_seats_available": return came
            default:
                // Busy, or Redis was just found again.
                delays += 1
                try await pass(1)
            }
        }
        return came
    }
}

@Suite(
    "One schedule for the three ledgers of seats",
    .enabled(if: !SharedStore.isOfThisRun && !PostgresCluster.isWanted, "plays each engine by itself"))
struct LedgerScheduleTests {
    /// Every engine under every seed.
    static let cases = LedgerEngine.allCases.flatMap { engine in (UInt64(1)...6).map { (engine, $0) } }

    /// The bound: no more believe at any moment that they hold a seat than there are seats. The one exception is told in
    /// docs/how-to/backup-and-restore.md: who took a seat after the backup that was put back may go on beside a newcomer for one term.
    @Test("whatever befalls clients, processes, database and Redis, no more believe that they hold a seat than there are", arguments: cases)
    func neverOverGranted(_ engine: LedgerEngine, _ seed: UInt64) async throws {
        let seats = Int(seed % 4) + 1
        let world = try await LedgerWorld(engine, seed: seed, seats: seats)
        var witness = Witness()
        var inBackup: Set<String> = []
        var sessions: [Int: Lease.ID] = [:]
        var (grants, rushed, refusals, beats) = (0, 0, 0, 0)
        for move in LedgerMove.schedule(seed, length: 260) {
            let now = world.real
            switch move {
            case .acquire(let device, let process):
                do {
                    let grant = try await world.houses[process].acquire("d\(device)")
                    sessions[device] = grant.session
                    witness.told("d\(device)", until: now + 360, now: now)
                    grants += 1
                } catch let problem as Problem where problem.status != 503 { refusals += 1 } catch {}
            case .rush(let process):
                for (device, answer) in await world.rush(process) {
                    switch answer {
                    case .success(let grant):
                        sessions[device] = grant.session
                        witness.told("d\(device)", until: now + 360, now: now)
                        rushed += 1
                    case .failure(let problem as Problem) where problem.status != 503: refusals += 1
                    case .failure: break
                    }
                }
            case .beat(let device, let process):
                guard let session = sessions[device] else { continue }
                do {
                    try await world.houses[process].beat(session)
                    witness.told("d\(device)", until: now + 360, now: now)
                    beats += 1
                } catch let problem as Problem where problem.status != 503 {
                    (sessions[device], _) = (nil, witness.gone("d\(device)"))
                } catch {}
            case .release(let device, let process):
                guard let session = sessions[device] else { continue }
                // Whoever asks to release has stopped, whatever becomes of the request.
                witness.gone("d\(device)")
                _ = try? await world.houses[process].release(session)
            case .backUp:
                _ = try await world.befalls(move)
                inBackup = witness.standing(now)
            default:
                if try await world.befalls(move) { witness.outlive(inBackup) }
            }
        }
        #expect(witness.most <= seats, "\(witness.most) of \(seats)")
        let free = try await world.freeSeats()
        #expect(free == seats, "\(free) of \(seats)")
        #expect(
            grants > 8 && rushed > 3 && refusals > 3 && beats > 3, "\(grants) and \(rushed) grants, \(refusals) refusals, \(beats) beats")
    }

    @Test("the schedules hold every kind of move, and each engine is played the same")
    func moves() {
        let kinds = Set(
            (UInt64(1)...6).flatMap { LedgerMove.schedule($0, length: 260) }.map { String("\($0)".prefix { $0 != "(" }) })
        #expect(kinds.count == 13, "\(kinds.sorted())")
        #expect("\(LedgerMove.schedule(3, length: 260))" == "\(LedgerMove.schedule(3, length: 260))")
    }

    @Test(
        "a database that was put back keeps each seat of the backup for a full term, also one that was renewed after it",
        .enabled(if: !SharedStore.isOfThisRun && !PostgresCluster.isWanted), arguments: LedgerEngine.allCases)
    func restored(_ engine: LedgerEngine) async throws {
        let world = try await LedgerWorld(engine, seed: 40, seats: 1)
        func untilDone<Value>(_ work: () async throws -> Value) async throws -> Value {
            while true {
                do { return try await work() } catch is DyingStore.Died { continue }
            }
        }
        let grant = try await untilDone { try await world.houses[0].acquire("d1") }
        try await world.pass(350)
        _ = try await world.befalls(.backUp)
        try await world.pass(5)
        _ = try await untilDone { try await world.houses[1].beat(grant.session) }
        try await world.pass(100)
        #expect(try await world.befalls(.restore))
        // Told 100 seconds ago that it holds for 360: 260 are left, though the backup knew of five.
        try await world.pass(250)
        #expect(
            try await untilDone { try await world.houses[0].refusal { try await world.houses[0].acquire("d2") } } == "no_seats_available")
        #expect(try await untilDone { try await world.houses[1].beat(grant.session) }.epoch == grant.epoch)
        try await world.pass(365)
        _ = try await untilDone { try await world.houses[0].acquire("d2") }
    }
}
