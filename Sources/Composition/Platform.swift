import Access
import Console
import Foundation
import HTTPEdge
import HTTPServer
import HookEngine
import Identity
import KeyValue
import Logging
import PluginHost
import PolicyHost
import Seats
import Signing
import Store
import Telemetry
import Vocabulary

/// One whole server: everything built, in order, and taken down in the reverse order. Construction only.
package final class Platform: Sendable {
    let options: PlatformOptions
    let ground: Ground
    let policies: PolicyFloor
    package let plugins: PluginHost
    let house: PluginHouse
    private let pluginWatch: PluginWatch
    let rooms: Rooms
    package let edge: Edge
    package let runner: JobRunner
    /// Webhooks apart from the rest: an endpoint that takes its time must not keep a payment waiting.
    package let pumps: JobRunner
    private let upkeep: StoreUpkeep
    let metrics: Metrics
    package let routes: [Route]
    private let readiness: Readiness

    /// Opens the data directory, brings the database up to date, loads policies and plugins, builds the rooms. Nothing listens yet.
    package static func open(_ options: PlatformOptions) async throws -> Platform {
        let data = try DataDirectory(options.data)
        let ground = try await Ground.open(data, options, topics: PlatformRegister.topics)
        do {
            return try await Platform(options, ground)
        } catch {
            await ground.close()
            throw error
        }
    }

    private init(_ options: PlatformOptions, _ ground: Ground) async throws {
        self.options = options
        self.ground = ground
        policies = try PolicyFloor.open(
            options, sink: try DecisionLog(directory: ground.data.decisions), logger: ground.logger, journal: ground.policyJournal(options))
        let house = ground.pluginHouse(options)
        self.house = house
        plugins = PluginHost(
            directory: options.plugins, copies: ground.data.pluginCopies, services: house, limits: CanaryLimits(options.settings))
        pluginWatch = PluginWatch(host: plugins, house: house, directory: options.plugins)
        pluginWatch.attend(journal: ground.pluginJournal(options))
        policies.engine.modules.read { [plugins] in plugins.policyModules($0) }
        rooms = try Rooms(
            ground: ground, options: options, policies: policies.engine, catalog: policies.catalog, plugins: plugins,
            origin: { house.origin() })
        let listening = Dictionary(grouping: rooms.subscribers, by: \.topic).mapValues { Set($0.map(\.subscriber)) }
        guard listening == PlatformRegister.topics.mapValues({ Set($0) }) else {
            throw OperatorProblem("the rooms listen to \(listening), the register says \(PlatformRegister.topics)")
        }
        let logger = ground.logger
        let keys = ground.keys
        upkeep = StoreUpkeep(
            store: ground.store, keepJournal: .days(Int64(options.settings[PlatformSettings.journalDays])), checkpointEvery: .minutes(5),
            log: { logger.warning("\($0)") }
        ) { message in
            let signature = try await keys.sign(message, .journal)
            return (signature.keyID, signature.bytes)
        }
        runner = JobRunner(
            store: ground.store, handlers: rooms.jobs + upkeep.storeJobs(), subscribers: rooms.subscribers, clock: options.clock,
            entropy: options.entropy, log: { logger.warning("\($0)") })
        var rules = JobRules()
        rules.concurrency = 32
        pumps = JobRunner(
            store: ground.store, handlers: rooms.webhooks.pumps(), subscribers: [], clock: options.clock, entropy: options.entropy,
            rules: rules, log: { logger.warning("\($0)") })
        let metrics = Metrics()
        metrics.addProcessReadings(startedAt: options.clock.now())
        self.metrics = metrics
        let readiness = Readiness(store: ground.store, policies: policies.engine)
        self.readiness = readiness
        let authorizer = AccessAuthorizer(rooms.access)
        let console = try Console(
            services: ConsoleServices(
                identity: rooms.identity, catalog: rooms.catalog, billing: rooms.billing, licenses: rooms.licenses, leases: rooms.leases,
                mailbox: rooms.mailbox),
            brand: options.settings[PlatformSettings.brand], settings: options.settings, authorizer: authorizer, entropy: options.entropy)
        let served =
            try rooms.routes() + console.routes() + PluginPageRoutes(host: plugins).routes()
            + PolicyRoutes(floor: policies, store: ground.store, tenants: rooms.tenantPolicies).routes()
            + PluginRoutes(
                host: plugins, office: PluginOffice(directory: options.plugins, shelf: plugins.shelf), store: ground.store
            ).routes()
        routes = KernelRoutes(
            title: "\(options.settings[PlatformSettings.brand]) platform API", version: Release.version, checks: readiness.checks,
            isDraining: { readiness.draining.isDraining }, metrics: { metrics.render() },
            metricsOpen: options.settings[HTTPEdgeSettings.metricsOpen]
        ).joined(to: served + Self.keyRoutes(ground.keys))
        edge = try Edge(
            routes: routes,
            guards: EdgeGuards(
                authenticator: IdentityAuthenticator(rooms.identity), authorizer: authorizer, keyValue: InProcessKeyValue(),
                problemPage: { console.problemPage($0, requestID: $1) }),
            clock: options.clock, entropy: options.entropy, settings: options.settings,
            secret: ground.sealer.digest(Array("edge".utf8), purpose: "http.edge_secret"),
            observer: HTTPTelemetry(metrics: metrics, logger: logger))
    }

    /// Brings only the database up to date; gives the names of what was applied.
    package static func migrate(_ options: PlatformOptions) async throws -> [String] {
        let data = try DataDirectory(options.data)
        let sealer = try Ground.sealer(data, options)
        let store = try Ground.store(data, options, sealer: sealer, topics: PlatformRegister.topics)
        let applied = try await store.migrate(try PlatformRegister.migrations())
        await store.close()
        return applied
    }

    /// The literals and routes of a platform over a folder of its own, for the reference.
    package static func register(_ options: PlatformOptions) async throws -> Register {
        var scratch = options
        scratch.data = FileManager.default.temporaryDirectory.appendingPathComponent("coditect-reference-\(getpid())")
        defer { try? FileManager.default.removeItem(at: scratch.data) }
        let platform = try await open(scratch)
        let register = Register(
            settings: PlatformRegister.settings, problems: PlatformRegister.problems,
            permissions: PlatformRegister.permissions(platform.routes),
            hooks: PlatformRegister.hooks, routes: platform.routes)
        await platform.close()
        return register
    }

    // MARK: - Serving

    /// Loads plugins, listens, runs jobs and watches policies until `stop` returns; then drains.
    package func serve(
        host: String, port: Int, until stop: @escaping @Sendable () async -> Void, onListening: @escaping @Sendable (String) async -> Void
    ) async throws {
        let act = Act(actor: .system("start"), requestID: "start", now: options.clock.now())
        // The data directory is locked: whoever held these jobs is gone.
        try await runner.takeOver()
        try await rooms.start(act)
        try await upkeep.schedule(act)
        let isSecure = !options.settings[HTTPEdgeSettings.tlsCertificate].isEmpty
        await plugins.load()
        let service = HTTPService(
            edge: edge, settings: options.settings, draining: readiness.draining, clock: options.clock, logger: ground.logger)
        let background: [Task<Void, Never>] = [
            Task { [runner] in await runner.run() },
            Task { [pumps] in await pumps.run() },
            Task { [policies] in try? await policies.engine.run() },
            Task { [policies, ground] in await policies.tryContainment(ground.logger) },
            Task { [rooms] in await rooms.ledgerClock.run() },
            Task { [pluginWatch] in await pluginWatch.run() },
            Task { [ground] in await ground.keys.run { ground.logger.error("\($0)") } },
            Task {
                await stop()
                service.stop()
            },
        ]
        defer { for task in background { task.cancel() } }
        try await service.run(host: host, port: port) { [house] port in
            let address = "http\(isSecure ? "s" : "")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
            house.listens(at: address)
            Task { await onListening(address) }
        }
        for task in background { task.cancel() }
        for jobs in background[..<2] { await jobs.value }
        await plugins.stop()
    }

    /// What to do next, for the person who started the server.
    package func greeting(address: String) async -> [String] {
        var lines = ["  open           \(address)/", "  mails          \(address)/mailbox, files in \(ground.data.mailbox.path)"]
        let act = Act(actor: .system("start"), requestID: "start", now: options.clock.now())
        if let token = try? await rooms.identity.firstAdministratorLink(act) {
            lines.append("  administrator  \(address)/first-administrator?token=\(token)  (works once)")
        }
        if let hash = policies.engine.hash {
            lines.append("  policies       \(options.policies.path), version \(hash.short), read again when a file changes")
        }
        let providers = plugins.paymentProviders
        lines.append(
            "  payments       \(providers.isEmpty ? "none: build the plugins with 'make plugins'" : providers.joined(separator: ", "))")
        for child in plugins.children {
            lines.append("  isolated       \(child.plugin), in process \(child.process.map { "\($0)" } ?? "none, \(child.state.rawValue)")")
        }
        for refused in plugins.report.refused {
            let standing = refused.isUnused ? "not in use     " : "not loaded     "
            lines.append("  \(standing)\(refused.id ?? refused.folder): \(refused.sentence)")
        }
        lines.append("  stop           Ctrl-C")
        return lines
    }

    /// Reads the policy directory now instead of at the watcher's next look; a bad one leaves the set before at work.
    package func reloadPolicies() {
        policies.engine.reload()
        policies.readShadow()
    }

    /// Reads the plugins folder, the book and the files of secrets now instead of at the watch's next look.
    package func reloadPlugins() { Task { [plugins] in await plugins.load() } }

    /// What `serve` does first: which tenants have policies in force.
    package func readTenantPolicies() async throws { try await rooms.tenantPolicies.start() }

    /// For a platform that does not serve, and so never tries the hostile policies itself.
    package func settleContainment(_ state: Containment) { policies.engine.containment.settle(state) }

    package func close() async {
        await plugins.stop()
        await ground.close()
    }

    /// The public keys of access tokens.
    private static func keyRoutes(_ keys: KeyRing) -> [Route] {
        [
            Route(
                .get, "/.well-known/jwks.json", name: "keys.jwks", summary: "Public keys of access tokens (RFC 7517).", access: .open,
                limit: .unlimited, answers: [RouteAnswer(200, "The keys", .any)]
            ) { _ in
                var reply = Reply.json(value: keys.jwks())
                reply.headers.append(("cache-control", "public, max-age=300"))
                return reply
            }
        ]
    }
}
