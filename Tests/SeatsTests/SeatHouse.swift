import Catalog
import Foundation
import HookEngine
import KeyValue
import LicenseFormat
import Licensing
import RoomTesting
import Seats
import Signing
import Store
import Vocabulary

/// The room on a real store, over a real licensing room, with scripted policy and a clock moved by hand.
final class SeatHouse: Sendable {
    let test: TestStore
    let licenses: Licenses
    let hooks: ScriptedHooks
    let time: LedgerClock
    let ledger: any KeptLedger
    let leases: Leases
    let tenant: TenantID
    private let scripts: (any ScriptRunner)?

    static let tiers: JSONValue = [
        "api": 1, "currency": "USD",
        "tiers": [
            [
                "id": "free", "name": "Free", "prices": ["month": ["amount_minor": 0]], "seats_per_unit": 1, "devices": 1,
                "entitlements": [:],
            ],
            [
                "id": "team", "name": "Team", "prices": ["month": ["amount_minor": 2900]], "seats_per_unit": 1, "devices_per_seat": 2,
                "entitlements": [:],
            ],
        ],
    ]

    /// - Parameter wrap: what stands between the ledger and the store.
    static func make(
        seed: UInt64 = 1, settings: Settings = Settings(), signer: any Signer = TestSigner(), scripts: (any ScriptRunner)? = nil,
        engine: TestStore.Engine = .wanted, wrap: (any Store) -> any Store = { $0 }
    ) async throws -> SeatHouse {
        let test = try await TestStore.make(
            migrations: try CatalogRoom.migrations() + LicensingRoom.migrations() + SeatsRoom.migrations(),
            topics: [MailRequested.topic: ["spy"]], seed: seed, engine: engine)
        return try SeatHouse(
            test, tenant: test.entropy.id(test.clock.now()), settings: settings, signer: signer, store: wrap(test.store),
            scripts: scripts == nil ? try await SharedStore.ofThisRun() : scripts)
    }

    private init(
        _ test: TestStore, tenant: TenantID, settings: Settings, signer: any Signer = TestSigner(), store: any Store,
        scripts: (any ScriptRunner)?
    )
        throws
    {
        self.test = test
        self.tenant = tenant
        let hooks = ScriptedHooks()
        let licenses = Licenses(
            store: test.store, catalog: Catalog(try TierCatalog.read(Self.tiers), clock: test.clock), sealer: test.sealer, signer: signer,
            entropy: test.entropy,
            settings: settings, publicKeys: { ["keys": []] })
        let isShared = scripts != nil || test.isShared
        let time = LedgerClock(clock: test.clock, settings: settings, writesEvery: isShared ? LedgerClock.sharedPace : .zero)
        let onStore = SQLLeaseLedger(
            store: store, licenses: licenses, sealer: test.sealer, entropy: test.entropy, time: time, settings: settings)
        let ledger: any KeptLedger =
            if let scripts { SharedLeaseLedger(inner: onStore, scripts: scripts, clock: test.clock, log: { _ in }) } else { onStore }
        self.scripts = scripts
        self.licenses = licenses
        self.hooks = hooks
        self.time = time
        self.ledger = ledger
        leases = Leases(ledger: ledger, licenses: licenses, hooks: hooks, signer: signer, settings: settings)
    }

    /// With real keys, and their public halves as customers have them.
    static func keyed() async throws -> (house: SeatHouse, keys: LicensePublicKeys) {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("keys-\(UUID().uuidString)")
        let ring = try KeyRing.open(
            directory: folder,
            masterKey: try MasterKey.load(
                environment: String(repeating: "07", count: 32), file: folder.appendingPathComponent("master.key"), keys: folder,
                entropy: SystemEntropy()), clock: ManualClock(), entropy: SystemEntropy(), settings: Settings())
        // The RSA key is made in the background; a process that ends meanwhile takes the library away under it.
        try await ring.ready()
        let house = try await make(settings: Settings().setting(SeatSettings.signatureAlgorithm, to: "ed25519"), signer: ring)
        guard let keys = LicensePublicKeys(document: ring.licenseKeysDocument()) else { throw CocoaError(.coderInvalidValue) }
        return (house, keys)
    }

    /// Another process, or the same one after a crash, on the same data or on what a backup had of it.
    func restarted(
        on restored: TestStore? = nil, settings: Settings = Settings(), scripts other: (any ScriptRunner)? = nil,
        wrap: (any Store) -> any Store = { $0 }
    ) throws -> SeatHouse {
        let test = restored ?? test
        return try SeatHouse(test, tenant: tenant, settings: settings, store: wrap(test.store), scripts: other ?? scripts)
    }

    var isShared: Bool { ledger is SharedLeaseLedger }
    /// What a process does when it is told to end.
    func stop() async throws { try await (ledger as? SharedLeaseLedger)?.flush(before: .max) }

    var now: Timestamp { test.clock.now() }
    func advance(_ seconds: Int64) { test.clock.advance(by: .seconds(seconds)) }

    /// Somebody of the tenant, by a number.
    func person(_ number: UInt8 = 1, tenant: TenantID? = nil, role: String = "developer") -> Principal {
        Principal(
            user: Identifier(UUID(bytes: [UInt8](repeating: number, count: 16))), tenant: tenant ?? self.tenant,
            membership: Identifier(UUID(bytes: [UInt8](repeating: number, count: 16))),
            session: Identifier(UUID(bytes: [UInt8](repeating: number, count: 16))), role: role)
    }
    func act(_ person: Principal? = nil, idempotency: IdempotencyClaim? = nil) -> Act {
        let person = person ?? self.person()
        return test.act(.user(person.user, session: person.session), idempotency: idempotency)
    }

    /// Gives the tenant a licence, or brings the one of `subscription` to another version.
    @discardableResult
    func license(
        seats: Int, subscription: SubscriptionID? = nil, version: Int64 = 1, standing: StandingChanged.Standing = .active,
        tenant: TenantID? = nil
    ) async throws -> (license: LicenseID, subscription: SubscriptionID) {
        let subscription = subscription ?? test.entropy.id(now)
        let tenant = tenant ?? self.tenant
        try await licenses.apply(
            StandingChanged(
                tenant: tenant, subscription: subscription, version: version, standing: standing, tier: "team", quantity: seats,
                interval: .month, periodEnd: Timestamp(seconds: 2_000_000_000), graceUntil: nil, cancelsAt: nil), test.act())
        let found = try await licenses.list(tenant, limit: 200).licenses.first { $0.origin == .subscription(subscription) }
        return (found!.id, subscription)  // the line above made it
    }

    @discardableResult
    func acquire(_ device: String, by person: Principal? = nil, license: LicenseID? = nil) async throws -> LeaseGrant {
        let person = person ?? self.person()
        return try await answer(
            Leases.Request(hardwareID: device, hostname: "host-\(device)", os: "linux", version: "1.0", license: license), person,
            act(person)
        ).grant
    }
    struct IsWaiting: Error { let place: Place }
    func answer(_ request: Leases.Request, _ person: Principal, _ act: Act) async throws -> Leases.Answer {
        switch try await leases.acquire(request, person, act) {
        case .granted(let answer): return answer
        case .waiting(let place, _, _): throw IsWaiting(place: place)
        }
    }
    /// The place in the queue; nil: the seat was given.
    func wait(_ device: String, by person: Principal? = nil) async throws -> Place? {
        let person = person ?? self.person()
        do {
            _ = try await answer(Leases.Request(hardwareID: device, waits: true), person, act(person))
            return nil
        } catch let waiting as IsWaiting { return waiting.place }
    }
    /// The code of the problem that the body meets; nil: it met none.
    func refusal<Value>(_ body: () async throws -> Value) async throws -> String? {
        do {
            _ = try await body()
            return nil
        } catch let problem as Problem { return problem.code }
    }
    @discardableResult
    func beat(_ session: Lease.ID, epoch: Int64? = nil, by person: Principal? = nil) async throws -> (epoch: Int64, isResurrected: Bool) {
        let person = person ?? self.person()
        let beat = try await leases.heartbeat(session, epoch: epoch, person, act(person))
        return (beat.epoch, beat.isResurrected)
    }
    func release(_ session: Lease.ID, by person: Principal? = nil) async throws {
        try await leases.release(session, person ?? self.person(), act(person))
    }
    func live() async throws -> Int { try await leases.usage(tenant, now: now).reduce(0) { $0 + $1.live } }

    /// Actions of the room in the tenant's journal, in order.
    func journal() async throws -> [String] {
        try await test.store.tenantRead(tenant) { db in
            try db.rows(SQL("test.journal", "SELECT action FROM journal_entry WHERE action LIKE 'seat.%' ORDER BY seq")).map {
                try $0.text(0)
            }
        }
    }
    func mails() async throws -> [String] {
        let box = Guarded<[String]>([])
        let spy = EventSubscriber(MailRequested.self, subscriber: "spy") { mail, _, _ in box.with { $0.append(mail.template) } }
        try await test.runDue(subscribers: [spy])
        return box.with { $0 }.filter { $0.hasPrefix("seats") }
    }
}
