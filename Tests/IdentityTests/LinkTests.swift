import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Identity

struct LinkTests {
    @Test("a verification link works once, within twenty-four hours to the microsecond")
    func verifyOnce() async throws {
        let house = try await IdentityHouse()
        let person = try await house.signUp(tier: "pilot_starter")
        let token = try await house.secret("verify_email")
        house.advance(.hours(24) - .microseconds(1))
        let account = try await house.identity.verifyEmail(token, house.act())
        #expect(account.id == person.id)
        #expect(account.isVerified)
        #expect(await problem { _ = try await house.identity.verifyEmail(token, house.act()) } == IdentityProblems.linkInvalid)
        try await house.settle()
        let events = house.verified.with { $0 }
        #expect(events.map(\.user) == [person.id])
        #expect(events.map(\.tenant) == [account.homeTenant])
        #expect(events.map(\.chosenTier) == ["pilot_starter"])

        let late = try await IdentityHouse()
        try await late.signUp()
        let old = try await late.secret("verify_email")
        late.advance(.hours(24))
        #expect(await problem { _ = try await late.identity.verifyEmail(old, late.act()) } == IdentityProblems.linkInvalid)
    }

    @Test("of racing uses of one link one succeeds, and the address is proved once")
    func verifyRace() async throws {
        let house = try await IdentityHouse()
        try await house.signUp()
        let token = try await house.secret("verify_email")
        let successes = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<20 { group.addTask { (try? await house.identity.verifyEmail(token, house.act())) != nil } }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(successes == 1)
        try await house.settle()
        #expect(house.verified.with { $0.count } == 1)
    }

    @Test("a link of one purpose is nothing under another, and the stored hash is no link")
    func purposes() async throws {
        let house = try await IdentityHouse()
        try await house.signUp()
        let verify = try await house.secret("verify_email")
        #expect(
            await problem { try await house.identity.resetPassword(verify, to: IdentityHouse.otherPassword, house.act()) }
                == IdentityProblems.linkInvalid)
        for token in ["", "x", verify + "A", String(verify.dropLast()), String(repeating: "a", count: 100_000)] {
            #expect(await problem { _ = try await house.identity.verifyEmail(token, house.act()) } == IdentityProblems.linkInvalid)
        }
        let stored = try await house.bench.store.kernelRead(KernelReason("test.links")) { db in
            try db.rows(SQL("test.links", "SELECT token_digest FROM link_token")).map { try $0.blob(0) }
        }
        #expect(stored.count == 1)
        #expect(stored.allSatisfy { !String(decoding: $0, as: UTF8.self).contains(verify) })
        _ = try await house.identity.verifyEmail(verify, house.act())
    }

    @Test("asking for a link does the same for every address: one job, no answer")
    func sameWork() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        for email in ["ada@example.com", "nobody@example.com", "no address"] {
            for purpose in [LinkPurpose.verifyEmail, .resetPassword] {
                let before = try await house.count(Look.jobs)
                try await house.identity.requestLink(purpose, email: email, house.act())
                #expect(try await house.count(Look.jobs) == before + 1)
            }
        }
        #expect(try await house.mails("reset_password").count == 1)
        #expect(try await house.mails("verify_email").count == 1, "a proved address gets no second link")
    }

    @Test("a lost verification mail is sent again, five times in an hour at most")
    func resend() async throws {
        let house = try await IdentityHouse()
        try await house.signUp()
        for _ in 0..<9 {
            try await house.identity.requestLink(.verifyEmail, email: "ADA@example.com", house.act())
            try await house.settle()
        }
        #expect(try await house.mails("verify_email").count == 5)
        house.advance(.hours(1))
        try await house.identity.requestLink(.verifyEmail, email: "ada@example.com", house.act())
        #expect(try await house.mails("verify_email").count == 6)
        _ = try await house.identity.verifyEmail(house.secret("verify_email"), house.act())
    }

    @Test("a reset sets the password, ends every session, proves the address and unlocks the network it came from")
    func reset() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        let (one, two) = (try await house.login(), try await house.login(from: "192.0.2.9"))
        for _ in 0..<5 { _ = await problem { _ = try await house.login("ada@example.com", "wrong") } }
        #expect(await problem { _ = try await house.login() }?.code == "account_locked")
        try await house.identity.requestLink(.resetPassword, email: "ada@example.com", house.act())
        let token = try await house.secret("reset_password")
        try await house.identity.resetPassword(token, to: IdentityHouse.otherPassword, house.act())
        for grant in [one, two] {
            #expect(try await house.principal(grant) == nil)
            #expect(
                await problem { _ = try await house.identity.refresh(grant.refreshToken ?? "", house.act()) }
                    == IdentityProblems.refreshInvalid)
        }
        #expect(await problem { _ = try await house.login() } == IdentityProblems.credentialsInvalid)
        _ = try await house.login("ada@example.com", IdentityHouse.otherPassword)
        #expect(try await house.mails("password_changed").count == 1)
        #expect(
            await problem { try await house.identity.resetPassword(token, to: IdentityHouse.password, house.act()) }
                == IdentityProblems.linkInvalid)
    }

    @Test("a reset link lasts an hour to the microsecond")
    func resetExpires() async throws {
        for (wait, works) in [(Duration.hours(1) - .microseconds(1), true), (.hours(1), false)] {
            let house = try await IdentityHouse()
            try await house.member()
            try await house.identity.requestLink(.resetPassword, email: "ada@example.com", house.act())
            let token = try await house.secret("reset_password")
            house.advance(wait)
            let found = await problem { try await house.identity.resetPassword(token, to: IdentityHouse.otherPassword, house.act()) }
            #expect(found == (works ? nil : IdentityProblems.linkInvalid))
        }
    }

    @Test("a reset proves an address that never was, so that whoever owns the mailbox takes the account from who signed it up")
    func resetProves() async throws {
        let house = try await IdentityHouse()
        try await house.signUp()
        try await house.identity.requestLink(.resetPassword, email: "ada@example.com", house.act())
        try await house.identity.resetPassword(house.secret("reset_password"), to: IdentityHouse.otherPassword, house.act())
        #expect(await problem { _ = try await house.login() } == IdentityProblems.credentialsInvalid)
        _ = try await house.login("ada@example.com", IdentityHouse.otherPassword)
        try await house.settle()
        #expect(house.verified.with { $0.count } == 1)
    }

    @Test("a weak new password is refused and spends no link")
    func resetWeak() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        try await house.identity.requestLink(.resetPassword, email: "ada@example.com", house.act())
        let token = try await house.secret("reset_password")
        #expect(await problem { try await house.identity.resetPassword(token, to: "lovelace1234", house.act()) }?.code == "password_weak")
        try await house.identity.resetPassword(token, to: IdentityHouse.otherPassword, house.act())
    }

    @Test("a new reset link leaves the older ones good until one is used, then none is")
    func severalResets() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        var tokens: [String] = []
        for _ in 0..<2 {
            try await house.identity.requestLink(.resetPassword, email: "ada@example.com", house.act())
            tokens.append(try await house.secret("reset_password"))
        }
        try await house.identity.resetPassword(tokens[0], to: IdentityHouse.otherPassword, house.act())
        #expect(
            await problem { try await house.identity.resetPassword(tokens[1], to: IdentityHouse.password, house.act()) }
                == IdentityProblems.linkInvalid)
    }
}

struct FirstAdministratorTests {
    private func redeem(_ house: IdentityHouse, _ token: String, _ email: String = "root@example.com") async throws -> UserAccount {
        try await house.identity.redeemFirstAdministrator(
            token, email: email, password: IdentityHouse.password, firstName: "Grace", lastName: "Hopper", house.act())
    }

    @Test("the printed link makes one platform administrator, once, who signs in at once")
    func redeemed() async throws {
        let house = try await IdentityHouse()
        let token = try #require(try await house.identity.firstAdministratorLink(house.act(.system("start"))))
        let account = try await redeem(house, token)
        #expect(account.platformRole == .platformAdmin)
        let principal = try #require(try await house.principal(try await house.login("root@example.com")))
        #expect(principal.role == "platform_admin")
        #expect(await problem { _ = try await redeem(house, token, "eve@example.com") } == IdentityProblems.linkInvalid)
        #expect(try await house.identity.firstAdministratorLink(house.act()) == nil, "no link once there is an administrator")
        #expect(try await house.mails("welcome_admin").count == 1)
        #expect(try await house.identity.staff() == [account.id])
    }

    @Test("a restart prints a new link and the old one is worthless")
    func rotates() async throws {
        let house = try await IdentityHouse()
        let old = try #require(try await house.identity.firstAdministratorLink(house.act()))
        let new = try #require(try await house.identity.firstAdministratorLink(house.act()))
        #expect(old != new)
        #expect(await problem { _ = try await redeem(house, old) } == IdentityProblems.linkInvalid)
        _ = try await redeem(house, new)
    }

    @Test("of racing redemptions one wins")
    func race() async throws {
        let house = try await IdentityHouse()
        let token = try #require(try await house.identity.firstAdministratorLink(house.act()))
        let winners = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<10 { group.addTask { (try? await redeem(house, token, "root\(number)@example.com")) != nil } }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(winners == 1)
        #expect(try await house.count(Look.users) == 1)
        #expect(house.bench.sealer.people.count == 1, "who lost leaves no key")
    }

    @Test("a taken address and a weak password spend nothing")
    func spendsNothing() async throws {
        let house = try await IdentityHouse()
        try await house.member("ada@example.com")
        let token = try #require(try await house.identity.firstAdministratorLink(house.act()))
        #expect(await problem { _ = try await redeem(house, token, "ada@example.com") } == IdentityProblems.addressTaken)
        let weak = await problem {
            _ = try await house.identity.redeemFirstAdministrator(
                token, email: "root@example.com", password: "password1234", firstName: "Grace", lastName: "Hopper", house.act())
        }
        #expect(weak?.code == "password_weak")
        _ = try await redeem(house, token)
    }

    @Test("the link expires")
    func expires() async throws {
        let house = try await IdentityHouse()
        let token = try #require(try await house.identity.firstAdministratorLink(house.act()))
        house.advance(.hours(24))
        #expect(await problem { _ = try await redeem(house, token) } == IdentityProblems.linkInvalid)
    }
}
