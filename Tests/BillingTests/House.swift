import Catalog
import Foundation
import HookEngine
import PluginKit
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Billing

/// The room over a real store, with everything that it says to others written down.
final class House: Sendable {
    let test: TestStore
    let hooks: ScriptedHooks
    let provider = FakeProvider()
    let providers: FakeProviders
    let catalog: Catalog
    let billing: Billing
    let settings: Settings
    let access: FakeAccess
    private let heard: Guarded<Heard>
    let listeners: [EventSubscriber]

    struct Heard: Sendable {
        var standings: [StandingChanged] = []
        var mails: [MailRequested] = []
    }

    /// - Parameter store: what the room is given as its store, over the real one.
    static func make(
        at start: Timestamp = day(0), settings: Settings = Settings(), store wrap: (any Store) -> any Store = { $0 }
    ) async throws -> House {
        let heard = Guarded(Heard())
        let access = FakeAccess()
        let listeners = [
            EventSubscriber(StandingChanged.self, subscriber: "test") { event, _, _ in
                heard.with { $0.standings.append(event) }
                access.hear(event)
            },
            EventSubscriber(MailRequested.self, subscriber: "test") { event, _, _ in heard.with { $0.mails.append(event) } },
        ]
        let test = try await TestStore.make(
            migrations: try CatalogRoom.migrations() + BillingRoom.migrations(), topics: TestStore.topics(listeners),
            clock: ManualClock(at: start))
        return House(test, heard, access, listeners, settings, wrap(test.store))
    }

    private init(
        _ test: TestStore, _ heard: Guarded<Heard>, _ access: FakeAccess, _ listeners: [EventSubscriber], _ settings: Settings,
        _ store: any Store
    ) {
        self.test = test
        self.access = access
        self.heard = heard
        self.listeners = listeners
        self.settings = settings
        hooks = ScriptedHooks(entropy: SeededEntropy(11))
        providers = FakeProviders(fake: provider)
        catalog = Catalog(Shop.catalog(), clock: test.clock)
        billing = Billing(
            BillingFloor(store: store, hooks: hooks, sealer: test.sealer, entropy: test.entropy, note: { _, _ in }), catalog: catalog,
            prices: Shop.prices, providers: providers, addresses: FakeAddresses(), access: access, settings: settings)
    }

    let tenant = TenantID("01890000-0000-7000-8000-000000000001")!
    let stranger = TenantID("01890000-0000-7000-8000-000000000002")!
    static let user = UserID("01890000-0000-7000-8000-00000000000a")!
    static let session = AuthSessionID("01890000-0000-7000-8000-00000000000b")!

    var clock: ManualClock { test.clock }
    var heardStandings: [StandingChanged] { heard.with { $0.standings } }
    var heardMails: [MailRequested] { heard.with { $0.mails } }
    /// Templates in order, those to staff with their reason.
    func mails(_ tenant: TenantID? = nil) -> [String] {
        heardMails.filter { mail in
            guard let tenant else { return true }
            return mail.recipient == .owners(tenant) || mail.values["tenant"] == tenant.description
        }.map { $0.recipient == .staff ? "staff:\($0.values["reason"] ?? "")" : $0.template }
    }

    func act(_ key: String? = nil, fingerprint: [UInt8] = [1]) -> Act {
        let claim = key.map { IdempotencyClaim(key: $0, scope: "user:\(House.user):billing.checkout", fingerprint: fingerprint) }
        return test.act(.user(House.user, session: House.session), idempotency: claim)
    }

    func order(
        _ tier: String? = "team", _ interval: BillingInterval? = .month, quantity: Int = 1, price: String? = nil, provider: String? = nil
    ) -> CheckoutOrder {
        CheckoutOrder(tier: tier, interval: interval, priceID: price, quantity: quantity, provider: provider)
    }

    @discardableResult func checkout(_ order: CheckoutOrder? = nil, tenant: TenantID? = nil, key: String? = nil) async throws
        -> CheckoutAnswer
    {
        try await billing.checkout(order ?? self.order(), tenant: tenant ?? self.tenant, origin: "https://app.example", act(key))
    }

    /// One delivery of an event, signed.
    func deliver(
        _ told: Told, type: String = "thing.changed", signature: String = "valid", by provider: String = "fake"
    ) async throws {
        let body = try JSONCoding.encode(FakeProvider.Body(id: told.id, type: type, at: told.at, facts: told.facts))
        try await billing.receive(
            WebhookDelivery(headers: ["fake-signature": signature], body: body, receivedAt: clock.now()), provider: provider,
            test.act(.anonymous))
    }

    @discardableResult func run() async throws -> Int { try await test.runDue(handlers: billing.jobs(), subscribers: listeners) }

    func deliverAndRun(_ told: Told) async throws {
        try await deliver(told)
        try await run()
    }

    func subscription(_ tenant: TenantID? = nil) async throws -> SubscriptionView? {
        Billing.main(try await billing.subscriptions(of: tenant ?? self.tenant, now: clock.now()))
    }
    func state(_ tenant: TenantID? = nil) async throws -> Standing.State? { try await subscription(tenant)?.standing.state }
    /// The whole inbox, past the room's own store.
    func events() async throws -> [PaymentEvent] {
        try await test.store.kernelRead(KernelReason("test.look")) { db in
            let cursor = PageCursor.newest
            return try db.rows(InboxTable.list, cursor.at, cursor.id, 100_000).map(PaymentEvent.init)
        }
    }
    func event(_ id: String) async throws -> PaymentEvent { try #require(try await events().first { $0.event == id }) }
    func rows(_ text: String) async throws -> [[SQLValue]] {
        try await test.store.kernelRead(KernelReason("test.look")) { try $0.rows(SQL("test.look", text)).map(\.values) }
    }
    /// The reference that the provider was given for the last checkout.
    var reference: String { provider.requests.last?.reference ?? "" }
}

extension Told {
    /// The same events of another customer: names carry a suffix, the checkout's names are those that the house gave.
    func of(_ customer: String, session: String, reference: String) -> Told {
        func rename(_ name: String) -> String { "\(name)_\(customer)" }
        let facts = facts.map { fact -> PaymentFact in
            switch fact {
            case .checkout(var fact):
                fact.session = session
                fact.reference = reference
                fact.customer = fact.customer.map(rename)
                fact.subscription = fact.subscription.map(rename)
                return .checkout(fact)
            case .subscription(var fact):
                fact.subscription = rename(fact.subscription)
                fact.customer = fact.customer.map(rename)
                fact.reference = fact.reference == nil ? nil : reference
                return .subscription(fact)
            case .invoice(var fact):
                fact.invoice = rename(fact.invoice)
                fact.payment = fact.payment.map(rename)
                fact.subscription = fact.subscription.map(rename)
                fact.customer = fact.customer.map(rename)
                return .invoice(fact)
            case .refund(var fact):
                fact.refund = rename(fact.refund)
                fact.payment = fact.payment.map(rename)
                fact.customer = fact.customer.map(rename)
                fact.subscription = fact.subscription.map(rename)
                return .refund(fact)
            case .dispute(var fact):
                fact.dispute = rename(fact.dispute)
                fact.payment = fact.payment.map(rename)
                fact.customer = fact.customer.map(rename)
                fact.subscription = fact.subscription.map(rename)
                return .dispute(fact)
            case .decline(var fact):
                fact.invoice = fact.invoice.map(rename)
                fact.payment = fact.payment.map(rename)
                fact.customer = fact.customer.map(rename)
                return .decline(fact)
            @unknown default: return fact
            }
        }
        return Told(id: rename(id), facts: facts)
    }
    init(id: String, facts: [PaymentFact]) {
        self.id = id
        self.facts = facts
    }
}
