import Foundation
import PluginHost
import PluginKit
import Synchronization
import Testing

/// Two builds of one plugin over one host; the fixture says which of them answered.
private struct Stage {
    let bench: Bench
    let host: PluginHost

    init(_ limits: CanaryLimits = CanaryLimits()) async throws {
        bench = try Bench()
        try bench.place()
        host = bench.host(limits)
        #expect(await host.load().refused == [])
    }

    /// Stages a build that calls itself `mark`, and says in the book how far it goes.
    func upgrade(
        _ mark: Character = "B", _ standing: PluginUpgrade.Standing = .canary, basisPoints: Int = 0, tenants: [String] = [],
        manifest: (inout [String: JSONValue]) -> Void = { _ in }, library: (inout Data) -> Void = { _ in }
    ) async throws {
        try bench.place(
            "build.next",
            manifest: {
                $0["version"] = "2.0.0"; manifest(&$0)
            },
            library: {
                $0.patch("CHECKOUT_VERSION_OF_THE_FIXTURE_A", "CHECKOUT_VERSION_OF_THE_FIXTURE_\(mark)"); library(&$0)
            })
        let (package, _) = try host.shelf.stage(bench.directory.appendingPathComponent("build.next"))
        let replaces = try PluginFiles(bench.directory.appendingPathComponent("misbehaving")).name
        try FileManager.default.removeItem(at: bench.directory.appendingPathComponent("build.next"))
        try host.shelf.change { book in
            book.plugins["misbehaving", default: .init()].upgrade = PluginUpgrade(
                package: package, version: "2.0.0", replaces: replaces, share: CanaryShare(basisPoints: basisPoints, tenants: tenants),
                standing: standing)
        }
        await host.load()
    }
    func set(_ standing: PluginUpgrade.Standing) async throws {
        try host.shelf.change { $0.plugins["misbehaving"]?.upgrade?.standing = standing }
        await host.load()
    }
    var standing: PluginUpgrade? { (try? host.shelf.read())?.plugins["misbehaving"]?.upgrade }

    /// Which build answers this tenant.
    func answers(_ tenant: String, from other: PluginHost? = nil) async throws -> String {
        try await #require((other ?? host).paymentProvider("misbehaving")).startCheckout(checkout("tells", tenant: tenant)).id
    }
    func delivery() throws -> WebhookDelivery {
        let body = Data("{}".utf8)
        let mark = try WebhookSignature(secrets: ["one"]).header(body: body, at: bench.clock.now())
        return WebhookDelivery(headers: ["misbehaving-signature": mark], body: body, receivedAt: bench.clock.now())
    }
    /// The host takes a version back in a task of its own.
    func settled() async {
        while host.standings().first?.upgrade?.upgrade.standing == .canary { await Task.yield() }
    }
}

/// When whoever makes load shall stop.
private final class End: Sendable {
    private let state = Mutex(false)
    var isNear: Bool { state.withLock { $0 } }
    func come() { state.withLock { $0 = true } }
}

@Suite("a new version of a plugin") struct UpgradeTests {
    @Test("a share of tenants is always the same, and a larger one holds the smaller")
    func shares() {
        let tenants = (0..<2_000).map { "tenant-\($0)" }
        var before: Set<String> = []
        for basisPoints in [0, 100, 1_000, 5_000, 10_000] {
            let share = CanaryShare(basisPoints: basisPoints)
            let taken = Set(tenants.filter { share.takes($0, of: "acme") })
            #expect(taken.isSuperset(of: before))
            #expect(abs(taken.count * 5 - basisPoints) < 500, "\(basisPoints): \(taken.count) of 2000")
            before = taken
        }
        #expect(CanaryShare(basisPoints: 0, tenants: ["tenant-7"]).takes("tenant-7", of: "acme"))
        #expect(
            Set(tenants.filter { CanaryShare(basisPoints: 1_000).takes($0, of: "acme") })
                != Set(tenants.filter { CanaryShare(basisPoints: 1_000).takes($0, of: "other") }), "not the same tenants for every plugin")
    }

    @Test("it stands beside the old one for the tenants named, goes on over restarts, and takes everybody when it is promoted")
    func canary() async throws {
        let stage = try await Stage()
        try await stage.upgrade(tenants: ["ten_2"])
        #expect(try await stage.answers("ten_1") == "cs_A")
        #expect(try await stage.answers("ten_2") == "cs_B")
        let provider = try #require(stage.host.paymentProvider("misbehaving", for: "ten_2"))
        #expect(try await provider.openPortal(PortalRequest(customer: "c", returnURL: "https://x.test/")).url == "https://pay.test/c")
        let count = try #require(stage.host.standings().first?.upgrade?.count)
        #expect((count.calls, count.failures, count.callsBefore, count.failuresBefore) == (2, 0, 1, 0))

        await stage.host.stop()
        let second = stage.bench.host()
        await second.load()
        #expect(try await stage.answers("ten_1", from: second) == "cs_A")
        #expect(try await stage.answers("ten_2", from: second) == "cs_B")
        try second.shelf.change { $0.plugins["misbehaving"]?.upgrade?.standing = .promoted }
        let starts = stage.bench.lines.filter { $0 == "misbehaving: start" }.count
        await second.load()
        #expect(try await stage.answers("ten_1", from: second) == "cs_B")
        #expect(stage.bench.lines.filter { $0 == "misbehaving: start" }.count == starts, "it was at work already and is not started again")
        #expect(stage.bench.lines.suffix(2) == ["misbehaving: drain", "misbehaving: stop"], "the old one is let go")

        await second.stop()
        let third = stage.bench.host()
        await third.load()
        #expect(try await stage.answers("ten_1", from: third) == "cs_B")
        #expect(third.report.loaded.map(\.manifest.version) == ["2.0.0"])
        // Whoever puts other files into the folder has the last word.
        try stage.bench.place(manifest: { $0["version"] = "3.0.0" })
        await third.load()
        #expect(third.report.loaded.map(\.manifest.version) == ["3.0.0"] && stage.standing == nil)
        await third.stop()
    }

    @Test("a call that began with the old version ends with it; the next one is the new version's")
    func inFlight() async throws {
        let stage = try await Stage()
        let provider = try #require(stage.host.paymentProvider("misbehaving"))
        var order = checkout("waits")
        order.reference = "told"
        let begun = order
        async let waiting = provider.startCheckout(begun)
        await stage.bench.clock.sleepers(1)
        async let upgraded: Void = stage.upgrade("B", .promoted)
        await stage.bench.heard("A plugin was replaced.")
        await stage.bench.clock.sleepers(2)  // the call and the host's patience for it
        #expect(try await provider.startCheckout(checkout("tells")).id == "cs_B")
        #expect(!stage.bench.lines.contains("misbehaving: stop"), "the old version waits for its call")
        stage.bench.clock.advance(by: .hours(1))
        #expect(try await waiting.id == "cs_A")
        try await upgraded
        #expect(stage.bench.lines.last == "misbehaving: stop")
        await stage.host.stop()
    }

    @Test("one that fails more often than the old one is taken back by itself, for good; failures of both are nobody's fault")
    func returns() async throws {
        let stage = try await Stage(CanaryLimits(failures: 3, excessBasisPoints: 500))
        try await stage.upgrade(tenants: ["ten_2"])
        let provider = try #require(stage.host.paymentProvider("misbehaving"))
        for tenant in ["ten_1", "ten_2", "ten_1", "ten_2", "ten_1", "ten_2", "ten_1", "ten_2"] {
            await #expect(throws: PaymentProviderError.self) { _ = try await provider.startCheckout(checkout("throws", tenant: tenant)) }
        }
        #expect(stage.standing?.standing == .canary, "a provider that is down fails both")
        for _ in 0..<9 {
            await #expect(throws: PaymentProviderError.self) { _ = try await provider.startCheckout(checkout("refuses", tenant: "ten_2")) }
        }
        #expect(stage.standing?.standing == .canary, "a refusal is an answer")

        try await stage.set(.returned)
        try await stage.upgrade("C", tenants: ["ten_2"], library: { $0.patch("CHECKOUT_BEHAVIOUR_PROPER", "CHECKOUT_BEHAVIOURFAILING") })
        for _ in 0..<5 { #expect(try await stage.answers("ten_1") == "cs_A") }
        for _ in 0..<3 { await #expect(throws: PaymentProviderError.self) { _ = try await stage.answers("ten_2") } }
        #expect(try await stage.answers("ten_2") == "cs_A", "the fourth call is the old version's")
        await stage.settled()
        #expect(stage.standing?.standing == .returned && stage.standing?.reason == "3 of its 3 calls failed, against 0 of 5 before.")
        await stage.host.stop()
        let again = stage.bench.host()
        await again.load()
        #expect(try await stage.answers("ten_2", from: again) == "cs_A", "it stays away over restarts")
        #expect(!stage.bench.lines.suffix(3).contains { $0.contains("beside the old") })
        await again.stop()
    }

    @Test("webhooks are asked of both and answered by the old one; one that cannot read them is taken back before anybody notices")
    func webhooks() async throws {
        let stage = try await Stage()
        try await stage.upgrade(library: { $0.patch("WEBHOOK_BEHAVIOUR_PROPER", "WEBHOOK_BEHAVIOURFAILING") })
        let provider = try #require(stage.host.paymentProvider("misbehaving"))
        for _ in 0..<5 { #expect(try provider.verify(stage.delivery()).id == "evt_1") }
        await stage.settled()
        #expect(stage.standing?.reason == "3 of its 3 calls failed, against 0 of 3 before.")
        #expect(throws: PaymentProviderError.self) {
            _ = try provider.verify(WebhookDelivery(headers: [:], body: Data(), receivedAt: stage.bench.clock.now()))
        }
        await stage.host.stop()
    }

    @Test("what only the new version can read is read by it")
    func onlyNew() async throws {
        let stage = try await Stage()
        try stage.bench.place(library: { $0.patch("WEBHOOK_BEHAVIOUR_PROPER", "WEBHOOK_BEHAVIOURFAILING") })
        await stage.host.load()
        let provider = try #require(stage.host.paymentProvider("misbehaving"))
        #expect(throws: PaymentProviderError.forged("Patched so.")) { _ = try provider.verify(stage.delivery()) }
        try await stage.upgrade()
        #expect(try provider.verify(stage.delivery()).id == "evt_1")
        await stage.host.stop()
    }

    @Test("one that is refused, or believes a forged webhook, never gets a tenant; the sentence stands in the book")
    func refused() async throws {
        let stage = try await Stage()
        try await stage.upgrade(basisPoints: 10_000, library: { $0.patch("WEBHOOK_BEHAVIOUR_PROPER", "WEBHOOK_BEHAVIOURBELIEVE") })
        #expect(try await stage.answers("ten_1") == "cs_A")
        #expect(
            stage.standing?.reason
                == "It believes a webhook without a signature. Give its author the sentence; the conformance kit shows the same.")
        try await stage.upgrade("C", .promoted, library: { $0 = $0.prefix(5_000) })
        #expect(try await stage.answers("ten_1") == "cs_A")
        #expect(
            stage.standing?.reason == "The library is not usable: it is cut off. Copy the library again, built for this machine."
                && stage.standing?.standing == .returned)
        try await stage.upgrade(
            "D", .promoted,
            manifest: { members in
                var settings = members["settings"]?.array ?? []
                var first = settings.first?.object ?? [:]
                first["default"] = "start"
                settings[0] = .object(first)
                members["settings"] = .array(settings)
            })
        #expect(try await stage.answers("ten_1") == "cs_A")
        #expect(stage.standing?.reason?.hasPrefix("The provider's account is closed.") == true)
        await stage.host.stop()
    }

    @Test("no call fails during a hundred upgrades under load")
    func hundredUpgrades() async throws {
        let stage = try await Stage()
        let end = End()
        let provider = try #require(stage.host.paymentProvider("misbehaving"))
        let load = Task {
            try await withThrowingTaskGroup(of: Int.self) { group in
                for worker in 0..<4 {
                    group.addTask {
                        var calls = 0
                        while !end.isNear {
                            _ = try await provider.startCheckout(checkout("tells", tenant: "ten_\(worker)"))
                            _ = try provider.verify(stage.delivery())
                            calls += 2
                            await Task.yield()
                        }
                        return calls
                    }
                }
                return try await group.reduce(0, +)
            }
        }
        var seen: Set<String> = []
        for round in 0..<100 {
            let mark = Character(UnicodeScalar(UInt8(66 + round % 25)))
            // A build of its own each time: the bytes at the end count, too.
            try await stage.upgrade(mark, .promoted, library: { $0.append(contentsOf: [UInt8](repeating: 0, count: round + 1)) })
            seen.insert(try await stage.answers("ten_1"))
            #expect(stage.standing?.standing == .promoted, "\(stage.standing?.reason ?? "")")
        }
        end.come()
        #expect(try await load.value > 100)
        #expect(seen.count == 25)
        await stage.host.stop()
    }

    @Test("one with which the process ends again and again is taken back at the fourth start; one that stops in order never")
    func endsTheProcess() async throws {
        let stage = try await Stage()
        try await stage.upgrade(tenants: ["ten_2"])
        for _ in 0..<2 {
            let host = stage.bench.host()
            await host.load()
            #expect(try await stage.answers("ten_2", from: host) == "cs_B")
        }
        let orderly = stage.bench.host()
        #expect(stage.standing?.starts == 3)
        await orderly.load()
        #expect(stage.standing?.standing == .returned)
        #expect(stage.standing?.reason?.hasPrefix("The server ended 3 times soon after it had started this version.") == true)
        #expect(try await stage.answers("ten_2", from: orderly) == "cs_A")
        await orderly.stop()

        try await stage.upgrade("C", .promoted)
        for _ in 0..<5 {
            let host = stage.bench.host()
            await host.load()
            #expect(try await stage.answers("ten_1", from: host) == "cs_C")
            await host.stop()
        }
        #expect(stage.standing?.starts == 0)
        await stage.host.stop()
    }

    @Test("a plugin that is switched off ends its calls, stays off over restarts, and comes back")
    func disabled() async throws {
        let stage = try await Stage()
        try stage.host.shelf.change { $0.plugins["misbehaving", default: .init()].isDisabled = true }
        await stage.host.load()
        #expect(stage.host.paymentProvider("misbehaving") == nil && stage.host.report.disabled.map(\.id) == ["misbehaving"])
        #expect(stage.bench.lines.suffix(2) == ["misbehaving: drain", "misbehaving: stop"])
        await stage.host.stop()
        let second = stage.bench.host()
        #expect(await second.load().loaded == [])
        #expect(second.standings().map(\.state) == [.disabled])
        try second.shelf.change { $0.plugins["misbehaving"]?.isDisabled = false }
        #expect(await second.load().loaded.map(\.id) == ["misbehaving"])
        await second.stop()
    }

    @Test("a changed secret brings the plugin back with it, the old one draining; a damaged book changes nothing")
    func rotation() async throws {
        let stage = try await Stage()
        stage.bench.state.withLock { $0.environment["MISBEHAVING_SECRET"] = "three" }
        let provider = try #require(stage.host.paymentProvider("misbehaving"))
        #expect(try provider.verify(stage.delivery()).id == "evt_1")
        await stage.host.load()
        #expect(throws: PaymentProviderError.self) { _ = try provider.verify(stage.delivery()) }
        try Data("{".utf8).write(to: stage.host.shelf.file)
        await stage.host.load()
        #expect(stage.host.report.loaded.count == 1 && stage.bench.lines.contains { $0.contains("remove it to begin anew") })
        await stage.host.stop()
    }

    @Test("every call of the kit is routed and guarded: a default of the kit's answers none of them")
    func everyCall() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
        let read = { (path: String) in try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8) }
        let kit = try read("plugins/sdk/Sources/PluginKit/Payments.swift")
        let start = try #require(kit.range(of: "public protocol PaymentProvider: Sendable {"))
        let body = String(kit[start.upperBound...])
        let protocolText = body.components(separatedBy: "\n}\n")[0]
        let names = protocolText.split(separator: "\n").compactMap { line -> String? in
            let words = line.drop { $0 == " " }
            guard words.hasPrefix("func ") else { return nil }
            return words.dropFirst(5).prefix { $0 != "(" }.description
        }
        #expect(names.count >= 23)
        let guarded = try read("Sources/PluginHost/Guarded.swift") + read("Sources/PluginHost/GuardedCalls.swift")
        let routed = try read("Sources/PluginHost/RoutedProvider.swift")
        for name in names {
            #expect(guarded.contains("func \(name)("), "\(name) is not guarded")
            #expect(routed.contains("func \(name)("), "\(name) is not routed")
        }
    }
}
