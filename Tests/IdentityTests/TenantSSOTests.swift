import Foundation
import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Identity

@Suite("A tenant's own provider")
struct TenantSSOTests {
    @Test("somebody of a proved domain becomes a member, with the role that the groups map to")
    func admitted() async throws {
        let house = try await FederationHouse()
        let (owner, connection) = try await house.sso(rules: [
            .init(group: "admins", role: "admin"), .init(group: "guests", role: "viewer"),
        ])
        house.provider.script { $0.assertion.groups = ["everybody", "guests"] }
        let grant = try house.grant(try await house.comeBySSO(connection))
        let principal = try #require(try await house.principal(grant))
        #expect(principal.tenant == owner.tenant)
        #expect(principal.role == "viewer")
        house.provider.script {
            $0.assertion.subject = "1002"
            $0.assertion.addresses = [IdentityAddress("alan@example.com", isVerified: false)]
            $0.assertion.groups = []
        }
        let other = try house.grant(try await house.comeBySSO(connection))
        #expect(try await house.principal(other)?.role == "developer")
    }

    @Test("a tenant's provider vouches for no address outside the domains that the tenant proved")
    func foreignAddress() async throws {
        let house = try await FederationHouse()
        let (_, connection) = try await house.sso()
        for address in ["ceo@bank.example", "eve@sub.example.com", "eve@example.com.evil.example"] {
            house.provider.script { $0.assertion.addresses = [IdentityAddress(address, isVerified: true)] }
            #expect(await problem { _ = try await house.comeBySSO(connection) }?.code == "provider_address_unverified")
        }
    }

    @Test("a connection that admits nobody lets in members only")
    func closed() async throws {
        let house = try await FederationHouse()
        let (_, connection) = try await house.sso(admits: false)
        #expect(await problem { _ = try await house.comeBySSO(connection) }?.code == "not_admitted")
        #expect(try await house.house.count(Look.users) == 1)
    }

    @Test("its sessions hold in that tenant alone: no switch, no link, no way to forget one")
    func bound() async throws {
        let house = try await FederationHouse()
        let (_, connection) = try await house.sso()
        // Grace has an account and a tenant of her own before, and confirms the connection.
        try await house.house.member("grace@example.com")
        let own = try await house.house.signedIn("grace@example.com").principal
        guard case .mailed = try await house.comeBySSO(connection) else { throw IdentityHouse.Missing(what: "a mail") }
        _ = try await house.federation.confirmLink(house.house.secret("confirm_provider"), house.house.act())
        let caller = try #require(try await house.principal(house.grant(try await house.comeBySSO(connection))))
        #expect(caller.user == own.user && caller.tenant != own.tenant)
        #expect(
            await problem { _ = try await house.identity.switchTenant(own.tenant, caller, house.house.act(caller)) }?.code
                == "session_bound_to_tenant")
        #expect(
            await problem {
                _ = try await house.federation.begin(offered: "google", next: nil, browser: nil, linking: caller, house.house.act(caller))
            }?.code == "session_bound_to_tenant")
        let link = try #require(try await house.federation.links(of: caller.user).first)
        #expect(
            await problem { try await house.federation.unlink(link.id, of: caller, house.house.act(caller)) }?.code
                == "session_bound_to_tenant")
        // A session of her own goes where she is a member.
        _ = try await house.identity.switchTenant(caller.tenant, own, house.house.act(own))
    }

    @Test("a tenant's provider never signs in staff of the platform")
    func staff() async throws {
        let house = try await FederationHouse()
        let (_, connection) = try await house.sso()
        _ = try house.grant(try await house.comeBySSO(connection))
        try await house.house.bench.store.kernel(KernelReason("test.staff")) { db in
            try db.run(SQL("test.staff", "UPDATE user_account SET platform_role = 'platform_admin' WHERE mail_digest <> $1"), [UInt8]())
        }
        #expect(await problem { _ = try await house.comeBySSO(connection) }?.code == "sign_in_refused")
    }

    @Test("what changes whom to believe makes a draft that signs nobody in until it is tested again")
    func changed() async throws {
        let house = try await FederationHouse()
        let (owner, connection) = try await house.sso()
        let form = ConnectionForm(label: "Engines", values: ["issuer": "https://login.evil.example"])
        let draft = try await house.federation.change(connection.id, form, in: owner.tenant, house.house.act(owner))
        #expect(draft.state == .draft && !draft.isTested)
        #expect(try house.federation.shown(draft).secrets == ["client_secret"])
        #expect(await problem { _ = try await house.comeBySSO(draft) }?.status == 404)
        #expect(
            await problem { try await house.federation.setEnabled(true, draft.id, in: owner.tenant, house.house.act(owner)) }?.code
                == "connection_untested")
    }

    @Test("a flow that began before the connection changed ends with nothing")
    func changedMeanwhile() async throws {
        let house = try await FederationHouse()
        let (owner, connection) = try await house.sso()
        let away = try await house.federation.begin(sso: connection.id, next: nil, browser: nil, house.house.act())
        _ = try await house.federation.change(
            connection.id, ConnectionForm(label: "Engines", values: ["issuer": "https://login.other.example"]), in: owner.tenant,
            house.house.act(owner))
        #expect(await problem { _ = try await house.arrive(connection.id.description, away) }?.code == "sign_in_refused")
    }

    @Test("another tenant sees and touches nothing of it")
    func isolated() async throws {
        let house = try await FederationHouse()
        let (_, connection) = try await house.sso()
        try await house.house.member("eve@evil.example")
        let eve = try await house.house.signedIn("eve@evil.example").principal
        #expect(try await house.federation.connections(of: eve.tenant).isEmpty)
        for act: (ConnectionID) async throws -> Void in [
            { _ = try await house.federation.connection($0, of: eve.tenant) },
            { try await house.federation.drop($0, in: eve.tenant, house.house.act(eve)) },
            { _ = try await house.federation.require($0, in: eve.tenant, house.house.act(eve)) },
            { _ = try await house.federation.inspect($0, in: eve.tenant, house.house.act(eve)) },
        ] { #expect(await problem { try await act(connection.id) }?.status == 404) }
    }
}

@Suite("A required provider")
struct RequiredSSOTests {
    @Test("members come through it alone and their other sessions end; owners keep every way in")
    func required() async throws {
        let house = try await FederationHouse()
        let (owner, connection) = try await house.sso()
        try await house.house.member("grace@example.com")
        guard case .mailed = try await house.comeBySSO(connection) else { throw IdentityHouse.Missing(what: "a mail") }
        _ = try await house.federation.confirmLink(house.house.secret("confirm_provider"), house.house.act())
        let bySSO = try house.grant(try await house.comeBySSO(connection))
        let own = try await house.house.signedIn("grace@example.com")
        _ = try await house.identity.switchTenant(owner.tenant, own.principal, house.house.act(own.principal))

        #expect(try await house.federation.require(connection.id, in: owner.tenant, house.house.act(owner)) == 1)
        #expect(try await house.principal(bySSO) != nil)
        #expect(try await house.house.principal(own.grant) == nil)
        // Her own tenant stays open to her password; this one does not.
        let again = try await house.house.signedIn("grace@example.com")
        #expect(
            await problem { _ = try await house.identity.switchTenant(owner.tenant, again.principal, house.house.act(again.principal)) }?
                .code
                == "sso_required")
        #expect(try await house.house.signedIn("ada@example.com").principal.tenant == owner.tenant)
        #expect(
            await problem { try await house.federation.drop(connection.id, in: owner.tenant, house.house.act(owner)) }?.code
                == "connection_in_use")
        #expect(
            await problem { try await house.federation.setEnabled(false, connection.id, in: owner.tenant, house.house.act(owner)) }?.code
                == "connection_in_use")
        try await house.federation.release(in: owner.tenant, house.house.act(owner))
        _ = try await house.identity.switchTenant(owner.tenant, again.principal, house.house.act(again.principal))
    }

    @Test("somebody whose only tenant requires it is told where to go")
    func toldWhere() async throws {
        let house = try await FederationHouse()
        let (owner, connection) = try await house.sso()
        _ = try house.grant(try await house.comeBySSO(connection))
        _ = try await house.federation.require(connection.id, in: owner.tenant, house.house.act(owner))
        // A password of her own, set by mail.
        try await house.identity.requestLink(.resetPassword, email: "grace@example.com", house.house.act())
        try await house.identity.resetPassword(house.house.secret("reset_password"), to: IdentityHouse.otherPassword, house.house.act())
        let found = await problem { _ = try await house.house.login("grace@example.com", IdentityHouse.otherPassword) }
        #expect(found?.code == "sso_required")
        #expect(found?.fields["sso_path"]?.string == "/api/v1/auth/sso/\(connection.id)/start")
        #expect(try await house.federation.connection(forMail: "anybody@example.com") == connection.id)
        #expect(try await house.federation.connection(forMail: "anybody@other.example") == nil)
    }

    @Test("nothing is required that was not tested, or over no domain")
    func untested() async throws {
        let house = try await FederationHouse()
        let (owner, connection) = try await house.sso()
        try await house.federation.drop(domain: "example.com", of: owner.tenant, house.house.act(owner))
        #expect(
            await problem { _ = try await house.federation.require(connection.id, in: owner.tenant, house.house.act(owner)) }?.code
                == "domain_unverified")
    }

    @Test("a domain is proved by its record, by one tenant, and is none of those where everybody has an address")
    func domains() async throws {
        let house = try await FederationHouse()
        let (owner, _) = try await house.sso()
        try await house.house.member("eve@evil.example")
        let eve = try await house.house.signedIn("eve@evil.example").principal
        let claim = try await house.federation.add(domain: "Example.COM", to: eve.tenant, house.house.act(eve))
        func verify(_ domain: String) async -> String? {
            await problem { _ = try await house.federation.verify(domain: domain, of: eve.tenant, house.house.act(eve)) }?.code
        }
        #expect(await verify("example.com") == "domain_record_missing")
        house.resolver.set(nil)
        #expect(await verify("example.com") == "domain_record_missing")
        house.resolver.set([claim.recordName: ["v=spf1", claim.challenge]])
        #expect(await verify("example.com") == "domain_taken")
        try await house.federation.drop(domain: "example.com", of: owner.tenant, house.house.act(owner))
        #expect(await verify("example.com") == nil)
        #expect(await verify("never-added.example") == "not_found")
        for bad in ["gmail.com", "com", "exa mple.com", "127.0.0.1", "-a.example", "a..example", "ä.example", ""] {
            #expect(
                await problem { _ = try await house.federation.add(domain: bad, to: eve.tenant, house.house.act(eve)) }?.status == 422,
                "\(bad)")
        }
    }
}
