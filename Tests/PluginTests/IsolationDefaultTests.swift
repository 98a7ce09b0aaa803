import Foundation
import PluginHost
import PluginKit
import Testing

/// Where a plugin runs of which the operator says nothing.
@Suite struct IsolationDefaultTests {
    private func bench(shipped: Bool = false) throws -> Bench {
        let bench = try Bench()
        bench.state.withLock {
            $0.saysIsolation = false
            $0.isShipped = shipped
        }
        return bench
    }
    /// `plugin.sha256` as its publisher seals it, and a signature, which the bench believes or not.
    private func sign(_ bench: Bench, believed: Bool) throws {
        let folder = bench.directory.appendingPathComponent("misbehaving")
        let text = try PluginSeal.text(of: folder)
        try Data(text.utf8).write(to: folder.appendingPathComponent(PluginSeal.list))
        try Data(count: 64).write(to: folder.appendingPathComponent(PluginSeal.signature))
        bench.state.withLock { $0.signed = believed ? text : nil }
    }
    private func place(_ bench: Bench, _ kind: PluginKind) throws {
        try bench.place { members in
            members["kinds"] = [.string(kind.rawValue)]
            if kind != .paymentProvider { members["webhook"] = nil }
            if kind == .policyModule { members["hooks"] = ["on_seat_request"] }
        }
    }

    @Test("what nobody vouches for runs in a child process, whatever its kind; what is signed or came with the server in process")
    func standard() async throws {
        let unsigned = try bench()
        try unsigned.place()
        let signed = try bench()
        try signed.place()
        try sign(signed, believed: true)
        let stranger = try bench()
        try stranger.place()
        try sign(stranger, believed: false)
        let shipped = try bench(shipped: true)
        try shipped.place()
        for (bench, expected) in [
            (unsigned, PluginIsolation.process), (signed, .inProcess), (stranger, .process), (shipped, .inProcess),
        ] {
            let host = bench.host()
            #expect(await host.load().loaded.map(\.isolation) == [expected])
            #expect(host.children.count == (expected == .process ? 1 : 0))
            await host.stop()
        }
    }

    @Test("no kind of the kit runs in process by itself", arguments: PluginKind.all)
    func everyKind(_ kind: PluginKind) async throws {
        func refused(shipped: Bool) async throws -> [RefusalCode] {
            let bench = try bench(shipped: shipped)
            try place(bench, kind)
            // Without the program of children whatever should run in one is refused for that.
            let prison = PluginPrison(program: bench.root.appendingPathComponent("nothing"))
            let host = PluginHost(directory: bench.directory, copies: bench.copies, services: bench, prison: prison)
            defer { Task { await host.stop() } }
            return await host.load().refused.map(\.code)
        }
        #expect(try await refused(shipped: false) == [.childFailed])
        #expect(try await refused(shipped: true).contains(.childFailed) == false)
    }

    @Test("the operator's word counts either way")
    func said() async throws {
        for (shipped, word) in [(false, PluginIsolation.inProcess), (true, .process)] {
            let bench = try bench(shipped: shipped)
            bench.set("isolation", .string(word.rawValue))
            try bench.place()
            let host = bench.host()
            #expect(await host.load().loaded.map(\.isolation) == [word])
            await host.stop()
        }
    }
}
