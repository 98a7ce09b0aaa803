import Foundation
import HTTPEdge
import Logging
import PluginHost
import PluginKit
import Signing
import Telemetry
import Vocabulary

/// What a key service gets that is asked before there is a database: everything but a space of its own.
struct KeyServiceHouse: PluginHostServices {
    private struct NoSpace: Error, CustomStringConvertible {
        let description = "A key service has no space of its own while it opens the server's secrets."
    }
    let given: PluginsGiven
    let clock: any Clock
    let client: OutboundClient
    let logger: Logger

    func secret(_ name: String) throws -> String? {
        guard let text = try given.secrets.secret(name) else { return nil }
        guard !SealedSecret.isSealed(text) else {
            throw SecretSource.Unreadable(description: "\(name) is sealed, and a key service's own secrets cannot be: give it as it is.")
        }
        return text
    }
    func environment(_ name: String) -> String? { given.secrets.variables[name] }
    func settings(of plugin: String) -> [String: JSONValue] { given.configured[plugin] ?? [:] }
    func publisher(of message: Data, signature: Data) -> String? { given.publishers.publisher(of: message, signature: signature) }
    var requiresSignature: Bool { given.requiresSignature }
    func isShipped(_ name: String, json: String, library: String) -> Bool { given.shipped.holds(name, json: json, library: library) }
    func send(_ request: OutboundRequest, for plugin: String) async throws -> OutboundResponse { try await client.send(request) }
    func connect(_ target: StreamTarget, for plugin: String) async throws -> any OutboundStream {
        try await OutboundStreamClient().connect(target)
    }
    func value(_ key: String, in space: PluginSpaceName) async throws -> Data? { throw NoSpace() }
    func put(_ key: String, _ value: Data, in space: PluginSpaceName, if condition: PutCondition) async throws -> Bool { throw NoSpace() }
    func remove(_ key: String, in space: PluginSpaceName) async throws { throw NoSpace() }
    func keys(prefix: String, after: String?, limit: Int, in space: PluginSpaceName) async throws -> [String] { throw NoSpace() }
    func log(_ level: PluginLogLevel, _ message: String, _ fields: [String: String], plugin: String) {
        guard level == .error || level == .warning else { return }
        logger.log(level: level == .error ? .error : .warning, "\(message)", metadata: ["plugin": .string(plugin)])
    }
    func now() -> Timestamp { clock.now() }
    func sleep(for span: Duration) async throws { try await Task.sleep(for: span) }
    func origin() -> String { given.publicOrigin }
    func ownOrigin() -> String { "" }
}

/// Key services at work for a moment, without a database and without any other plugin.
struct KeyServiceBench {
    private let host: PluginHost
    private let client = OutboundClient()

    init(_ options: PlatformOptions) async throws {
        let data = try DataDirectory(options.data, isShared: true)
        let level = Logger.Level(rawValue: options.settings[PlatformSettings.logLevel]) ?? .info
        let clock = options.clock
        let logger = Logger(label: "coditectd") { JSONLogHandler(label: $0, level: level, clock: clock, sink: StandardErrorSink()) }
        host = PluginHost(
            directory: options.plugins, copies: data.pluginCopies,
            services: KeyServiceHouse(given: PluginsGiven(options), clock: clock, client: client, logger: logger), only: .keyService)
        await host.load()
    }

    var ids: [String] { host.keyServices }
    func service(_ id: String) -> (any KeyService)? { host.keyService(id) }
    /// Why a service is not at work, if it is there.
    func refusal(_ id: String) -> String? { host.report.refused.first { $0.id == id }?.sentence }

    func close() async {
        await host.stop()
        await client.shutdown()
    }
}
