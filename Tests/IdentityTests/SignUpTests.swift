import HookEngine
import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Identity

struct SignUpTests {
    @Test("a sign-up founds user, tenant and owner membership, asks policy, mails one link and journals ids only")
    func newcomer() async throws {
        let house = try await IdentityHouse()
        let answer = try await house.signUp("Ada@Example.com", tier: "pilot_starter")
        #expect(answer.email == "Ada@Example.com")
        #expect(answer.name == "Ada Lovelace")

        let question = try #require(house.hooks.questions.first)
        #expect(question.hook == "on_signup")
        #expect(question.input["user"]?["email_domain"]?.string == "example.com")
        #expect(question.input["organization_kind"]?.string == "organization")
        #expect(question.input["tier"]?.string == "pilot_starter")
        #expect(question.input["pilot"]?["used"]?.int == 0)

        let places = try await house.tenancy.tenants(of: answer.id, now: house.now)
        #expect(places.map(\.tenant.name) == ["Analytical Engines"])
        #expect(places.map(\.tenant.status) == [.active])
        #expect(places.map(\.standing.membership.role) == [.owner])
        #expect(try await house.mails("verify_email").map(\.recipient) == [.user(answer.id)])
        #expect(try await house.actions() == ["tenant.founded", "membership.granted", "user.signed_up"])
        for entry in try await house.journal() {
            for personal in ["ada", "lovelace", "example.com", "analytical"] {
                #expect(!"\(entry)".lowercased().contains(personal), "\(entry)")
            }
        }
    }

    @Test("without an organisation the tenant is the person's own")
    func individual() async throws {
        let house = try await IdentityHouse()
        for organization in [nil, "", "  "] as [String?] {
            let answer = try await house.signUp("p\(organization?.count ?? 9)@example.com", organization: organization)
            let place = try #require(try await house.tenancy.tenants(of: answer.id, now: house.now).first)
            #expect(place.tenant.kind == .individual)
            #expect(place.tenant.name == "Ada Lovelace")
        }
    }

    @Test("the answer and the work are the same for a known address; only the mail differs, and it goes to who has the address")
    func known() async throws {
        let house = try await IdentityHouse()
        let first = try await house.signUp("ada@example.com")
        let (asked, hashed) = (house.hooks.count("on_signup"), house.hasher.hashes)
        house.advance(.seconds(1))
        let second = try await house.identity.signUp(house.form("ADA@example.com"), house.act())
        #expect(second.name == first.name)
        #expect(second.id != first.id, "the id of the account is not told")
        #expect(house.hooks.count("on_signup") == asked + 1)
        #expect(house.hasher.hashes == hashed + 1, "the password is hashed in any case")
        #expect(try await house.count(Look.users) == 1)
        #expect(try await house.count(Look.tenants) == 1)
        #expect(try await house.mails("already_registered").map(\.recipient) == [.user(first.id)])
        #expect(try await house.mails("verify_email").count == 1)
        #expect(try await house.mails("already_registered").allSatisfy { $0.sealed.isEmpty }, "no link that proves a stranger's password")
        // The stranger's password did not become anybody's.
        _ = try await house.identity.verifyEmail(house.secret("verify_email"), house.act())
        _ = try await house.login()
    }

    @Test("a key is kept for those who are stored and for nobody else, whoever signs up, how often and however it ends")
    func keys() async throws {
        let house = try await IdentityHouse(Settings().setting(IdentitySettings.pilotLimit, to: 1))
        let first = try await house.signUp("ada@example.com")
        #expect(house.bench.sealer.people == [first.id])
        for email in ["ada@example.com", "ADA@example.com"] { try await house.signUp(email) }
        #expect(house.bench.sealer.people == [first.id], "a known address")
        // Two tasks repeat one request: one of them finds the other's answer when its own person is already sealed.
        let act = house.act(key: "again")
        async let one = house.identity.signUp(house.form("bob@example.com"), act)
        async let two = house.identity.signUp(house.form("bob@example.com"), act)
        let bob = try await (one, two)
        #expect(bob.0 == bob.1)
        #expect(house.bench.sealer.people == [first.id, bob.0.id], "a repeated request")
        house.hooks.script("on_signup", .deny(reason: "domain_not_allowed", retryAfterSeconds: nil))
        #expect(await problem { _ = try await house.signUp("eve@example.com") } != nil)
        #expect(house.bench.sealer.people == [first.id, bob.0.id], "a refused one")
    }

    @Test("many sign-ups with a known address send one mail in an hour")
    func noFlood() async throws {
        let house = try await IdentityHouse()
        try await house.signUp()
        let keys = Guarded<Set<String>>([])
        for _ in 0..<5 { try await house.signUp() }
        for mail in try await house.mails("already_registered") { keys.with { _ = $0.insert(mail.key) } }
        #expect(keys.with { $0.count } == 1)
    }

    @Test("a policy that refuses refuses known and unknown addresses alike, and nothing is left behind")
    func refused() async throws {
        let house = try await IdentityHouse()
        try await house.signUp("ada@example.com")
        house.hooks.script("on_signup", .deny(reason: "domain_not_allowed", retryAfterSeconds: nil))
        for email in ["ada@example.com", "eve@example.com"] {
            let found = await problem { _ = try await house.signUp(email) }
            #expect(found == CommonProblems.denied("domain_not_allowed"))
        }
        #expect(try await house.count(Look.users) == 1)
        #expect(try await house.actions().filter { $0 == "user.sign_up_refused" }.count == 2)
    }

    @Test("the pilot cap is exact under parallel sign-ups: the policy sees the number under which the account is written")
    func pilotCap() async throws {
        let settings = Settings().setting(IdentitySettings.pilotLimit, to: 3)
        let house = try await IdentityHouse(settings)
        let cap = CappingHooks()
        let identity = try Identity(
            store: house.bench.store, tenancy: house.tenancy, hooks: cap,
            vault: Vault(sealer: house.bench.sealer, entropy: house.bench.entropy),
            tokens: AccessTokens(signer: house.signer, permissions: FixedPermissions(), entropy: house.bench.entropy, settings: settings),
            passwords: house.hasher, settings: settings)
        let accepted = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<12 {
                group.addTask {
                    (try? await identity.signUp(house.form("p\(number)@example.com", tier: "pilot_starter"), house.act())) != nil
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(accepted == 3)
        #expect(try await house.count(Look.users) == 3)
        #expect(house.bench.sealer.people.count == 3, "who was refused on the second asking leaves no key")
    }

    @Test("pilots who did not prove their address within a day give their place back")
    func pilotPlaceReturns() async throws {
        let house = try await IdentityHouse()
        try await house.signUp("a@example.com", tier: "pilot_starter")
        #expect(try await house.identity.pilotsUsed(house.now) == 1)
        house.advance(.hours(24))
        #expect(try await house.identity.pilotsUsed(house.now) == 0)
    }

    @Test("the same Idempotency-Key gives the same answer and one account")
    func idempotent() async throws {
        let house = try await IdentityHouse()
        let first = try await house.identity.signUp(house.form("ada@example.com"), house.act(key: "k1"))
        let again = try await house.identity.signUp(house.form("ada@example.com"), house.act(key: "k1"))
        #expect(first == again)
        #expect(try await house.mails("already_registered").isEmpty)
    }

    @Test("fields that are not what they should be are named, and nothing happens")
    func invalid() async throws {
        let house = try await IdentityHouse()
        let good = house.form("ada@example.com")
        var cases: [(SignUpForm, String)] = []
        func with(_ field: String, _ change: (inout SignUpForm) -> Void) {
            var form = good
            change(&form)
            cases.append((form, field))
        }
        with("email") { $0.email = "no address" }
        with("first_name") { $0.firstName = "  " }
        with("first_name") { $0.firstName = "Ada\u{202E}ecalevoL" }
        with("last_name") { $0.lastName = "Love\u{0}lace" }
        with("last_name") { $0.lastName = String(repeating: "x", count: 101) }
        with("organization") { $0.organization = String(repeating: "x", count: 201) }
        with("tier") { $0.tier = "Pro; DROP TABLE" }
        with("password") { $0.password = "short" }
        with("password") { $0.password = "adalovelace1" }
        for (form, field) in cases {
            let found = await problem { _ = try await house.identity.signUp(form, house.act()) }
            #expect(found?.status == 422, "\(field)")
            #expect(found?.fields["fields"]?.array?.first?["field"]?.string == field)
        }
        #expect(try await house.count(Look.users) == 0)
        #expect(house.hasher.hashes == 0)
    }

    @Test("when too many wait to be hashed a sign-up is told to come back, and nothing is half done")
    func busy() async throws {
        let house = try await IdentityHouse()
        house.hasher.setBusy(true)
        let found = await problem { try await house.signUp() }
        #expect(found?.status == 503)
        #expect(try await house.count(Look.users) == 0)
    }
}

/// Allows pilots while there is room, as the shipped policy does.
struct CappingHooks: Hooks {
    func decide<Hook: DecideHook>(_ hook: Hook.Type, _ input: Hook.Input, _ subject: HookSubject) async throws -> Verdict<Hook.Terms> {
        let pilot = Hook.encode(input)["pilot"]
        let isFull = (pilot?["used"]?.int ?? 0) >= (pilot?["limit"]?.int ?? 0)
        return Verdict(
            decision: DecisionID(.init()), outcome: isFull ? .deny(reason: "pilot_full", retryAfterSeconds: nil) : .allow,
            terms: Hook.terms(.object([])), policyHash: "test")
    }
    func plan<Hook: PlanHook>(_ hook: Hook.Type, _ input: Hook.Input, _ subject: HookSubject) async throws -> Plan {
        throw HookFailure(hook: Hook.definition.name, reason: "not asked")
    }
}
