import Foundation
import HTTPEdge
import RoomTesting
import Signing
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Identity

struct AuthenticatorTests {
    private func claims(_ grant: TokenGrant, _ house: IdentityHouse) throws -> [String: JSONValue] {
        try #require(house.signer.verify(grant.access.text)?.object)
    }

    @Test("an access token is good until its second, not after, and dies with session, membership, account or withdrawal")
    func expiry() async throws {
        let house = try await IdentityHouse(Settings().setting(IdentitySettings.tokenSeconds, to: 3_600))
        try await house.member()
        let grant = try await house.login()
        house.advance(.hours(1) - .microseconds(1))
        #expect(try await house.principal(grant) != nil)
        house.advance(.microseconds(1))
        #expect(try await house.principal(grant) == nil)
    }

    @Test("a withdrawn token is worthless at the next request, its session's other tokens are not")
    func withdrawn() async throws {
        let house = try await IdentityHouse()
        let account = try await house.member()
        let first = try await house.login()
        let second = try await house.identity.refresh(first.refreshToken ?? "", house.act())
        #expect(try await house.principal(first) != nil)
        for _ in 0..<2 {
            try await house.identity.withdraw(
                token: first.access.id, expiresAt: house.now + .hours(24), tenant: account.homeTenant, house.act())
        }
        #expect(try await house.principal(first) == nil)
        #expect(try await house.principal(second) != nil)
    }

    @Test("our own signature over other claims proves nothing that is not so now")
    func ownSignature() async throws {
        let house = try await IdentityHouse()
        let (ada, eve) = (try await house.member(), try await house.member("eve@example.com"))
        let (grant, other) = (try await house.login(), try await house.login("eve@example.com"))
        let good = try claims(grant, house)
        let changes: [(String, JSONValue?)] = [
            ("sub", .string(eve.id.description)), ("tenant_id", .string(eve.homeTenant.description)),
            ("sid", .string(other.session.description)),
            ("sid", .string(AuthSessionID(UUID()).description)), ("sub", "not-a-uuid"), ("sub", nil), ("sid", nil), ("jti", nil),
            ("jti", "7"),
            ("tenant_id", nil), ("exp", nil), ("exp", .string("2099-01-01")), ("exp", .int(Int64.max)), ("exp", .int(Int64.min)),
            ("exp", .double(2_000_000_000.5)),
            ("exp", .int(house.now.seconds)), ("iat", nil), ("iat", .int(Int64.max)), ("sub", .array([.string(ada.id.description)])),
        ]
        for (name, value) in changes {
            var changed = good
            changed[name] = value
            let token = try await house.signer.issue(.object(changed))
            #expect(try await house.identity.caller(bearer: token, now: house.now) == nil, "\(name): \(String(describing: value))")
        }
        // Rights are not believed: a token that says more gives no more.
        var proud = good
        proud["role"] = "platform_admin"
        proud["permissions"] = ["everything:do"]
        let principal = try await house.identity.caller(bearer: house.signer.issue(.object(proud)), now: house.now)?.principal
        #expect(principal?.role == "owner")
    }

    @Test("under the real key ring: every forgery of a good token is nobody, and a rotated key keeps tokens good")
    func forged() async throws {
        let house = try await IdentityHouse()
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("ring-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let keys = folder.appendingPathComponent("keys")
        let master = try MasterKey.load(
            environment: nil, file: folder.appendingPathComponent("master.key"), keys: keys, entropy: SystemEntropy())
        let ring = try KeyRing.open(
            directory: keys, masterKey: master, clock: house.bench.clock, entropy: SystemEntropy(),
            settings: Settings())
        let identity = try Identity(
            store: house.bench.store, tenancy: house.tenancy, hooks: house.hooks,
            vault: Vault(sealer: house.bench.sealer, entropy: house.bench.entropy),
            tokens: AccessTokens(signer: ring, permissions: FixedPermissions(), entropy: house.bench.entropy, settings: Settings()),
            passwords: house.hasher, settings: Settings())
        try await house.member()
        guard
            case .token(let grant) = try await identity.signIn(
                email: "ada@example.com", password: IdentityHouse.password, as: .token, from: Device(nil), house.act())
        else { return }
        let token = grant.access.text
        let authenticator: any Authenticator = IdentityAuthenticator(identity)
        #expect(try await authenticator.principal(bearer: token, now: house.now)?.principal.user == grant.account.id)

        let parts = token.split(separator: ".").map(String.init)
        try #require(parts.count == 3)
        let header = try #require(Base64URL.decode(parts[0]))
        func head(_ change: (String) -> String) -> String {
            Base64URL.encode(Array(change(String(decoding: header, as: UTF8.self)).utf8))
        }
        let body = try #require(Base64URL.decode(parts[1]).map { String(decoding: $0, as: UTF8.self) })
        let promoted = Base64URL.encode(Array(body.replacing("\"owner\"", with: "\"platform_admin\"").utf8))
        let none = head { $0.replacing("ES256", with: "none") }
        let forgeries: [String: String] = [
            "alg none": "\(none).\(parts[1]).", "alg none with signature": "\(none).\(parts[1]).\(parts[2])",
            "alg HS256": "\(head { $0.replacing("ES256", with: "HS256") }).\(parts[1]).\(parts[2])",
            "other role": "\(parts[0]).\(promoted).\(parts[2])", "no signature": "\(parts[0]).\(parts[1]).",
            "two parts": "\(parts[0]).\(parts[1])",
            "four parts": token + "." + parts[2], "cut": String(token.dropLast(3)), "padded": token + "=", "spaced": " " + token,
            "newline": token + "\n",
            "empty": "", "dots": "..", "huge": String(repeating: "A", count: 1_000_000), "nul": token + "\u{0}",
            "extra header": "\(head { $0.replacing("}", with: ",\"jku\":\"http://127.0.0.1/\"}") }).\(parts[1]).\(parts[2])",
            "refresh token as access token": grant.refreshToken ?? "",
        ]
        for (name, forgery) in forgeries { #expect(try await authenticator.principal(bearer: forgery, now: house.now) == nil, "\(name)") }
        try await ring.rotate(.token)
        #expect(try await authenticator.principal(bearer: token, now: house.now) != nil)
        #expect(try await authenticator.principal(cookie: token, now: house.now) == nil)
    }

    @Test("a page's cookie is no bearer, and a token's session no cookie")
    func kinds() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        guard
            case .page(let page) = try await house.identity.signIn(
                email: "ada@example.com", password: IdentityHouse.password, as: .page, from: Device(nil), house.act())
        else { return }
        let grant = try await house.login()
        var claims = try claims(grant, house)
        claims["sid"] = .string(page.session.description)
        #expect(try await house.identity.caller(bearer: house.signer.issue(.object(claims)), now: house.now) == nil)
        #expect(try await house.identity.caller(bearer: page.cookie, now: house.now) == nil)
        let refresh = RefreshToken(session: page.session, generation: 0, secret: [UInt8](repeating: 1, count: 32))
        #expect(
            await problem { _ = try await house.identity.refresh(refresh.text(house.bench.sealer), house.act()) }
                == IdentityProblems.refreshInvalid)
        #expect(try await house.identity.caller(cookie: page.cookie, now: house.now) != nil)
    }

    @Test("a platform role counts at once and is taken at once")
    func platformRole() async throws {
        let house = try await IdentityHouse()
        let token = try #require(try await house.identity.firstAdministratorLink(house.act()))
        _ = try await house.identity.redeemFirstAdministrator(
            token, email: "root@example.com", password: IdentityHouse.password, firstName: "Grace", lastName: "Hopper", house.act())
        let grant = try await house.login("root@example.com")
        #expect(try await house.principal(grant)?.role == "platform_admin")
        #expect(try claims(grant, house)["role"]?.string == "platform_admin")
    }

    @Test("revocation works at the next request under load: nobody is let in by a request that began after it was answered")
    func underLoad() async throws {
        let house = try await IdentityHouse()
        try await house.member()
        for _ in 0..<20 {
            let (grant, principal) = try await house.signedIn()
            let isEnded = Guarded(false)
            let late = await withTaskGroup(of: Int.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        var late = 0
                        for _ in 0..<50 {
                            let before = isEnded.with { $0 }
                            let found = try? await house.principal(grant)
                            if before, (found ?? nil) != nil { late += 1 }
                        }
                        return late
                    }
                }
                group.addTask {
                    await Task.yield()
                    try? await house.identity.signOut(principal, house.act(principal))
                    isEnded.with { $0 = true }
                    return 0
                }
                return await group.reduce(0, +)
            }
            #expect(late == 0)
            #expect(try await house.principal(grant) == nil)
        }
    }

    @Test("without any memory of standings everything is the same")
    func noCache() async throws {
        let settings = Settings().setting(IdentitySettings.cacheEntries, to: 0).setting(TenancySettings.memberCache, to: 0)
        let house = try await IdentityHouse(settings)
        try await house.member()
        let (grant, principal) = try await house.signedIn()
        try await house.identity.signOut(principal, house.act(principal))
        #expect(try await house.principal(grant) == nil)
    }
}
