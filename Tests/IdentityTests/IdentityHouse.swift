import Foundation
import HTTPEdge
import HookEngine
import Identity
import RoomTesting
import Signing
import Store
import Tenancy
import Vocabulary

/// The two rooms over a real store, with a hasher that is quick and counts, and everything mailed or told kept for looking at.
struct IdentityHouse: Sendable {
    static let password = "maple-otter-lantern-42"
    static let otherPassword = "copper-violin-harbour-7"

    let bench: TestStore
    let hooks = ScriptedHooks()
    let hasher: CountingHasher
    let signer = TestSigner()
    let tenancy: Tenancy
    let identity: Identity
    let mails = Guarded<[MailRequested]>([])
    let verified = Guarded<[UserVerified]>([])

    /// - Parameters:
    ///   - wrap: what stands between the rooms and the store.
    ///   - claims: of a house that is one of several regions.
    init(
        _ settings: Settings = Settings(), hasher: CountingHasher = CountingHasher(), wrap: (any Store) -> any Store = { $0 },
        claims: ((TestStore) -> RegionClaims)? = nil
    ) async throws {
        self.hasher = hasher
        bench = try await TestStore.make(
            migrations: try TenancyRoom.migrations() + IdentityRoom.migrations(),
            topics: [MailRequested.topic: ["post"], UserVerified.topic: ["ear"]])
        let store = wrap(bench.store)
        var room = Tenancy(store: store, sealer: bench.sealer, entropy: bench.entropy, settings: settings)
        room.claims = claims?(bench)
        tenancy = room
        let region = room.claims?.home
        let tokens = AccessTokens(
            signer: signer, permissions: FixedPermissions(), entropy: bench.entropy, settings: settings, region: region)
        identity = try Identity(
            store: store, tenancy: tenancy, hooks: hooks,
            vault: Vault(sealer: bench.sealer, entropy: bench.entropy, mark: RegionMark(region)), tokens: tokens, passwords: hasher,
            settings: settings)
    }

    var now: Timestamp { bench.clock.now() }
    func advance(_ span: Duration) { bench.clock.advance(by: span) }
    func act(_ actor: Actor = .anonymous, from address: String? = "192.0.2.1", key: String? = nil) -> Act {
        Act(
            actor: actor, requestID: "request", now: now, address: address,
            idempotency: key.map { IdempotencyClaim(key: $0, scope: "test", fingerprint: [1]) })
    }
    func act(_ caller: Principal) -> Act { act(.user(caller.user, session: caller.session)) }

    /// Runs what is due and delivers what was told.
    func settle() async throws {
        let (mails, verified) = (mails, verified)
        _ = try await bench.runDue(
            handlers: tenancy.jobs() + identity.jobs(),
            subscribers: [
                EventSubscriber(MailRequested.self, subscriber: "post") { event, _, _ in mails.with { $0.append(event) } },
                EventSubscriber(UserVerified.self, subscriber: "ear") { event, _, _ in verified.with { $0.append(event) } },
            ])
    }
    func mails(_ template: String) async throws -> [MailRequested] {
        try await settle()
        return mails.with { all in all.filter { $0.template == template } }
    }
    /// The secret in the newest mail of this kind, opened as the Notifications room would.
    func secret(_ template: String) async throws -> String {
        guard let mail = try await mails(template).last, let text = mail.sealed["token"], let box = Data(base64Encoded: text) else {
            throw Missing(what: template)
        }
        return String(decoding: try bench.sealer.open([UInt8](box), context: mail.context(of: "token")), as: UTF8.self)
    }
    struct Missing: Error { let what: String }

    // MARK: The life of a person

    func form(
        _ email: String, password: String = Self.password, organization: String? = "Analytical Engines", tier: String? = nil
    ) -> SignUpForm {
        SignUpForm(email: email, password: password, firstName: "Ada", lastName: "Lovelace", organization: organization, tier: tier)
    }
    @discardableResult
    func signUp(_ email: String = "ada@example.com", organization: String? = "Analytical Engines", tier: String? = nil) async throws
        -> SignedUp
    {
        try await identity.signUp(form(email, organization: organization, tier: tier), act())
    }
    /// Signed up and proved.
    @discardableResult
    func member(_ email: String = "ada@example.com") async throws -> UserAccount {
        try await signUp(email)
        return try await identity.verifyEmail(secret("verify_email"), act())
    }
    /// Signed up and proved without the mail, where thousands are needed.
    func quickMember(_ email: String) async throws {
        let id = try await signUp(email).id
        let now = now
        try await bench.store.kernel(KernelReason("test.verify")) { db in
            try db.run(SQL("test.verify", "UPDATE user_account SET verified_at = $2 WHERE user_id = $1"), id, now)
        }
    }
    func login(_ email: String = "ada@example.com", _ password: String = Self.password, from address: String? = "192.0.2.1") async throws
        -> TokenGrant
    {
        let signIn = try await identity.signIn(
            email: email, password: password, as: .token, from: Device("test"), act(from: address))
        guard case .token(let grant) = signIn else { throw Missing(what: "tokens") }
        return grant
    }
    func principal(_ grant: TokenGrant) async throws -> Principal? {
        try await identity.caller(bearer: grant.access.text, now: now)?.principal
    }
    func signedIn(_ email: String = "ada@example.com") async throws -> (grant: TokenGrant, principal: Principal) {
        let grant = try await login(email)
        guard let principal = try await principal(grant) else { throw Missing(what: "principal") }
        return (grant, principal)
    }

    // MARK: Looking

    struct Entry: Sendable, Hashable {
        let action: String
        let subject: String
        let outcome: String
        let details: String
        let isPlatform: Bool
    }
    func journal() async throws -> [Entry] {
        try await bench.store.kernelRead(KernelReason("test.journal")) { db in
            try db.rows(Look.journal).map { row in
                Entry(
                    action: try row.text(0), subject: try row.text(1), outcome: try row.text(2), details: try row.text(3),
                    isPlatform: try row.blob(4).allSatisfy { $0 == 0 })
            }
        }
    }
    func actions() async throws -> [String] { try await journal().map(\.action) }
    func count(_ sql: SQL) async throws -> Int {
        try await bench.store.kernelRead(KernelReason("test.count")) { db in try db.row(sql)?.int(0) ?? 0 }
    }
}

enum Look {
    static let journal = SQL(
        "test.journal", "SELECT action, subject, outcome, details, tenant_id FROM journal_entry_all ORDER BY at, tenant_id, seq")
    static let users = SQL("test.users", "SELECT count(*) FROM user_account")
    static let tenants = SQL("test.tenants", "SELECT count(*) FROM tenant_all")
    static let jobs = SQL("test.jobs", "SELECT count(*) FROM store_job")
    static let sessions = SQL("test.sessions", "SELECT count(*) FROM auth_session WHERE status = 'active'")
}

/// Hashes at once, remembers how often it was asked, and can be told to be too busy.
final class CountingHasher: PasswordHashing {
    struct Counts: Sendable, Hashable {
        var hashes = 0
        var checks = 0
        var isBusy = false
        var generation = 1
    }
    private let counts = Guarded(Counts())
    var hashes: Int { counts.with { $0.hashes } }
    var checks: Int { counts.with { $0.checks } }
    func setBusy(_ isBusy: Bool) { counts.with { $0.isBusy = isBusy } }
    /// As if the parameters had risen.
    func raise() { counts.with { $0.generation += 1 } }

    func hash(_ password: String) async throws -> String {
        try counts.with { counts in
            if counts.isBusy { throw CommonProblems.unavailable }
            counts.hashes += 1
            return "\(counts.generation):\(password)"
        }
    }
    func verify(_ password: String, against encoded: String?) async throws -> Bool {
        try counts.with { counts in
            if counts.isBusy { throw CommonProblems.unavailable }
            counts.checks += 1
        }
        return encoded?.split(separator: ":", maxSplits: 1).last.map(String.init) == password
    }
    func isOutdated(_ encoded: String) -> Bool { !encoded.hasPrefix("\(counts.with { $0.generation }):") }
}

struct FixedPermissions: PermissionLister {
    func permissions(of role: Role, tenant: TenantID, kind: Tenant.Kind, act: Act) async throws -> [String] {
        role == .owner ? ["billing:write", "licenses:read"] : []
    }
}

/// The problem that `body` throws; nil if it throws none.
func problem(_ body: () async throws -> Void) async -> Problem? {
    do {
        try await body()
        return nil
    } catch { return error as? Problem }
}
