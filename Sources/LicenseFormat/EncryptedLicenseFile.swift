import Signing
import Vocabulary

/// A signed licence file that only its licence's key and its device's hardware id together open.
///
/// AES-256-GCM under a key that HKDF-SHA-256 (RFC 5869) takes from the licence key, with the hardware id in its info and a salt of its
/// own for each file. What it proves is the signature inside: whoever has key and hardware id can encrypt anything.
package struct EncryptedLicenseFile: Sendable, Hashable {
    package static let kind = TypedMessage.Kind("encrypted-license-file.v1")
    package static let cipher = "AES-256-GCM"
    package static let derivation = "HKDF-SHA256"
    static let saltCount = 32
    /// Twice the largest file, as hexadecimal digits, and what stands around them.
    static let mostBytes = 132_000

    package enum Fault: Error, Sendable, Hashable {
        /// Not an encrypted licence file at all.
        case malformed(String)
        /// The licence key is not one.
        case key(LicenseKey.Fault)
        /// Another licence's, another device's, or changed: which one, nobody can tell.
        case closed
    }

    let salt: [UInt8]
    /// Nonce, ciphertext, tag.
    let box: [UInt8]

    /// - Parameter key: as shown or typed.
    package init(_ file: SignedLicenseFile, key: String, hardwareID: String, entropy: some Entropy) throws {
        salt = entropy.bytes(Self.saltCount)
        box = try AuthenticatedCipher.seal(
            try CanonicalJSON.encode(file.json), key: Self.secret(salt, try LicenseKey.canonical(key), hardwareID),
            nonce: entropy.bytes(AuthenticatedCipher.nonceCount), associated: Self.associated(salt))
    }

    package var json: JSONValue {
        [
            "kind": .string(Self.kind.name), "cipher": .string(Self.cipher), "key_derivation": .string(Self.derivation),
            "salt": .string(Hex.encode(salt)), "box": .string(Hex.encode(box)),
        ]
    }

    init(_ bytes: [UInt8]) throws(Fault) {
        guard let json = try? StrictJSON.parse(bytes, maxBytes: Self.mostBytes) else { throw .malformed("it is not JSON") }
        guard json["kind"]?.string == Self.kind.name else { throw .malformed("it is not of the kind \(Self.kind.name)") }
        guard json["cipher"]?.string == Self.cipher, json["key_derivation"]?.string == Self.derivation else {
            throw .malformed("it is encrypted in another way")
        }
        guard let salt = json["salt"]?.string.flatMap(Hex.decode), salt.count == Self.saltCount,
            let box = json["box"]?.string.flatMap(Hex.decode), !box.isEmpty
        else { throw .malformed("salt or box is missing") }
        self.salt = salt
        self.box = box
    }

    /// The signed file inside, for `LicenseFile.check`. Pure; needs no network.
    package static func open(_ bytes: [UInt8], key: String, hardwareID: String) throws(Fault) -> [UInt8] {
        let file = try EncryptedLicenseFile(bytes)
        let canonical: String
        do { canonical = try LicenseKey.canonical(key) } catch { throw .key(error) }
        let secret = secret(file.salt, canonical, hardwareID)
        guard let plain = try? AuthenticatedCipher.open(file.box[...], key: secret, associated: associated(file.salt)) else {
            throw .closed
        }
        return plain
    }

    /// The kind comes first and has no NUL, so neither key nor associated data serve another kind of thing.
    private static func secret(_ salt: [UInt8], _ canonicalKey: String, _ hardwareID: String) -> SecretBytes {
        SecretBytes(
            HKDF.sha256(secret: Array(canonicalKey.utf8), salt: salt, info: TypedMessage(kind, Array(hardwareID.utf8)).bytes, count: 32))
    }
    private static func associated(_ salt: [UInt8]) -> [UInt8] { TypedMessage(kind, salt).bytes }
}
