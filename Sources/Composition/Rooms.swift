import Access
import Backoffice
import Billing
import Catalog
import Compliance
import DataRequests
import Foundation
import HTTPEdge
import HookEngine
import Identity
import Licensing
import Notifications
import Offboarding
import PluginHost
import PolicyHost
import Projects
import Provisioning
import Seats
import Signing
import Store
import Tenancy
import TenantPolicies
import Usage
import Vocabulary
import Webhooks

/// Every room, built; what they offer, gathered.
struct Rooms: Sendable {
    let tenancy: Tenancy
    let identity: Identity
    let federation: Federation
    let factors: Factors
    let people: People
    let teams: Teams
    let apiKeys: APIKeys
    let access: Access
    let catalog: Catalog
    let billing: Billing
    let usage: Usage
    let licenses: Licenses
    let leases: Leases
    let ledger: any KeptLedger
    let ledgerClock: LedgerClock
    let notifications: Notifications
    let consents: Consents
    let mailbox: Mailbox
    let tenantPolicies: TenantPolicies
    let webhooks: Webhooks
    let compliance: Compliance
    let backoffice: Backoffice
    let projects: Projects
    let provisioning: Provisioning
    let store: any Store
    private let leaving: RoomFloor
    private let scrub: @Sendable () async throws -> Bool
    private let journalKept: Duration
    private let exportFiles: ExportFiles

    init(
        ground: Ground, options: PlatformOptions, policies: PolicyEngine, catalog: Catalog, plugins: PluginHost,
        origin: @escaping @Sendable () -> String, regions: RegionParts?
    ) throws {
        let (store, sealer, keys, settings, entropy) = (ground.store, ground.sealer, ground.keys, options.settings, options.entropy)
        let hooks: any Hooks = policies
        self.catalog = catalog
        self.store = store
        exportFiles = ExportFiles(host: plugins, chosen: settings[ProjectSettings.store])
        tenantPolicies = TenantPolicies(store: store, runner: TenantPolicyDesk(layer: policies.tenants), settings: settings)
        webhooks = Webhooks(
            store: store, sealer: sealer,
            transport: ground.webhooks(options),
            entropy: entropy, settings: settings)
        policies.tenants.read(from: TenantPolicyShelf(room: tenantPolicies))
        var room = Tenancy(store: store, sealer: sealer, entropy: entropy, settings: settings)
        room.claims = regions?.claims(store, options)
        tenancy = room
        let mark = RegionMark(regions?.map.home)
        access = Access(hooks: hooks, tenancy: tenancy, store: store, permissions: Self.permissions)
        let hasher = Argon2Hasher(parameters: Argon2Parameters(settings), pool: HashPool(settings), sealer: sealer, entropy: entropy)
        var licences = Licenses(
            store: store, catalog: catalog, sealer: sealer, signer: keys, entropy: entropy, settings: settings,
            publicKeys: { keys.licenseKeysDocument() })
        licences.admits = { [tenancy] tenant, address, now in
            guard let rule = try await tenancy.addressRule(of: tenant), rule.coversLicenseKeys else { return true }
            return rule.admits(address, at: now)
        }
        licenses = licences
        var who = try Identity(
            store: store, tenancy: tenancy, hooks: hooks, vault: Vault(sealer: sealer, entropy: entropy, mark: mark),
            tokens: AccessTokens(signer: keys, permissions: access, entropy: entropy, settings: settings, region: mark.home),
            passwords: hasher,
            settings: settings)
        who.tierOf = { [licenses] in try await licenses.tier(of: $0, now: $1) }
        identity = who
        let (log, tell) = (ground.logger, origin)
        federation = Federation(
            identity: identity,
            parts: FederationParts(
                providers: PluggedIdentityProviders(host: plugins), resolver: options.resolver, origin: tell,
                note: { message, fields in log.warning("\(message)", metadata: fields.mapValues { .string($0) }) }))
        factors = Factors(identity: identity, origin: origin, brand: settings[PlatformSettings.brand])
        var members = People(identity: identity) { [federation] domain, tenant in
            try await federation.domains(of: tenant).contains { $0.domain == domain && $0.verifiedAt != nil }
        }
        apiKeys = APIKeys(identity: identity, permissions: Self.permissions)
        teams = Teams(store: store, tenancy: tenancy, entropy: entropy)
        ledgerClock = LedgerClock(
            clock: options.clock, settings: settings, writesEvery: Ground.isShared(options) ? LedgerClock.sharedPace : .zero)
        let logger = ground.logger
        let onStore = SQLLeaseLedger(
            store: store, licenses: licenses, sealer: sealer, entropy: entropy, time: ledgerClock, settings: settings)
        if let redis = ground.redis {
            ledger = SharedLeaseLedger(inner: onStore, scripts: redis, clock: options.clock) { logger.error("\($0)") }
        } else {
            ledger = onStore
        }
        var till = BillingFloor(
            store: store, hooks: hooks, sealer: sealer, entropy: entropy,
            note: { message, fields in logger.notice("\(message)", metadata: fields.mapValues { .string($0) }) })
        till.isTenant = { [tenancy] in try await tenancy.tenant($0) != nil }
        till.hasLeft = { [tenancy] in try await tenancy.tenant($0)?.status == .purged }
        billing = Billing(
            till, catalog: catalog,
            prices: .configured(environment: options.environment, settings: settings),
            providers: options.outside.payments ?? PluggedProviders(host: plugins, chosen: settings[BillingSettings.defaultProvider]),
            addresses: identity,
            access: BillingAccess(licenses: licenses, ledger: ledger), settings: settings)
        usage = Usage(
            store: store, hooks: hooks, terms: TiersInForce(store: store, licenses: licenses, catalog: catalog), settings: settings)
        leases = Leases(ledger: ledger, licenses: licenses, hooks: hooks, signer: keys, settings: settings)
        backoffice = Backoffice(
            store: store, tenancy: tenancy, billing: billing, licenses: licenses, leases: leases, catalog: catalog, settings: settings)
        mailbox = try Mailbox(folder: ground.data.mailbox)
        let channel = settings[NotificationSettings.channel]
        let transport: any MailTransport =
            channel.isEmpty
            ? mailbox
            : PluggedMail(host: plugins, plugin: channel) { logger.warning("\($0)", metadata: $1.mapValues { .string($0) }) }
        var mails = Notifications(
            store: store, sealer: sealer, addresses: identity, transport: options.outside.mail ?? transport, settings: settings,
            voice: MailDesk.voice(options) { logger.warning("\($0)", metadata: $1.mapValues { .string($0) }) }, origin: origin)
        mails.audience = MailAudience(
            hooks: hooks, tier: { [licenses] in try await licenses.tier(of: $0, now: $1) },
            role: { [tenancy] user, tenant in
                try await store.tenantRead(tenant) { try tenancy.member(of: user, in: $0)?.membership.role.rawValue }
            })
        let agreed = Consents(store: store, settings: settings)
        consents = agreed
        mails.audience.consents = { try await agreed.allows($0, to: $1) }
        notifications = mails
        projects = Projects(
            store: store, tenancy: tenancy, shelves: PluggedFiles(host: plugins, chosen: settings[ProjectSettings.store]), sealer: sealer,
            entropy: entropy, settings: settings, allowance: ProjectAllowance.granted(by: licenses))
        let driver = ground.store
        scrub = { try await driver.scrub() }
        journalKept = .days(Int64(settings[PlatformSettings.journalDays]))
        leaving = RoomFloor(
            store: store, hooks: hooks, sealer: sealer, signer: keys, entropy: entropy, settings: settings, addresses: identity)
        let notice = MemberNotice(leaving, tenancy: tenancy, contract: LeavingDesk(billing: billing))
        members.notice = { try await notice.end(of: $0, $1) }
        people = members
        let reading = EvidenceOfPeople(store: store, tenancy: tenancy, identity: identity, leases: leases, ledger: ledger)
        compliance = Compliance(
            ComplianceFloor(
                store: store, signer: keys, entropy: entropy, settings: settings, log: { logger.warning("\($0)") }), tenancy: tenancy,
            frameworks: PluggedFrameworks(host: plugins),
            sources: [
                AuditChainEvidence(store: store, signer: keys),
                PolicyChangeEvidence(store: store) { [tenantPolicies] scope in
                    switch scope {
                    case .platform: policies.hash?.hex
                    case .tenant(let tenant): try await tenantPolicies.standing(tenant).inForce
                    }
                },
                KeyAgeEvidence(keys: { keys.list() }), SecondFactorEvidence(store: store, tenancy: tenancy, reading: reading),
                LeaverEvidence(store: store, tenancy: tenancy, reading: reading),
            ], ending: reading)
        provisioning = Provisioning(
            ProvisioningFloor(store: store, hooks: hooks, sealer: sealer, entropy: entropy, settings: settings), catalog: catalog,
            survey: ProvisioningSurvey(store: store, licenses: licenses, tenancy: tenancy, access: access),
            keys: ProvisioningKeys(keys: apiKeys, tenancy: tenancy),
            makers: ProvisioningMakers(host: plugins, values: PluginValues(store: store, sealer: sealer)))
    }

    /// What a role can be asked for: the permissions that routes and services name.
    static let permissions =
        BillingPermissions.all + UsagePermissions.all + LicensePermissions.all + SeatPermissions.all + TenantPolicyPermissions.all
        + WebhookPermissions.all + FederationPermissions.all + TenancyPermissions.all + APIKeyPermissions.all + CompliancePermissions.all
        + ImpersonationPermissions.all + StaffPermissions.all + BackofficePermissions.all + FactorPermissions.all
        + NotificationPermissions.all
        + ProjectPermissions.all + ProvisioningPermissions.all + OffboardingPermissions.all + DataRequestPermissions.all

    var jobs: [JobHandler] {
        tenancy.jobs() + identity.jobs() + people.jobs() + billing.jobs() + usage.jobs() + licenses.jobs() + ledger.jobs()
            + notifications.jobs()
            + webhooks.jobs()
            + compliance.jobs() + projects.jobs() + provisioning.jobs() + offboarding.jobs()
            + dataRequests.jobs()
    }
    var subscribers: [EventSubscriber] {
        identity.subscribers() + billing.subscribers() + usage.subscribers() + licenses.subscribers() + notifications.subscribers()
            + webhooks.subscribers() + leases.subscribers() + provisioning.subscribers() + offboarding.subscribers()
    }
    /// What rooms do when a tenant leaves: from left to right they revoke and restore, from right to left they purge, so that who belonged to
    /// whom goes last.
    var closureSteps: [any ClosureStep] {
        let ledger = ledger
        return [
            tenancy.closure, identity.closure { [self] in _ = try await erase($0, $1) }, licenses.closure,
            leases.closure(store: store) { try await (ledger as? SharedLeaseLedger)?.forget($0) }, billing.closure,
            billing.contracts.closure, usage, provisioning, projects, notifications.closure,
            tenantPolicies.closure, compliance.closure, webhooks.closure, PlatformClosure(store: store, journal: journalKept),
            offboarding.closure,
        ]
    }
    /// Asks every room, so that it stands on all of them.
    var offboarding: Offboarding {
        Offboarding(leaving, tenancy: tenancy, contract: LeavingDesk(billing: billing)) { [self] in
            LeavingWork(
                steps: closureSteps,
                export: ExportWork(sources: exportSources, shelves: exportFiles),
                estate: LeaverDesk(provisioning: provisioning, projects: projects),
                scrub: scrub)
        }
    }
    var retention: RetentionBook {
        RetentionBook(RetentionTable.kinds, leaving, tenancy: tenancy, compliance: compliance)
    }
    /// Stands on all of them as well: a person is in every room.
    var dataRequests: DataRequests {
        DataRequests(leaving, desk: DataRequestDesk(rooms: self))
    }
    /// What rooms know of a person; the room of the requests itself adds its own.
    var personRecords: [any PersonRecords] {
        [
            identity.personRecords, tenancy.personRecords, leases.personRecords(store: store, sealer: leaving.sealer),
            provisioning.personRecords, projects.personRecords, notifications.personRecords, dataRequests.personRecords,
            consents.personRecords, offboarding.personRecords,
        ]
    }
    func scrubbed() async throws -> Bool { try await scrub() }
    /// What rooms give to the export of a tenant.
    var exportSources: [any ExportSource] {
        [
            tenancy.export, identity.export { [people] box, invitation in people.address(in: box, of: invitation) }, licenses.export,
            Leases.export(store: store), billing.contracts.export, billing.export, usage, provisioning, notifications.export,
            tenantPolicies.export, compliance.exportSource, webhooks.export, Offboarding.exportSource(store: store), projects,
        ]
    }
    /// Every life that is declared, for the reference.
    static let lifecycles: [any DeclaredLifecycle] =
        BillingLifecycles.all + [
            UsagePeriod.lifecycle, LicenseTransition.lifecycle, setupPlanLifecycle, workstationLifecycle, projectLifecycle,
            fileObjectLifecycle, leavingLifecycle, memberLeavingLifecycle, dataRequestLifecycle, exportLifecycle,
        ]
    var figures: [StoreFigure] { licenses.figures + leases.figures + webhooks.figures }
    func routes() throws -> [Route] {
        tenancy.routes() + teams.routes() + identity.routes() + federation.routes() + factors.routes() + people.routes() + apiKeys.routes()
            + identity.impersonationRoutes() + identity.accountRoutes()
            + catalog.routes() + billing.routes() + usage.routes() + licenses.routes() + leases.routes()
            + tenantPolicies.routes() + webhooks.routes() + compliance.routes() + notifications.routes()
            + backoffice.routes() + projects.routes()
            + provisioning.routes() + offboarding.routes() + retention.routes() + dataRequests.routes() + consents.routes()
    }

    /// Ledger time, and what the ledger keeps for a second, until the task is cancelled.
    func tick() async {
        guard let shared = ledger as? SharedLeaseLedger else { return await ledgerClock.run() }
        async let time: Void = ledgerClock.run(sharing: store)
        async let counts: Void = shared.run()
        _ = await (time, counts)
    }

    /// What must be due at every start.
    func start(_ act: Act) async throws {
        try await tenantPolicies.start()
        try await identity.start(act)
        try await notifications.start(act)
        try await webhooks.start(act)
        try await compliance.start(act)
        try await projects.start(act)
        try await licenses.start(act)
        try await provisioning.start(act)
        try await billing.scheduleDaily(act)
        try await usage.start(act)
        try await offboarding.start(act)
        try await ledgerClock.begin(store)
        try await ledger.start(act)
    }
}
