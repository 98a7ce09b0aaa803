import Catalog
import Foundation
import LicenseFormat
import Licensing
import RoomTesting
import Seats
import Signing
import Store
import StoreSQLite
import Vocabulary

/// One licence's seats on a real store, its requests answered as the wire answers them.
final class Desk: Sendable {
    let clock: DeskClock
    let hooks: DeskHooks
    let time: LedgerClock
    private let store: SQLiteStore
    private let licenses: Licenses
    private let ledger: SQLLeaseLedger
    private let leases: Leases
    private let jobs: JobRunner
    private let tenant = TenantID(UUID(bytes: [UInt8](repeating: 9, count: 16)))
    private let subscription = SubscriptionID(UUID(bytes: [UInt8](repeating: 8, count: 16)))
    private let license = Guarded<LicenseID?>(nil)

    private static let tiers: JSONValue = [
        "api": 1, "currency": "USD",
        "tiers": [
            [
                "id": "team", "name": "Team", "prices": ["month": ["amount_minor": 2900]], "seats_per_unit": 1, "devices_per_seat": 2,
                "entitlements": [:],
            ]
        ],
    ]

    init(folder: URL, clock: DeskClock, entropy: any Entropy, settings: Settings) async throws {
        self.clock = clock
        let (sealer, signer) = (TestSealer(), TestSigner())
        store = try SQLiteStore(
            file: folder.appendingPathComponent("desk.db"), clock: clock, entropy: entropy, sealer: sealer, topics: [:])
        _ = try await store.migrate(try CatalogRoom.migrations() + LicensingRoom.migrations() + SeatsRoom.migrations())
        hooks = DeskHooks(entropy: entropy)
        licenses = Licenses(
            store: store, catalog: Catalog(try TierCatalog.read(Self.tiers), clock: clock), sealer: sealer, signer: signer,
            entropy: entropy,
            settings: settings, publicKeys: { ["keys": []] })
        time = LedgerClock(clock: clock, settings: settings)
        ledger = SQLLeaseLedger(
            store: store, licenses: licenses, sealer: sealer, entropy: entropy, time: time, settings: settings)
        leases = Leases(ledger: ledger, licenses: licenses, hooks: hooks, signer: signer, settings: settings)
        jobs = JobRunner(
            store: store, handlers: ledger.jobs(), subscribers: [], clock: clock, entropy: entropy, log: { complain($0) })
        try await time.begin(store)
        try await ledger.start(Act(actor: .system("seats"), requestID: "start", now: clock.now()))
        try await find()
    }

    private func find() async throws {
        let found = try await licenses.list(tenant, limit: 1).licenses.first
        license.with { $0 = found?.id }
    }

    // MARK: What the schedule asks

    struct Malformed: Error {}

    /// Status and body; `words` are the verb and its arguments.
    func answer(_ words: [Substring]) async throws -> String {
        func text(_ place: Int) throws -> String {
            guard words.count > place else { throw Malformed() }
            return String(words[place])
        }
        func number(_ place: Int) throws -> Int {
            guard let number = Int(try text(place)) else { throw Malformed() }
            return number
        }
        func session(_ place: Int) throws -> Lease.ID {
            guard let session = Lease.ID(try text(place)) else { throw Malformed() }
            return session
        }
        do {
            switch try text(0) {
            case "acquire":
                return try await acquire(
                    try text(1), try person(try number(2)), key: try text(3), isNamed: try text(4) == "1", waits: try text(5) == "1")
            case "heartbeat":
                let person = try person(try number(2))
                let beat = try await leases.heartbeat(try session(1), epoch: Int64(try text(3)), person, act(person))
                let mark = (beat.isResurrected ? ",\"resurrected\":true" : "") + Self.receipt(beat.receipt)
                return "200,\"status\":\"ok\",\"epoch\":\(beat.epoch),\"expires_in\":\(beat.ttlSeconds)\(mark)"
            case "release":
                let person = try person(try number(2))
                try await leases.release(try session(1), person, act(person))
                return "200,\"status\":\"released\""
            case "force":
                let reason = try text(2).replacing("_", with: " ")
                let receipt = try await leases.forceRelease(try session(1), tenant: tenant, reason: reason, act(try person(0)))
                return "200,\"status\":\"released\"\(Self.receipt(receipt))"
            case "borrow":
                let person = try person(try number(4))
                let lent = try await leases.borrow(
                    try session(1), hardwareID: try text(2), hours: try number(3), person, act(person))
                return """
                    200,"session_id":"\(lent.grant.session)","epoch":\(lent.grant.epoch),\
                    "borrowed_until":"\(lent.grant.expiresAt.iso8601)"\(Self.receipt(lent.receipt))
                    """
            case "list":
                let query = LeaseQuery(tenant: tenant, license: license.with { $0 }, limit: 100)
                let rows = try await leases.list(query, now: clock.now()).map {
                    "{\"session_id\":\"\($0.lease.id)\",\"epoch\":\($0.lease.epoch),\"hostname\":\"\($0.hostname ?? "")\"}"
                }
                return "200,\"sessions\":[\(rows.joined(separator: ","))]"
            case "seats":
                try await standing(seats: try number(1), standing: try text(2), version: Int64(try number(3)))
                return "200"
            case "reserve":
                guard let license = license.with({ $0 }) else { throw Malformed() }
                let members = try text(3).split(separator: ",").map { try person(Int($0) ?? 0).user }
                try await ledger.reserve(
                    license, name: try text(1), seats: try number(2), members: members, tenant: tenant, act(try person(0)))
                return "200"
            case "unreserve":
                guard let license = license.with({ $0 }) else { throw Malformed() }
                try await ledger.dropReservation(license, name: try text(1), tenant: tenant, act(try person(0)))
                return "200"
            case "terms":
                hooks.set(overdraft: Int64(try number(1)), linger: Int64(try number(2)), hold: Int64(try number(3)))
                return "200"
            case "jobs":
                try await jobs.runDue()
                return "200"
            default: throw Malformed()
            }
        } catch let problem as Problem {
            return Self.body(problem)
        }
    }

    private func acquire(_ device: String, _ person: Principal, key: String, isNamed: Bool, waits: Bool) async throws -> String {
        let request = Leases.Request(
            hardwareID: device, hostname: device, license: isNamed ? license.with { $0 } : nil, waits: waits)
        var claim: IdempotencyClaim?
        if key != "-" {
            let asked = Array("\(device) \(isNamed) \(waits)".utf8)
            claim = IdempotencyClaim(key: key, scope: "user:\(person.user)|acquire", fingerprint: asked)
        }
        switch try await leases.acquire(request, person, act(person, claim)) {
        case .granted(let answer):
            return """
                200,"license_id":"\(answer.grant.license)","session_id":"\(answer.grant.session)","epoch":\(answer.grant.epoch),\
                "seats_used":\(answer.grant.seatsUsed),"seats_total":\(answer.grant.seatsTotal),\
                "expires_at":"\(answer.grant.expiresAt.iso8601)","heartbeat_interval":\(answer.heartbeatIntervalSeconds)\
                \(Self.receipt(answer.receipt))
                """
        case .waiting(let place, let count, _):
            return """
                202,"status":"waiting","position":\(place.position),"retry_after":\(place.retryAfterSeconds),\
                "claim_seconds":\(place.claimSeconds),"seats_used":\(count.used),"seats_total":\(count.total)
                """
        }
    }

    /// What Billing would say of the subscription.
    private func standing(seats: Int, standing: String, version: Int64) async throws {
        guard let standing = StandingChanged.Standing(rawValue: standing) else { throw Malformed() }
        try await licenses.apply(
            StandingChanged(
                tenant: tenant, subscription: subscription, version: version, standing: standing, tier: "team", quantity: seats,
                interval: .month, periodEnd: Timestamp(seconds: 4_000_000_000), graceUntil: nil, cancelsAt: nil),
            Act(actor: .system("billing"), requestID: "schedule", now: clock.now()))
        try await find()
    }

    private func person(_ number: Int) throws -> Principal {
        let id = UUID(bytes: [UInt8](repeating: UInt8(truncatingIfNeeded: number + 1), count: 16))
        return Principal(
            user: Identifier(id), tenant: tenant, membership: Identifier(id), session: Identifier(id), role: "developer")
    }
    private func act(_ person: Principal, _ claim: IdempotencyClaim? = nil) -> Act {
        Act(
            actor: .user(person.user, session: person.session), requestID: "schedule", now: clock.now(), address: "192.0.2.1",
            idempotency: claim)
    }

    // MARK: Bodies

    private static func receipt(_ receipt: SignedDocument?) -> String {
        guard let document = receipt?.document else { return "" }
        func text(_ name: String) -> String { document[name]?.string.map { "\"\($0)\"" } ?? "null" }
        func number(_ name: String) -> String { document[name]?.int.map(String.init) ?? "null" }
        return """
            ,"receipt":{"sequence":\(number("sequence")),"act":\(text("act")),"session_id":\(text("session_id")),\
            "epoch":\(number("epoch"))}
            """
    }
    /// The members of problems that this desk can meet are numbers and plain texts.
    private static func body(_ problem: Problem) -> String {
        var members = ""
        for (name, value) in problem.fields {
            if name == "receipt" {
                let document = value["document"]
                members += ",\"receipt\":{\"sequence\":\(document?["sequence"]?.int ?? -1),\"act\":\"\(document?["act"]?.string ?? "")\","
                members += "\"session_id\":null,\"epoch\":null}"
            } else if let number = value.int {
                members += ",\"\(name)\":\(number)"
            } else if let text = value.string {
                members += ",\"\(name)\":\"\(text)\""
            }
        }
        return "\(problem.status),\"error\":\"\(problem.code)\"\(members)"
    }
}
