import Signing
import Vocabulary

/// What an authenticator said, checked against what was asked (WebAuthn Level 3, 7.1 and 7.2); pure. Attestation is not looked at: every
/// authenticator counts as one that says nothing of itself.
enum WebAuthn {
    /// Why an answer does not count: for the journal, never for the client.
    struct Refusal: Error, Hashable {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }
    enum Ceremony: String, Sendable { case create = "webauthn.create", get = "webauthn.get" }

    static let maxClientDataBytes = 4_096
    static let maxAuthenticatorDataBytes = 16_384
    static let maxCredentialIDBytes = 1_023
    static let maxSignatureBytes = 1_024

    /// The one that people see, and its name: an exact origin, and the domain that credentials are for.
    struct Party: Sendable, Hashable {
        let origin: String
        let id: String

        /// Nil where people reach the server by an address: credentials are for names.
        init?(origin: String) {
            guard let scheme = ["https://", "http://"].first(where: origin.hasPrefix) else { return nil }
            let authority = origin.dropFirst(scheme.count).prefix { $0 != "/" }
            let host = authority.prefix { $0 != ":" }
            let isName = host.contains { $0.isLetter } && !authority.hasPrefix("[")
            // Browsers give credentials to secure pages only, and count this machine among them.
            guard isName, scheme == "https://" || host == "localhost" || host.hasSuffix(".localhost") else { return nil }
            self.origin = scheme + authority
            id = host.lowercased()
        }
    }

    /// The browser's account of what was asked of it, and where. Gives the challenge.
    static func challenge(inClientData bytes: [UInt8], _ ceremony: Ceremony, _ party: Party) throws(Refusal) -> [UInt8] {
        guard bytes.count <= maxClientDataBytes, let data = try? StrictJSON.parse(bytes, maxBytes: maxClientDataBytes, maxDepth: 4) else {
            throw Refusal("client_data")
        }
        guard data["type"]?.string == ceremony.rawValue else { throw Refusal("type") }
        guard data["origin"]?.string == party.origin else { throw Refusal("origin") }
        guard data["crossOrigin"].map({ $0 == false }) ?? true, data["topOrigin"] == nil else { throw Refusal("cross_origin") }
        guard let challenge = data["challenge"]?.string.flatMap(Base64URL.decode) else { throw Refusal("challenge") }
        return challenge
    }

    /// Authenticator data (6.1), read to its last byte.
    struct AuthenticatorData: Sendable {
        let isPresent: Bool
        let isVerified: Bool
        let signCount: UInt32
        let credential: Credential?

        init(_ bytes: [UInt8], _ party: Party) throws(Refusal) {
            guard (37...maxAuthenticatorDataBytes).contains(bytes.count) else { throw Refusal("authenticator_data") }
            guard ConstantTime.equal(Array(bytes[..<32]), Digest.sha256(Array(party.id.utf8))) else { throw Refusal("rp_id") }
            let flags = bytes[32]
            isPresent = flags & 0x01 != 0
            isVerified = flags & 0x04 != 0
            // Backed up without being able to be: no honest authenticator says so.
            guard flags & 0x18 != 0x10 else { throw Refusal("flags") }
            signCount = bytes[33..<37].reduce(0) { $0 << 8 | UInt32($1) }
            var rest = bytes[37...]
            if flags & 0x40 != 0 { credential = try Credential(&rest) } else { credential = nil }
            do {
                if flags & 0x80 != 0 {
                    let (extensions, after) = try CBOR.first(of: rest)
                    guard case .map = extensions else { throw Refusal("extensions") }
                    rest = after
                }
            } catch let refusal as Refusal { throw refusal } catch { throw Refusal("extensions") }
            guard rest.isEmpty else { throw Refusal("authenticator_data") }
        }
    }

    /// A new credential: its id and public key.
    struct Credential: Sendable, Hashable {
        let id: [UInt8]
        let key: CredentialKey

        init(_ rest: inout ArraySlice<UInt8>) throws(Refusal) {
            guard rest.count >= 18 else { throw Refusal("credential") }
            let head = Array(rest.prefix(18))
            let length = Int(head[16]) << 8 | Int(head[17])
            rest = rest.dropFirst(18)
            guard (1...maxCredentialIDBytes).contains(length), rest.count > length else { throw Refusal("credential_id") }
            id = Array(rest.prefix(length))
            do {
                let (cose, after) = try CBOR.first(of: rest.dropFirst(length))
                key = try CredentialKey(cose)
                rest = after
            } catch let refusal as Refusal { throw refusal } catch { throw Refusal("credential_key") }
        }
    }

    /// `attestationObject` (6.5): of its three members only the authenticator data counts.
    static func authenticatorData(inAttestation bytes: [UInt8]) throws(Refusal) -> [UInt8] {
        guard let object = try? CBOR.read(bytes), case .text? = object["fmt"], case .map? = object["attStmt"],
            let data = object["authData"]?.bytes
        else { throw Refusal("attestation") }
        return data
    }

    static func verify(_ signature: [UInt8], _ authenticatorData: [UInt8], clientData: [UInt8], _ key: CredentialKey) throws(Refusal) {
        guard signature.count <= maxSignatureBytes,
            key.verify(signature, over: authenticatorData + Digest.sha256(clientData))
        else { throw Refusal("signature") }
    }

    /// Whether a counter says that the credential is used in one place (7.2, 22). One that never counts stays at zero.
    static func isForward(_ new: UInt32, after old: UInt32) -> Bool { new == 0 && old == 0 || new > old }
}

/// A public key of a credential, as COSE writes it (RFC 9053) and as it is kept.
struct CredentialKey: Sendable, Hashable {
    /// The name in JOSE.
    let algorithm: String
    let jwk: JSONValue

    /// COSE numbers of what is accepted, the best first.
    static let algorithms: [(cose: Int64, name: String)] = [(-7, "ES256"), (-8, "EdDSA"), (-257, "RS256")]

    init(_ cose: CBOR) throws(WebAuthn.Refusal) {
        func text(_ label: Int64) throws(WebAuthn.Refusal) -> JSONValue {
            guard let bytes = cose[label]?.bytes, bytes.count <= 1_024 else { throw WebAuthn.Refusal("credential_key") }
            return .string(Base64URL.encode(bytes))
        }
        switch (cose[1], cose[3]) {
        case (.int(2), .int(-7)) where cose[-1] == .int(1):
            (algorithm, jwk) = ("ES256", ["kty": "EC", "crv": "P-256", "x": try text(-2), "y": try text(-3)])
        case (.int(1), .int(-8)) where cose[-1] == .int(6):
            (algorithm, jwk) = ("EdDSA", ["kty": "OKP", "crv": "Ed25519", "x": try text(-2)])
        case (.int(3), .int(-257)): (algorithm, jwk) = ("RS256", ["kty": "RSA", "n": try text(-1), "e": try text(-2)])
        default: throw WebAuthn.Refusal("algorithm")
        }
        guard ForeignSignature.isKey(jwk, for: algorithm) else { throw WebAuthn.Refusal("credential_key") }
    }
    init(algorithm: String, jwk: JSONValue) {
        self.algorithm = algorithm
        self.jwk = jwk
    }

    func verify(_ signature: [UInt8], over message: [UInt8]) -> Bool {
        guard algorithm == "ES256" else {
            return ForeignSignature.holds(signature, over: message, key: jwk, algorithm: algorithm)
        }
        guard let plain = Self.plain(signature) else { return false }
        return ForeignSignature.holds(plain, over: message, key: jwk, algorithm: algorithm)
    }

    /// Two numbers of 32 bytes from `SEQUENCE { INTEGER, INTEGER }`, in DER's one spelling.
    static func plain(_ der: [UInt8]) -> [UInt8]? {
        guard der.count >= 8, der.count <= 72, der[0] == 0x30, Int(der[1]) == der.count - 2 else { return nil }
        var (rest, out) = (der[2...], [UInt8]())
        for _ in 0..<2 {
            guard rest.count >= 3, rest[rest.startIndex] == 0x02 else { return nil }
            let length = Int(rest[rest.startIndex + 1])
            guard (1...33).contains(length), rest.count >= 2 + length else { return nil }
            let number = Array(rest.dropFirst(2).prefix(length))
            rest = rest.dropFirst(2 + length)
            guard number[0] & 0x80 == 0, length == 1 || number[0] != 0 || number[1] & 0x80 != 0 else { return nil }
            let digits = Array(number.drop { $0 == 0 })
            guard digits.count <= 32 else { return nil }
            out += [UInt8](repeating: 0, count: 32 - digits.count) + digits
        }
        return rest.isEmpty ? out : nil
    }
}
