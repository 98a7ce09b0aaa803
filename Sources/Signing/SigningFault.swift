import COpenSSL
import Vocabulary

/// A failure of keys or cryptography: an operator's to mend, never an answer to a client, but for a full queue, which passes.
package enum SigningFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// OpenSSL refused an operation; the text is its reason and holds no key material.
    case library(String, reason: String)
    /// A file or directory of keys that others can read.
    case permissions(path: String, mode: Int)
    case file(path: String, reason: String)
    /// What is stored does not belong to this master key.
    case otherMasterKey(path: String)
    /// Keys exist but the master key that sealed them does not.
    case masterKeyMissing(path: String)
    case masterKeyMalformed(source: String)
    case setting(String, reason: String)
    case unknownKey(String)
    /// JSON that has no canonical form: not a number, or an integer beyond 2^53.
    case notCanonical(String)
    /// A box that was changed, belongs elsewhere, or was sealed under another key.
    case sealBroken
    /// The person's key was destroyed; nothing sealed under it can be read or written again.
    case personErased
    /// The signing queue is full or the ring is closed.
    case busy
    /// A key lies with a key service that cannot be used now, or there is none yet because the service never answered.
    case service(String, reason: String)

    package var description: String {
        switch self {
        case .library(let operation, let reason): "OpenSSL refused \(operation): \(reason)"
        case .permissions(let path, let mode): "\(path) has mode \(String(mode, radix: 8)); group and others must have no access"
        case .file(let path, let reason): "\(path): \(reason)"
        case .otherMasterKey(let path): "\(path) was changed, or was sealed under another master key than the one given"
        case .masterKeyMissing(let path):
            "keys exist, but not the master key that sealed them; give CODITECT_MASTER_KEY or put back \(path)"
        case .masterKeyMalformed(let source): "the master key from \(source) is not 32 bytes in base64 or hexadecimal"
        case .setting(let path, let reason): "\(path): \(reason)"
        case .unknownKey(let id): "there is no key \(id)"
        case .notCanonical(let reason): "not canonical JSON: \(reason)"
        case .sealBroken: "a sealed value does not open: it was changed, moved, or sealed under another key"
        case .personErased: "the key of this person was destroyed"
        case .busy: "too many signatures are waiting"
        case .service(let service, let reason): "the key service \(service) cannot be used: \(reason)"
        }
    }

    /// The newest reason of OpenSSL on this thread; empties its queue.
    static func openSSL(_ operation: String) -> SigningFault {
        let code = ERR_get_error()
        ERR_clear_error()
        guard code != 0, let reason = ERR_reason_error_string(code) else { return .library(operation, reason: "no reason given") }
        return .library(operation, reason: String(cString: reason))
    }
}

extension SigningFault: PassingFault {
    package var isPassing: Bool {
        switch self {
        case .busy, .service: true
        default: false
        }
    }
    package var problem: Problem { if case .service = self { CommonProblems.signingUnavailable } else { CommonProblems.unavailable } }
}
