import Access
import Console
import Foundation
import HTTPEdge
import HTTPServer
import HookEngine
import Identity
import Logging
import Notifications
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
    let upkeep: StoreUpkeep
    let metrics: Metrics
    /// Nil where the settings name no collector.
    package let traces: TraceExport?
    package let routes: [Route]
    private let readiness: Readiness
    /// Nil where one region is alone.
    let regions: RegionParts?
    package let nodes: NodeBook

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
        let metrics = Metrics()
        self.metrics = metrics
        traces = TraceExport(options, metrics: metrics, logger: ground.logger)
        let tracer = traces?.tracer
        let ground = ground.traced(tracer, system: Ground.isShared(options) ? "postgresql" : "sqlite")
        self.ground = ground
        policies = try PolicyFloor.open(
            options,
            sink: CountedDecisions(
                try options.outside.decisions ?? DecisionLog(directory: ground.data.decisions), metrics: metrics, tracer: tracer),
            logger: ground.logger,
            journal: ground.policyJournal(options))
        let house = ground.pluginHouse(options)
        self.house = house
        plugins = PluginHost(
            directory: options.plugins, copies: ground.data.pluginCopies, services: house, limits: CanaryLimits(options.settings))
        pluginWatch = PluginWatch(host: plugins, house: house, directory: options.plugins)
        pluginWatch.attend(journal: ground.pluginJournal(options))
        ground.keys.use(PluggedKeys(host: plugins))
        policies.engine.modules.read { [plugins] in plugins.policyModules($0) }
        regions = try RegionParts(options, ground, metrics)
        rooms = try Rooms(
            ground: ground, options: options, policies: policies.engine, catalog: policies.catalog, plugins: plugins,
            origin: { house.origin() }, regions: regions)
        let listening = Dictionary(grouping: rooms.subscribers, by: \.topic).mapValues { Set($0.map(\.subscriber)) }
        guard listening == PlatformRegister.topics.mapValues({ Set($0) }) else {
            throw OperatorProblem("the rooms listen to \(listening), the register says \(PlatformRegister.topics)")
        }
        let logger = ground.logger
        let keys = ground.keys
        var upkeep = StoreUpkeep(
            store: ground.store, keepJournal: .days(Int64(options.settings[PlatformSettings.journalDays])),
            checkpointEvery: options.isSimulated ? .days(1) : .minutes(5),
            log: { logger.warning("\($0)") }
        ) { message in
            let signature = try await keys.sign(message, .journal)
            return (signature.keyID, signature.bytes)
        }
        if !options.isSimulated {
            upkeep.proof = JournalProof(isSigned: { keys.verify($0, Signature(keyID: $1, bytes: $2), .journal) })
        }
        self.upkeep = upkeep
        var rules = JobRules()
        if options.isSimulated { rules.concurrency = 1 }
        runner = JobRunner(
            store: ground.store, handlers: ground.traced(rooms.jobs + upkeep.storeJobs()),
            subscribers: ground.traced(rooms.subscribers), clock: options.clock,
            entropy: options.entropy, rules: rules, log: { logger.warning("\($0)") })
        if !options.isSimulated { rules.concurrency = 32 }
        pumps = JobRunner(
            store: ground.store, handlers: ground.traced(rooms.webhooks.pumps()), subscribers: [], clock: options.clock,
            entropy: options.entropy,
            rules: rules, log: { logger.warning("\($0)") })
        metrics.addProcessReadings(startedAt: options.clock.now())
        let pluginTelemetry = PluginTelemetry(host: plugins)
        pluginTelemetry.add(to: metrics)
        let census = Census(store: ground.store, figures: rooms.figures + NodeBook.figures + JournalFigures.all, clock: options.clock) {
            logger.warning("\($0)")
        }
        census.add(to: metrics)
        let settings = options.settings
        metrics.reading("tls_certificate_not_after_timestamp_seconds", "Until when the certificate of this process is valid.") {
            HTTPService.certificateEnds(settings).map { Double($0.seconds) }
        }
        let readiness = Readiness(store: ground.store, policies: policies.engine, keys: ground.keys)
        self.readiness = readiness
        nodes = NodeBook(
            store: ground.store, clock: options.clock, entropy: options.entropy, ledger: ground.redis == nil ? "store" : "redis"
        ) { [policies, plugins] in
            NodeBook.Standing(policies: policies, plugins: plugins, isDraining: readiness.draining.isDraining)
        }
        let authorizer = AccessAuthorizer(rooms.access)
        let operated = try rooms.routes()
        var services = ConsoleServices(
            accounts: ConsoleAccounts(
                identity: rooms.identity, federation: rooms.federation, people: rooms.people, factors: rooms.factors,
                apiKeys: rooms.apiKeys, tenancy: rooms.tenancy),
            catalog: rooms.catalog, billing: rooms.billing, licenses: rooms.licenses, leases: rooms.leases,
            mailbox: rooms.mailbox, operations: Operations(operated, authorizer: authorizer))
        services.regions = regions?.choices ?? []
        let console = try Console(
            services: services,
            brand: options.settings[PlatformSettings.brand], settings: options.settings, authorizer: authorizer, entropy: options.entropy)
        let served =
            operated + console.routes() + PluginPageRoutes(host: plugins).routes()
            + PolicyRoutes(floor: policies, store: ground.store, tenants: rooms.tenantPolicies).routes()
            + PluginRoutes(
                host: plugins, office: PluginOffice(directory: options.plugins, shelf: plugins.shelf), store: ground.store
            ).routes() + NodeRoutes(book: nodes).routes() + JournalRoundRoutes(store: ground.store).routes()
            + RegionRoutes(map: regions?.map, home: rooms.tenancy.region, identity: rooms.identity, licenses: rooms.licenses).routes()
        var kernel = KernelRoutes(
            title: "\(options.settings[PlatformSettings.brand]) platform API", version: Release.version,
            checks: readiness.checks + [pluginTelemetry.check] + (regions.map { [$0.check] } ?? []),
            isDraining: { readiness.draining.isDraining },
            metrics: {
                await census.refresh()
                return metrics.render()
            },
            metricsOpen: options.settings[HTTPEdgeSettings.metricsOpen]
        )
        kernel.hasRegions = regions != nil
        routes = kernel.joined(to: served + Self.keyRoutes(ground.keys))
        edge = try Edge(
            routes: routes,
            guards: EdgeGuards(
                authenticator: IdentityAuthenticator(rooms.identity), authorizer: authorizer, keyValue: ground.keyValue,
                problemPage: { console.problemPage($0, requestID: $1) }, regions: regions?.gateway(rooms, options.clock)),
            clock: options.clock, entropy: options.entropy, settings: options.settings,
            secret: ground.sealer.digest(Array("edge".utf8), purpose: "http.edge_secret"),
            observer: HTTPTelemetry(metrics: metrics, logger: logger, tracer: tracer))
    }

    /// The literals and routes of a platform over a folder of its own, for the reference.
    package static func register(_ options: PlatformOptions) async throws -> Register {
        let scratch = try ScratchFolder("reference")
        defer { scratch.remove() }
        var options = options
        options.data = scratch.url
        let platform = try await open(options)
        var register = Register(
            settings: PlatformRegister.settings, problems: PlatformRegister.problems,
            permissions: PlatformRegister.permissions(platform.routes),
            hooks: PlatformRegister.hooks, routes: platform.routes)
        register.matrix = try await platform.roleMatrix()
        await platform.close()
        return register
    }

    // MARK: - Serving

    /// Loads plugins, listens, runs jobs and watches policies until `stop` returns; then drains.
    package func serve(
        host: String, port: Int, until stop: @escaping @Sendable () async -> Void, onListening: @escaping @Sendable (String) async -> Void
    ) async throws {
        try await begin()
        let isSecure = !options.settings[HTTPEdgeSettings.tlsCertificate].isEmpty
        await plugins.load()
        if ground.keys.lacksKeys {
            // A first start with keys in a service: made before anybody asks. Where it does not answer, the server goes on without.
            do { try await ground.keys.maintain() } catch { ground.logger.error("keys: \(error)") }
        }
        let service = HTTPService(
            edge: edge, settings: options.settings, draining: readiness.draining, clock: options.clock, logger: ground.logger)
        metrics.reading("http_connections_open", "Connections open now.") { [weak service] in service.map { Double($0.openConnections) } }
        let exporting = Task<Void, Never> { [traces] in await traces?.run() }
        let background: [Task<Void, Never>] = [
            Task { [runner] in await runner.run() },
            Task { [pumps] in await pumps.run() },
            Task { [policies] in try? await policies.engine.run() },
            Task { [policies, ground] in await policies.tryContainment(ground.logger) },
            Task { [rooms] in await rooms.tick() },
            Task { [nodes] in await nodes.run() },
            Task { [pluginWatch] in await pluginWatch.run() },
            Task { [ground] in await ground.keys.run { ground.logger.error("\($0)") } },
            Task {
                await stop()
                service.stop()
            },
        ]
        defer { (background + [exporting]).forEach { $0.cancel() } }
        try await service.run(host: host, port: port) { [house] port in
            let address = "http\(isSecure ? "s" : "")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
            house.listens(at: address)
            Task { await onListening(address) }
        }
        for task in background { task.cancel() }
        for jobs in background[..<2] { await jobs.value }
        exporting.cancel()
        await exporting.value
        await traces?.finish()
        try? await nodes.leave()
        await plugins.stop()
    }

    /// Takes up what whoever held this data before left, and makes due what must be due at every start.
    package func begin() async throws {
        let act = Act(actor: .system("start"), requestID: "start", now: options.clock.now())
        // The data directory is locked: whoever held these jobs, mails and workstations is gone. Over a shared database their leases run out
        // by themselves.
        if !Ground.isShared(options) {
            try await runner.takeOver()
            try await rooms.notifications.takeOver()
            try await rooms.provisioning.takeOver()
            try await nodes.takeOver()
        }
        try await rooms.start(act)
        try await upkeep.schedule(act)
        await tellPolicies()
    }

    /// As if the process had died: nothing drains, nothing is written any more, the data directory is free. What is still under way meets a
    /// closed store.
    package func drop() async {
        await regions?.close()
        await ground.close()
        ground.data.release()
    }

    var federation: Federation { rooms.federation }

    /// What to do next, for the person who started the server.
    package func greeting(address: String) async -> [String] {
        let channel = options.settings[NotificationSettings.channel]
        let mails =
            channel.isEmpty
            ? "\(address)/mailbox, files in \(ground.data.mailbox.path)"
            : plugins.notificationChannel(channel) == nil ? "wait: the plugin \(channel) is not at work" : "by the plugin \(channel)"
        var lines = ["  open           \(address)/", "  mails          \(mails)"]
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
        for (service, fault) in await ground.keys.serviceFaults() { lines.append("  keys           \(service) CANNOT SIGN: \(fault)") }
        for child in plugins.children {
            lines.append("  isolated       \(child.plugin), in process \(child.process.map { "\($0)" } ?? "none, \(child.state.rawValue)")")
        }
        for refused in plugins.report.refused {
            let standing = refused.isUnused ? "not in use     " : "not loaded     "
            lines.append("  \(standing)\(refused.id ?? refused.folder): \(refused.sentence)")
        }
        if Ground.isShared(options) {
            lines.append("  database       PostgreSQL, shared with other processes")
            lines.append(
                "  not shared     \(ground.redis == nil ? "limits, " : "")caches of sessions and roles, tenants' policies in force, decisions: each process has its own"
            )
        }
        if let regions {
            let others = regions.map.places.keys.filter { $0 != regions.map.home }.map(\.rawValue).sorted()
            lines.append("  region         \(regions.map.home.rawValue), beside \(others.joined(separator: ", "))")
        }
        if let redis = ground.redis {
            lines.append("  redis          \(redis.options.told): limits of requests, and until when seats are held")
        }
        for sentence in UnreadSettings(options).sentences() {
            lines.append("  unread         \(sentence)")
            ground.logger.warning("\(sentence)")
        }
        lines.append("  stop           Ctrl-C")
        return lines
    }

    /// Reads the policy directory now instead of at the watcher's next look; a bad one leaves the set before at work.
    package func reloadPolicies() {
        policies.engine.reload()
        policies.readShadow()
    }

    /// Takes over what an operator's command changed in the ring, instead of at the next look.
    package func reloadKeys() {
        Task { [ground] in
            do { try await ground.keys.maintain() } catch { ground.logger.error("keys: \(error)") }
        }
    }

    /// Reads the plugins folder, the book and the files of secrets now instead of at the watch's next look.
    package func reloadPlugins() { Task { [plugins] in await plugins.load() } }

    /// What `serve` does first: which tenants have policies in force.
    package func readTenantPolicies() async throws { try await rooms.tenantPolicies.start() }

    /// For a platform that does not serve, and so never tries the hostile policies itself.
    package func settleContainment(_ state: Containment) { policies.engine.containment.settle(state) }

    package func close() async {
        await plugins.stop()
        await regions?.close()
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
