import Catalog
import Foundation
import HookEngine
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Provisioning

@Suite("What a tenant gets to work with")
struct ProvisioningTests {
    private let ada = UserID(UUIDs.next()), bob = UserID(UUIDs.next())

    @Test("a purchase sets everything up once: namespace, first key, mail, and a workstation for each member whose role has one")
    func purchase() async throws {
        let bench = try await Bench()
        bench.members([ada, bob])
        bench.license("small")
        for _ in 0..<3 {
            try await bench.review()
            try await bench.settle()
        }
        let all = try await bench.all()
        #expect(all.count == 2 && all.allSatisfy { $0.state == .running || $0.state == .stopped })
        #expect(Set(all.map(\.user)) == [ada, bob])
        #expect(bench.house.shop.state.with { $0.created } == 2)
        #expect(bench.house.state.with { $0.issued } == 1)
        #expect(bench.sent.with { $0 } == ["welcome"])
        let progress = try #require(try await bench.room.progress(bench.tenant))
        #expect(progress.plan.state == .done && progress.steps.allSatisfy { $0.state == .done && $0.at != nil })
        #expect(progress.steps.map(\.action) == ["create_namespace", "start_workstation", "issue_api_key", "send_mail"])
        #expect(progress.namespace == "t-\(bench.tenant)" && progress.keyWaits)
        #expect(bench.hooks.count("on_provision") == 1)
        let steps = try #require(try await bench.room.own(ada, bench.tenant)).steps.map(\.name)
        #expect(steps == ["disk", "secret", "machine"] || steps == ["change"])
    }

    @Test("the first key is shown once, to its owner alone")
    func firstKey() async throws {
        let bench = try await Bench()
        bench.license("small")
        try await bench.review()
        try await bench.settle()
        #expect(await bench.refusal { _ = try await bench.room.takeFirstKey(ada, bench.tenant, bench.test.act()) } == "not_found")
        let owner = bench.house.owner
        #expect(try await bench.room.takeFirstKey(owner, bench.tenant, bench.test.act()).text == "ck_first_secret")
        #expect(await bench.refusal { _ = try await bench.room.takeFirstKey(owner, bench.tenant, bench.test.act()) } == "not_found")
    }

    @Test("the free tier and a licence without access set nothing up")
    func nothing() async throws {
        let bench = try await Bench()
        bench.members([ada])
        for (tier, live) in [("free", true), ("small", false)] {
            bench.license(tier, live: live)
            try await bench.review()
            try await bench.run()
        }
        #expect(try await bench.room.progress(bench.tenant) == nil)
        #expect(try await bench.all().isEmpty && bench.hooks.count("on_provision") == 0)
    }

    @Test("another tier resizes, a disk never shrinks, and a tier without workstations puts them to sleep")
    func tiers() async throws {
        let bench = try await Bench()
        bench.members([ada])
        for (tier, machine, disk) in [("small", "standard-2", 20), ("large", "standard-4", 50), ("small", "standard-2", 50)] {
            bench.license(tier)
            try await bench.review()
            try await bench.settle(hours: 1)
            let one = try #require(try await bench.own(ada))
            #expect(one.made?.machine == machine && one.made?.diskBytes == Int64(disk) * Bench.gigabyte, "\(tier): \(one)")
            #expect(one.state == .running && bench.house.shop.benches[one.key]?.state == .running)
        }
        bench.license("bare")
        try await bench.review()
        try await bench.settle()
        #expect(try await bench.own(ada)?.state == .suspended)
        bench.license("small")
        try await bench.review()
        try await bench.settle()
        #expect(try await bench.own(ada)?.state == .stopped)
    }

    @Test("a contract that gives the tier another workstation resizes those that are there, and says nothing where it gives the same one")
    func contract() async throws {
        let bench = try await Bench()
        bench.members([ada])
        bench.license("small")
        try await bench.review()
        try await bench.settle(hours: 1)
        let plans = bench.hooks.count("on_provision")
        var order = ContractOrder(tier: "small", terms: ["seats_per_unit": 4], reason: "as signed")
        let agreed = try await bench.contracts.agree(order, with: bench.tenant, bench.test.act())
        try await bench.settle(hours: 1)
        #expect(bench.hooks.count("on_provision") == plans)
        order.terms = ["workstation": ["machine_type": "standard-4", "disk_bytes": .int(60 * Bench.gigabyte)]]
        _ = try await bench.contracts.revise(agreed.id, version: 1, order, with: bench.tenant, bench.test.act())
        try await bench.settle(hours: 1)
        let one = try #require(try await bench.own(ada))
        #expect(one.made?.machine == "standard-4" && one.made?.diskBytes == 60 * Bench.gigabyte, "\(one)")
        #expect(bench.hooks.count("on_provision") == plans + 1)
    }

    @Test("access that ends suspends, access that comes back restores, and what is on the disk stays")
    func suspension() async throws {
        let bench = try await Bench()
        bench.members([ada])
        bench.license("small")
        try await bench.review()
        try await bench.settle(hours: 1)
        let made = try #require(try await bench.own(ada))
        bench.license("small", live: false)
        try await bench.review()
        try await bench.settle()
        #expect(try await bench.own(ada)?.state == .suspended)
        #expect(
            await bench.refusal { _ = try await bench.room.start(made.id, of: ada, bench.tenant, bench.test.act()) }
                == "workstation_suspended")
        bench.license("small")
        try await bench.review()
        try await bench.settle()
        #expect(try await bench.own(ada)?.state == .stopped)
        #expect(try await bench.room.progress(bench.tenant)?.plan.cause == .restored)
        _ = try await bench.room.start(made.id, of: ada, bench.tenant, bench.test.act())
        try await bench.run()
        #expect(try await bench.own(ada)?.state == .running)
        #expect(bench.house.shop.state.with { $0.created } == 1 && bench.house.state.with { $0.issued } == 1)
    }

    @Test("who leaves loses the workstation, who comes back gets a new one, also while the old one goes")
    func leaving() async throws {
        let bench = try await Bench()
        bench.members([ada, bob])
        bench.license("small")
        try await bench.review()
        try await bench.settle(hours: 1)
        bench.members([bob])
        try await bench.review()
        bench.members([ada, bob])
        try await bench.review()
        try await bench.settle()
        #expect(try await bench.own(ada)?.state == .running)
        bench.members([bob])
        try await bench.review()
        try await bench.settle()
        #expect(try await bench.own(ada)?.state == .deleted && bench.house.shop.benches.count == 1)
        #expect(
            await bench.refusal { _ = try await bench.room.enter(try await bench.own(ada)!.id, of: bob, bench.tenant, bench.test.act()) }
                == "not_found")
    }

    @Test("what is kept of who left sleeps, opens to its heir alone and only after it slept, and goes when its days are over")
    func keeping() async throws {
        let bench = try await Bench()
        let act = bench.test.act()
        bench.members([ada, bob])
        bench.license("small")
        try await bench.review()
        try await bench.settle(hours: 1)
        let kept = try #require(try await bench.own(ada)).id
        func enters(_ user: UserID) async -> String? {
            await bench.refusal { _ = try await bench.room.enter(kept, of: user, bench.tenant, act) }
        }
        bench.house.state.with { ($0.kept, $0.heir) = ([ada: true], bob) }
        bench.members([bob])
        // Whoever opened it at once would meet whom the member let in.
        bench.house.state.with { $0.kept = [ada: false] }
        try await bench.review()
        #expect(try await bench.own(ada)?.isAsleep == false)
        try await bench.settle(hours: 1)
        #expect(try await bench.own(ada)?.state == .suspended)
        #expect((try await bench.own(ada)?.isAsleep) == true)
        #expect(await enters(bob) == "not_found" && bench.house.shop.benches.count == 2)
        #expect(await bench.refusal { _ = try await bench.room.start(kept, of: bob, bench.tenant, act) } == "not_found")

        bench.house.state.with { $0.kept = [ada: true] }
        try await bench.review()
        try await bench.settle(hours: 1)
        #expect(try await bench.own(ada)?.state == .stopped)
        _ = try await bench.room.start(kept, of: bob, bench.tenant, act)
        try await bench.run()
        try await bench.review()
        #expect(try await bench.own(ada)?.state == .running)
        #expect(await enters(bob) == nil)
        #expect((await enters(UserID(UUIDs.next()))) == "not_found")
        // No access, no work, whoever has it.
        bench.license("small", live: false)
        try await bench.review()
        try await bench.settle(hours: 1)
        #expect(try await bench.own(ada)?.state == .suspended)
        bench.license("small")

        // Back in time: it is as it was, and nobody else's.
        bench.members([ada, bob])
        bench.house.state.with { $0.kept = [:] }
        try await bench.review()
        try await bench.settle(hours: 1)
        #expect(try await bench.own(ada)?.id == kept)
        #expect((try await bench.own(ada)?.made) != nil)
        #expect(await enters(bob) == "not_found" && bench.house.shop.state.with { $0.created } == 2)

        bench.members([bob])
        bench.house.state.with { $0.kept = [ada: false] }
        try await bench.review()
        try await bench.settle(hours: 1)
        bench.house.state.with { $0.kept = [:] }
        try await bench.review()
        try await bench.settle(hours: 1)
        #expect(try await bench.own(ada)?.state == .deleted && bench.house.shop.benches.count == 1)
    }

    @Test("what nobody uses stops by itself, what is used does not")
    func idle() async throws {
        let bench = try await Bench()
        bench.members([ada])
        bench.license("small")
        try await bench.review()
        try await bench.run()
        let one = try #require(try await bench.own(ada))
        for _ in 0..<3 {
            bench.test.clock.advance(by: .minutes(50))
            try await bench.run()
            #expect(try await bench.own(ada)?.state == .running)
            try await bench.room.touch(one.id, of: ada, bench.tenant, bench.test.act())
        }
        bench.test.clock.advance(by: .minutes(59))
        try await bench.run()
        #expect(try await bench.own(ada)?.state == .running)
        bench.test.clock.advance(by: .minutes(1))
        try await bench.run()
        #expect(try await bench.own(ada)?.state == .stopped && bench.house.shop.benches[one.key]?.state == .stopped)
        _ = try await bench.room.start(one.id, of: ada, bench.tenant, bench.test.act())
        try await bench.run()
        let entrance = try await bench.room.enter(one.id, of: ada, bench.tenant, bench.test.act())
        #expect(entrance.token == "token of secret/\(one.key.name)")
        #expect(await bench.refusal { _ = try await bench.room.enter(one.id, of: bob, bench.tenant, bench.test.act()) } == "not_found")
    }

    @Test("a step of a plan that cannot be done takes back all that the plan made; tried again it goes through")
    func undone() async throws {
        let bench = try await Bench()
        bench.members([ada])
        bench.hooks.script(
            "on_provision",
            .plan([
                PlannedAction("create_namespace"), PlannedAction("issue_api_key"),
                PlannedAction("set_quota", .object([("disk_bytes", .int(-1))])), PlannedAction("start_workstation"),
            ]))
        bench.license("small")
        try await bench.review()
        try await bench.settle(hours: 1)
        var progress = try #require(try await bench.room.progress(bench.tenant))
        #expect(progress.plan.state == .failed && progress.steps.map(\.state) == [.undone, .undone, .failed, .waiting])
        #expect(progress.namespace == nil && !progress.keyWaits && bench.house.state.with { $0.keys.isEmpty && $0.issued == 1 })
        #expect(try await bench.all().isEmpty && bench.sent.with { $0 } == ["staff_notice"])
        // No event begins it again; somebody does.
        try await bench.review()
        try await bench.run()
        #expect(bench.hooks.count("on_provision") == 1)
        bench.hooks.script("on_provision", nil)
        try await bench.room.retryPlan(bench.tenant, bench.test.act())
        try await bench.settle(hours: 1)
        progress = try #require(try await bench.room.progress(bench.tenant))
        #expect(progress.plan.state == .done && bench.house.state.with { $0.keys.count } == 1)
        #expect(try await bench.own(ada)?.state == .running)
        #expect(await bench.refusal { try await bench.room.retryPlan(bench.tenant, bench.test.act()) } == "nothing_failed")
    }

    @Test(
        "a quota holds back who comes last; a provisioner without room is asked eight times, then all is taken back and can be tried again")
    func full() async throws {
        let bench = try await Bench()
        bench.members([ada, bob])
        bench.hooks.script(
            "on_provision",
            .plan([
                PlannedAction("set_quota", .object([("disk_bytes", .int(30 * Bench.gigabyte))])), PlannedAction("start_workstation"),
            ]))
        bench.license("small")
        bench.house.shop.faults([.none] + Array(repeating: .full, count: 8))
        try await bench.review()
        try await bench.settle()
        let all = try await bench.all()
        #expect(all.map(\.state) == [.failed, .failed] && bench.house.shop.benches.isEmpty)
        #expect(all.contains { $0.note.contains("storage") } && all.contains { $0.note.contains("no room") })
        let made = try #require(all.first { $0.note.contains("no room") })
        #expect(
            await bench.refusal { _ = try await bench.room.start(made.id, of: made.user, bench.tenant, bench.test.act()) }
                == "workstation_failed")
        _ = try await bench.room.retry(made.id, of: nil, bench.tenant, bench.test.act())
        try await bench.settle(hours: 1)
        #expect(try await bench.own(made.user)?.state == .running)
    }

    @Test("without a provisioner workstations wait, and everything else is set up")
    func alone() async throws {
        let bench = try await Bench()
        bench.members([ada])
        bench.house.state.with { $0.isAtWork = false }
        bench.license("small")
        try await bench.review()
        for _ in 0..<20 {
            try await bench.run()
            bench.test.clock.advance(by: .minutes(1))
        }
        #expect(try await bench.room.progress(bench.tenant)?.plan.state == .done)
        #expect(try await bench.own(ada)?.note == "no provisioner is at work")
    }

    @Test(
        "where none is named, or the default is not there, nobody asks again and again; once one is, those who wait have their turn, and leaving waits for nobody",
        arguments: ["", ProvisioningSettings.provisioner.default])
    func unnamed(_ name: String) async throws {
        let bench = try await Bench(provisioner: name)
        bench.house.state.with { $0.isAtWork = false }
        bench.members([ada])
        bench.license("small")
        try await bench.review()
        try await bench.run()
        #expect(try await bench.own(ada)?.state == .requested)
        for _ in 0..<24 {
            bench.test.clock.advance(by: .minutes(5))
            #expect(try await bench.test.runDue(handlers: bench.room.jobs(), subscribers: []) == 0)
        }
        bench.house.state.with { $0.isAtWork = true }
        let named = try await Bench(after: bench)
        try await named.room.start(named.test.act())
        try await named.settle(hours: 1)
        #expect(try await named.own(ada)?.state == .running)

        let other = try await Bench(seed: 2, provisioner: name)
        other.house.state.with { $0.isAtWork = false }
        other.members([ada])
        other.license("small")
        try await other.review()
        try await other.run()
        try await other.room.revoke(other.tenant, other.test.act())
        _ = try await other.room.purge(other.tenant, other.test.act())
        #expect(try await other.all().isEmpty)
    }

    @Test("a tenant that leaves: all sleeps at once, comes back, and is purged with whatever lies there")
    func closure() async throws {
        let bench = try await Bench()
        bench.members([ada, bob])
        bench.license("small")
        try await bench.review()
        try await bench.settle(hours: 1)
        try await bench.room.revoke(bench.tenant, bench.test.act())
        try await bench.review()
        try await bench.settle()
        #expect(bench.house.shop.benches.values.allSatisfy { $0.state == .suspended })
        try await bench.room.restore(bench.tenant, bench.test.act())
        try await bench.settle()
        #expect(bench.house.shop.benches.values.allSatisfy { $0.state == .stopped })
        try await bench.room.revoke(bench.tenant, bench.test.act())
        bench.house.shop.faults([.away])
        await #expect(throws: (any Error).self) { _ = try await bench.room.purge(bench.tenant, bench.test.act()) }
        #expect(bench.house.shop.benches.count == 2)
        for _ in 0..<2 { #expect(try await bench.room.purge(bench.tenant, bench.test.act()).isEmpty) }
        #expect(bench.house.shop.benches.isEmpty)
        #expect(try await bench.all().isEmpty)
        #expect(try await bench.room.progress(bench.tenant) == nil)
        try await bench.run()
        #expect(bench.house.shop.benches.isEmpty)
    }

    @Test("another tenant sees nothing of it, and stops nothing")
    func strangers() async throws {
        let bench = try await Bench()
        bench.members([ada])
        bench.license("small")
        try await bench.review()
        try await bench.settle(hours: 1)
        let one = try #require(try await bench.own(ada))
        let stranger = TenantID(UUIDs.next())
        #expect(try await bench.room.own(ada, stranger) == nil)
        #expect(try await bench.room.list(stranger, limit: 10).isEmpty)
        #expect(await bench.refusal { _ = try await bench.room.stop(one.id, of: nil, stranger, bench.test.act()) } == "not_found")
        #expect(await bench.refusal { _ = try await bench.room.stop(one.id, of: bob, bench.tenant, bench.test.act()) } == "not_found")
    }
}
