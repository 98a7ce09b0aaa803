import Foundation
import Logging
import PluginHost
import Store
import Synchronization
import Vocabulary

/// What the house lends to its plugins.
final class PluginHouse: PluginHostServices {
    private let values: PluginValues
    private let client: OutboundClient
    private let clock: any Clock
    private let logger: Logger
    private let variables: [String: String]
    private let configured: [String: [String: JSONValue]]
    private let publicOrigin: String
    private let listening = Mutex("")

    /// - Parameters:
    ///   - variables: the environment; secrets are read from it by the names in `plugin.json`.
    ///   - configured: what the operator's file says under `plugins.{id}`.
    ///   - publicOrigin: scheme and authority for people's browsers; empty: where the server listens.
    init(
        values: PluginValues, client: OutboundClient, clock: any Clock, logger: Logger, variables: [String: String],
        configured: [String: [String: JSONValue]], publicOrigin: String
    ) {
        self.values = values
        self.client = client
        self.clock = clock
        self.logger = logger
        self.variables = variables
        self.configured = configured
        self.publicOrigin = publicOrigin
    }

    /// Called once the socket is bound; before it, plugins cannot reach the server.
    func listens(at origin: String) { listening.withLock { $0 = origin } }

    func secret(_ name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }
    func environment(_ name: String) -> String? { variables[name] }
    func settings(of plugin: String) -> [String: JSONValue] { configured[plugin] ?? [:] }
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
    func origin() -> String { publicOrigin.isEmpty ? ownOrigin() : publicOrigin }
    func ownOrigin() -> String { listening.withLock { $0 } }
}
