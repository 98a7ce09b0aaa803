import Vocabulary

/// Proves callers; implemented by Identity, handed over by Composition.
package protocol Authenticator: Sendable {
    /// The principal behind an access token, rights and revocation looked up now. Nil: not valid (any more).
    func principal(bearer token: String, now: Timestamp) async throws -> AuthenticatedCaller?
    /// The principal behind a page's session cookie.
    func principal(cookie: String, now: Timestamp) async throws -> AuthenticatedCaller?
}

package struct AuthenticatedCaller: Sendable {
    package let principal: Principal
    package let tokenID: String
    package init(principal: Principal, tokenID: String) {
        self.principal = principal
        self.tokenID = tokenID
    }
}

/// Decides permissions; implemented by Access.
package protocol Authorizer: Sendable {
    /// Throws `forbidden` or `policy_denied`.
    func require(_ permission: Permission, of principal: Principal, act: Act) async throws
}
