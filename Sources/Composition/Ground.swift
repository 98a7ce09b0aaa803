import Foundation
import HTTPEdge
import Identity
import KeyValue
import KeyValueRedis
import Logging
import PluginHost
import Signing
import Store
import StorePostgres
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
    /// Looks up the records that prove domains.
    package var resolver: any DomainResolver = DNSResolver()
    /// What is not the real world's.
    package var outside = OutsideWorld()
    /// One thing after another and nothing beside it, so that the same seed gives the same life: jobs run singly, journals are sealed once a
    /// day, and whoever simulates looks at them itself.
    package var isSimulated = false
    package var rsaKey = RSAKeyMaking.atOnce
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
    var store: any StoreDriver
    /// Nil where no traces are made.
    var tracer: Tracer?
    let logger: Logger
    let client: OutboundClient
    /// What many processes share; nil where there is one alone.
    let redis: RedisClient?
    let keyValue: any KeyValue

    static func redis(_ options: PlatformOptions) throws -> RedisClient? {
        let url = options.settings[PlatformSettings.redisURL]
        guard !url.isEmpty else { return nil }
        do { return RedisClient(try RedisOptions(url: url), entropy: options.entropy) } catch {
            throw OperatorProblem("redis.url names no server: \(error)")
        }
    }

    static func masterKey(_ data: DataDirectory, _ options: PlatformOptions) throws -> MasterKey {
        let chosen = options.settings[SigningSettings.masterKeyFile]
        return try MasterKey.load(
            environment: options.environment[MasterKey.variable], file: chosen.isEmpty ? data.masterKey : URL(fileURLWithPath: chosen),
            keys: data.keys, entropy: keyEntropy(options))
    }
    /// Keys are never of a seed; and the one that is made beside everything else takes nothing from the row that a simulation repeats.
    private static func keyEntropy(_ options: PlatformOptions) -> any Entropy { options.isSimulated ? SystemEntropy() : options.entropy }
    static func keys(_ data: DataDirectory, _ options: PlatformOptions) throws -> KeyRing {
        try KeyRing.open(
            directory: data.keys, masterKey: try masterKey(data, options), clock: options.clock, entropy: keyEntropy(options),
            settings: options.settings, rsaKey: options.rsaKey)
    }
    static func sealer(_ data: DataDirectory, _ options: PlatformOptions) throws -> FileSealer {
        try FileSealer(masterKey: try masterKey(data, options), directory: data.people, entropy: options.entropy)
    }

    static func store(_ data: DataDirectory, _ options: PlatformOptions, sealer: any Sealer, topics: [String: [String]]) throws
        -> any StoreDriver
    {
        if let store = postgres(options, sealer: sealer, topics: topics) { return store }
        var limits = SQLiteLimits()
        limits.hasThreads = !options.isSimulated
        return try SQLiteStore(
            file: data.database, clock: options.clock, entropy: options.entropy, sealer: sealer, topics: topics, limits: limits)
    }
    /// Nil where the settings name no server.
    static func postgres(_ options: PlatformOptions, sealer: any Sealer, topics: [String: [String]]) -> PostgresStore? {
        let url = options.settings[PlatformSettings.databaseURL]
        guard !url.isEmpty else { return nil }
        let store = PostgresStore(url: url, clock: options.clock, entropy: options.entropy, sealer: sealer, topics: topics)
        store.use(
            replicas: options.settings[PlatformSettings.replicas], lag: .seconds(Int64(options.settings[PlatformSettings.replicaLag])))
        return store
    }
    /// True where other processes may serve from the same database.
    static func isShared(_ options: PlatformOptions) -> Bool { !options.settings[PlatformSettings.databaseURL].isEmpty }

    /// Opens the data directory; brings the file up to date, or makes sure that the server's database is.
    static func open(_ data: DataDirectory, _ options: PlatformOptions, topics: [String: [String]]) async throws -> Ground {
        let ground = try beside(data, options, keys: try keys(data, options), topics: topics)
        let migrations = try PlatformRegister.migrations()
        if let shared = ground.store as? PostgresStore {
            do { try await shared.begin(migrations) } catch {
                await ground.close()
                throw OperatorProblem("\(error)")
            }
        } else {
            _ = try await ground.store.migrate(migrations)
        }
        return ground
    }

    /// For what works beside a running server: changes nothing by itself.
    static func beside(_ data: DataDirectory, _ options: PlatformOptions, keys: KeyRing, topics: [String: [String]] = [:]) throws -> Ground
    {
        let sealer = try sealer(data, options)
        let store = try store(data, options, sealer: sealer, topics: topics)
        let level = Logger.Level(rawValue: options.settings[PlatformSettings.logLevel]) ?? .info
        let clock = options.clock
        let logger = Logger(label: "coditectd") { JSONLogHandler(label: $0, level: level, clock: clock, sink: StandardErrorSink()) }
        let redis = try redis(options)
        return Ground(
            data: data, keys: keys, sealer: sealer, store: store, logger: logger, client: OutboundClient(), redis: redis,
            keyValue: redis.map { RedisKeyValue(client: $0, clock: clock) } ?? InProcessKeyValue())
    }

    /// The database of a server that may run, as a command of the operator's reads and writes it; the caller closes it.
    static func storeBesideServer(_ data: DataDirectory, _ options: PlatformOptions) async throws -> any StoreDriver {
        guard isShared(options) || FileManager.default.fileExists(atPath: data.database.path) else {
            throw OperatorProblem("there is no database \(data.database.path); is --data right?")
        }
        let store = try store(data, options, sealer: try sealer(data, options), topics: [:])
        do { try await (store as? PostgresStore)?.begin(try PlatformRegister.migrations()) } catch {
            await store.close()
            throw error
        }
        return store
    }

    func pluginHouse(_ options: PlatformOptions, isolation: PluginIsolation? = nil) -> PluginHouse {
        PluginHouse(
            values: PluginValues(store: store, sealer: sealer), client: client, clock: options.clock, logger: logger,
            given: PluginsGiven(options, isolation: isolation), data: data, tracer: tracer)
    }

    func close() async {
        await store.close()
        await client.shutdown()
        redis?.close()
    }
}
