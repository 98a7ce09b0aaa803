// since 1.2
/// Why nobody was signed in.
///
/// | case | whose fault | again? |
/// | --- | --- | --- |
/// | `declined` | the person or the provider said no | the person may start over |
/// | `notBelieved` | whoever made the answer | never with this answer; the reason is for the log, the browser learns nothing |
/// | `misconfigured` | whoever set the connection up | once it is mended |
/// | `unreachable` | the network or the provider | the person may start over |
/// | `account` | the account at the directory | as its state says |
/// | `notSupported` | the caller | never |
///
/// Texts are for the log: no secret, no code, no token, no address of a person.
public enum IdentityProviderError: Error, Sendable, Hashable, Codable {
    /// The provider's own word: `access_denied`.
    case declined(code: String)
    case notBelieved(IdentityDoubt, reason: String)
    case misconfigured(String)
    case unreachable(String)
    case account(DirectoryAccountState)
    case notSupported(IdentityCapability)
}

/// What of an answer was not believed.
public enum IdentityDoubt: String, Sendable, Hashable, Codable, CaseIterable {
    /// It is not what such an answer looks like.
    case malformed
    /// No signature, a wrong one, an algorithm or a key that is not accepted.
    case signature
    /// From another issuer than the one that was asked.
    case issuer
    /// For somebody else: audience, recipient, authorized party.
    case audience
    /// Too old, too new, not yet.
    case time
    /// Not for this very flow: nonce, request id, verifier.
    case binding
    /// Used before.
    case replay
    /// Not a kind of token or document that proves who somebody is.
    case type
}

/// Why a directory did not let somebody in; the kernel tells the person only what the person may know.
///
/// All but the first two are said only where the password was right: whoever guesses learns of no account.
public enum DirectoryAccountState: String, Sendable, Hashable, Codable, CaseIterable {
    /// No such user or a wrong password: never told apart.
    case credentialsInvalid = "credentials_invalid"
    /// After too many wrong passwords; said whether or not this one was right.
    case locked
    case disabled, expired
    case passwordExpired = "password_expired"
    case passwordMustChange = "password_must_change"
    /// Not now, or not from here.
    case restricted
}
// end of 1.2
