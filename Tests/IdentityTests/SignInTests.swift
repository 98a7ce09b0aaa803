import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Identity

struct SignInTests {
    @Test("signing in gives tokens whose claims are those of the contract")
    func claims() async throws {
        let house = try await IdentityHouse()
        let account = try await house.member()
        let grant = try await house.login()
        let claims = try #require(house.signer.verify(grant.access.text))
        #expect(
            Set(claims.object?.keys.map { $0 } ?? []) == [
                "sub", "email", "name", "tenant_id", "role", "permissions", "iat", "exp", "jti", "sid",
            ])
        #expect(claims["sub"]?.string == account.id.description)
        #expect(claims["email"]?.string == "ada@example.com")
        #expect(claims["name"]?.string == "Ada Lovelace")
        #expect(claims["tenant_id"]?.string == account.homeTenant.description)
        #expect(claims["role"]?.string == "owner")
        #expect(claims["permissions"] == ["billing:write", "licenses:read"])
        #expect(claims["iat"]?.int == house.now.seconds)
        #expect(claims["exp"]?.int == house.now.seconds + 86_400)
        #expect(claims["sid"]?.string == grant.session.description)
        #expect(grant.access.expiresIn == 86_400)
        #expect(try await house.principal(grant)?.role == "owner")
    }

    @Test("unknown address, wrong password and no address at all: one answer, one check of a password each")
    func alike() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        for (email, password) in [
            ("ada@example.com", "wrong"), ("nobody@example.com", IdentityHouse.password), ("not an address", "x"), ("", ""),
            (String(repeating: "a", count: 100_000), "x"),
        ] {
            let before = house.hasher.checks
            let found = await problem { _ = try await house.login(email, password, from: "198.51.100.\(before)") }
            #expect(found == IdentityProblems.credentialsInvalid)
            #expect(house.hasher.checks == before + 1, "\(email.prefix(20))")
        }
    }

    @Test("an address that is not proved cannot sign in, but only who knows the password learns that")
    func unverified() async throws {
        let house = try await IdentityHouse()
        try await house.signUp()
        #expect(await problem { _ = try await house.login("ada@example.com", "wrong") } == IdentityProblems.credentialsInvalid)
        #expect(await problem { _ = try await house.login() } == IdentityProblems.emailUnverified)
        #expect(try await house.count(Look.sessions) == 0)
        let open = try await IdentityHouse(Settings().setting(IdentitySettings.requireVerified, to: false))
        try await open.signUp()
        _ = try await open.login()
    }

    @Test(
        "five failures lock account and network for fifteen minutes with one mail; the right password does not help, another network does")
    func lockout() async throws {
        let house = try await IdentityHouse()
        let account = try await house.member()
        for _ in 0..<5 {
            #expect(await problem { _ = try await house.login("ada@example.com", "wrong") } == IdentityProblems.credentialsInvalid)
        }
        let checks = house.hasher.checks
        let locked = await problem { _ = try await house.login() }
        #expect(locked?.code == "account_locked")
        #expect(locked?.status == 429)
        #expect(locked?.fields["retry_after"]?.int == 901)
        #expect(house.hasher.checks == checks, "a locked pair costs no hash")
        _ = try await house.login(from: "192.0.2.2")
        #expect(try await house.mails("account_locked").map(\.recipient) == [.user(account.id)])

        house.advance(.minutes(15) - .microseconds(1))
        #expect(await problem { _ = try await house.login() }?.code == "account_locked")
        house.advance(.microseconds(1))
        _ = try await house.login()
        #expect(try await house.mails("account_locked").count == 1)
        let actions = try await house.actions()
        #expect(actions.filter { $0 == "session.sign_in_failed" }.count == 5)
        #expect(actions.filter { $0 == "account.locked" }.count == 1)
        #expect(actions.filter { $0 == "session.sign_in_refused" }.count == 2)
    }

    @Test("one /64 is one network")
    func sixtyFour() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        for number in 1...5 { _ = await problem { _ = try await house.login("ada@example.com", "wrong", from: "2001:db8::\(number)") } }
        #expect(await problem { _ = try await house.login(from: "2001:db8::ffff") }?.code == "account_locked")
        _ = try await house.login(from: "2001:db8:0:1::1")
    }

    @Test("an address that nobody has is locked just the same")
    func unknownLocked() async throws {
        let house = try await IdentityHouse()
        for _ in 0..<5 { _ = await problem { _ = try await house.login("nobody@example.com", "wrong") } }
        #expect(await problem { _ = try await house.login("nobody@example.com", "wrong") }?.code == "account_locked")
        #expect(try await house.mails("account_locked").isEmpty)
        #expect(try await house.journal().allSatisfy { $0.isPlatform && $0.subject.hasPrefix("unknown:") })
    }

    @Test("ninety-nine parallel guesses and a right one: five at most are checked")
    func parallelGuesses() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        let before = house.hasher.checks
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<100 {
                group.addTask { _ = try? await house.login("ada@example.com", number == 99 ? IdentityHouse.password : "wrong\(number)") }
            }
        }
        // A right password among the first five wipes the sheet once, so that at most four wrong ones and it, and five more, are checked.
        #expect(house.hasher.checks - before <= 10)
        let wrong = try await IdentityHouse()
        try await wrong.member()
        let start = wrong.hasher.checks
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<100 { group.addTask { _ = try? await wrong.login("ada@example.com", "wrong\(number)") } }
        }
        #expect(wrong.hasher.checks - start == 5)
        #expect(try await wrong.mails("account_locked").count == 1)
    }

    @Test("strangers' guesses slow strangers down and leave the owner's network alone")
    func distributed() async throws {
        let house = try await IdentityHouse(Settings().setting(IdentitySettings.pressureFailures, to: 10))
        try await house.member()
        _ = try await house.login(from: "192.0.2.1")
        for number in 0..<10 { _ = await problem { _ = try await house.login("ada@example.com", "wrong", from: "198.51.100.\(number)") } }
        let slowed = await problem { _ = try await house.login("ada@example.com", "wrong", from: "203.0.113.1") }
        #expect(slowed?.code == "sign_in_slowed")
        #expect(slowed?.fields["retry_after"]?.int != nil)
        _ = try await house.login(from: "192.0.2.1")
        house.advance(.seconds(2))
        #expect(
            await problem { _ = try await house.login("ada@example.com", "wrong", from: "203.0.113.1") }
                == IdentityProblems.credentialsInvalid)
    }

    @Test("a network that was not used for ninety days is a stranger again")
    func knownNetworkExpires() async throws {
        let house = try await IdentityHouse(Settings().setting(IdentitySettings.pressureFailures, to: 5))
        try await house.member()
        _ = try await house.login(from: "192.0.2.1")
        for (wait, code) in [(Duration.days(90) - .seconds(1), nil), (.days(90), "sign_in_slowed")] as [(Duration, String?)] {
            house.advance(wait)
            for number in 0..<5 {
                _ = await problem { _ = try await house.login("ada@example.com", "wrong", from: "198.51.100.\(number)") }
            }
            #expect(await problem { _ = try await house.login(from: "192.0.2.1") }?.code == code)
        }
    }

    @Test("when the hashers are too busy the attempt does not count and the caller is told to come back")
    func busy() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        house.hasher.setBusy(true)
        for _ in 0..<10 { #expect(await problem { _ = try await house.login() }?.status == 503) }
        house.hasher.setBusy(false)
        _ = try await house.login()
    }

    @Test("a right password is hashed again when the parameters rose, and the sessions stay")
    func rehash() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        let grant = try await house.login()
        house.hasher.raise()
        _ = try await house.login()
        let hashes = house.hasher.hashes
        _ = try await house.login()
        #expect(house.hasher.hashes == hashes, "once is enough")
        #expect(try await house.principal(grant) != nil)
        #expect(try await house.actions().filter { $0 == "password.rehashed" }.count == 1)
    }

    @Test("a sign-in from a new network is told to the person, the first one and one from a known network are not")
    func newNetwork() async throws {
        let house = try await IdentityHouse()
        let account = try await house.member()
        _ = try await house.login(from: "192.0.2.1")
        _ = try await house.login(from: "192.0.2.1")
        #expect(try await house.mails("new_sign_in").isEmpty)
        _ = try await house.login(from: "198.51.100.1")
        let mails = try await house.mails("new_sign_in")
        #expect(mails.map(\.recipient) == [.user(account.id)])
        #expect(mails.allSatisfy { $0.values.isEmpty && !"\($0)".contains("198.51") }, "what the device is called travels sealed")
        _ = try await house.login(from: "198.51.100.1")
        #expect(try await house.mails("new_sign_in").count == 1)
    }

    @Test("who is in no tenant any more cannot sign in")
    func noMembership() async throws {
        let house = try await IdentityHouse()
        let account = try await house.member()
        try await house.tenancy.move(account.homeTenant, from: .active, to: .closing, house.act())
        _ = try await house.login()
        try await house.tenancy.move(account.homeTenant, from: .closing, to: .purged, house.act())
        #expect(await problem { _ = try await house.login() } == IdentityProblems.noMembership)
    }

    @Test("a second factor, when the person has one, keeps the session closed")
    func secondFactor() async throws {
        let factors = try await FactorHouse()
        _ = try await factors.app(try await factors.ada())
        let before = try await factors.house.count(Look.sessions)
        _ = try await factors.halfway()
        #expect(try await factors.house.count(Look.sessions) == before)
    }

    @Test("journal entries of sign-ins hold no personal data")
    func journalIsClean() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        _ = try await house.login()
        for _ in 0..<6 { _ = await problem { _ = try await house.login("ada@example.com", "my-secret-guess") } }
        for entry in try await house.journal() {
            for personal in ["ada", "lovelace", "example", "192.0.2", "my-secret-guess", IdentityHouse.password] {
                #expect(!"\(entry)".lowercased().contains(personal), "\(entry)")
            }
        }
    }
}
