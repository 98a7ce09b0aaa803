import Foundation
import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Identity

struct SessionTests {
    @Test("the list shows device, address and last use of what still works, to its owner alone")
    func list() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        try await house.member("eve@example.com")
        _ = try await house.login("eve@example.com")
        let first = try await house.signedIn()
        house.advance(.minutes(1))
        let second = try await house.login(from: "2001:db8::7")
        let sessions = try await house.identity.sessions(of: first.principal.user, now: house.now)
        #expect(sessions.map(\.id) == [second.session, first.grant.session])
        #expect(sessions.map(\.address) == ["2001:db8::7", "192.0.2.1"])
        #expect(sessions.map(\.device) == ["test", "test"])
        #expect(sessions.map(\.factor) == ["password", "password"])
        let text = try await house.bench.store.kernelRead(KernelReason("test.look")) { db in
            "\(try db.rows(SQL("test.look", "SELECT * FROM auth_session")).map(\.values))"
        }
        #expect(!text.contains("192.0.2.1") && !text.contains("2001:db8"), "sealed in the table")
    }

    @Test("a device's name is cut and cleaned before it is kept")
    func device() {
        #expect(Device(nil).label == nil)
        #expect(Device("").label == nil)
        #expect(Device("curl/8\r\nX-Evil: 1\u{0}").label == "curl/8X-Evil: 1")
        #expect(Device(String(repeating: "x", count: 10_000)).label?.count == 200)
    }

    @Test("last use is kept to the quarter of an hour, with one write in it")
    func lastUse() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        let (grant, principal) = try await house.signedIn()
        let start = house.now
        func shown() async throws -> Timestamp? { try await house.identity.sessions(of: principal.user, now: house.now).first?.lastUsedAt }
        house.advance(.minutes(15) - .microseconds(1))
        _ = try await house.principal(grant)
        #expect(try await shown() == start)
        house.advance(.microseconds(1))
        _ = try await house.principal(grant)
        #expect(try await shown() == start + .minutes(15))
        house.advance(.minutes(1))
        _ = try await house.principal(grant)
        #expect(try await shown() == start + .minutes(15))
    }

    @Test("a session that was ended is over at the next request, the others are not")
    func revoke() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        let (mine, other) = (try await house.signedIn(), try await house.signedIn())
        try await house.identity.revoke(other.grant.session, of: mine.principal, house.act(mine.principal))
        #expect(try await house.principal(other.grant) == nil)
        #expect(try await house.principal(mine.grant) != nil)
        #expect(
            await problem { _ = try await house.identity.refresh(other.grant.refreshToken ?? "", house.act()) }
                == IdentityProblems.refreshInvalid)
        #expect(
            await problem { try await house.identity.revoke(other.grant.session, of: mine.principal, house.act(mine.principal)) }
                == CommonProblems.notFound, "ended once")
        try await house.identity.signOut(mine.principal, house.act(mine.principal))
        #expect(try await house.principal(mine.grant) == nil)
    }

    @Test("a stranger's session is not found")
    func strangersSession() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        try await house.member("eve@example.com")
        let (ada, eve) = (try await house.signedIn(), try await house.signedIn("eve@example.com"))
        #expect(
            await problem { try await house.identity.revoke(ada.grant.session, of: eve.principal, house.act(eve.principal)) }
                == CommonProblems.notFound)
        #expect(try await house.principal(ada.grant) != nil)
    }

    @Test("signing out everywhere ends all of the person's sessions and nobody else's")
    func everywhere() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        try await house.member("eve@example.com")
        let (one, two, eve) = (try await house.signedIn(), try await house.signedIn(), try await house.signedIn("eve@example.com"))
        try await house.identity.signOutEverywhere(one.principal, house.act(one.principal))
        #expect(try await house.principal(one.grant) == nil)
        #expect(try await house.principal(two.grant) == nil)
        #expect(try await house.principal(eve.grant) != nil)
    }

    @Test("changing the password ends the other sessions and keeps this one")
    func changePassword() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        let (mine, other) = (try await house.signedIn(), try await house.signedIn())
        try await house.identity.changePassword(
            mine.principal, current: IdentityHouse.password, to: IdentityHouse.otherPassword, house.act(mine.principal))
        #expect(try await house.principal(mine.grant) != nil)
        #expect(try await house.principal(other.grant) == nil)
        _ = try await house.identity.refresh(mine.grant.refreshToken ?? "", house.act())
        #expect(await problem { _ = try await house.login() } == IdentityProblems.credentialsInvalid)
        _ = try await house.login("ada@example.com", IdentityHouse.otherPassword)
        #expect(try await house.mails("password_changed").count == 1)
    }

    @Test("a stolen session is no place to guess the password from: five wrong ones lock it")
    func guessingFromInside() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        let (_, principal) = try await house.signedIn()
        for attempt in 0..<5 {
            let found =
                attempt % 2 == 0
                ? await problem {
                    try await house.identity.changePassword(
                        principal, current: "wrong", to: IdentityHouse.otherPassword, house.act(principal))
                } : await problem { try await house.identity.deactivate(principal, password: "wrong", house.act(principal)) }
            #expect(found == IdentityProblems.credentialsInvalid)
        }
        let locked = await problem {
            try await house.identity.changePassword(
                principal, current: IdentityHouse.password, to: IdentityHouse.otherPassword, house.act(principal))
        }
        #expect(locked?.code == "account_locked")
    }

    @Test("a weak new password is refused under its own name")
    func weakChange() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        let (_, principal) = try await house.signedIn()
        let found = await problem {
            try await house.identity.changePassword(principal, current: IdentityHouse.password, to: "adalovelace1815", house.act(principal))
        }
        #expect(found?.code == "password_weak")
        #expect(found?.fields["fields"]?.array?.first?["field"]?.string == "new_password")
        _ = try await house.login()
    }

    @Test("a deactivated account has no sessions, signs in nowhere and gets no mail")
    func deactivate() async throws {
        let house = try await IdentityHouse()
        let account = try await house.member()
        let (grant, principal) = try await house.signedIn()
        try await house.identity.deactivate(principal, password: IdentityHouse.password, house.act(principal))
        #expect(try await house.principal(grant) == nil)
        #expect(await problem { _ = try await house.login() } == IdentityProblems.accountDeactivated)
        #expect(await problem { _ = try await house.login("ada@example.com", "wrong") } == IdentityProblems.credentialsInvalid)
        #expect(try await house.identity.address(of: account.id) == nil)
        try await house.identity.requestLink(.resetPassword, email: "ada@example.com", house.act())
        #expect(try await house.mails("reset_password").isEmpty)
    }

    @Test("who is the last owner of a tenant with other members cannot leave them alone")
    func lastOwnerStays() async throws {
        let house = try await IdentityHouse()
        let (ada, eve) = (try await house.member(), try await house.member("eve@example.com"))
        try await house.join(eve.id, ada.homeTenant, "developer")
        let (_, principal) = try await house.signedIn()
        #expect(
            await problem { try await house.identity.deactivate(principal, password: IdentityHouse.password, house.act(principal)) }
                == TenancyProblems.lastOwner)
        try await house.setRole(eve.id, ada.homeTenant, .owner)
        try await house.identity.deactivate(principal, password: IdentityHouse.password, house.act(principal))
    }

    @Test("names can be changed, to names")
    func rename() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        let (_, principal) = try await house.signedIn()
        try await house.identity.rename(principal, firstName: " Augusta ", lastName: nil, house.act(principal))
        #expect(try await house.identity.profile(principal, house.act(principal)).account.name == "Augusta Lovelace")
        #expect(
            await problem { try await house.identity.rename(principal, firstName: "", lastName: nil, house.act(principal)) }?.status == 422)
        #expect(try await house.identity.address(of: principal.user) == MailAddress(email: "ada@example.com", name: "Augusta Lovelace"))
    }

    @Test("a user of several tenants chooses; the token speaks for the chosen one and the refresh token follows")
    func switchTenant() async throws {
        let house = try await IdentityHouse()
        let (ada, eve) = (try await house.member(), try await house.member("eve@example.com"))
        try await house.join(eve.id, ada.homeTenant, "developer")
        let (grant, principal) = try await house.signedIn("eve@example.com")
        #expect(principal.tenant == eve.homeTenant)
        let switched = try await house.identity.switchTenant(ada.homeTenant, principal, house.act(principal))
        let there = try #require(try await house.principal(switched))
        #expect(there.tenant == ada.homeTenant)
        #expect(there.role == "developer")
        #expect(try await house.principal(grant)?.tenant == eve.homeTenant, "the token before speaks for its own tenant")
        let refreshed = try await house.identity.refresh(grant.refreshToken ?? "", house.act())
        #expect(try await house.principal(refreshed)?.tenant == ada.homeTenant)
        #expect(
            await problem { _ = try await house.identity.switchTenant(TenantID(UUID()), principal, house.act(principal)) }
                == CommonProblems.notFound)

        // The membership ends: the token for that tenant is worthless at the next request, the own tenant's is not.
        try await house.setRole(eve.id, ada.homeTenant, nil)
        #expect(try await house.principal(switched) == nil)
        #expect(try await house.principal(refreshed) == nil)
        #expect(try await house.principal(grant)?.tenant == eve.homeTenant)
        #expect(
            await problem { _ = try await house.identity.switchTenant(ada.homeTenant, principal, house.act(principal)) }
                == CommonProblems.notFound)
    }

    @Test("a browser's session is a cookie, half a day long, ended by signing out")
    func pages() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        let pages = PageSessions(house.identity)
        guard
            case .page(let grant) = try await pages.create(
                email: "ada@example.com", password: IdentityHouse.password, from: Device("Firefox"), house.act())
        else {
            Issue.record("no page session")
            return
        }
        #expect(
            grant.cookie.utf8.allSatisfy {
                ($0 >= 48 && $0 <= 57) || ($0 >= 65 && $0 <= 90) || ($0 >= 97 && $0 <= 122) || $0 == 45 || $0 == 95
            })
        #expect(try await pages.verify(grant.cookie, now: house.now)?.principal.session == grant.session)
        let guessed = PageCookie(session: grant.session, secret: [UInt8](repeating: 0, count: 32)).text
        for bad in ["", "x", guessed, grant.cookie + "A", String(grant.cookie.dropLast(4)), String(repeating: "A", count: 64)] {
            #expect(try await pages.verify(bad, now: house.now) == nil)
        }
        house.advance(.hours(12) - .microseconds(1))
        #expect(try await pages.verify(grant.cookie, now: house.now) != nil)
        house.advance(.microseconds(1))
        #expect(try await pages.verify(grant.cookie, now: house.now) == nil)

        guard
            case .page(let next) = try await pages.create(
                email: "ada@example.com", password: IdentityHouse.password, from: Device("Firefox"), house.act())
        else { return }
        try await pages.revoke("nonsense", house.act())
        try await pages.revoke(next.cookie, house.act())
        #expect(try await pages.verify(next.cookie, now: house.now) == nil)
    }

    @Test("the sweep removes what has run out and nothing that has not, and makes itself due again")
    func sweep() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        let old = try await house.login()
        try await house.identity.withdraw(
            token: old.access.id, expiresAt: house.now + .hours(24), tenant: old.account.homeTenant, house.act())
        _ = await problem { _ = try await house.login("nobody@example.com", "x") }
        house.advance(.days(89))
        _ = try await house.login()
        try await house.identity.start(house.act(.system("start")))
        try await house.settle()
        #expect(try await house.count(SQL("test.1", "SELECT count(*) FROM auth_session")) == 2)
        #expect(try await house.count(SQL("test.2", "SELECT count(*) FROM revoked_token")) == 0)
        #expect(try await house.count(SQL("test.3", "SELECT count(*) FROM login_guard")) == 1)
        // Ninety days after its end, which was thirty days after it began, the first session goes.
        house.advance(.days(32))
        try await house.settle()
        #expect(try await house.count(SQL("test.4", "SELECT count(*) FROM auth_session")) == 1)
        #expect(try await house.count(SQL("test.5", "SELECT count(*) FROM store_job WHERE kind = 'identity.sweep' AND state = 'due'")) == 1)
    }
}

extension IdentityHouse {
    /// Makes `user` a member, as an accepted invitation will.
    func join(_ user: UserID, _ tenant: TenantID, _ role: String) async throws {
        let (id, now): (MembershipID, Timestamp) = (bench.entropy.id(now), now)
        try await bench.store.kernel(KernelReason("test.join")) { db in
            try db.run(SQL("test.route", "INSERT INTO member_directory (user_id, tenant_id) VALUES ($1, $2)"), user, tenant)
            try db.run(
                SQL(
                    "test.join",
                    """
                    INSERT INTO membership_all (tenant_id, membership_id, user_id, role, standing, scope, ends_at, origin, created_at, changed_at)
                    VALUES ($1, $2, $3, $4, 'active', NULL, NULL, 'test', $5, $5)
                    """), tenant, id, user, role, now)
        }
    }
    /// Nil ends the membership.
    func setRole(_ user: UserID, _ tenant: TenantID, _ role: Role?) async throws {
        guard let place = try await tenancy.standing(of: user, in: tenant) else { throw Missing(what: "membership") }
        try await tenancy.apply(
            role.map { .change(place.membership.id, to: $0, endsAt: nil, scope: nil) } ?? .end(place.membership.id), tenant: tenant,
            by: .owner, act())
    }
}
