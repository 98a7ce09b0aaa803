import Foundation
import HTTPEdge
import Logging
import Signing
import Store
import StoreSQLite
import Telemetry
import Vocabulary

/// What a platform is opened with.
package struct PlatformOptions: Sendable {
    package var data: URL
    package var policies: URL
    package var plugins: URL
    package var reading: SettingsFile.Reading
    package var environment: [String: String]
    package var clock: any Clock
    package var entropy: any Entropy
    package var settings: Settings { reading.settings }

    package init(
        data: URL, policies: URL, plugins: URL, reading: SettingsFile.Reading, environment: [String: String],
        clock: any Clock = SystemClock(), entropy: any Entropy = SystemEntropy()
    ) {
        self.data = data
        self.policies = policies
        self.plugins = plugins
        self.reading = reading
        self.environment = environment
        self.clock = clock
        self.entropy = entropy
    }
}

/// What every room stands on: keys, sealer, store, log, the way out.
struct Ground: Sendable {
    let data: DataDirectory
    let keys: KeyRing
    let sealer: FileSealer
    let store: SQLiteStore
    let logger: Logger
    let client: OutboundClient

    static func masterKey(_ data: DataDirectory, _ options: PlatformOptions) throws -> MasterKey {
        let chosen = options.settings[SigningSettings.masterKeyFile]
        return try MasterKey.load(
            environment: options.environment[MasterKey.variable], file: chosen.isEmpty ? data.masterKey : URL(fileURLWithPath: chosen),
            keys: data.keys, entropy: options.entropy)
    }
    static func keys(_ data: DataDirectory, _ options: PlatformOptions) throws -> KeyRing {
        try KeyRing.open(
            directory: data.keys, masterKey: try masterKey(data, options), clock: options.clock, entropy: options.entropy,
            settings: options.settings)
    }
    static func sealer(_ data: DataDirectory, _ options: PlatformOptions) throws -> FileSealer {
        try FileSealer(masterKey: try masterKey(data, options), directory: data.people, entropy: options.entropy)
    }

    static func store(_ data: DataDirectory, _ options: PlatformOptions, sealer: any Sealer, topics: [String: [String]]) throws
        -> SQLiteStore
    {
        try SQLiteStore(file: data.database, clock: options.clock, entropy: options.entropy, sealer: sealer, topics: topics)
    }

    /// Opens the data directory and brings the database up to date.
    static func open(_ data: DataDirectory, _ options: PlatformOptions, topics: [String: [String]]) async throws -> Ground {
        let keys = try keys(data, options)
        let sealer = try sealer(data, options)
        let store = try store(data, options, sealer: sealer, topics: topics)
        _ = try await store.migrate(try PlatformRegister.migrations())
        let level = Logger.Level(rawValue: options.settings[PlatformSettings.logLevel]) ?? .info
        let clock = options.clock
        let logger = Logger(label: "coditectd") { JSONLogHandler(label: $0, level: level, clock: clock, sink: StandardErrorSink()) }
        return Ground(data: data, keys: keys, sealer: sealer, store: store, logger: logger, client: OutboundClient())
    }

    func pluginHouse(_ options: PlatformOptions) -> PluginHouse {
        PluginHouse(
            values: PluginValues(store: store, sealer: sealer), client: client, clock: options.clock, logger: logger,
            given: PluginsGiven(options))
    }

    func close() async {
        await store.close()
        await client.shutdown()
    }
}
