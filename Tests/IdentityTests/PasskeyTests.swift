import Foundation
import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Identity
@testable import Signing

@Suite("Passkeys")
struct PasskeyTests {
    private func registered(_ factors: FactorHouse, _ key: SoftKey, _ caller: Principal) async throws -> [String] {
        let options = try await factors.factors.registrationOptions(caller, factors.house.act(caller))
        return try await factors.factors.register(key.make(options), label: "key", caller, factors.house.act(caller)).recoveryCodes
    }
    private func alone(_ factors: FactorHouse, _ key: SoftKey, secret: String? = nil) async throws -> SignIn {
        let act = factors.house.act()
        let (browser, options) = try factors.factors.signInOptions(browser: nil, act)
        return try await factors.factors.signIn(try key.answer(options), browser: secret ?? browser, as: .token, from: Device(nil), act)
    }

    @Test("one is a second factor after the password, and two factors alone", arguments: [false, true])
    func both(ed25519: Bool) async throws {
        let factors = try await FactorHouse()
        let (house, ada) = (factors.house, try await factors.ada())
        let key = try SoftKey(ed25519: ed25519)
        #expect(try await registered(factors, key, ada).count == 10)
        let token = try await factors.halfway()
        let grant = try await factors.finish(
            token, .passkey(try key.answer(try await factors.factors.options(forStep: token, house.act()))))
        #expect(try await factors.principal(grant).bounds.proof == .recent)
        guard case .token(let other) = try await alone(factors, key) else {
            Issue.record("no tokens")
            return
        }
        #expect(try await factors.principal(other).user == ada.user)
        let sessions = try await house.identity.sessions(of: ada.user, now: house.now)
        #expect(Set(sessions.map(\.factor)).isSuperset(of: ["password+passkey", "passkey"]))
        house.advance(.minutes(20))
        let stale = try await factors.principal(other)
        #expect(stale.bounds.proof == .stale)
        let again = try await factors.factors.options(forStepUp: stale, house.act(stale))
        _ = try await factors.factors.stepUp(.passkey(try key.answer(again)), stale, house.act(stale))
        #expect(try await factors.proof(stale) == .recent)
        #expect(house.hooks.questions.contains { $0.hook == "on_login" && $0.input["method"]?.string == "passkey" })
    }

    /// What an authenticator or a browser may not say, and the reason that stands in the journal.
    static let lies: [(String, String, @Sendable (inout SoftKey.Lies) -> Void)] = [
        ("another origin", "origin", { $0.origin = "https://coditect.example.evil.net" }),
        ("the origin without TLS", "origin", { $0.origin = "http://coditect.example" }),
        ("the origin with a port", "origin", { $0.origin = "https://coditect.example:8443" }),
        ("within another site's frame", "cross_origin", { $0.crossOrigin = true }),
        ("the other ceremony", "type", { $0.type = "webauthn.create" }),
        ("another party", "rp_id", { $0.party = "evil.example" }), ("nobody present", "not_present", { $0.flags = 0x04 }),
        ("a person present and not verified", "not_verified", { $0.flags = 0x01 }),
        ("backed up and not able to be", "flags", { $0.flags = 0x15 }),
        ("bytes that are not there", "credential", { $0.flags = 0x45 }),
        ("another person's name", "user_handle", { $0.handle = [1, 2, 3] }),
        ("a signature over something else", "signature", { $0.spoiltSignature = true }),
        ("a challenge of its own", "challenge", { $0.challenge = Base64URL.encode([UInt8](repeating: 7, count: 56)) }),
        ("no challenge", "challenge", { $0.challenge = "" }), ("a counter that stands still", "counter", { $0.count = 1 }),
    ]

    @Test("what is not so is refused, and only the journal says why", arguments: lies.indices)
    func lying(index: Int) async throws {
        let (_, reason, lie) = Self.lies[index]
        let factors = try await FactorHouse()
        let ada = try await factors.ada()
        let key = try SoftKey()
        _ = try await registered(factors, key, ada)
        lie(&key.lies)
        let refused = await problem { _ = try await alone(factors, key) }
        #expect(refused == FactorProblems.passkeyInvalid)
        #expect(try await factors.reasons("factor.failed") == [reason])
        key.lies = SoftKey.Lies()
        guard reason != "counter" else { return }
        _ = try await alone(factors, key)
    }

    @Test("possession is enough after the password, where nobody was verified")
    func unverified() async throws {
        let factors = try await FactorHouse()
        let ada = try await factors.ada()
        let key = try SoftKey()
        _ = try await registered(factors, key, ada)
        key.lies.flags = 0x01
        let token = try await factors.halfway()
        _ = try await factors.finish(
            token, .passkey(try key.answer(try await factors.factors.options(forStep: token, factors.house.act()))))
    }

    @Test("a challenge is good once, for one browser, one purpose and ten minutes")
    func challenges() async throws {
        let factors = try await FactorHouse()
        let (house, ada) = (factors.house, try await factors.ada())
        let key = try SoftKey()
        _ = try await registered(factors, key, ada)
        let (browser, options) = try factors.factors.signInOptions(browser: nil, house.act())
        let answer = try key.answer(options)
        func sign(_ answer: PasskeyAnswer, _ browser: String) async -> Problem? {
            await problem { _ = try await factors.factors.signIn(answer, browser: browser, as: .token, from: Device(nil), house.act()) }
        }
        #expect(await sign(answer, browser + "x") == FactorProblems.passkeyInvalid)
        // Many at once: one.
        let opened = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<4 { group.addTask { await sign(answer, browser) == nil } }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(opened == 1)
        // What was asked of a second step is no answer to a first, nor to another second.
        let (one, other) = (try await factors.halfway(), try await factors.halfway())
        let second = try key.answer(try await factors.factors.options(forStep: one, house.act()))
        #expect(await sign(second, browser) == FactorProblems.passkeyInvalid)
        #expect(await problem { _ = try await factors.finish(other, .passkey(second)) } == FactorProblems.passkeyInvalid)
        _ = try await factors.finish(one, .passkey(second))
        let (late, lateOptions) = try factors.factors.signInOptions(browser: nil, house.act())
        let tooLate = try key.answer(lateOptions)
        house.advance(.minutes(10))
        #expect(await sign(tooLate, late) == FactorProblems.passkeyInvalid)
        #expect(
            try await factors.reasons("factor.failed") == [
                "challenge", "challenge_replayed", "challenge_replayed", "challenge_replayed", "challenge", "challenge",
                "challenge_expired",
            ])
    }

    @Test("a counter that goes back makes the passkey suspect for good, tells the person, and leaves the account as guarded as before")
    func counter() async throws {
        let factors = try await FactorHouse()
        let (house, ada) = (factors.house, try await factors.ada())
        let key = try SoftKey()
        let codes = try await registered(factors, key, ada)
        _ = try await alone(factors, key)
        key.lies.count = 2
        #expect(await problem { _ = try await alone(factors, key) } == FactorProblems.passkeyInvalid)
        #expect(try await house.mails("passkey_suspect").count == 1)
        key.lies = SoftKey.Lies()
        #expect(await problem { _ = try await alone(factors, key) } == FactorProblems.passkeyInvalid)
        // The password alone is not enough, though no passkey is left that works.
        let token = try await factors.halfway()
        let person = try await factors.principal(try await factors.finish(token, .recovery(codes[0])))
        let overview = try await factors.factors.overview(person)
        #expect(overview.passkeys.map(\.isSuspect) == [true])
        let options = try await factors.factors.options(forStepUp: person, house.act(person))
        #expect(options["allowCredentials"]?.array?.isEmpty == true)
        try await factors.factors.removePasskey(overview.passkeys[0].id, person, house.act(person))
        _ = try await house.login()
    }

    @Test("a credential belongs to one person; the own ones are named so that they are not made twice")
    func unique() async throws {
        let factors = try await FactorHouse()
        let (house, ada) = (factors.house, try await factors.ada())
        let key = try SoftKey()
        _ = try await registered(factors, key, ada)
        let excluded = try await factors.factors.registrationOptions(ada, house.act(ada))["excludeCredentials"]?.array
        #expect(excluded?.first?["id"]?.string == Base64URL.encode(key.id))
        try await house.member("eve@example.com")
        let eve = try await house.signedIn("eve@example.com").principal
        #expect(await problem { _ = try await registered(factors, try SoftKey(id: key.id), eve) }?.code == "passkey_taken")
        // Another's challenge is none of hers, and another's passkey proves nothing of her.
        let options = try await factors.factors.registrationOptions(ada, house.act(ada))
        let own = try SoftKey()
        let stolen = await problem { _ = try await factors.factors.register(own.make(options), label: "x", eve, house.act(eve)) }
        #expect(stolen?.code == "passkey_not_registered")
        let mine = try SoftKey()
        _ = try await registered(factors, mine, eve)
        let token = try await factors.halfway()
        let asked = try await factors.factors.options(forStep: token, house.act())
        #expect(await problem { _ = try await factors.finish(token, .passkey(try mine.answer(asked))) } == FactorProblems.passkeyInvalid)
        let passkey = try await factors.factors.overview(ada).passkeys[0].id
        #expect(await problem { try await factors.factors.removePasskey(passkey, eve, house.act(eve)) } == CommonProblems.notFound)
    }

    @Test("what is no registration is refused, whatever the bytes")
    func hostileBirth() async throws {
        let factors = try await FactorHouse()
        let (house, ada) = (factors.house, try await factors.ada())
        let key = try SoftKey()
        var generator = SystemRandomNumberGenerator()
        for round in 0..<200 {
            let options = try await factors.factors.registrationOptions(ada, house.act(ada))
            let birth = key.make(options)
            var attestation = birth.attestation
            switch round % 4 {
            case 0: attestation = Array(attestation.prefix(Int.random(in: 0..<attestation.count, using: &generator)))
            case 1: attestation.append(0)
            case 2: attestation = (0..<64).map { _ in UInt8.random(in: 0...255, using: &generator) }
            // Within the hash of the party.
            default: attestation[Int.random(in: 30..<60, using: &generator)] ^= 0x5A
            }
            let refused = await problem {
                _ = try await factors.factors.register(
                    PasskeyBirth(clientData: birth.clientData, attestation: attestation), label: "x", ada, house.act(ada))
            }
            #expect(refused?.code == "passkey_not_registered", "\(round)")
        }
        #expect(try await factors.factors.overview(ada).passkeys.isEmpty)
    }

    @Test(
        "where people come by an address and no name, there are none",
        arguments: ["http://127.0.0.1:8080", "https://[::1]", "http://example.com"])
    func address(origin: String) async throws {
        let factors = try await FactorHouse(origin: origin)
        #expect(!factors.factors.hasPasskeys)
        #expect(await problem { _ = try factors.factors.signInOptions(browser: nil, factors.house.act()) }?.code == "passkeys_unavailable")
    }

    @Test("CBOR is read in its shortest form, once a key, and no deeper than it says")
    func cbor() throws {
        let cases: [([UInt8], CBOR)] = [
            ([0x18, 0x18], .int(24)), ([0x39, 0x01, 0x00], .int(-257)), ([0x42, 1, 2], .bytes([1, 2])),
            ([0x82, 0xF5, 0xF6], .array([.bool(true), .null])),
            ([0xA1, 0x61, 0x61, 0x01], .map([.text("a"): .int(1)])),
        ]
        for (bytes, value) in cases { #expect(try CBOR.read(bytes) == value) }
        let bad: [[UInt8]] = [
            [], [0x18, 0x17], [0x5F, 0x41, 0x00, 0xFF], [0xA2, 0x01, 0x01, 0x01, 0x02], [0x9B, 255, 255, 255, 255, 255, 255, 255, 255],
            [0x61, 0xFF],
            [0x42, 0x01], [0x01, 0x01], [0xFB, 0, 0, 0, 0, 0, 0, 0, 0], [0xC0, 0x01], [0x3B, 255, 255, 255, 255, 255, 255, 255, 255],
            [UInt8](repeating: 0x81, count: 100) + [0x01], [0x9A, 0, 1, 0, 0] + [UInt8](repeating: 0, count: 20_000),
        ]
        for bytes in bad { #expect(throws: CBOR.Malformed.self, "\(bytes.prefix(12))") { try CBOR.read(bytes) } }
    }

    @Test("a signature has one spelling")
    func der() {
        let whole = [UInt8](repeating: 0x7F, count: 32)
        let good = DER.sequence(DER.integer(whole) + DER.integer([1]))
        #expect(CredentialKey.plain(good) == whole + [UInt8](repeating: 0, count: 31) + [1])
        let bad: [[UInt8]] = [
            [], good + [0], Array(good.dropLast()), [0x30, 0x08, 0x02, 0x02, 0x00, 0x01, 0x02, 0x02, 0x00, 0x01],
            [0x30, 0x06, 0x02, 0x01, 0x81, 0x02, 0x01, 0x01], [0x31] + good.dropFirst(),
            DER.sequence(DER.integer([UInt8](repeating: 0x7F, count: 33)) + DER.integer([1])),
        ]
        for bytes in bad { #expect(CredentialKey.plain(bytes) == nil, "\(bytes)") }
    }
}
