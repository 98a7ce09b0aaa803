import Foundation
import PluginHost
import PluginKit
import Testing

@Suite struct LoadingTests {
    @Test("a plugin from its own package is loaded, cast and called, and its errors are the kit's", arguments: PluginIsolation.allCases)
    func loads(_ isolation: PluginIsolation) async throws {
        let bench = try Bench(isolation)
        try bench.place()
        let host = bench.host()
        let report = await host.load()
        #expect(report.refused == [])
        #expect(report.loaded.map(\.id) == ["misbehaving"] && host.paymentProviders == ["misbehaving"])
        let provider = try #require(host.paymentProvider("misbehaving"))
        #expect(try await provider.startCheckout(checkout("pro")).id == "cs_ref_1")
        await #expect(throws: PaymentProviderError.refused(code: "no", message: "Not today.")) {
            _ = try await provider.startCheckout(checkout("refuses"))
        }
        let body = Data("{}".utf8)
        let header = try WebhookSignature(secrets: ["two"]).header(body: body, at: bench.clock.now())
        let delivery = WebhookDelivery(headers: ["misbehaving-signature": header], body: body, receivedAt: bench.clock.now())
        let facts = try provider.interpret(provider.verify(delivery))
        guard case .subscription(let fact) = facts.first else { throw PluginRefusal("no subscription") }
        #expect(fact.status == .active && fact.quantity == 3 && fact.periodEnd == bench.clock.now() + .days(30))
        #expect(throws: PaymentProviderError.self) {
            _ = try provider.verify(WebhookDelivery(headers: [:], body: body, receivedAt: bench.clock.now()))
        }
        let page = try await #require(host.pages("misbehaving")).respond(to: PageRequest(method: "GET", path: "hello"))
        #expect(String(decoding: page.body, as: UTF8.self) == "<p>hello</p>")
        #expect(host.paymentProvider("other") == nil)
        await host.stop()
        #expect(host.paymentProviders == [])
        let steps = bench.lines.filter { !$0.contains("at work") }
        #expect(steps == ["misbehaving: make secrets=2", "misbehaving: start", "misbehaving: drain", "misbehaving: stop"])
    }

    @Test("what is loaded is a copy under the digest of the checked bytes")
    func copies() async throws {
        let bench = try Bench()
        try bench.place()
        let loaded = try #require(await bench.host().load().loaded.first)
        let copy = bench.copies.appendingPathComponent("\(loaded.digest)/libMisbehavingPlugin.so")
        #expect(PluginDigest.hex(PluginDigest.sha256(try Data(contentsOf: copy))) == loaded.digest)
        let mapped = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/self/maps")).readToEnd()
        let maps = String(decoding: try #require(mapped), as: UTF8.self)
        #expect(maps.contains(copy.path))
        #expect(
            maps.split(separator: "\n").filter { $0.hasSuffix("libPluginKit.so") }.compactMap { $0.split(separator: " ").last }.unique.count
                == 1)
    }

    @Test("a directory that is not there holds no plugins")
    func missingDirectory() async throws {
        let bench = try Bench()
        try FileManager.default.removeItem(at: bench.directory)
        #expect(await bench.host().load() == PluginHost.Report(loaded: [], refused: []))
    }

    @Test("a bad plugin is refused with its sentence, and its neighbour goes on", arguments: PluginIsolation.allCases)
    func refusals(_ isolation: PluginIsolation) async throws {
        let table: [(RefusalCode, String, (Bench) throws -> Void)] = [
            (
                .manifestMissing, "plugin.json cannot be read.",
                {
                    try FileManager.default.createDirectory(
                        at: $0.directory.appendingPathComponent("bad"), withIntermediateDirectories: true)
                }
            ),
            (.manifestInvalid, "plugin.json: name is missing.", { try $0.place("bad", manifest: { $0["name"] = nil }) }),
            (
                .settingsInvalid, "The setting limit must lie between 1 and 10.",
                { bench in
                    try bench.place("bad")
                    bench.set("limit", 11)
                }
            ),
            (
                .settingsInvalid, "The variable CODITECT_PLUGINS_MISBEHAVING_LIMIT does not hold a value for the setting limit.",
                { bench in
                    try bench.place("bad")
                    bench.state.withLock { $0.environment["CODITECT_PLUGINS_MISBEHAVING_LIMIT"] = "many" }
                }
            ),
            (
                .secretMissing, "MISBEHAVING_SECRET is not set.",
                { bench in
                    try bench.place("bad")
                    bench.state.withLock { $0.environment["MISBEHAVING_SECRET"] = " , " }
                }
            ),
            (
                .secretMissing, "MISBEHAVING_SECRET is not set.",
                { bench in
                    try bench.place("bad")
                    bench.state.withLock { $0.environment = [:] }
                    bench.set("limit", 3)
                }
            ),
            (
                .notSetUp, "To use it, give MISBEHAVING_SECRET in the environment.",
                { bench in
                    try bench.place("bad")
                    bench.state.withLock { $0.environment = [:] }
                }
            ),
            (
                .libraryMissing, "libOther.so is not beside plugin.json.",
                { try $0.place("bad", manifest: { $0["library"] = "libOther.so" }) }
            ),
            (
                .libraryMissing, "libLink.so is no regular file.",
                { bench in
                    try bench.place("bad", manifest: { $0["library"] = "libLink.so" })
                    try FileManager.default.createSymbolicLink(
                        atPath: bench.directory.appendingPathComponent("bad/libLink.so").path,
                        withDestinationPath: "libMisbehavingPlugin.so")
                }
            ),
            (
                .libraryExposed, "can be written by everybody on this machine.",
                { bench in
                    try bench.place("bad")
                    let file = bench.directory.appendingPathComponent("bad/libMisbehavingPlugin.so")
                    try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: file.path)
                }
            ),
            (
                .libraryUnreadable, "The library is not usable: it is no ELF file.",
                { try $0.place("bad", library: { $0 = Data("#!/bin/sh".utf8) }) }
            ),
            (.libraryUnreadable, "The library is not usable: it is cut off.", { try $0.place("bad", library: { $0 = Data() }) }),
            (
                .libraryUnreadable, "The library is not usable: it is cut off.",
                { try $0.place("bad", library: { $0 = $0.prefix($0.count / 2) }) }
            ),
            (.libraryUnreadable, "The library is not usable: it is cut off.", { try $0.place("bad", library: { $0 = $0.dropLast() }) }),
            (
                .libraryUnreadable, "The library is not usable: it was built for another processor.",
                { try $0.place("bad", library: { $0[18] = 8 }) }
            ),
            (.libraryUnreadable, "The library is not usable: it is no shared object.", { try $0.place("bad", library: { $0[16] = 2 }) }),
            (
                .noteMissing, "carries no note of the plugin kit.",
                { try $0.place("bad", library: { $0.patch("CODITECT\0\0\0\0", "SOMEBODY\0\0\0\0") }) }
            ),
            (.kitMajorDiffers, "was built with kit 2.2; this server has kit 1.", { try $0.place("bad", library: { $0.patchNote(0, 2) }) }),
            (
                .kitTooNew, "was built with kit 1.99, newer than this server's kit 1.",
                { try $0.place("bad", library: { $0.patchNote(1, 99) }) }
            ),
            (.compilerDiffers, "was built with Swift 5.", { try $0.place("bad", library: { $0.patchNote(2, 5) }) }),
            (
                .manifestDisagrees, "plugin.json says kit 1.7, the library says kit 1.2.",
                { try $0.place("bad", manifest: { $0["kit"] = "1.7" }) }
            ),
            (
                .manifestDisagrees, "plugin.json says the id other, the library says misbehaving.",
                { bench in
                    try bench.place(
                        "bad",
                        manifest: {
                            $0["id"] = "other"; $0["webhook"] = "/webhooks/other"
                        })
                }
            ),
            (
                .kitNotShared, "does not link libPluginKit.so.",
                { try $0.place("bad", library: { $0.patch("libPluginKit.so", "libStrangeKt.so") }) }
            ),
            (
                .copyFailed, "could not be written.",
                { bench in
                    try bench.place("bad")
                    try Data().write(to: bench.copies)
                }
            ),
            (
                .loadFailed, "libswift_Konkurrency.so",
                { try $0.place("bad", library: { $0.patch("libswift_Concurrency.so", "libswift_Konkurrency.so") }) }
            ),
            (
                .entryMissing, "has no entry point coditect_plugin_entry.",
                { bench in
                    try bench.place("bad", library: { $0.patch("\0coditect_plugin_entry\0", "\0coditect_plugin_exits\0") })
                }
            ),
            (
                .entryForeign, "gave no factory of this kit.",
                { try $0.place("bad", library: { $0.patch("ENTRY_BEHAVIOUR_PROPER", "ENTRY_BEHAVIOURNOTHING") }) }
            ),
            (
                .entryForeign, "gave no factory of this kit.",
                { try $0.place("bad", library: { $0.patch("ENTRY_BEHAVIOUR_PROPER", "ENTRY_BEHAVIOURFOREIGN") }) }
            ),
            (
                .settingsRefused, "The settings contradict each other.",
                { bench in
                    try bench.place("bad")
                    bench.set("fails_in", "validate")
                }
            ),
            (
                .makeFailed, "There is nothing to make.",
                { bench in
                    try bench.place("bad")
                    bench.set("fails_in", "make")
                }
            ),
            (
                .kindsDiffer, "plugin.json says payment_provider, the plugin provides nothing.",
                { bench in
                    try bench.place("bad")
                    bench.set("fails_in", "provides_nothing")
                }
            ),
            (
                .kindsDiffer, "plugin.json says pages true, the plugin has none.",
                { bench in
                    try bench.place("bad")
                    bench.set("fails_in", "shows_nothing")
                }
            ),
            (
                .startFailed, "The provider's account is closed.",
                { bench in
                    try bench.place("bad")
                    bench.set("fails_in", "start")
                }
            ),
        ]
        for (code, sentence, prepare) in table {
            let bench = try Bench(isolation)
            try prepare(bench)
            let report = await bench.host().load()
            #expect(report.refused.map(\.code) == [code], "\(code): \(report)")
            #expect(report.refused.first?.reason.contains(sentence) == true, "\(code): \(report.refused.first?.reason ?? "taken")")
            #expect(report.loaded == [])
            let said = code == .notSetUp ? "A plugin is not in use" : "A plugin was refused"
            #expect(bench.lines.contains { $0.contains(said) && $0.contains("code=\(code.rawValue)") })
        }
        let said = Set(table.map(\.0)).union([
            .idTaken, .tooSlow, .secretUnreadable, .checksumDiffers, .signatureMissing, .probeFailed, .childFailed,
        ])
        #expect(said == Set(RefusalCode.allCases), "every code has its case")
    }

    @Test("none of a plugin's code runs when its secret is missing")
    func secretFirst() async throws {
        let bench = try Bench()
        try bench.place()
        bench.state.withLock { $0.environment = [:] }
        _ = await bench.host().load()
        #expect(!FileManager.default.fileExists(atPath: bench.copies.path))
        #expect(bench.lines.filter { $0.hasPrefix("misbehaving: make") } == [])
    }

    @Test("two folders with one id: the first is taken, the second refused, and the rest goes on", arguments: PluginIsolation.allCases)
    func neighbours(_ isolation: PluginIsolation) async throws {
        let bench = try Bench(isolation)
        try bench.place("a-good-one")
        try bench.place("b-second")
        try bench.place("c-broken", manifest: { $0["version"] = "x" })
        let report = await bench.host().load()
        #expect(report.loaded.map(\.folder) == ["a-good-one"])
        #expect(report.refused.map(\.folder) == ["b-second", "c-broken"])
        #expect(report.refused.map(\.code) == [.idTaken, .manifestInvalid])
        #expect(report.refused.first?.reason == "The folder a-good-one already has the id misbehaving.")
    }

    @Test("half a start is taken back: drain and stop are called", arguments: PluginIsolation.allCases)
    func halfStart(_ isolation: PluginIsolation) async throws {
        let bench = try Bench(isolation)
        try bench.place()
        bench.set("fails_in", "start")
        let host = bench.host()
        #expect(await host.load().refused.map(\.code) == [.startFailed])
        #expect(bench.lines.prefix(4) == ["misbehaving: make secrets=2", "misbehaving: start", "misbehaving: drain", "misbehaving: stop"])
        #expect(host.paymentProvider("misbehaving") == nil)
    }

    @Test(
        "a plugin that hangs is given up after its time", arguments: [("make_hangs", 10), ("start_hangs", 20)] as [(String, Int64)],
        PluginIsolation.allCases)
    func hangs(_ hanging: (mode: String, seconds: Int64), _ isolation: PluginIsolation) async throws {
        let (mode, seconds) = hanging
        let bench = try Bench(isolation)
        try bench.place()
        bench.set("fails_in", .string(mode))
        let host = bench.host()
        async let report = host.load()
        await bench.clock.sleepers(2 + bench.watchers)
        bench.clock.advance(by: .seconds(seconds))
        let refused = try #require(await report.refused.first)
        #expect(refused.code == .tooSlow && refused.reason.hasSuffix("did not return within \(seconds) s."))
    }

    @Test(
        "draining waits for calls under way, lets nobody in, and gives up on a plugin that never ends", arguments: PluginIsolation.allCases)
    func drains(_ isolation: PluginIsolation) async throws {
        let bench = try Bench(isolation)
        try bench.place()
        bench.set("fails_in", "drain_hangs")
        let host = bench.host()
        _ = await host.load()
        let provider = try #require(host.paymentProvider("misbehaving"))
        async let waiting = provider.startCheckout(checkout("waits"))
        await bench.clock.sleepers(1 + bench.watchers)
        async let stopped: Void = host.stop()
        await bench.clock.sleepers(2 + bench.watchers)  // the call and the host's patience for it
        var refusal: PaymentProviderError?
        while refusal == nil {
            do { _ = try await provider.startCheckout(checkout("pro")) } catch { refusal = error as? PaymentProviderError }
        }
        #expect(refusal == .unreachable("misbehaving is stopping."))
        bench.clock.advance(by: .hours(1))  // the call returns in time for nobody, the host goes on
        #expect(try await waiting.id == "cs_ref_1")
        await bench.clock.sleepers(2 + bench.watchers)  // the plugin's endless drain and the host's patience for it
        bench.clock.advance(by: .seconds(10))
        await stopped
        #expect(bench.lines.suffix(2) == ["misbehaving: A plugin did not drain in time. step=drain", "misbehaving: stop"])
    }

    @Test(
        "a new build starts beside the old one, takes over, and the old one drains; a bad one changes nothing",
        arguments: PluginIsolation.allCases)
    func reloads(_ isolation: PluginIsolation) async throws {
        let bench = try Bench(isolation)
        try bench.place()
        let host = bench.host()
        let first = try #require(await host.load().loaded.first)
        let old = try #require(host.paymentProvider("misbehaving"))
        _ = await host.load()
        #expect(bench.lines.count == 3, "nothing changed, nothing happens: \(bench.lines)")

        try bench.place(manifest: { $0["version"] = "1.1.0" }, library: { $0.append(0) })
        let second = try #require(await host.load().loaded.first)
        #expect(second.digest != first.digest && second.manifest.version == "1.1.0")
        let new = try #require(host.paymentProvider("misbehaving"))
        #expect(try await new.startCheckout(checkout("pro")).id == "cs_ref_1")
        #expect(try await old.startCheckout(checkout("pro")).id == "cs_ref_1", "who held the old one is served by the new one")
        #expect(
            bench.lines.suffix(5).map { $0.split(separator: " ").prefix(2).joined(separator: " ") } == [
                "misbehaving: make", "misbehaving: start", "misbehaving: A", "misbehaving: drain", "misbehaving: stop",
            ])

        try bench.place(library: { $0 = $0.prefix(100) })
        let third = await host.load()
        #expect(third.refused.map(\.code) == [.libraryUnreadable] && third.loaded.map(\.manifest.version) == ["1.1.0"])
        #expect(try await new.startCheckout(checkout("pro")).id == "cs_ref_1", "its old self stays at work")

        try FileManager.default.removeItem(at: bench.directory.appendingPathComponent("misbehaving"))
        #expect(await host.load() == PluginHost.Report(loaded: [], refused: []))
        #expect(host.paymentProvider("misbehaving") == nil && bench.lines.last == "misbehaving: stop")
    }

    @Test("the reference page says every refusal as the code does")
    func reference() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../docs/reference/plugins.md")
        let lines = Set(try String(contentsOf: page, encoding: .utf8).split(separator: "\n").map(String.init))
        for code in RefusalCode.allCases {
            let row = "| `\(code.rawValue)` | \(code.summary) | \(code.remedy) |"
            #expect(lines.contains(row), "missing in docs/reference/plugins.md: \(row)")
        }
    }
}

extension Sequence where Element: Hashable {
    var unique: Set<Element> { Set(self) }
}
