import Catalog
import Foundation
import HTTPEdge
import LicenseFormat
import Licensing
import RoomTesting
import Signing
import Store
import Vocabulary

/// The room on a real store, with three tiers and a scripted signer.
struct LicenseHouse: Sendable {
    let test: TestStore
    let licenses: Licenses
    let tenant: TenantID
    let catalog: Catalog

    static let tiers: JSONValue = [
        "api": 1, "currency": "USD",
        "tiers": [
            [
                "id": "free", "name": "Free", "prices": ["month": ["amount_minor": 0]], "seats_per_unit": 1, "devices": 1,
                "entitlements": ["private_projects": false, "projects": 1],
            ],
            [
                "id": "pilot_starter", "name": "Pilot Starter", "prices": ["month": ["amount_minor": 1900]], "seats_per_unit": 1,
                "devices": 1,
                "key": ["prefix": "CODITECT-PILOT", "groups": 3], "entitlements": ["projects": 3],
                "quotas": ["ai_requests": ["limit": 100, "per": "month"]],
            ],
            [
                "id": "team", "name": "Team", "prices": ["month": ["amount_minor": 2900]], "seats_per_unit": 1, "devices_per_seat": 2,
                "entitlements": ["private_projects": true, "projects": "unlimited"],
            ],
            [
                "id": "enterprise", "name": "Enterprise", "contract": true, "seats_per_unit": 500, "devices": "unlimited",
                "entitlements": ["private_projects": true],
            ],
        ],
    ]

    static func make(signer: any Signer = TestSigner(), settings: Settings = Settings(), tiers: JSONValue = LicenseHouse.tiers) async throws
        -> LicenseHouse
    {
        let test = try await TestStore.make(
            migrations: try CatalogRoom.migrations() + LicensingRoom.migrations(),
            topics: [
                LicenseIssued.topic: ["spy"], LicenseRevoked.topic: ["spy"], MailRequested.topic: ["spy"],
                StandingChanged.topic: ["licensing"],
                UserVerified.topic: ["licensing"], ContractChanged.topic: ["licensing"],
            ])
        let catalog = Catalog(try TierCatalog.read(tiers), clock: test.clock)
        let licenses = Licenses(
            store: test.store, catalog: catalog, sealer: test.sealer, signer: signer, entropy: test.entropy, settings: settings,
            publicKeys: { ["keys": []] })
        return LicenseHouse(test: test, licenses: licenses, tenant: test.entropy.id(test.clock.now()), catalog: catalog)
    }

    var now: Timestamp { test.clock.now() }
    func act(_ actor: Actor = .system("test"), idempotency: IdempotencyClaim? = nil) -> Act { test.act(actor, idempotency: idempotency) }
    func newSubscription() -> SubscriptionID { test.entropy.id(now) }

    func standing(
        _ subscription: SubscriptionID, version: Int64, _ standing: StandingChanged.Standing = .active, tier: String = "team",
        quantity: Int = 2, days: Int64 = 30, graceDays: Int64? = nil, cancelDays: Int64? = nil
    ) -> StandingChanged {
        let start = Timestamp(seconds: 1_800_000_000)
        return StandingChanged(
            tenant: tenant, subscription: subscription, version: version, standing: standing, tier: tier, quantity: quantity,
            interval: .month, periodEnd: start + .days(days), graceUntil: graceDays.map { start + .days($0) },
            cancelsAt: cancelDays.map { start + .days($0) })
    }

    /// Issues a licence and gives it with its key.
    func issued(tier: String = "team", quantity: Int = 2, days: Int64 = 30) async throws -> Licenses.Detail {
        let subscription = newSubscription()
        try await licenses.apply(standing(subscription, version: 1, tier: tier, quantity: quantity, days: days), act())
        let all = try await licenses.list(tenant).licenses
        let license = all.first { $0.origin == .subscription(subscription) }
        return try await licenses.reveal(license!.id, tenant: tenant, act())  // the line above made it
    }

    /// Everything emitted so far, as topic and payload; emptied by reading.
    func heard() async throws -> [(topic: String, json: JSONValue)] {
        let box = Guarded<[(String, JSONValue)]>([])
        func spy<Event: PlatformEvent>(_ type: Event.Type) -> EventSubscriber {
            EventSubscriber(type, subscriber: "spy") { event, _, _ in
                let json = try JSONCoding.decode(JSONValue.self, JSONCoding.encode(event))
                box.with { $0.append((Event.topic, json)) }
            }
        }
        try await test.runDue(subscribers: [spy(LicenseIssued.self), spy(LicenseRevoked.self), spy(MailRequested.self)])
        return box.with { $0 }
    }
    func mails() async throws -> [String] {
        try await heard().filter { $0.topic == MailRequested.topic }.compactMap { $0.json["template"]?.string }.sorted()
    }

    /// Actions in the tenant's journal, in order.
    func journal() async throws -> [String] {
        try await test.store.tenantRead(tenant) { db in
            try db.rows(SQL("test.journal", "SELECT action FROM journal_entry ORDER BY seq")).map { try $0.text(0) }
        }
    }
}
