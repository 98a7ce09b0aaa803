import Foundation
import PluginKit

/// What a directory says of somebody's account, told apart.
enum Standing {
    /// Of a bind that somebody made with the own password; nil: it is that person, and may come in.
    static func of(_ outcome: Outcome, _ policyError: Int32?, _ preset: Preset) -> Result<Void, IdentityProviderError> {
        if preset == .openLDAP, let state = policyError.flatMap(policyState) { return .failure(.account(state)) }
        switch outcome.code {
        case Outcome.success: return .success(())
        case Outcome.invalidCredentials:
            let state = preset == .activeDirectory ? subCode(outcome.words).flatMap(accountState) : nil
            return .failure(.account(state ?? .credentialsInvalid))
        // An entry without a password, or one that is gone since it was found.
        case Outcome.inappropriateAuthentication, Outcome.noSuchObject, Outcome.invalidDN:
            return .failure(.account(.credentialsInvalid))
        case Outcome.busy, Outcome.unavailable: return .failure(.unreachable("the directory is busy: code \(outcome.code)"))
        case Outcome.confidentialityRequired, Outcome.strongerAuthRequired:
            return .failure(.misconfigured("the directory wants another way to sign in: code \(outcome.code)"))
        default: return .failure(.unreachable("the directory answers a sign-in with code \(outcome.code)"))
        }
    }

    /// `… AcceptSecurityContext error, data 533, v2580`: 533.
    static func subCode(_ words: String) -> String? {
        guard let start = words.range(of: ", data ") else { return nil }
        let word = words[start.upperBound...].prefix { $0.isHexDigit }
        guard (1...8).contains(word.count), words[word.endIndex...].first == "," else { return nil }
        return word.lowercased()
    }
    /// Windows' error codes. All but 525, 52e and 775 are said only to whoever has the right password.
    static func accountState(_ code: String) -> DirectoryAccountState? {
        switch code {
        case "525", "52e": .credentialsInvalid
        case "530", "531": .restricted
        case "532": .passwordExpired
        case "533": .disabled
        case "701": .expired
        case "773": .passwordMustChange
        case "775": .locked
        default: nil
        }
    }
    /// draft-behera-ldap-password-policy-10, 6.2. A policy says expired and must-change only once the password was right.
    static func policyState(_ error: Int32) -> DirectoryAccountState? {
        switch error {
        case 0: .passwordExpired
        case 1: .locked
        case 2: .passwordMustChange
        default: nil
        }
    }

    /// Of an entry whose password was right: a second look at what Active Directory would have said already.
    static func fault(in entry: Entry, _ preset: Preset, now: Timestamp) -> DirectoryAccountState? {
        guard preset == .activeDirectory else { return nil }
        let flags = entry.integer("userAccountControl") ?? 0
        let computed = entry.integer("msDS-User-Account-Control-Computed") ?? 0
        if flags & 0x2 != 0 { return .disabled }
        if computed & 0x10 != 0 { return .locked }
        if computed & 0x80_0000 != 0 { return .passwordExpired }
        if let end = entry.integer("accountExpires"), end > 0, end != .max {
            // Tenths of microseconds since 1601.
            let seconds = end / 10_000_000 - 11_644_473_600
            if seconds <= now.seconds { return .expired }
        }
        return nil
    }
}
