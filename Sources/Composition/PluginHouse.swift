import Foundation
import HTTPEdge
import Logging
import PluginHost
import Store
import Synchronization
import Vocabulary

/// What the operator gave the plugins.
struct PluginsGiven: Sendable {
    let secrets: SecretSource
    /// What the operator's file says under `plugins.{id}`.
    let configured: [String: [String: JSONValue]]
    let publishers: PluginPublishers
    let requiresSignature: Bool
    /// Scheme and authority for people's browsers; empty: where the server listens.
    let publicOrigin: String

    init(_ options: PlatformOptions) {
        secrets = SecretSource(options.environment)
        configured = options.reading.plugins
        publishers = PluginPublishers(options.settings[PluginPlatformSettings.trustedPublishers])
        requiresSignature = options.settings[PluginPlatformSettings.requireSigned]
        publicOrigin = options.settings[HTTPEdgeSettings.publicURL]
    }
}

/// What the house lends to its plugins.
final class PluginHouse: PluginHostServices {
    private let values: PluginValues
    private let client: OutboundClient
    private let clock: any Clock
    private let logger: Logger
    private let given: PluginsGiven
    private let listening = Mutex("")

    init(values: PluginValues, client: OutboundClient, clock: any Clock, logger: Logger, given: PluginsGiven) {
        self.values = values
        self.client = client
        self.clock = clock
        self.logger = logger
        self.given = given
    }

    /// Called once the socket is bound; before it, plugins cannot reach the server.
    func listens(at origin: String) { listening.withLock { $0 = origin } }

    func secret(_ name: String) throws -> String? { try given.secrets.secret(name) }
    func environment(_ name: String) -> String? { given.secrets.variables[name] }
    func settings(of plugin: String) -> [String: JSONValue] { given.configured[plugin] ?? [:] }
    func publisher(of message: Data, signature: Data) -> String? { given.publishers.publisher(of: message, signature: signature) }
    var requiresSignature: Bool { given.requiresSignature }
    /// The file in which a secret lies, if it lies in one.
    func secretFile(_ name: String) -> URL? { given.secrets.file(name) }
    func send(_ request: OutboundRequest, for plugin: String) async throws -> OutboundResponse { try await client.send(request) }
    func value(_ key: String, in space: PluginSpaceName) async throws -> Data? { try await values.value(key, in: space) }
    func put(_ key: String, _ value: Data, in space: PluginSpaceName, if condition: PutCondition) async throws -> Bool {
        try await values.put(key, value, in: space, if: condition)
    }
    func remove(_ key: String, in space: PluginSpaceName) async throws { try await values.remove(key, in: space) }
    func keys(prefix: String, after: String?, limit: Int, in space: PluginSpaceName) async throws -> [String] {
        try await values.names(prefix: prefix, after: after, limit: limit, in: space)
    }
    func log(_ level: PluginLogLevel, _ message: String, _ fields: [String: String], plugin: String) {
        var metadata: Logger.Metadata = ["plugin": .string(plugin)]
        for (name, value) in fields { metadata[name] = .string(value) }
        let levels: [PluginLogLevel: Logger.Level] = [.debug: .debug, .info: .info, .warning: .warning, .error: .error]
        logger.log(level: levels[level] ?? .info, "\(message)", metadata: metadata)
    }
    func now() -> Timestamp { clock.now() }
    func sleep(for span: Duration) async throws { try await Task.sleep(for: span) }
    func origin() -> String { given.publicOrigin.isEmpty ? ownOrigin() : given.publicOrigin }
    func ownOrigin() -> String { listening.withLock { $0 } }
}
