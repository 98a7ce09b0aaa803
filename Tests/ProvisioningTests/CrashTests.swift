import Foundation
import PluginKit
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Provisioning

/// Processes that die at any call, and provisioners that fail in every way they may.
@Suite("Crashes and faults")
struct CrashTests {
    /// A process that runs what is due until one of its calls hangs, and is never heard of again; or until nothing is due.
    private func process(_ bench: Bench) async -> Task<Void, Never> {
        let before = bench.house.shop.state.with { $0.hung }
        let runner = JobRunner(
            store: bench.test.store, handlers: bench.room.jobs(), subscribers: [], clock: bench.test.clock, entropy: bench.test.entropy)
        let run = Task { _ = try? await runner.runDue() }
        await bench.house.shop.untilHung(before + 1)
        return run
    }

    @Test("whoever has the store to itself goes on at once with what a dead process had in hand, and makes nothing twice")
    func takeOver() async throws {
        let ada = UserID(UUIDs.next())
        let bench = try await Bench()
        bench.members([ada])
        bench.license("small")
        try await bench.review()
        bench.house.shop.faults([.hangsAfter])
        let dead = await process(bench)
        let next = JobRunner(
            store: bench.test.store, handlers: bench.room.jobs(), subscribers: [], clock: bench.test.clock, entropy: bench.test.entropy)
        try await next.takeOver()
        try await bench.room.takeOver()
        bench.test.clock.advance(by: .seconds(15))  // the pause before another attempt
        for _ in 0..<10 { try await next.runDue() }
        #expect(try await bench.own(ada)?.state == .running)
        #expect(bench.house.shop.state.with { $0.created } == 1)
        bench.house.shop.wake()
        await dead.value
        #expect(bench.house.shop.state.with { $0.created } == 1)
        #expect(try await bench.own(ada)?.state == .running)
    }

    @Test("killed before or after any call of making, resizing or taking away, the next process comes to the same end", arguments: 0..<12)
    func kill(at call: Int) async throws {
        let ada = UserID(UUIDs.next())
        for fault in [PaperShop.Fault.hangsBefore, .hangsAfter] {
            let bench = try await Bench()
            bench.members([ada])
            // Calls of this life: 3 create, 1 stop, 1 resize, 1 start, 1 suspend, 1 restore, 2 delete.
            var left = call
            var dead: [Task<Void, Never>] = []
            func step(_ change: () -> Void, calls: Int) async throws {
                change()
                try await bench.review()
                if (0..<calls).contains(left) {
                    bench.house.shop.faults(Array(repeating: .none, count: left) + [fault])
                    dead.append(await process(bench))
                    bench.test.clock.advance(by: .minutes(2))
                }
                left -= calls
                try await bench.settle(hours: 1)
            }
            try await step({ bench.license("small") }, calls: 3)
            #expect(try await bench.own(ada)?.state == .running)
            try await step({ bench.license("large") }, calls: 3)
            #expect(try await bench.own(ada)?.made?.machine == "standard-4")
            try await step({ bench.license("large", live: false) }, calls: 1)
            #expect(try await bench.own(ada)?.state == .suspended)
            try await step({ bench.license("large") }, calls: 1)
            #expect(try await bench.own(ada)?.state == .stopped)
            try await step({ bench.members([]) }, calls: 2)
            #expect(try await bench.own(ada)?.state == .deleted && bench.house.shop.benches.isEmpty, "\(fault) at \(call)")
            #expect(bench.house.shop.state.with { $0.created } == 1, "\(fault) at \(call)")
            #expect(bench.house.state.with { $0.issued } == 1 && bench.sent.with { $0 } == ["welcome"])
            // The dead wake up, much too late, and change nothing.
            bench.house.shop.wake()
            for one in dead { await one.value }
            #expect(bench.house.shop.benches.isEmpty && bench.house.shop.state.with { $0.created } == 1)
        }
    }

    @Test(
        "random lives with random faults and deaths: nothing twice, nothing left behind",
        arguments: 1...24)
    func lives(seed: Int) async throws {
        var dice = Dice(UInt64(seed))
        let bench = try await Bench(seed: UInt64(seed))
        let users = (0..<3).map { _ in UserID(UUIDs.next()) }
        var members = Set(users)
        bench.members(members)
        bench.license("small")
        let faults: [PaperShop.Fault] = [
            .none, .none, .away, .full, .lostAnswer, .lostRequest, .underWay, .outOfOrder, .strange, .hangsBefore, .hangsAfter,
        ]
        var runs: [Task<Void, Never>] = []
        for _ in 0..<16 {
            switch dice.roll(7) {
            case 0: bench.license(["small", "large"][dice.roll(2)])
            case 1: bench.license("small", live: false)
            case 2: members.formSymmetricDifference([users[dice.roll(3)]])
            case 3:
                if let one = try await bench.own(users[dice.roll(3)]) {
                    _ = try? await bench.room.stop(one.id, of: nil, bench.tenant, bench.test.act())
                }
            case 4:
                if let one = try await bench.own(users[dice.roll(3)]) {
                    _ = try? await bench.room.start(one.id, of: nil, bench.tenant, bench.test.act())
                }
            default: break
            }
            bench.members(members)
            bench.house.shop.faults((0..<dice.roll(6)).map { _ in faults[dice.roll(faults.count)] })
            try await bench.review()
            let runner = JobRunner(
                store: bench.test.store, handlers: bench.room.jobs(), subscribers: [], clock: bench.test.clock, entropy: bench.test.entropy)
            let hung = bench.house.shop.state.with { $0.hung }
            // Either all that is due is run, or a call hangs and the process is gone.
            await withCheckedContinuation { continuation in
                let once = Guarded<CheckedContinuation<Void, Never>?>(continuation)
                func go() {
                    once.with { held in
                        defer { held = nil }; return held
                    }?.resume()
                }
                runs += [
                    Task {
                        _ = try? await runner.runDue()
                        go()
                    },
                    Task {
                        await bench.house.shop.untilHung(hung + 1)
                        go()
                    },
                ]
            }
            bench.test.clock.advance(by: .seconds(Int64(dice.roll(200))))
        }
        bench.house.shop.faults([])
        bench.license("small")
        bench.test.clock.advance(by: .minutes(20))
        try await bench.review()
        try await bench.settle(hours: 3)
        for one in try await bench.all() where one.state == .failed {
            _ = try await bench.room.retry(one.id, of: nil, bench.tenant, bench.test.act())
        }
        try await bench.settle(hours: 3)
        let all = try await bench.all()
        #expect(Set(all.filter { $0.state != .deleted }.map(\.user)) == members)
        #expect(all.allSatisfy { [.running, .stopped, .deleted].contains($0.state) }, "\(all.map(\.state)) \(all.map(\.note))")
        let live = all.filter { $0.state != .deleted }
        #expect(Set(bench.house.shop.benches.keys) == Set(live.map(\.key)))
        for one in live { #expect(bench.house.shop.benches[one.key]?.state.rawValue == one.state.rawValue) }
        #expect(bench.house.state.with { $0.issued } == 1)
        bench.members([])
        try await bench.review()
        try await bench.settle(hours: 3)
        #expect(bench.house.shop.benches.isEmpty)
        bench.house.shop.wake()
        for run in runs { await run.value }
    }

    struct Dice {
        var state: UInt64
        init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }
        mutating func roll(_ sides: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(sides))
        }
    }
}

@Suite("What the room says of itself")
struct ProvisioningDocumentTests {
    static func text(_ path: String) throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    @Test("the README shows both lives as they are declared, and names jobs, events, settings and states")
    func readme() throws {
        let readme = try Self.text("Sources/Provisioning/README.md")
        for life in [workstationLifecycle as any DeclaredLifecycle, setupPlanLifecycle] {
            #expect(life.flaws.isEmpty, "\(life.flaws)")
            #expect(readme.contains("```mermaid\n\(life.diagram)\n```"), "expected:\n\(life.diagram)")
            #expect(readme.contains("\n\(life.table)\n"), "expected:\n\(life.table)")
        }
        for kind in [WorkstationDesk.kind, WorkstationDesk.idleKind, SetupDesk.kind, TenantReview.kind, TenantReview.sweepKind] {
            #expect(readme.contains("`\(kind)`"))
        }
        for topic in Set(["licensing.license_issued", MembershipChanged.topic, MemberAccessChanged.topic, MailRequested.topic]) {
            #expect(readme.contains("`\(topic)`"), "\(topic)")
        }
        let page = try Self.text("docs/explanation/workstations.md")
        for setting in ProvisioningSettings.all { #expect(page.contains("`\(setting.path)`"), "\(setting.path)") }
        for action in OnProvision.definition.actions { #expect(page.contains("`\(action.name)`"), "\(action.name)") }
        for problem in ProvisioningProblems.all { #expect(page.contains("`\(problem.code)`"), "\(problem.code)") }
        #expect(Set(ProvisioningTable.all.map(\.name)).count == ProvisioningTable.all.count)
    }

    @Test("from every state and wish the next work leads along the declared life, and comes to rest")
    func walk() {
        let now = Timestamp(seconds: 1_800_000_000)
        let size = WorkstationSizing(machine: "m", diskBytes: 10, idleSeconds: 60)
        let larger = WorkstationSizing(machine: "l", diskBytes: 20, idleSeconds: 60)
        for state in Workstation.State.allCases where ![.provisioning, .resizing, .deleting].contains(state) {
            for wish in Workstation.Wish.allCases {
                for wanted in [size, larger] {
                    let isMade = ![.requested, .failed, .deleted].contains(state)
                    var one = Workstation(
                        id: Workstation.ID(UUIDs.next()), tenant: TenantID(UUIDs.next()), user: UserID(UUIDs.next()), state: state,
                        wish: wish,
                        size: wanted, made: isMade ? size : nil, activeAt: now, createdAt: now, changedAt: now)
                    var rounds = 0
                    while let work = one.current, rounds < 10 {
                        rounds += 1
                        let before = one.state
                        one.begin(work, now: now)
                        #expect(one.state == before || workstationLifecycle.transition(from: before, to: one.state) != nil)
                        let middle = one.state
                        one.apply(
                            .finished(ObservedWorkstation(key: one.key, state: .absent), step: "x"), now: now, rules: WorkRules(), jitter: 0
                        )
                        #expect(
                            one.state == middle || workstationLifecycle.transition(from: middle, to: one.state) != nil,
                            "\(middle) → \(one.state)")
                    }
                    #expect(rounds < 5 && one.work == nil, "\(state) \(wish): \(one.state)")
                    let ends: Set<Workstation.State> =
                        switch wish {
                        case .gone: [.deleted]
                        case .suspended: [.suspended, .requested, .failed, .deleted]
                        case .running: [.running, .failed, .deleted]
                        case .stopped: [.stopped, .running, .failed, .deleted]
                        }
                    #expect(ends.contains(one.state), "\(state) with the wish \(wish) comes to \(one.state)")
                }
            }
        }
    }
}
