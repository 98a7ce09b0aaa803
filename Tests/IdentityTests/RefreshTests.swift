import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Identity

struct RefreshTests {
    private func refresh(_ house: IdentityHouse, _ token: String?) async throws -> TokenGrant {
        try await house.identity.refresh(token ?? "", house.act())
    }

    @Test("a refresh token is spent by its use and followed by another; the access token is new")
    func rotates() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        let first = try await house.login()
        let second = try await refresh(house, first.refreshToken)
        let third = try await refresh(house, second.refreshToken)
        #expect(Set([first, second, third].map(\.refreshToken)).count == 3)
        #expect(Set([first, second, third].map(\.access.id)).count == 3)
        #expect(third.session == first.session)
        #expect(try await house.principal(third) != nil)
        #expect(try await house.principal(first) != nil, "an access token lives until it expires or its session ends")
    }

    @Test("an answer lost within thirty seconds is given again, to the microsecond; later it ends the session")
    func lostAnswer() async throws {
        for (wait, survives) in [(Duration.seconds(30), true), (.seconds(30) + .microseconds(1), false)] {
            let house = try await IdentityHouse()
            try await house.member()
            let first = try await house.login()
            let second = try await refresh(house, first.refreshToken)
            house.advance(wait)
            if survives {
                let again = try await refresh(house, first.refreshToken)
                #expect(again.refreshToken == second.refreshToken)
                #expect(try await refresh(house, again.refreshToken).refreshToken != second.refreshToken)
            } else {
                #expect(await problem { _ = try await refresh(house, first.refreshToken) } == IdentityProblems.refreshInvalid)
                #expect(await problem { _ = try await refresh(house, second.refreshToken) } == IdentityProblems.refreshInvalid)
                #expect(try await house.principal(second) == nil, "the access tokens of the family are worthless at once")
                #expect(try await house.actions().contains("session.reuse_detected"))
            }
        }
    }

    @Test("reuse ends its own session and no other")
    func onlyOwnFamily() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        let (stolen, other) = (try await house.login(), try await house.login())
        let next = try await refresh(house, try await refresh(house, stolen.refreshToken).refreshToken)
        #expect(await problem { _ = try await refresh(house, stolen.refreshToken) } == IdentityProblems.refreshInvalid)
        #expect(try await house.principal(next) == nil)
        #expect(try await house.principal(other) != nil)
        _ = try await refresh(house, other.refreshToken)
    }

    @Test("no rotation moves the cap: thirty days after sign-in the session is over to the microsecond")
    func cap() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        var grant = try await house.login()
        for _ in 0..<29 {
            house.advance(.days(1))
            grant = try await refresh(house, grant.refreshToken)
        }
        house.advance(.days(1) - .microseconds(1))
        grant = try await refresh(house, grant.refreshToken)
        #expect(try await house.principal(grant) != nil)
        house.advance(.microseconds(1))
        #expect(await problem { _ = try await refresh(house, grant.refreshToken) } == IdentityProblems.refreshInvalid)
        #expect(try await house.principal(grant) == nil, "an access token does not outlive its session")
    }

    @Test("what we did not issue is refused and touches nothing, even when it names a living session")
    func forged() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        let grant = try await house.login()
        let text = try #require(grant.refreshToken)
        let made = RefreshToken(session: grant.session, generation: 0, secret: [UInt8](repeating: 7, count: 32))
        let foreign = TestSealerOfAnother()
        var forgeries = [
            "", "crt_", "crt_AAAA", String(text.dropLast()), text + "A", String(text.dropFirst(4)), "xyz_" + text.dropFirst(4),
        ]
        forgeries += [made.text(foreign), String(repeating: "A", count: 1_000_000), "crt_" + String(repeating: "A", count: 96)]
        for index in [6, 30, 60, 90] {
            var signs = Array(text)
            signs[index] = signs[index] == "A" ? "B" : "A"
            forgeries.append(String(signs))
        }
        for forgery in forgeries {
            #expect(await problem { _ = try await refresh(house, forgery) } == IdentityProblems.refreshInvalid, "\(forgery.prefix(40))")
        }
        #expect(try await house.principal(grant) != nil, "nobody ends a stranger's session by guessing")
        _ = try await refresh(house, text)
    }

    @Test("a member whose membership ended gets nothing any more")
    func membershipEnded() async throws {
        let house = try await IdentityHouse()
        let account = try await house.member()
        let grant = try await house.login()
        try await house.tenancy.move(account.homeTenant, from: .active, to: .closing, house.act())
        try await house.tenancy.move(account.homeTenant, from: .closing, to: .purged, house.act())
        #expect(await problem { _ = try await refresh(house, grant.refreshToken) } == IdentityProblems.refreshInvalid)
        #expect(try await house.principal(grant) == nil)
    }
}

/// Another installation's keys.
struct TestSealerOfAnother: Sealer {
    private let inner = TestSealer()
    func seal(_ plain: [UInt8], context: String) throws -> [UInt8] { try inner.seal(plain, context: context) }
    func open(_ box: [UInt8], context: String) throws -> [UInt8] { try inner.open(box, context: context) }
    func seal(_ plain: [UInt8], person: UserID, context: String) throws -> [UInt8] {
        try inner.seal(plain, person: person, context: context)
    }
    func open(_ box: [UInt8], person: UserID, context: String) throws -> [UInt8] { try inner.open(box, person: person, context: context) }
    func discard(person: UserID) throws { try inner.discard(person: person) }
    func destroy(person: UserID) throws { try inner.destroy(person: person) }
    func digest(_ plain: [UInt8], purpose: String) -> [UInt8] { inner.digest(plain, purpose: "another:\(purpose)") }
}
