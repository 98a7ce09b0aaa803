import Foundation
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Identity

@Suite("Sign-in from the command line")
struct DeviceGrantTests {
    private func redeem(_ house: FederationHouse, _ code: String) async throws -> TokenGrant {
        try await house.federation.redeemDevice(code, from: Device("coditect/1"), house.house.act())
    }

    @Test("a code that somebody allowed gives tokens once, proved by what proved the browser")
    func allowed() async throws {
        let house = try await FederationHouse()
        let caller = try #require(try await house.principal(house.grant(try await house.come())))
        let grant = try await house.federation.authorizeDevice(Device("coditect/1"), house.house.act())
        #expect(await problem { _ = try await redeem(house, grant.deviceCode) }?.code == "authorization_pending")
        // As people type: small letters, spaces.
        let typed = grant.userCode.lowercased().replacing("-", with: " ")
        #expect(try await house.federation.waiting(typed, house.house.act(caller)).label == "coditect/1")
        try await house.federation.answer(typed, allows: true, caller, house.house.act(caller))
        house.house.advance(.seconds(5))
        let tokens = try await redeem(house, grant.deviceCode)
        #expect(try await house.house.principal(tokens)?.user == caller.user)
        let row = try await house.house.bench.store.kernelRead(KernelReason("test.provenance")) { db in
            try db.row(FederationTable.provenance, tokens.session)
        }
        #expect(try row?.text(4) == "oauth:google" && row?.text(6) == "oidc:key-1")
        house.house.advance(.seconds(5))
        #expect(await problem { _ = try await redeem(house, grant.deviceCode) }?.code == "expired_token")
        #expect(
            await problem { try await house.federation.answer(typed, allows: true, caller, house.house.act(caller)) }?.code
                == "device_code_unknown")
    }

    @Test("what the browser's session proved goes over to the device, and grows old with it")
    func factors() async throws {
        let house = try await FederationHouse()
        let caller = try #require(try await house.principal(house.grant(try await house.come())))
        let factors = FactorHouse(house: house.house)
        _ = try await factors.app(caller)
        let grant = try await house.federation.authorizeDevice(Device("coditect/1"), house.house.act())
        try await house.federation.answer(grant.userCode, allows: true, caller, house.house.act(caller))
        let tokens = try await redeem(house, grant.deviceCode)
        let device = try #require(try await house.house.principal(tokens))
        #expect(device.bounds.proof == .recent)
        house.house.advance(.minutes(14))
        #expect(try await factors.proof(device) == .stale)
    }

    @Test("asking too often is answered with slow_down, and the interval grows by five seconds")
    func slowDown() async throws {
        let house = try await FederationHouse()
        let grant = try await house.federation.authorizeDevice(Device(nil), house.house.act())
        #expect(await problem { _ = try await redeem(house, grant.deviceCode) }?.code == "authorization_pending")
        house.house.advance(.seconds(4))
        #expect(await problem { _ = try await redeem(house, grant.deviceCode) }?.code == "slow_down")
        house.house.advance(.seconds(6))
        #expect(await problem { _ = try await redeem(house, grant.deviceCode) }?.code == "slow_down")
        house.house.advance(.seconds(15))
        #expect(await problem { _ = try await redeem(house, grant.deviceCode) }?.code == "authorization_pending")
    }

    @Test("a code that nobody answered is too old after ten minutes; one that somebody declined gives nothing")
    func over() async throws {
        let house = try await FederationHouse()
        try await house.house.member()
        let caller = try await house.house.signedIn().principal
        let old = try await house.federation.authorizeDevice(Device(nil), house.house.act())
        let declined = try await house.federation.authorizeDevice(Device(nil), house.house.act())
        try await house.federation.answer(declined.userCode, allows: false, caller, house.house.act(caller))
        #expect(await problem { _ = try await redeem(house, declined.deviceCode) }?.code == "access_denied")
        house.house.advance(.minutes(10))
        #expect(await problem { _ = try await redeem(house, old.deviceCode) }?.code == "expired_token")
        #expect(
            await problem { _ = try await house.federation.waiting(old.userCode, house.house.act(caller)) }?.code == "device_code_unknown")
        for nonsense in ["", "x", String(repeating: "A", count: 43), String(repeating: "A", count: 100_000)] {
            #expect(await problem { _ = try await redeem(house, nonsense) }?.code == "expired_token")
            #expect(
                await problem { _ = try await house.federation.waiting(nonsense, house.house.act(caller)) }?.code == "device_code_unknown")
        }
    }

    @Test("who allowed it must still be signed in when the device comes for its tokens")
    func signedOut() async throws {
        let house = try await FederationHouse()
        try await house.house.member()
        let caller = try await house.house.signedIn().principal
        let grant = try await house.federation.authorizeDevice(Device(nil), house.house.act())
        try await house.federation.answer(grant.userCode, allows: true, caller, house.house.act(caller))
        try await house.identity.signOutEverywhere(caller, house.house.act(caller))
        #expect(await problem { _ = try await redeem(house, grant.deviceCode) }?.code == "access_denied")
    }

    @Test("of racing requests for one code's tokens one gets them")
    func race() async throws {
        let house = try await FederationHouse()
        try await house.house.member()
        let caller = try await house.house.signedIn().principal
        let grant = try await house.federation.authorizeDevice(Device(nil), house.house.act())
        try await house.federation.answer(grant.userCode, allows: true, caller, house.house.act(caller))
        let got = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 { group.addTask { (try? await redeem(house, grant.deviceCode)) != nil } }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(got == 1)
    }
}

@Suite("Sessions by what opened them")
struct IssuedSessionTests {
    @Test("exactly those of one key and one span are ended, device's included, and what was done is listed")
    func revoked() async throws {
        let house = try await FederationHouse()
        let early = try house.grant(try await house.come())
        house.house.advance(.hours(1))
        let from = house.house.now
        let bad = try house.grant(try await house.come())
        let caller = try #require(try await house.principal(bad))
        let device = try await house.federation.authorizeDevice(Device("coditect/1"), house.house.act())
        try await house.federation.answer(device.userCode, allows: true, caller, house.house.act(caller))
        let tokens = try await house.federation.redeemDevice(device.deviceCode, from: Device("coditect/1"), house.house.act())
        try await house.identity.rename(caller, firstName: "Mallory", lastName: nil, house.house.act(caller))
        house.provider.script { $0.assertion.keyID = "key-2" }
        let other = try house.grant(try await house.come())
        house.house.advance(.hours(1))
        let late = try house.grant(try await house.come())
        let to = from + .hours(1)
        func list(_ isTrial: Bool) async throws -> [Federation.IssuedSession] {
            try await house.federation.revoke(issuedBy: "oidc:key-1", from: from, to: to, isTrial: isTrial, house.house.act())
        }

        #expect(Set(try await list(true).map(\.id)) == [bad.session, tokens.session])
        #expect(try await house.principal(bad) != nil)
        let ended = try await list(false)
        #expect(ended.allSatisfy(\.wasActive) && ended.count == 2)
        #expect(ended.first { $0.id == bad.session }?.acts.map(\.action).contains("user.renamed") == true)
        #expect(ended.first { $0.id == bad.session }?.assertion?.count == 64)
        #expect(try await house.principal(bad) == nil)
        #expect(try await house.house.principal(tokens) == nil)
        for good in [early, other, late] { #expect(try await house.principal(good) != nil) }
        #expect(try await list(false).filter(\.wasActive).isEmpty)
    }
}
