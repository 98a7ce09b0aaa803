import Foundation
import PluginHost
import PluginKit
import Testing

/// Packages that a person could really bring along, each wrong in one way, built once or patched from a real build.
private enum WrongBuild {
    /// The fixture with the kit linked into it: the same sources over a kit whose product is static.
    static let withKitInside: URL? = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let place = FileManager.default.temporaryDirectory.appendingPathComponent(
            "coditect-static-\(ProcessInfo.processInfo.processIdentifier)")
        do {
            for part in ["plugins/sdk", "Tests/Fixtures/misbehaving-plugin"] {
                let source = root.appendingPathComponent(part)
                for name in try FileManager.default.subpathsOfDirectory(atPath: source.path)
                where !name.hasPrefix(".build") && (name.hasSuffix(".swift") || name.hasSuffix(".json")) {
                    var text = try String(contentsOf: source.appendingPathComponent(name), encoding: .utf8)
                    if name == "Package.swift" {
                        text = text.replacing("name: \"PluginKit\", type: .dynamic", with: "name: \"PluginKit\", type: .static")
                    }
                    let file = place.appendingPathComponent("\(part)/\(name)")
                    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                    try Data(text.utf8).write(to: file)
                }
            }
        } catch { return nil }
        let out = place.appendingPathComponent("out")
        let build = Process()
        build.executableURL = URL(fileURLWithPath: "/bin/sh")
        build.arguments = [
            root.appendingPathComponent("Scripts/build-plugins.sh").path, "debug", out.path,
            place.appendingPathComponent("Tests/Fixtures/misbehaving-plugin").path,
        ]
        build.environment = ProcessInfo.processInfo.environment.merging(["CODITECT_PLUGIN_SCRATCH": place.path + "/scratch"]) { $1 }
        guard (try? build.run()) != nil else { return nil }
        build.waitUntilExit()
        return build.terminationStatus == 0 ? out.appendingPathComponent("misbehaving/libMisbehavingPlugin.so") : nil
    }()
}

/// A way of being wrong, and the whole sentence that the operator reads.
private struct Gate: CustomTestStringConvertible, Sendable {
    let name: String
    let code: RefusalCode
    let sentence: String
    let prepare: @Sendable (Bench) throws -> Void
    var testDescription: String { name }

    init(_ name: String, _ code: RefusalCode, _ sentence: String, _ prepare: @escaping @Sendable (Bench) throws -> Void) {
        self.name = name
        self.code = code
        self.sentence = sentence
        self.prepare = prepare
    }

    static let all: [Gate] = [
        Gate(
            "another compiler", .compilerDiffers,
            "libMisbehavingPlugin.so was built with Swift 5\(compiler.dropFirst()); this server was built with Swift \(compiler). "
                + "Build it again with the compiler of this server."
        ) { try $0.place("bad", library: { $0.patchNote(2, 5) }) },
        Gate(
            "a newer kit", .kitTooNew,
            "libMisbehavingPlugin.so was built with kit 1.99, newer than this server's kit \(kit). "
                + "Build it against the kit of this server, or update the server."
        ) { try $0.place("bad", library: { $0.patchNote(1, 99) }) },
        Gate(
            "another major of the kit", .kitMajorDiffers,
            "libMisbehavingPlugin.so was built with kit 2.\(minor); this server has kit \(kit). "
                + "Build it against the kit of this server, or update the server."
        ) { try $0.place("bad", library: { $0.patchNote(0, 2) }) },
        Gate(
            "no note", .noteMissing,
            "libMisbehavingPlugin.so carries no note of the plugin kit. Let the target depend on the product PluginNote, and build it again."
        ) { try $0.place("bad", library: { $0.patch("CODITECT\0\0\0\0", "SOMEBODY\0\0\0\0") }) },
        Gate(
            "the kit linked into it", .kitNotShared,
            "libMisbehavingPlugin.so does not link libPluginKit.so. Depend on the dynamic product PluginKit; never link it statically."
        ) { bench in
            let built = try #require(WrongBuild.withKitInside, "the fixture with the kit inside does not build")
            let bytes = try Data(contentsOf: built)
            try bench.place("bad", library: { $0 = bytes })
        },
        Gate(
            "a program that is no plugin", .libraryUnreadable,
            "The library is not usable: it is no ELF file. Copy the library again, built for this machine."
        ) { try $0.place("bad", library: { $0 = Data("#!/bin/sh\nexit 0\n".utf8) }) },
        Gate(
            "another shared library", .noteMissing,
            "libMisbehavingPlugin.so carries no note of the plugin kit. Let the target depend on the product PluginNote, and build it again."
        ) { bench in
            let other = try #require(
                ["/lib/x86_64-linux-gnu/libz.so.1", "/lib/x86_64-linux-gnu/libc.so.6"].first { FileManager.default.fileExists(atPath: $0) })
            let bytes = try Data(contentsOf: URL(fileURLWithPath: other).resolvingSymlinksInPath())
            try bench.place("bad", library: { $0 = bytes })
        },
        Gate(
            "a truncated file", .libraryUnreadable,
            "The library is not usable: it is cut off. Copy the library again, built for this machine."
        ) { try $0.place("bad", library: { $0 = $0.prefix($0.count * 2 / 3) }) },
        Gate(
            "another processor", .libraryUnreadable,
            "The library is not usable: it was built for another processor. Copy the library again, built for this machine."
        ) { try $0.place("bad", library: { $0[18] = $0[18] == 62 ? 183 : 62 }) },
        Gate(
            "a missing entry", .entryMissing,
            "The library has no entry point coditect_plugin_entry. Export the entry exactly as the kit's PluginEntry shows."
        ) { try $0.place("bad", library: { $0.patch("\0coditect_plugin_entry\0", "\0coditect_plugin_exits\0") }) },
        Gate(
            "a manifest that disagrees", .manifestDisagrees,
            "plugin.json says kit 1.0, the library says kit \(kit). Ship the plugin.json that belongs to this library."
        ) { try $0.place("bad", manifest: { $0["kit"] = "1.0" }) },
        Gate(
            "a setting out of bounds", .settingsInvalid,
            "The setting limit must lie between 1 and 10. Correct the setting in coditect.yaml or the environment."
        ) { bench in
            try bench.place("bad")
            bench.set("limit", 11)
        },
        Gate(
            "an unknown setting", .settingsInvalid,
            "The setting limits is unknown; this plugin has fails_in, fault, limit, base. Correct the setting in coditect.yaml or the environment."
        ) { bench in
            try bench.place("bad")
            bench.set("limits", 3)
        },
        Gate(
            "a make that throws", .makeFailed,
            "There is nothing to make. The sentence is the plugin's own: correct what it names, then run coditectd plugin reload."
        ) { bench in
            try bench.place("bad")
            bench.set("fails_in", "make")
        },
        Gate(
            "a start that throws", .startFailed,
            "The provider's account is closed. The sentence is the plugin's own: correct what it names, then run coditectd plugin reload."
        ) { bench in
            try bench.place("bad")
            bench.set("fails_in", "start")
        },
        Gate(
            "a missing secret", .secretMissing,
            "MISBEHAVING_SECRET is not set. "
                + "Set the variable, or name a file with it in the variable of that name and _FILE, or remove the folder."
        ) { bench in
            try bench.place("bad")
            // Somebody began to set it up: else its absence were no fault.
            bench.set("limit", 3)
            bench.state.withLock { $0.environment["MISBEHAVING_SECRET"] = nil }
        },
        Gate(
            "a library that was changed after it was listed", .checksumDiffers,
            "libMisbehavingPlugin.so is not the file that plugin.sha256 lists. "
                + "Copy all files of one build again; if they differ still, somebody changed them."
        ) { bench in
            try bench.place("bad")
            let folder = bench.directory.appendingPathComponent("bad")
            try Data(PluginSeal.text(of: folder).utf8).write(to: folder.appendingPathComponent("plugin.sha256"))
            try bench.place("bad", library: { $0.append(0) })
        },
        Gate(
            "a list of another version", .checksumDiffers,
            "plugin.sha256 begins with \"# coditect plugin 1 misbehaving 1.0.0\", not with \"# coditect plugin 1 misbehaving 1.0.1\". "
                + "Copy all files of one build again; if they differ still, somebody changed them."
        ) { bench in
            try bench.place("bad")
            let folder = bench.directory.appendingPathComponent("bad")
            try Data(PluginSeal.text(of: folder).utf8).write(to: folder.appendingPathComponent("plugin.sha256"))
            try bench.place("bad", manifest: { $0["version"] = "1.0.1" })
        },
        Gate(
            "no signature where one is wanted", .signatureMissing,
            "It is not signed, and this server takes only what a trusted publisher signed. "
                + "Get it from a publisher of plugins.trusted_publishers, or add the publisher's key there."
        ) { bench in
            try bench.place("bad")
            bench.state.withLock { $0.trust = .some(nil) }
        },
        Gate(
            "a stranger's signature where a trusted one is wanted", .signatureMissing,
            "Its signature is none of a trusted publisher, and this server takes only what one signed. "
                + "Get it from a publisher of plugins.trusted_publishers, or add the publisher's key there."
        ) { bench in
            try bench.place("bad")
            let folder = bench.directory.appendingPathComponent("bad")
            try Data(PluginSeal.text(of: folder).utf8).write(to: folder.appendingPathComponent("plugin.sha256"))
            try Data(count: 64).write(to: folder.appendingPathComponent("plugin.sig"))
            bench.state.withLock { $0.trust = .some(nil) }
        },
    ]
    /// The compiler that built the fixture, and this test: `6.3.1`.
    static let compiler: String = {
        guard let bytes = try? Data(contentsOf: BuiltFixture.folder.appendingPathComponent("libMisbehavingPlugin.so")),
            let name = bytes.range(of: Data("CODITECT\0\0\0\0".utf8))
        else { return "?" }
        let words = (2...4).map { bytes[name.upperBound + $0 * 4] }
        return words[2] == 0 ? "\(words[0]).\(words[1])" : "\(words[0]).\(words[1]).\(words[2])"
    }()
    static let kit = "1.\(minor)"
    static let minor = {
        let manifest = BuiltFixture.folder.appendingPathComponent("plugin.json")
        return (try? PluginManifest(json: Data(contentsOf: manifest)).kit.minor) ?? 0
    }()
}

@Suite("the gate of plugins") struct GateTests {
    @Test(
        "a wrong plugin is refused with a sentence that says what to do, its neighbour goes on, and put right it is taken",
        arguments: Gate.all)
    fileprivate func refused(_ gate: Gate) async throws {
        let bench = try Bench()
        let neighbour = ShippedPluginsTests.directory.appendingPathComponent("sandbox")
        try FileManager.default.copyItem(at: neighbour, to: bench.directory.appendingPathComponent("sandbox"))
        bench.state.withLock {
            $0.environment["SANDBOX_WEBHOOK_SECRET"] = "whsec_1"
            $0.settings["sandbox"] = ["allow_public": true]
        }
        let host = bench.host()
        // A signature is wanted of all or of none.
        let wantsSignature = gate.code == .signatureMissing
        if !wantsSignature { #expect(await host.load().loaded.map(\.id) == ["sandbox"]) }
        try gate.prepare(bench)
        let report = await host.load()
        let refused = try #require(report.refused.first { $0.folder == "bad" })
        #expect(refused.code == gate.code)
        #expect(refused.sentence == gate.sentence)
        if wantsSignature { return }
        #expect(report.loaded.map(\.id) == ["sandbox"])
        let session = try await #require(host.paymentProvider("sandbox")).startCheckout(checkout("pro"))
        #expect(session.url.hasPrefix("https://platform.test/plugins/sandbox/"))
        #expect(host.paymentProvider("misbehaving") == nil)

        bench.state.withLock {
            $0.settings["misbehaving"] = [:]
            $0.environment["MISBEHAVING_SECRET"] = "one"
        }
        try? FileManager.default.removeItem(at: bench.directory.appendingPathComponent("bad/plugin.sha256"))
        try bench.place("bad")
        #expect(await host.load().refused == [])
        #expect(try await #require(host.paymentProvider("misbehaving")).startCheckout(checkout("pro")).id == "cs_ref_1")
        await host.stop()
    }

    @Test("a library that links the kit and holds a copy of it is refused, too")
    func both() async throws {
        let built = try #require(WrongBuild.withKitInside, "the fixture with the kit inside does not build")
        // A name that it really needs becomes the kit's: what is read is the dynamic section, before anything is loaded.
        var bytes = try Data(contentsOf: built)
        bytes.patch("libFoundation.so", "libPluginKit.so\0")
        let patched = bytes
        let bench = try Bench()
        try bench.place(library: { $0 = patched })
        #expect(
            await bench.host().load().refused.map(\.sentence) == [
                "libMisbehavingPlugin.so holds a copy of the kit of its own. Depend on the dynamic product PluginKit; never link it statically."
            ])
    }

    @Test("a signature of a trusted publisher is believed over exactly the files that it covers")
    func signed() async throws {
        let bench = try Bench()
        try bench.place()
        let folder = bench.directory.appendingPathComponent("misbehaving")
        let list = try PluginSeal.text(of: folder)
        try Data(list.utf8).write(to: folder.appendingPathComponent("plugin.sha256"))
        try Data(Data(count: 64).base64EncodedString().utf8).write(to: folder.appendingPathComponent("plugin.sig"))
        bench.state.withLock { $0.trust = .some(list) }
        let host = bench.host()
        let report = await host.load()
        #expect(report.loaded.map(\.publisher) == ["acme"], "\(report.refused)")
        // The same signature over a list of other files is nobody's.
        try bench.place(library: { $0.append(0) })
        try Data(PluginSeal.text(of: folder).utf8).write(to: folder.appendingPathComponent("plugin.sha256"))
        #expect(await host.load().refused.map(\.code) == [.signatureMissing])
        #expect(host.report.loaded.map(\.digest) == report.loaded.map(\.digest), "what was at work goes on")
        await host.stop()
    }

    @Test("what is called, in which order, for every point at which a start can fail")
    func order() async throws {
        let table: [(fails: String, calls: [String])] = [
            ("nothing", ["make", "start", "drain", "stop"]),
            ("validate", []),
            ("make", ["make"]),
            ("provides_nothing", ["make", "drain", "stop"]),
            ("shows_nothing", ["make", "drain", "stop"]),
            ("start", ["make", "start", "drain", "stop"]),
        ]
        for (fails, calls) in table {
            let bench = try Bench()
            try bench.place()
            bench.set("fails_in", .string(fails))
            let host = bench.host()
            let report = await host.load()
            #expect(report.loaded.isEmpty == (fails != "nothing"), "\(fails)")
            await host.stop()
            // `validate` has no log of its own: it is seen by what does not follow.
            let seen = bench.lines.compactMap { line -> String? in
                let word = line.replacing("misbehaving: ", with: "").split(separator: " ").first.map(String.init) ?? ""
                return ["make", "start", "drain", "stop"].contains(word) ? word : nil
            }
            #expect(seen == calls, "\(fails): \(bench.lines)")
        }
    }
}
