import HTTPEdge
import Vocabulary

/// Proves callers to the edge.
package struct IdentityAuthenticator: Authenticator {
    private let identity: Identity
    package init(_ identity: Identity) { self.identity = identity }

    package func principal(bearer token: String, now: Timestamp) async throws -> AuthenticatedCaller? {
        try await identity.caller(bearer: token, now: now).map { AuthenticatedCaller(principal: $0.principal, tokenID: $0.tokenID) }
    }
    package func principal(cookie: String, now: Timestamp) async throws -> AuthenticatedCaller? {
        try await identity.caller(cookie: cookie, now: now).map { AuthenticatedCaller(principal: $0.principal, tokenID: $0.tokenID) }
    }
}
