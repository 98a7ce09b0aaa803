import Foundation
import HTTPEdge
import Logging
import PluginHost
import Signing
import Store
import Synchronization
import Telemetry
import Vocabulary

/// What the operator gave the plugins.
struct PluginsGiven: Sendable {
    let secrets: SecretSource
    /// What the operator's file says under `plugins.{id}`.
    let configured: [String: [String: JSONValue]]
    let publishers: PluginPublishers
    let requiresSignature: Bool
    let shipped = ShippedPlugins()
    /// Scheme and authority for people's browsers; empty: where the server listens.
    let publicOrigin: String

    /// Where every plugin runs, whatever the file says; nil: as it says.
    let isolation: PluginIsolation?

    init(_ options: PlatformOptions, isolation: PluginIsolation? = nil) {
        self.isolation = isolation
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
    private let publicClient = PublicClient()
    private let opened: OpenedSecrets
    private let folders: DiskFolders
    private let place: URL
    private let listening = Mutex("")
    private let tracer: Tracer?

    init(
        values: PluginValues, client: OutboundClient, clock: any Clock, logger: Logger, given: PluginsGiven, data: DataDirectory,
        tracer: Tracer?
    ) {
        self.tracer = tracer
        self.values = values
        self.client = client
        self.clock = clock
        self.logger = logger
        self.given = given
        opened = OpenedSecrets(clock: clock)
        place = data.root
        folders = DiskFolders(data.pluginFolders) { clock.now() }
    }

    /// Called once the socket is bound; before it, plugins cannot reach the server.
    func listens(at origin: String) { listening.withLock { $0 = origin } }

    func secret(_ name: String) throws -> String? { try given.secrets.secret(name).map { try opened.secret(name, $0) } }
    func openSecrets(_ names: [String], with service: @Sendable (String) -> (any KeyService)?) async {
        await open(names, with: service)
    }
    /// Tries those again that could not be opened; true where one could be now.
    func reopenSecrets(with service: @Sendable (String) -> (any KeyService)?) async -> Bool { await open(opened.pending, with: service) }
    @discardableResult
    private func open(_ names: [String], with service: @Sendable (String) -> (any KeyService)?) async -> Bool {
        var texts: [String: String] = [:]
        for name in names { texts[name] = try? given.secrets.secret(name) }
        return await opened.open(texts, with: service)
    }
    func environment(_ name: String) -> String? { given.secrets.variables[name] }
    func settings(of plugin: String) -> [String: JSONValue] {
        (given.configured[plugin] ?? [:]).merging(given.isolation.map { ["isolation": .string($0.rawValue)] } ?? [:]) { $1 }
    }
    func publisher(of message: Data, signature: Data) -> String? { given.publishers.publisher(of: message, signature: signature) }
    var requiresSignature: Bool { given.requiresSignature }
    func isShipped(_ name: String, json: String, library: String) -> Bool { given.shipped.holds(name, json: json, library: library) }
    /// The file in which a secret lies, if it lies in one.
    func secretFile(_ name: String) -> URL? { given.secrets.file(name) }
    func send(_ request: OutboundRequest, for plugin: String) async throws -> OutboundResponse {
        try await traced(request, plugin) { try await client.send($0) }
    }
    private func traced(
        _ request: OutboundRequest, _ plugin: String, _ send: (OutboundRequest) async throws -> OutboundResponse
    ) async throws -> OutboundResponse {
        guard let tracer else { return try await send(request) }
        return try await tracer.sending(request.method, to: request.url, [("coditect.plugin", .text(plugin))]) { header, span in
            var request = request
            if let header { request.headers[header.0] = header.1 }
            let answer = try await send(request)
            span.answered(answer.status)
            return answer
        }
    }
    func connect(_ target: StreamTarget, for plugin: String) async throws -> any OutboundStream {
        try await OutboundStreamClient().connect(target)
    }
    func connectPublic(_ target: StreamTarget, for plugin: String) async throws -> any OutboundStream {
        try await PublicStreams().connect(target)
    }
    func sendPublic(_ request: OutboundRequest, for plugin: String) async throws -> OutboundResponse {
        try await traced(request, plugin) { try await publicClient.send($0) }
    }
    func verified(_ token: SignedToken) async throws -> VerifiedToken { try ForeignToken.verify(token) }
    func check(_ bytes: SignedBytes) async throws { try ForeignBytes.verify(bytes) }
    func value(_ key: String, in space: PluginSpaceName) async throws -> Data? { try await values.value(key, in: space) }
    func put(_ key: String, _ value: Data, in space: PluginSpaceName, if condition: PutCondition) async throws -> Bool {
        try await values.put(key, value, in: space, if: condition)
    }
    func remove(_ key: String, in space: PluginSpaceName) async throws { try await values.remove(key, in: space) }
    func keys(prefix: String, after: String?, limit: Int, in space: PluginSpaceName) async throws -> [String] {
        try await values.names(prefix: prefix, after: after, limit: limit, in: space)
    }
    func folder(of plugin: String, maxBytes: Int64) -> any PluginFolder { folders.folder(of: plugin, maxBytes: maxBytes) }
    func dataFolder() -> URL? { place.absoluteURL.standardizedFileURL }
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
