import Foundation

/// Everything a plugin gets. There is no database here and nothing of another plugin.
public struct PluginContext: Sendable {
    /// The plugin's own id.
    public let id: String
    public let settings: PluginSettings
    public let secrets: PluginSecrets
    /// Reaches only the hosts of `plugin.json` (and, for `self`, the plugin's own webhook).
    public let http: any OutboundHTTP
    /// A small key-value space of this plugin, for the whole platform.
    public let space: any PluginSpace
    public let log: any PluginLog
    public let clock: any PluginClock
    public let site: any PluginSite
    // since 1.2
    /// Reaches only what `plugin.json` names as `host:port`, and what settings of type `address` open.
    public var streams: any OutboundStreams = NoStreams()
    /// Verifies what others signed.
    public var signatures: any PluginSignatures = NoSignatures()
    /// Bulk data of its own, where `plugin.json` says `"folder": true`.
    public var folder: any PluginFolder = NoFolder()
    // end of 1.2
    private let tenantSpace: @Sendable (String) -> any PluginSpace

    public init(
        id: String, settings: PluginSettings, secrets: PluginSecrets, http: any OutboundHTTP, space: any PluginSpace,
        tenantSpace: @escaping @Sendable (String) -> any PluginSpace, log: any PluginLog, clock: any PluginClock, site: any PluginSite
    ) {
        self.id = id
        self.settings = settings
        self.secrets = secrets
        self.http = http
        self.space = space
        self.tenantSpace = tenantSpace
        self.log = log
        self.clock = clock
        self.site = site
    }

    /// This plugin's key-value space for one tenant; it leaves with the tenant.
    public func space(tenant: String) -> any PluginSpace { tenantSpace(tenant) }
}

/// The settings in force, already checked against the schema in `plugin.json`.
public struct PluginSettings: Sendable, Hashable, Codable {
    public var values: [String: JSONValue]
    public init(_ values: [String: JSONValue] = [:]) { self.values = values }

    /// Nil for an optional setting that nobody gave.
    public subscript(name: String) -> JSONValue? { values[name].flatMap(\.unlessNull) }
    public func text(_ name: String) throws -> String { try typed(name, "a text") { $0.string } }
    public func integer(_ name: String) throws -> Int { try typed(name, "a whole number") { $0.int.map(Int.init) } }
    public func flag(_ name: String) throws -> Bool { try typed(name, "true or false") { $0.bool } }

    private func typed<Value>(_ name: String, _ type: String, _ read: (JSONValue) -> Value?) throws -> Value {
        guard let value = self[name] else {
            throw PluginRefusal("The setting \(name) is not in the settings of plugin.json, or has neither value nor default.")
        }
        guard let typed = read(value) else { throw PluginRefusal("The setting \(name) is not \(type).") }
        return typed
    }
}

/// The plugin's own secrets, by the names in `plugin.json`. Printing it shows names only.
public struct PluginSecrets: Sendable, Hashable, Codable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private var values: [String: [String]]
    public init(_ values: [String: [String]] = [:]) { self.values = values }

    /// The first value; throws where there is none.
    public func one(_ name: String) throws -> String {
        guard let value = values[name]?.first else {
            throw PluginRefusal("The secret \(name) is missing: secrets in plugin.json do not name it, or nobody gave it.")
        }
        return value
    }
    /// Every value of a secret that is a list (old and new while rolling); empty where there is none.
    public func list(_ name: String) -> [String] { values[name] ?? [] }

    // since 1.1
    /// The text with every value of these secrets blotted out: for whatever a provider said and a log or a person will read.
    public func redacted(_ text: String) -> String {
        values.values.joined().filter { $0.utf8.count >= 4 }.sorted { $0.utf8.count > $1.utf8.count }
            .reduce(text) { $0.replacing($1, with: "[secret]") }
    }
    // end of 1.1

    public var description: String { "secrets(\(values.keys.sorted().joined(separator: ", ")))" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Where the server stands, as the plugin may tell others. Asked at each use: the address is known only once the server listens.
public protocol PluginSite: Sendable {
    /// Scheme and authority that people's browsers use: `https://platform.example`.
    func origin() -> String
    /// Where the provider delivers: the address of `webhook` in `plugin.json`, reachable from the server itself.
    func webhookAddress() -> String
}

extension PluginSite {
    /// The address of a page of this plugin; `path` is relative: `checkout/cs_1`.
    public func pageAddress(plugin id: String, _ path: String) -> String { "\(origin())/plugins/\(id)/\(path)" }
}

public protocol PluginClock: Sendable {
    func now() -> Timestamp
    /// Throws `CancellationError` when the task is cancelled.
    func sleep(for span: Duration) async throws
}

public enum PluginLogLevel: String, Sendable, Hashable, Codable, CaseIterable { case debug, info, warning, error }

/// The server's log. Never a secret, never personal data; fields are ids and counts.
public protocol PluginLog: Sendable {
    func write(_ level: PluginLogLevel, _ message: String, _ fields: [String: String])
}

extension PluginLog {
    public func debug(_ message: String, _ fields: [String: String] = [:]) { write(.debug, message, fields) }
    public func info(_ message: String, _ fields: [String: String] = [:]) { write(.info, message, fields) }
    public func warning(_ message: String, _ fields: [String: String] = [:]) { write(.warning, message, fields) }
    public func error(_ message: String, _ fields: [String: String] = [:]) { write(.error, message, fields) }
}
