import Foundation
import Store
import Tenancy
import Vocabulary

@testable import Identity
@testable import Signing

/// The rooms with second factors, as one person's telephone and key ring know them.
struct FactorHouse: Sendable {
    static let origin = "https://coditect.example"
    let house: IdentityHouse
    let factors: Factors

    init(_ settings: Settings = Settings(), origin: String = Self.origin) async throws {
        house = try await IdentityHouse(settings)
        factors = Factors(identity: house.identity, origin: { origin }, brand: "CODITECT")
    }
    init(house: IdentityHouse) {
        self.house = house
        factors = Factors(identity: house.identity, origin: { Self.origin }, brand: "CODITECT")
    }
    /// Ada, signed in.
    func ada() async throws -> Principal {
        try await house.member()
        return try await house.signedIn().principal
    }

    // MARK: The app

    struct App: Sendable {
        let code: OneTimeCode
        let recovery: [String]
        func shows(_ now: Timestamp) -> String { code.code(OneTimeCode.step(now)) }
    }
    func secret(of enrolment: Factors.Enrolment) -> OneTimeCode { OneTimeCode(secret: Self.base32(enrolment.secret)) }
    /// Set up, and the half minute of its first code gone.
    func app(_ caller: Principal) async throws -> App {
        let code = secret(of: try await factors.beginTOTP(caller, house.act(caller)))
        let recovery = try await factors.confirmTOTP(code.code(OneTimeCode.step(house.now)), caller, house.act(caller))
        house.advance(.seconds(60))
        return App(code: code, recovery: recovery)
    }
    /// As an app reads it (RFC 4648), in another way than ours.
    static func base32(_ text: String) -> [UInt8] {
        let signs = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
        let bits = text.flatMap { sign -> [Int] in
            let value = signs.firstIndex(of: sign) ?? 0
            return (0..<5).map { value >> (4 - $0) & 1 }
        }
        return stride(from: 0, to: bits.count / 8 * 8, by: 8).map { start in
            UInt8(bits[start..<start + 8].reduce(0) { $0 * 2 + $1 })
        }
    }

    /// The password is right; the token of the second step.
    func halfway(_ kind: AuthSession.Kind = .token, from address: String = "192.0.2.1") async throws -> String {
        let signIn = try await house.identity.signIn(
            email: "ada@example.com", password: IdentityHouse.password, as: kind, from: Device("test"), house.act(from: address))
        guard case .secondFactorNeeded(let token) = signIn else { throw IdentityHouse.Missing(what: "a second step") }
        return token
    }
    func finish(_ token: String, _ answer: FactorAnswer, from address: String = "192.0.2.1") async throws -> TokenGrant {
        let signIn = try await factors.finish(token, answer, as: .token, from: Device("test"), house.act(from: address))
        guard case .token(let grant) = signIn else { throw IdentityHouse.Missing(what: "tokens") }
        return grant
    }
    func principal(_ grant: TokenGrant) async throws -> Principal {
        guard let principal = try await house.principal(grant) else { throw IdentityHouse.Missing(what: "principal") }
        return principal
    }
    func proof(_ caller: Principal) async throws -> Principal.Proof? {
        let session = try await house.identity.standing(of: caller.session)
        let user = try await house.identity.standing(of: caller.user)
        guard let session, session.isActive, let user else { return nil }
        return try await house.identity.proof(session, user, in: caller.tenant, house.now)
    }

    /// The reasons of what was refused, in the order of time.
    func reasons(_ action: String) async throws -> [String] {
        try await house.journal().filter { $0.action == action }.compactMap { entry in
            try JSONCoding.decode(JSONValue.self, Data(entry.details.utf8))["reason"]?.string
        }
    }
}

/// An authenticator in software, that can lie in each of its answers.
final class SoftKey: @unchecked Sendable {  // one test drives it, from one task
    struct Lies: Sendable {
        var origin: String?
        var type: String?
        var party: String?
        var flags: UInt8?
        var count: UInt32?
        var challenge: String?
        var handle: [UInt8]?
        var crossOrigin: Bool?
        var spoiltSignature = false
        var credential: [UInt8]?
    }
    let key: AsymmetricKey
    let id: [UInt8]
    var handle: [UInt8] = []
    var count: UInt32 = 0
    var lies = Lies()
    var origin = FactorHouse.origin

    init(id: [UInt8] = Array(UUID().uuidString.utf8), ed25519: Bool = false) throws {
        key = try AsymmetricKey.generate(ed25519 ? .ed25519 : .es256)
        self.id = id
    }

    private func clientData(_ type: String, _ options: JSONValue) -> [UInt8] {
        var text = "{\"type\":\"\(lies.type ?? type)\",\"challenge\":\"\(lies.challenge ?? options["challenge"]?.string ?? "")\","
        text += "\"origin\":\"\(lies.origin ?? origin)\",\"crossOrigin\":\(lies.crossOrigin ?? false)}"
        return Array(text.utf8)
    }
    private func data(_ party: String?, flags: UInt8) -> [UInt8] {
        count += 1
        let name = lies.party ?? party ?? ""
        return Digest.sha256(Array(name.utf8)) + [lies.flags ?? flags] + withUnsafeBytes(of: (lies.count ?? count).bigEndian) { Array($0) }
    }
    private func cbor(_ major: UInt8, _ count: Int) -> [UInt8] {
        count < 24
            ? [major << 5 | UInt8(count)]
            : count < 256
                ? [major << 5 | 24, UInt8(count)]
                : [major << 5 | 25, UInt8(count >> 8), UInt8(count & 255)]
    }
    private func bytes(_ value: [UInt8]) -> [UInt8] { cbor(2, value.count) + value }
    private func text(_ value: String) -> [UInt8] { cbor(3, value.utf8.count) + Array(value.utf8) }
    private func number(_ name: String) -> [UInt8] { Base64URL.decode(key.jwk[name] ?? "") ?? [] }
    var cose: [UInt8] {
        key.algorithm == .ed25519
            ? [0xA4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21] + bytes(number("x"))
            : [0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21] + bytes(number("x")) + [0x22] + bytes(number("y"))
    }

    func make(_ options: JSONValue) -> PasskeyBirth {
        handle = options["user"]?["id"]?.string.flatMap(Base64URL.decode) ?? []
        let credential = [UInt8](repeating: 0, count: 16) + [UInt8(id.count >> 8), UInt8(id.count & 255)] + id + cose
        let data = data(options["rp"]?["id"]?.string, flags: 0x45) + credential
        let attestation = [0xA3] + text("fmt") + text("none") + text("attStmt") + [0xA0] + text("authData") + bytes(data)
        return PasskeyBirth(clientData: clientData("webauthn.create", options), attestation: attestation)
    }
    func answer(_ options: JSONValue) throws -> PasskeyAnswer {
        let client = clientData("webauthn.get", options)
        let data = data(options["rpId"]?.string, flags: 0x05)
        var signature = try key.sign(data + Digest.sha256(client))
        if key.algorithm == .es256 { signature = DER.sequence(DER.integer(Array(signature[..<32])) + DER.integer(Array(signature[32...]))) }
        if lies.spoiltSignature { signature[signature.count - 1] ^= 1 }
        return PasskeyAnswer(
            credential: lies.credential ?? id, clientData: client, authenticatorData: data, signature: signature,
            userHandle: lies.handle ?? handle)
    }
}
