import CPkcs11
import Foundation
import PluginKit

/// The three kinds of key, as PKCS#11 and as the kit know them.
enum KeyKind: String, Sendable, CaseIterable {
    case es256 = "ES256"
    case ed25519 = "Ed25519"
    case rsaPSS = "RSA-4096-PSS-SHA256"

    var algorithm: SigningAlgorithm { SigningAlgorithm(rawValue: rawValue) }
    init?(_ algorithm: SigningAlgorithm) { self.init(rawValue: algorithm.rawValue) }

    var code: p11_kind {
        switch self {
        case .es256: P11_ES256
        case .ed25519: P11_ED25519
        case .rsaPSS: P11_RSA_PSS
        }
    }
    /// What a token must offer, for the sentence about one that does not.
    var mechanisms: String {
        switch self {
        case .es256: "CKM_EC_KEY_PAIR_GEN and CKM_ECDSA"
        case .ed25519: "CKM_EC_EDWARDS_KEY_PAIR_GEN and CKM_EDDSA"
        case .rsaPSS: "CKM_RSA_PKCS_KEY_PAIR_GEN and CKM_RSA_PKCS_PSS with 4096 bits"
        }
    }
    /// `CKA_KEY_TYPE`
    var keyType: UInt {
        switch self {
        case .es256: 3
        case .ed25519: 0x40
        case .rsaPSS: 0
        }
    }

    /// The setting `algorithms`.
    static func list(_ text: String) throws -> [KeyKind] {
        let names = text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        let kinds = names.compactMap(KeyKind.init(rawValue:))
        guard !kinds.isEmpty, kinds.count == names.count, Set(kinds).count == kinds.count else {
            throw PluginRefusal(
                "The setting algorithms takes \(allCases.map(\.rawValue).joined(separator: ", ")), each once, comma-separated.")
        }
        return kinds
    }

    /// SubjectPublicKeyInfo of the public attributes; nil where they are not those of such a key.
    func publicKey(point: [UInt8]?, modulus: [UInt8]?, exponent: [UInt8]?) -> Data? {
        switch self {
        case .es256: KeyKind.point(point, count: 65).map { PublicKeyForm.p256(Data($0)) }
        case .ed25519: KeyKind.point(point, count: 32).map { PublicKeyForm.ed25519(Data($0)) }
        case .rsaPSS:
            if let modulus, let exponent, modulus.drop(while: { $0 == 0 }).count == 512, !exponent.isEmpty {
                PublicKeyForm.rsa(modulus: Data(modulus), exponent: Data(exponent))
            } else {
                nil
            }
        }
    }
    /// A point alone, or wrapped in an OCTET STRING, as 2.40 and 3.0 differ.
    private static func point(_ bytes: [UInt8]?, count: Int) -> [UInt8]? {
        guard let bytes else { return nil }
        if bytes.count == count { return bytes }
        return bytes.count == count + 2 && bytes[0] == 4 && Int(bytes[1]) == count ? Array(bytes[2...]) : nil
    }
}
