import Access
import Billing
import Catalog
import Foundation
import HTTPEdge
import HookEngine
import Identity
import Licensing
import Notifications
import PluginHost
import PolicyHost
import Seats
import Signing
import Store
import Tenancy
import TenantPolicies
import Vocabulary
import Webhooks

/// Every room, built; what they offer, gathered.
struct Rooms: Sendable {
    let tenancy: Tenancy
    let identity: Identity
    let access: Access
    let catalog: Catalog
    let billing: Billing
    let licenses: Licenses
    let leases: Leases
    let ledger: SQLLeaseLedger
    let ledgerClock: LedgerClock
    let notifications: Notifications
    let mailbox: Mailbox
    let tenantPolicies: TenantPolicies
    let webhooks: Webhooks
    private let store: any Store

    init(
        ground: Ground, options: PlatformOptions, policies: PolicyEngine, catalog: Catalog, plugins: PluginHost,
        origin: @escaping @Sendable () -> String
    ) throws {
        let (store, sealer, keys, settings, entropy) = (ground.store, ground.sealer, ground.keys, options.settings, options.entropy)
        let hooks: any Hooks = policies
        self.catalog = catalog
        self.store = store
        tenantPolicies = TenantPolicies(store: store, runner: TenantPolicyDesk(layer: policies.tenants), settings: settings)
        webhooks = Webhooks(
            store: store, sealer: sealer, transport: WebhookClient(opens: settings[WebhookSettings.opens], clock: options.clock),
            entropy: entropy, settings: settings)
        policies.tenants.read(from: TenantPolicyShelf(room: tenantPolicies))
        tenancy = Tenancy(store: store, sealer: sealer, entropy: entropy, settings: settings)
        access = Access(hooks: hooks, tenancy: tenancy, store: store, permissions: Self.permissions)
        let hasher = Argon2Hasher(parameters: Argon2Parameters(settings), pool: HashPool(settings), sealer: sealer, entropy: entropy)
        identity = try Identity(
            store: store, tenancy: tenancy, hooks: hooks, vault: Vault(sealer: sealer, entropy: entropy),
            tokens: AccessTokens(signer: keys, permissions: access, entropy: entropy, settings: settings), passwords: hasher,
            settings: settings)
        licenses = Licenses(
            store: store, catalog: catalog, sealer: sealer, signer: keys, entropy: entropy, settings: settings,
            publicKeys: { keys.licenseKeysDocument() })
        ledgerClock = LedgerClock(clock: options.clock, settings: settings)
        ledger = SQLLeaseLedger(store: store, licenses: licenses, sealer: sealer, entropy: entropy, time: ledgerClock, settings: settings)
        let logger = ground.logger
        billing = Billing(
            BillingFloor(
                store: store, hooks: hooks, sealer: sealer, entropy: entropy,
                note: { message, fields in logger.notice("\(message)", metadata: fields.mapValues { .string($0) }) }), catalog: catalog,
            prices: .configured(environment: options.environment, settings: settings),
            providers: PluggedProviders(host: plugins, chosen: settings[BillingSettings.defaultProvider]), addresses: identity,
            access: BillingAccess(licenses: licenses, ledger: ledger), settings: settings)
        leases = Leases(ledger: ledger, licenses: licenses, hooks: hooks, signer: keys, settings: settings)
        mailbox = try Mailbox(folder: ground.data.mailbox)
        notifications = Notifications(
            store: store, sealer: sealer, addresses: identity, transport: mailbox, settings: settings,
            brand: settings[PlatformSettings.brand], origin: origin)
    }

    /// What a role can be asked for: the permissions that routes and services name.
    static let permissions =
        BillingPermissions.all + LicensePermissions.all + SeatPermissions.all + TenantPolicyPermissions.all
        + WebhookPermissions.all

    var jobs: [JobHandler] {
        identity.jobs() + billing.jobs() + licenses.jobs() + ledger.jobs() + notifications.jobs() + webhooks.jobs()
    }
    var subscribers: [EventSubscriber] {
        identity.subscribers() + billing.subscribers() + licenses.subscribers() + notifications.subscribers()
            + webhooks.subscribers()
    }
    func routes() throws -> [Route] {
        tenancy.routes() + identity.routes() + catalog.routes() + billing.routes() + licenses.routes() + leases.routes()
            + tenantPolicies.routes() + webhooks.routes()
    }

    /// What must be due at every start.
    func start(_ act: Act) async throws {
        try await tenantPolicies.start()
        try await identity.start(act)
        try await notifications.start(act)
        try await webhooks.start(act)
        try await billing.scheduleDaily(act)
        try await ledgerClock.begin(store)
        try await ledger.start(act)
    }
}
