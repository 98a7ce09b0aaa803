import Foundation
import PluginKit
import PluginWire

// What a plugin's context offers, asked of the server. The questions that the kit answers without `await` block the asking thread; the
// server answers those on its reading thread, at once.

struct HostHTTP: OutboundHTTP {
    let wire: Wire
    func send(_ request: OutboundRequest) async throws -> OutboundResponse { try await wire.call(ToHost.send, request) }
}

struct HostSpace: PluginSpace {
    let wire: Wire
    let tenant: String?
    func get(_ key: String) async throws -> Data? { try await wire.call(ToHost.spaceGet, at(key)).value }
    func set(_ key: String, _ value: Data) async throws {
        _ = try await wire.call(ToHost.spaceSet, ToHost.Entry(key: at(key), value: value))
    }
    func remove(_ key: String) async throws { _ = try await wire.call(ToHost.spaceRemove, at(key)) }
    func replace(_ key: String, expecting expected: Data?, with value: Data) async throws -> Bool {
        try await wire.call(ToHost.spaceReplace, ToHost.Entry(key: at(key), value: value, expected: expected))
    }
    func keys(prefix: String, after: String?, limit: Int) async throws -> [String] {
        try await wire.call(ToHost.spaceKeys, ToHost.Listing(tenant: tenant, prefix: prefix, after: after, limit: limit))
    }
    private func at(_ key: String) -> ToHost.Key { ToHost.Key(tenant: tenant, key: key) }
}

struct HostLog: PluginLog {
    let wire: Wire
    func write(_ level: PluginLogLevel, _ message: String, _ fields: [String: String]) {
        // The server bounds lines again; a megabyte need not cross for that.
        let fields = Dictionary(fields.prefix(16).map { (String($0.key.prefix(40)), String($0.value.prefix(300))) }) { first, _ in first }
        wire.note(ToHost.log, ToHost.Line(level: level, message: String(message.prefix(1_000)), fields: fields))
    }
}

struct HostClock: PluginClock {
    let wire: Wire
    /// The server's time. Where the server is gone, so is this process within moments.
    func now() -> Timestamp { (try? wire.callBlocking(ToHost.now, Nothing())) ?? Timestamp(microseconds: 0) }
    func sleep(for span: Duration) async throws { _ = try await wire.call(ToHost.sleep, span) }
}

struct HostSite: PluginSite {
    let wire: Wire
    func origin() -> String { (try? wire.callBlocking(ToHost.origin, Nothing())) ?? "" }
    func webhookAddress() -> String { (try? wire.callBlocking(ToHost.webhookAddress, Nothing())) ?? "" }
}

struct HostSignatures: PluginSignatures {
    let wire: Wire
    func verify(_ token: SignedToken) async throws -> VerifiedToken { try await wire.call(ToHost.verifyToken, token) }
    func verify(_ bytes: SignedBytes) async throws { _ = try await wire.call(ToHost.verifyBytes, bytes) }
}

extension PluginContext {
    init(_ beginning: ToChild.Beginning, wire: Wire) {
        self.init(
            id: beginning.id, settings: beginning.settings, secrets: beginning.secrets, http: HostHTTP(wire: wire),
            space: HostSpace(wire: wire, tenant: nil), tenantSpace: { HostSpace(wire: wire, tenant: $0) }, log: HostLog(wire: wire),
            clock: HostClock(wire: wire), site: HostSite(wire: wire))
        streams = HostStreams(wire: wire)
        signatures = HostSignatures(wire: wire)
        folder = HostFolder(wire: wire)
    }
}
