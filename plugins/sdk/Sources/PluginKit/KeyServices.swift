// since 1.2
import Foundation

/// For the kind `key_service`: makes keys and signs with them where they lie; a private key never leaves.
///
/// The host asks from many tasks at once. Every call answers within `KeyServiceLimits.answerSeconds`, making a key within
/// `KeyServiceLimits.makingSeconds`, also while the service does not answer: then with `unavailable`. No call blocks a thread of Swift's
/// pool. The host verifies each signature with the public key before it counts.
public protocol KeyService: Sendable {
    /// What it can make and sign with. Constant while it runs.
    var algorithms: Set<SigningAlgorithm> { get }
    /// Makes a key pair. A name that has a key already gives that key, if it is of this algorithm, and is `refused` otherwise: a call whose
    /// answer was lost is repeated under the same name.
    func makeKey(_ request: KeyRequest) async throws -> ServiceKey
    /// The key of this name; throws `unknownKey` where there is none.
    func readKey(_ name: String) async throws -> ServiceKey
    /// At most `KeyServiceLimits.maxListed` keys whose name begins with the prefix, in the order of their names, after `after`.
    func listKeys(prefix: String, after: String?) async throws -> [ServiceKey]
    /// The signature in the form that `SigningAlgorithm` says; throws `unknownKey` rather than sign with another key.
    func sign(_ request: SigningRequest) async throws -> Data
    /// Returns where the service can sign now; throws what hinders it.
    func probe() async throws

    /// Whether it wraps secrets too. Constant while it runs. The calls below are asked of no other.
    var wrapsSecrets: Bool { get }
    /// Makes a symmetric key for wrapping that never leaves; one of this name that is there already stays as it is.
    func makeWrappingKey(_ name: String) async throws
    /// The secret, encrypted and authenticated together with its context: twice the same gives two boxes. Throws `unknownKey`.
    func wrap(_ request: WrappingRequest) async throws -> Data
    /// What was wrapped under this key for this context; `refused` for anything else, `unknownKey` where there is no such key.
    func unwrap(_ request: WrappingRequest) async throws -> Data
}

extension KeyService {
    public var wrapsSecrets: Bool { false }
    public func makeWrappingKey(_ name: String) async throws { throw KeyServiceError.refused("it wraps no secrets") }
    public func wrap(_ request: WrappingRequest) async throws -> Data { throw KeyServiceError.refused("it wraps no secrets") }
    public func unwrap(_ request: WrappingRequest) async throws -> Data { throw KeyServiceError.refused("it wraps no secrets") }
}

/// What is wrapped or unwrapped; `wrap` takes the secret, `unwrap` the box.
public struct WrappingRequest: Sendable, Hashable, Codable {
    public var key: String
    public var data: Data
    /// What the secret is for; not in the box, and as much a part of it as the key.
    public var context: Data
    public init(key: String, data: Data, context: Data) {
        self.key = key
        self.data = data
        self.context = context
    }
}

public enum KeyServiceLimits {
    public static let answerSeconds = 5
    public static let makingSeconds = 120
    public static let maxListed = 1_000
    public static let maxMessageBytes = 1_048_576
    /// Of a secret that is wrapped: 1 byte to this.
    public static let maxWrappedBytes = 1_024
    /// Of the box around it.
    public static let maxBoxBytes = 4_096
    public static let maxContextBytes = 1_024
    /// Letters, digits and `. _ -`.
    public static let maxNameBytes = 100

    /// Nil if the name is fine, else what is wrong with it.
    public static func fault(inName name: String) -> String? {
        guard (1...maxNameBytes).contains(name.utf8.count) else { return "a key's name has 1 to \(maxNameBytes) bytes" }
        let isPlain = name.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || [46, 95, 45].contains($0)
        }
        return isPlain ? nil : "a key's name holds letters, digits and . _ - only"
    }
}

/// How a key signs; the raw value is what settings and logs say.
public struct SigningAlgorithm: RawRepresentable, Sendable, Hashable, Codable, CustomStringConvertible {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    /// ECDSA over P-256 with SHA-256; a signature is r and s, 32 bytes each.
    public static let es256 = SigningAlgorithm(rawValue: "ES256")
    /// RFC 8032, pure; 64 bytes.
    public static let ed25519 = SigningAlgorithm(rawValue: "Ed25519")
    /// RSA-4096, PSS with SHA-256, MGF1-SHA-256 and a salt of 478 bytes, the longest that fits; 512 bytes.
    public static let rsaPSS = SigningAlgorithm(rawValue: "RSA-4096-PSS-SHA256")
    public static let all: [SigningAlgorithm] = [es256, ed25519, rsaPSS]
    public var description: String { rawValue }
    /// What a signature has.
    public var signatureBytes: Int { self == .rsaPSS ? 512 : 64 }
}

public struct KeyRequest: Sendable, Hashable, Codable {
    public var name: String
    public var algorithm: SigningAlgorithm
    public init(name: String, algorithm: SigningAlgorithm) {
        self.name = name
        self.algorithm = algorithm
    }
}

/// A key as the service shows it.
public struct ServiceKey: Sendable, Hashable, Codable {
    public var name: String
    public var algorithm: SigningAlgorithm
    /// SubjectPublicKeyInfo (RFC 5280) in DER; `PublicKeyForm` writes it.
    public var publicKey: Data
    public var standing: KeyStanding
    /// Whether the private key could ever be read out, by anybody. Such a key is no key of a service: the host does not take it.
    public var isExtractable: Bool
    public init(name: String, algorithm: SigningAlgorithm, publicKey: Data, standing: KeyStanding = .usable, isExtractable: Bool) {
        self.name = name
        self.algorithm = algorithm
        self.publicKey = publicKey
        self.standing = standing
        self.isExtractable = isExtractable
    }
}

public enum KeyStanding: String, Sendable, Hashable, Codable, CaseIterable {
    case usable
    /// It is there and does not sign: switched off, or only its public half is left.
    case disabled
}

public enum SigningInput: Sendable, Hashable, Codable {
    case message(Data)
    /// SHA-256 of the message, for `es256` and `rsaPSS`; `refused` with `ed25519`, which needs the whole.
    case digest(Data)
}

public struct SigningRequest: Sendable, Hashable, Codable {
    public var key: String
    public var algorithm: SigningAlgorithm
    public var input: SigningInput
    public init(key: String, algorithm: SigningAlgorithm, input: SigningInput) {
        self.key = key
        self.algorithm = algorithm
        self.input = input
    }
}

/// Why a key service did not do what it was asked. Texts are for logs and operators: no secret.
public enum KeyServiceError: Error, Sendable, Hashable, Codable, CustomStringConvertible {
    /// It cannot be asked or did not answer in time, or has too much to do. Asking again later may help.
    case unavailable(String)
    /// It will not: asking again does not help until an operator has done something.
    case refused(String)
    case unknownKey(String)
    case notSupported(SigningAlgorithm)

    public var description: String {
        switch self {
        case .unavailable(let reason): "unavailable: \(reason)"
        case .refused(let reason): "refused: \(reason)"
        case .unknownKey(let name): "there is no key \(name)"
        case .notSupported(let algorithm): "\(algorithm) is not supported"
        }
    }
    public var isPassing: Bool { if case .unavailable = self { true } else { false } }
}

/// Writes public keys as SubjectPublicKeyInfo in DER.
public enum PublicKeyForm {
    /// RFC 8410; 32 bytes.
    public static func ed25519(_ key: Data) -> Data { sequence(sequence([0x06, 3, 0x2b, 0x65, 0x70]), bits(Array(key))) }
    /// RFC 5480; the point uncompressed: 0x04, x, y.
    public static func p256(_ point: Data) -> Data {
        let algorithm: [UInt8] = [0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]
        return sequence(sequence(algorithm), bits(Array(point)))
    }
    /// RFC 3279; both numbers big-endian.
    public static func rsa(modulus: Data, exponent: Data) -> Data {
        let algorithm: [UInt8] = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0]
        return sequence(sequence(algorithm), bits(Array(sequence(Data(integer(modulus) + integer(exponent))))))
    }

    private static func integer(_ number: Data) -> [UInt8] {
        var digits = Array(number.drop { $0 == 0 })
        if digits.first.map({ $0 & 0x80 != 0 }) ?? true { digits.insert(0, at: 0) }
        return tagged(0x02, digits)
    }
    private static func bits(_ bytes: [UInt8]) -> Data { Data(tagged(0x03, [0] + bytes)) }
    private static func sequence(_ parts: Data...) -> Data { Data(tagged(0x30, parts.flatMap { Array($0) })) }
    private static func sequence(_ bytes: [UInt8]) -> Data { Data(tagged(0x30, bytes)) }
    private static func tagged(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        switch content.count {
        case 0..<128: [tag, UInt8(content.count)] + content
        case 128..<256: [tag, 0x81, UInt8(content.count)] + content
        default: [tag, 0x82, UInt8(content.count >> 8), UInt8(content.count & 0xff)] + content
        }
    }
}

extension PluginKind {
    public static let keyService = PluginKind(rawValue: "key_service")
}
// end of 1.2
