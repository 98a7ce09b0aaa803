import Foundation
import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Identity

@Suite("Sign-in through providers")
struct FederationTests {
    @Test("somebody new founds an account without a password, and comes back as the same")
    func signUp() async throws {
        let house = try await FederationHouse()
        let first = try house.grant(try await house.come())
        #expect(first.account.email == "grace@example.com")
        #expect(first.account.isVerified)
        #expect(try await house.principal(first)?.role == "owner")
        let second = try house.grant(try await house.come())
        #expect(second.account.id == first.account.id)
        #expect(try await house.house.count(Look.users) == 1)
        #expect(await problem { _ = try await house.house.login("grace@example.com") }?.code == "invalid_credentials")
        try await house.house.settle()
        #expect(house.house.verified.with { $0.map(\.user) } == [first.account.id])
    }

    @Test("what a policy refuses signs nobody up and nobody in")
    func policy() async throws {
        let house = try await FederationHouse()
        house.house.hooks.script("on_signup", .deny(reason: "closed", retryAfterSeconds: nil))
        #expect(await problem { _ = try await house.come() }?.code == "policy_denied")
        #expect(try await house.house.count(Look.users) == 0)
        house.house.hooks.script("on_signup", nil)
        house.house.hooks.script("on_login", .deny(reason: "outside_hours", retryAfterSeconds: 60))
        #expect(await problem { _ = try await house.come() }?.fields["reason"] == "outside_hours")
        #expect(try await house.house.count(Look.sessions) == 0)
        let question = try #require(house.house.hooks.questions.last { $0.hook == "on_login" })
        #expect(question.input["method"]?.string == "oauth")
    }

    @Test("policy may shorten a session, and ask for a second factor that was not given")
    func terms() async throws {
        let house = try await FederationHouse()
        house.house.hooks.script("on_login", .allow(.object([("session_seconds", .int(600))])))
        #expect(try house.grant(try await house.come()).expiresAt == house.house.now + .seconds(600))
        house.house.hooks.script("on_login", .allow(.object([("factors", .int(2))])))
        // It opens for setting one up, and for nothing else.
        let one = try house.grant(try await house.come())
        #expect(try await house.principal(one)?.bounds.proof == .enrolling)
        house.provider.script { $0.assertion.methods = ["pwd", "mfa"] }
        let two = try house.grant(try await house.come())
        #expect(try await house.principal(two)?.bounds.proof == .single)
    }

    @Test("whoever has a second factor proves it, by whatever provider the sign-in came")
    func secondStep() async throws {
        let house = try await FederationHouse()
        let first = try house.grant(try await house.come())
        let factors = Factors(identity: house.house.identity, origin: { FactorHouse.origin }, brand: "CODITECT")
        let grace = try #require(try await house.principal(first))
        let enrolment = try await factors.beginTOTP(grace, house.house.act(grace))
        let app = OneTimeCode(secret: FactorHouse.base32(enrolment.secret))
        _ = try await factors.confirmTOTP(app.code(OneTimeCode.step(house.house.now)), grace, house.house.act(grace))
        house.provider.script { $0.assertion.methods = ["pwd", "mfa"] }
        guard case .secondFactorDue(let token, _) = try await house.come() else {
            Issue.record("the provider's word was enough")
            return
        }
        house.house.advance(.seconds(60))
        let code = app.code(OneTimeCode.step(house.house.now))
        let wrongKind = await problem {
            _ = try await factors.finish(token, .code(code), as: .token, from: Device(nil), house.house.act())
        }
        #expect(wrongKind?.code == "mfa_token_invalid")
        let signIn = try await factors.finish(token, .code(code), as: .page, from: Device(nil), house.house.act())
        guard case .page(let grant) = signIn else {
            Issue.record("no page session")
            return
        }
        #expect(try await house.principal(grant)?.bounds.proof == .recent)
    }

    @Test("a password sign-in asks the same hook")
    func password() async throws {
        let house = try await FederationHouse()
        try await house.house.member()
        house.house.hooks.script("on_login", .deny(reason: "closed", retryAfterSeconds: nil))
        #expect(await problem { _ = try await house.house.login() }?.code == "policy_denied")
        #expect(await problem { _ = try await house.house.login("ada@example.com", "a wrong password") }?.code == "invalid_credentials")
    }

    @Test("a session remembers by what it was opened")
    func provenance() async throws {
        let house = try await FederationHouse()
        let grant = try house.grant(try await house.come())
        let row = try await house.house.bench.store.kernelRead(KernelReason("test.provenance")) { db in
            try db.row(FederationTable.provenance, grant.session)
        }
        #expect(try row?.text(4) == "oauth:google")
        #expect(try row?.blob(5).count == 32)
        #expect(try row?.text(6) == "oidc:key-1")
        #expect(try row?.isNull(7) == false)
    }
}

@Suite("Whom an address proves")
struct TakeoverTests {
    @Test("an address that the provider did not verify signs nobody up and into nobody's account, alike for both")
    func unverified() async throws {
        let house = try await FederationHouse()
        try await house.house.member("ada@example.com")
        for address in ["ada@example.com", "stranger@example.com"] {
            house.provider.script { $0.assertion.addresses = [IdentityAddress(address, isVerified: false)] }
            #expect(await problem { _ = try await house.come() }?.code == "provider_address_unverified")
        }
        #expect(try await house.house.count(Look.users) == 1)
        #expect(try await house.house.mails("confirm_provider").isEmpty)
        #expect(house.noted.contains("nobody vouches"))
    }

    @Test("a verified address of an account opens no session before its owner followed the mail")
    func confirmed() async throws {
        let house = try await FederationHouse()
        let ada = try await house.house.member("ada@example.com")
        house.provider.script { $0.assertion.addresses = [IdentityAddress("ada@example.com", isVerified: true)] }
        guard case .mailed = try await house.come() else { throw IdentityHouse.Missing(what: "a mail") }
        guard case .mailed = try await house.come() else { throw IdentityHouse.Missing(what: "a second mail") }
        let token = try await house.house.secret("confirm_provider")
        #expect(try await house.federation.confirmLink(token, house.house.act()) == "Google")
        #expect(await problem { _ = try await house.federation.confirmLink(token, house.house.act()) }?.code == "link_invalid")
        #expect(try house.grant(try await house.come()).account.id == ada.id)
    }

    @Test("a mail's link is too old after an hour")
    func late() async throws {
        let house = try await FederationHouse()
        try await house.house.member("grace@example.com")
        _ = try await house.come()
        let token = try await house.house.secret("confirm_provider")
        house.house.advance(.hours(1))
        #expect(await problem { _ = try await house.federation.confirmLink(token, house.house.act()) }?.code == "link_invalid")
    }

    @Test("an account whose address was never proved is not opened by a provider")
    func preregistered() async throws {
        let house = try await FederationHouse()
        try await house.house.signUp("grace@example.com")
        _ = try await house.come()
        _ = try await house.federation.confirmLink(house.house.secret("confirm_provider"), house.house.act())
        #expect(await problem { _ = try await house.come() }?.code == "email_unverified")
    }

    @Test("who is signed in connects a provider at once, and one identity belongs to one account")
    func linking() async throws {
        let house = try await FederationHouse()
        try await house.house.member("ada@example.com")
        let ada = try await house.house.signedIn("ada@example.com").principal
        let away = try await house.federation.begin(offered: "google", next: nil, browser: nil, linking: ada, house.house.act(ada))
        guard case .linked = try await house.arrive("google", away) else { throw IdentityHouse.Missing(what: "a link") }
        #expect(try house.grant(try await house.come()).account.id == ada.user)
        try await house.house.member("eve@example.com")
        let eve = try await house.house.signedIn("eve@example.com").principal
        let again = try await house.federation.begin(offered: "google", next: nil, browser: nil, linking: eve, house.house.act(eve))
        #expect(await problem { _ = try await house.arrive("google", again) }?.code == "identity_taken")
        let link = try #require(try await house.federation.links(of: ada.user).first)
        #expect(await problem { try await house.federation.unlink(link.id, of: eve, house.house.act(eve)) }?.status == 404)
        try await house.federation.unlink(link.id, of: ada, house.house.act(ada))
        #expect(try await house.federation.links(of: ada.user).isEmpty)
    }

    @Test("the last way in cannot be forgotten")
    func lastWayIn() async throws {
        let house = try await FederationHouse()
        let grant = try house.grant(try await house.come())
        let caller = try #require(try await house.principal(grant))
        let link = try #require(try await house.federation.links(of: caller.user).first)
        #expect(await problem { try await house.federation.unlink(link.id, of: caller, house.house.act(caller)) }?.code == "last_way_in")
    }
}

@Suite("The way there and back")
struct FlowTests {
    @Test("a state serves once, in its own browser, for ten minutes, and for the provider that was asked")
    func state() async throws {
        let house = try await FederationHouse()
        func refused(_ body: () async throws -> Void) async -> Bool { await problem(body)?.code == "sign_in_refused" }
        let departure = try await house.federation.begin(offered: "google", next: nil, browser: nil, house.house.act())
        let parameters = ["state": house.state(departure), "code": "c"]
        func complete(_ place: String, _ parameters: [String: String], _ browser: String?) async throws -> Federation.Arrival {
            try await house.federation.complete(place, parameters: parameters, browser: browser, from: Device("test"), house.house.act())
        }
        // Another browser, no browser, no state, somebody's own state.
        #expect(await refused { _ = try await complete("google", parameters, "another") })
        #expect(await refused { _ = try await complete("google", parameters, nil) })
        #expect(await refused { _ = try await complete("google", ["code": "c"], departure.cookie) })
        #expect(await refused { _ = try await complete("google", ["state": String(repeating: "A", count: 43)], departure.cookie) })
        #expect(house.provider.arrivals.isEmpty)
        // None of that used it up; the right browser does.
        _ = try house.grant(try await complete("google", parameters, departure.cookie))
        #expect(await refused { _ = try await complete("google", parameters, departure.cookie) })
        #expect(house.provider.arrivals.count == 1)
        // Another provider's address: a mix-up.
        let mixed = try await house.federation.begin(offered: "google", next: nil, browser: nil, house.house.act())
        #expect(await refused { _ = try await house.arrive("linkedin", mixed) })
        #expect(house.noted.contains("another provider"))
        let late = try await house.federation.begin(offered: "google", next: nil, browser: nil, house.house.act())
        house.house.advance(.minutes(10))
        #expect(await refused { _ = try await house.arrive("google", late) })
    }

    @Test("two racing returns of one state: one comes in")
    func race() async throws {
        let house = try await FederationHouse()
        let departure = try await house.federation.begin(offered: "google", next: nil, browser: nil, house.house.act())
        let came = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 { group.addTask { (try? await house.arrive("google", departure)) != nil } }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(came == 1)
    }

    @Test("verifier and nonce are another one each time, kept for the return, and the address is this provider's own")
    func kept() async throws {
        let house = try await FederationHouse()
        _ = try await house.come()
        _ = try await house.come("linkedin")
        let (begun, come) = (house.provider.beginnings, house.provider.arrivals)
        #expect(Set(begun.flatMap { [$0.state, $0.nonce, $0.verifier] }).count == 6)
        #expect(begun.map(\.verifier) == come.map(\.verifier) && begun.map(\.nonce) == come.map(\.nonce))
        #expect(come.allSatisfy { $0.kept == Data("kept".utf8) })
        #expect(
            begun.map(\.redirectAddress) == [
                "https://platform.example/api/v1/auth/oauth/google/callback",
                "https://platform.example/api/v1/auth/oauth/linkedin/callback",
            ])
    }

    @Test("a sign-in leads on to our own pages and to origins that the operator listed, and nowhere else")
    func returning() async throws {
        let house = try await FederationHouse(Settings(["identity.return_addresses": "https://ide.example.com, https://b.example:8443"]))
        for good in ["/plans?tier=team", "https://ide.example.com/welcome", "https://b.example:8443/x"] {
            #expect(house.federation.inside(good) == good)
        }
        for bad in [
            "//evil.example", "https://evil.example/", "https://ide.example.com.evil.example/", "https://ide.example.com@evil.example/",
            "http://ide.example.com/", "https://b.example/", "/\\evil.example", "javascript:alert(1)", "/a\nb", "", "evil",
            "https://ide.example.com:444/", "/" + String(repeating: "x", count: 600),
        ] { #expect(house.federation.inside(bad) == "/start", "\(bad)") }
    }

    @Test("what a provider refuses is told apart for the person, and explained in the log alone")
    func errors() async throws {
        let house = try await FederationHouse()
        let cases: [(IdentityProviderError, String, String)] = [
            (.declined(code: "access_denied"), "sign_in_declined", "access_denied"),
            (.notBelieved(.signature, reason: "the signature does not hold"), "sign_in_refused", "the signature does not hold"),
            (.misconfigured("invalid_client"), "identity_provider_unavailable", "invalid_client"),
            (.unreachable("no answer"), "identity_provider_unavailable", "no answer"),
        ]
        for (error, code, reason) in cases {
            house.provider.script { $0.error = error }
            let found = await problem { _ = try await house.come() }
            #expect(found?.code == code)
            #expect(found.map { "\($0)".contains(reason) } == false)
            #expect(house.noted.contains(reason))
        }
        #expect(try await house.house.actions().filter { $0 == "session.federation_refused" }.count == cases.count)
    }

    @Test("flows, waiting links and device codes that ran out are swept")
    func swept() async throws {
        let house = try await FederationHouse()
        _ = try await house.federation.begin(offered: "google", next: nil, browser: nil, house.house.act())
        _ = try await house.federation.authorizeDevice(Device("test"), house.house.act())
        try await house.identity.start(house.house.act())
        house.house.advance(.hours(2))
        try await house.house.settle()
        #expect(try await house.house.count(SQL("test.flows", "SELECT count(*) FROM sign_in_flow")) == 0)
        #expect(try await house.house.count(SQL("test.grants", "SELECT count(*) FROM device_grant")) == 0)
    }
}
