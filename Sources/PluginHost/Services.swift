import Foundation
import PluginKit

/// What the house lends to its plugins; the host puts every plugin's own limits around it. Implemented by Composition.
package protocol PluginHostServices: Sendable {
    /// A secret by its name in `plugin.json`; nil where there is none. Never logged. Throws a sentence where there is one that cannot be read.
    func secret(_ name: String) throws -> String?
    /// Opens those of these secrets that are sealed under a key of a key service, before `secret` is asked for them, which tells what could
    /// not be opened.
    func openSecrets(_ names: [String], with service: @Sendable (String) -> (any KeyService)?) async
    /// A variable of the environment; nil where it is not set.
    func environment(_ name: String) -> String?
    /// What the operator's file says under `plugins.{id}`, unchecked.
    func settings(of plugin: String) -> [String: JSONValue]

    /// The name of the trusted publisher whose Ed25519 key made this signature over this message; nil where none did.
    func publisher(of message: Data, signature: Data) -> String?
    /// Whether only what a trusted publisher signed is taken.
    var requiresSignature: Bool { get }
    /// Whether this very manifest and library, by their SHA-256, came with the server.
    func isShipped(_ name: String, json: String, library: String) -> Bool

    /// Carries out a request that the host has allowed. Follows no redirects, keeps `timeout` and `maxAnswerBytes`,
    /// throws `OutboundFailure` and says truly whether the request may have arrived.
    func send(_ request: OutboundRequest, for plugin: String) async throws -> OutboundResponse
    /// Opens a connection that the host has allowed; throws `OutboundFailure`.
    func connect(_ target: StreamTarget, for plugin: String) async throws -> any OutboundStream

    /// Durable, sealed at rest. Keys and sizes were checked before.
    func value(_ key: String, in space: PluginSpaceName) async throws -> Data?
    /// False when `condition` does not hold. Throws `PluginSpaceFailure.full` at `PluginSpaceLimits.maxKeys`.
    func put(_ key: String, _ value: Data, in space: PluginSpaceName, if condition: PutCondition) async throws -> Bool
    func remove(_ key: String, in space: PluginSpaceName) async throws
    func keys(prefix: String, after: String?, limit: Int, in space: PluginSpaceName) async throws -> [String]

    /// The same to a host that a tenant named: only to an address that everybody can reach, and to none that its name leads to later.
    func sendPublic(_ request: OutboundRequest, for plugin: String) async throws -> OutboundResponse
    /// A connection to a host that a tenant named: only to an address that everybody can reach.
    func connectPublic(_ target: StreamTarget, for plugin: String) async throws -> any OutboundStream
    /// Verifies what others signed; throws `SignatureRefusal`.
    func verified(_ token: SignedToken) async throws -> VerifiedToken
    /// The same of plain bytes.
    func check(_ bytes: SignedBytes) async throws

    /// The plugin's folder for bulk data; two versions of one plugin share it.
    func folder(of plugin: String, maxBytes: Int64) -> any PluginFolder

    /// Where the server keeps what is its own on this machine; nil where it keeps nothing.
    func dataFolder() -> URL?

    func log(_ level: PluginLogLevel, _ message: String, _ fields: [String: String], plugin: String)
    func now() -> Timestamp
    func sleep(for span: Duration) async throws
    /// Scheme and authority for people's browsers.
    func origin() -> String
    /// Scheme and authority at which the server reaches itself; known once it listens.
    func ownOrigin() -> String
}

extension PluginHostServices {
    package func publisher(of message: Data, signature: Data) -> String? { nil }
    package var requiresSignature: Bool { false }
    package func openSecrets(_ names: [String], with service: @Sendable (String) -> (any KeyService)?) async {}
    package func connect(_ target: StreamTarget, for plugin: String) async throws -> any OutboundStream {
        throw OutboundFailure.forbidden("This host offers no connections but HTTP.")
    }
    package func isShipped(_ name: String, json: String, library: String) -> Bool { false }
    package func sendPublic(_ request: OutboundRequest, for plugin: String) async throws -> OutboundResponse {
        throw OutboundFailure.forbidden("This server lets nothing out to hosts that tenants name.")
    }
    package func connectPublic(_ target: StreamTarget, for plugin: String) async throws -> any OutboundStream {
        throw OutboundFailure.forbidden("This server connects to no host that a tenant names.")
    }
    package func folder(of plugin: String, maxBytes: Int64) -> any PluginFolder { NoFolder() }
    package func dataFolder() -> URL? { nil }
    package func verified(_ token: SignedToken) async throws -> VerifiedToken { try await NoSignatures().verify(token) }
    package func check(_ bytes: SignedBytes) async throws { try await NoSignatures().verify(bytes) }
}

/// Whose key-value space: a plugin's, for the platform or for one tenant.
package struct PluginSpaceName: Sendable, Hashable {
    package let plugin: String
    package let tenant: String?
    package init(plugin: String, tenant: String?) {
        self.plugin = plugin
        self.tenant = tenant
    }
}

package enum PutCondition: Sendable, Hashable {
    case always
    case absent
    case holds(Data)
}

/// How long the host waits for one plugin at each step.
package struct PluginPatience: Sendable {
    package var make: Duration
    package var start: Duration
    package var drain: Duration
    package var stop: Duration
    package init(
        make: Duration = .seconds(10), start: Duration = .seconds(20), drain: Duration = .seconds(10), stop: Duration = .seconds(5)
    ) {
        self.make = make
        self.start = start
        self.drain = drain
        self.stop = stop
    }
}

// What a plugin sees of the services.

struct HostSpace: PluginSpace {
    let name: PluginSpaceName
    let services: any PluginHostServices

    func get(_ key: String) async throws -> Data? {
        try check(key)
        return try await services.value(key, in: name)
    }
    func set(_ key: String, _ value: Data) async throws {
        try check(key, value)
        _ = try await services.put(key, value, in: name, if: .always)
    }
    func remove(_ key: String) async throws {
        try check(key)
        try await services.remove(key, in: name)
    }
    func replace(_ key: String, expecting expected: Data?, with value: Data) async throws -> Bool {
        try check(key, value)
        return try await services.put(key, value, in: name, if: expected.map { .holds($0) } ?? .absent)
    }
    func keys(prefix: String, after: String?, limit: Int) async throws -> [String] {
        if !prefix.isEmpty { try check(prefix) }
        return try await services.keys(prefix: prefix, after: after, limit: min(max(1, limit), 1_000), in: name)
    }
    private func check(_ key: String, _ value: Data? = nil) throws {
        if let fault = PluginSpaceLimits.fault(inKey: key) { throw PluginSpaceFailure.invalid(fault) }
        if let value, value.count > PluginSpaceLimits.maxValueBytes {
            throw PluginSpaceFailure.invalid("a value has at most \(PluginSpaceLimits.maxValueBytes) bytes")
        }
    }
}

struct HostLog: PluginLog {
    let plugin: String
    let secrets: PluginSecrets
    let services: any PluginHostServices
    func write(_ level: PluginLogLevel, _ message: String, _ fields: [String: String]) {
        // Bounded here, so that a talkative plugin cannot fill a line of the log with a megabyte; and its secrets never get there.
        let bounded = Dictionary(
            fields.prefix(16).map { (String($0.key.prefix(40)), String(secrets.redacted($0.value).prefix(300))) }
        ) { first, _ in first }
        services.log(level, String(secrets.redacted(message).prefix(1_000)), bounded, plugin: plugin)
    }
}

struct HostClock: PluginClock {
    let services: any PluginHostServices
    func now() -> Timestamp { services.now() }
    func sleep(for span: Duration) async throws { try await services.sleep(for: span) }
}

struct HostSignatures: PluginSignatures {
    let services: any PluginHostServices
    func verify(_ token: SignedToken) async throws -> VerifiedToken { try await services.verified(token) }
    func verify(_ bytes: SignedBytes) async throws { try await services.check(bytes) }
}

struct HostSite: PluginSite {
    let webhook: String?
    let services: any PluginHostServices
    func origin() -> String { services.origin() }
    func webhookAddress() -> String { services.ownOrigin() + (webhook ?? "") }
}
