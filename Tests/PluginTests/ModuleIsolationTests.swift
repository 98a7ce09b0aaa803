import Foundation
import HookEngine
import PluginHost
import PluginKit
import Testing
import Vocabulary

/// A policy module in a child process that dies or falls silent in the middle of a hook, and what a child that dies at each call costs.
@Suite(.serialized, .timeLimit(.minutes(5))) struct ModuleIsolationTests {
    private func working(_ bench: Bench, rules: ChildRules = ChildRules()) async throws -> PluginHost {
        bench.set("fails_in", "answers_hooks")
        try bench.place { members in
            members["kinds"] = ["payment_provider", "policy_module"]
            members["hooks"] = ["on_seat_request"]
        }
        let host = bench.host(rules: rules)
        #expect(await host.load().refused == [])
        return host
    }
    private func question(_ device: String) -> ModuleQuestion {
        let subject = HookSubject(tenant: nil, tier: "team", requestID: "r", now: Timestamp(seconds: 1_800_000_000))
        return ModuleQuestion(
            DecisionRecord(
                id: DecisionID(UUID()), time: subject.now, hook: "on_seat_request", kind: .decide, subject: subject,
                input: .object([("device", .object([("id", .string(device))]))]), answers: [], outcome: .allow, terms: [], decidedBy: nil,
                policyHash: "", seed: 7, fuel: 0, microseconds: 0))
    }
    /// As the engine does: on a thread that may wait.
    private func answer(_ host: PluginHost, _ device: String) async throws -> ModuleReply {
        let module = try #require(host.policyModules("on_seat_request").first)
        return try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try module.answer(question(device)) }) }
        }
    }

    @Test(
        "a module that dies or hangs in the middle of a hook fails its question, and its next self answers",
        arguments: ["segfaults", "traps", "kills_itself", "leaves", "eats_memory", "hangs", "spins"])
    func dies(_ way: String) async throws {
        let bench = try Bench(.process)
        let host = try await working(bench)
        await #expect(throws: (any Error).self) { _ = try await answer(host, way) }
        // Until it is back whoever asks hears at once that nobody answers; abstaining would let everybody through.
        while host.children.first?.deaths != 1 { await Task.yield() }
        await #expect(throws: (any Error).self) { _ = try await answer(host, "refused") }
        await bench.revived(host, deaths: 1)
        guard case .deny("fixture", nil) = try await answer(host, "refused") else {
            Issue.record("its next self does not answer")
            return
        }
        await host.stop()
    }

    @Test("an error that a module answers is a failed question, and no death")
    func throwing() async throws {
        let bench = try Bench(.process)
        let host = try await working(bench)
        await #expect(throws: (any Error).self) { _ = try await answer(host, "throws") }
        guard case .deny("fixture", nil) = try await answer(host, "refused") else {
            Issue.record("it does not answer after an error")
            return
        }
        #expect(host.children.map(\.deaths) == [0])
        await host.stop()
    }

    // MARK: - The breaker

    private func outcome(_ provider: any PaymentProvider, _ tier: String) async -> PaymentOutcome? {
        do {
            _ = try await provider.startCheckout(checkout(tier))
            return nil
        } catch { return (error as? PaymentProviderError)?.outcome }
    }
    private func state(_ host: PluginHost, _ wanted: ChildReport.State) async {
        while host.children.first?.state != wanted { await Task.yield() }
    }

    /// Moves time until it is started for its trial.
    private func tried(_ host: PluginHost, _ bench: Bench) async {
        while host.children.first?.state != .working {
            if host.children.first?.state == .leftAlone { bench.clock.advance(by: .seconds(1)) }
            await Task.yield()
        }
    }

    @Test("a plugin that dies at each call is left alone, answers at once, is tried with one call, and goes on once it is healed")
    func breaker() async throws {
        let bench = try Bench(.process)
        let host = try await working(bench)
        let provider = try #require(host.paymentProvider("misbehaving"))
        for death in 1...5 {
            if death > 1 { await bench.revived(host, deaths: death - 1) }
            #expect(await outcome(provider, "segfaults") == .unknown)
        }
        await state(host, .leftAlone)
        #expect(host.children.map(\.breaker) == [.open] && host.children.map(\.restarts) == [4])
        // No time passes: nobody waits for it, whatever is asked.
        let before = bench.clock.now()
        await #expect(
            throws: PaymentProviderError.unreachable("misbehaving failed: its process died too often and is left alone for a while")
        ) {
            _ = try await provider.startCheckout(checkout("pro"))
        }
        await #expect(throws: (any Error).self) { _ = try await answer(host, "refused") }
        #expect(bench.clock.now() == before)
        #expect(bench.lines.contains { $0.contains("breaker=open") })

        // The trial's one call dies: open again, for as long.
        await tried(host, bench)
        #expect(host.children.map(\.breaker) == [.trial])
        #expect(await outcome(provider, "segfaults") == .unknown)
        await state(host, .leftAlone)
        #expect(host.children.map(\.breaker) == [.open] && host.children.map(\.deaths) == [6])

        // In the next one call is let in, and while it is under way no other; it comes back, and everything goes on.
        await tried(host, bench)
        async let first = outcome(provider, "waits")
        await bench.clock.sleepers(2)
        #expect(await outcome(provider, "pro") == .unknown)
        #expect(host.children.map(\.breaker) == [.trial])
        // Its hour passes in steps that the child's watch takes part in.
        bench.clock.advance(by: .hours(1))
        #expect(await first == nil)
        #expect(host.children.map(\.breaker) == [.closed])
        #expect(await outcome(provider, "pro") == nil)
        await host.stop()
    }

    @Test(
        "a new version whose verify hangs is refused after its time, and holds no thread of the pool", arguments: PluginIsolation.allCases)
    func hangingProbe(_ isolation: PluginIsolation) async throws {
        let bench = try Bench(isolation)
        try bench.place()
        let host = bench.host()
        #expect(await host.load().refused == [])
        try bench.place("misbehaving.next") { members in
            members["version"] = "1.0.1"
        } library: {
            $0.patch("WEBHOOK_BEHAVIOUR_PROPER", "WEBHOOK_BEHAVIOURHANGING")
        }
        let office = try #require(PluginHost.candidates(in: bench.directory)["misbehaving"])
        let (package, manifest) = try host.shelf.stage(office.folder)
        let files = try PluginFiles(bench.directory.appendingPathComponent("misbehaving"))
        try host.shelf.change { book in
            var entry = PluginBook.Entry()
            entry.upgrade = PluginUpgrade(
                package: package, version: manifest.version, replaces: files.name, share: CanaryShare(basisPoints: 100, tenants: []),
                standing: .canary)
            book.plugins["misbehaving"] = entry
        }
        let loading = Task { await host.load() }
        // No time passes while it is made and started, which have limits of their own.
        await bench.heard("verify hangs")
        // Its ten seconds, then those that its draining and stopping may take.
        var report: PluginHost.Report?
        let done = Task { await loading.value }
        while host.standings().first?.upgrade?.upgrade.standing != .returned {
            bench.clock.advance(by: .seconds(1))
            await Task.yield()
        }
        report = await done.value
        #expect(report?.loaded.map(\.manifest.version) == ["1.0.0"])
        #expect(host.standings().first?.upgrade?.upgrade.reason?.contains("It does not answer a webhook within 10 s.") == true)
    }
}
