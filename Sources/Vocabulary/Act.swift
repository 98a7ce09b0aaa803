/// Who does something, on behalf of what, when: passed to every service call that changes anything.
package struct Act: Sendable {
    package let actor: Actor
    /// Joins answer, log, journal entry and decision.
    package let requestID: String
    /// The one reading of the clock for this request or job.
    package let now: Timestamp
    /// The caller's network address, where there is one.
    package let address: String?
    /// Present when the caller sent an Idempotency-Key.
    package let idempotency: IdempotencyClaim?

    package init(actor: Actor, requestID: String, now: Timestamp, address: String? = nil, idempotency: IdempotencyClaim? = nil) {
        self.actor = actor
        self.requestID = requestID
        self.now = now
        self.address = address
        self.idempotency = idempotency
    }
}

package enum Actor: Sendable, Hashable {
    case user(UserID, session: AuthSessionID)
    /// The holder of a licence key, proved by the key itself.
    case license(LicenseID)
    case provider(String)
    /// A part of the kernel acting by itself: `billing.review`, `jobs`.
    case system(String)
    case anonymous
    /// An API key or a member of staff in the place of a user; both names stand in the journal.
    case delegate(String, for: UserID)

    /// `user:…`, `key:… for user:…`, `license:…`, `provider:stripe`, `system:jobs`, `anonymous`.
    package var label: String {
        switch self {
        case .user(let id, _): "user:\(id)"
        case .license(let id): "license:\(id)"
        case .provider(let name): "provider:\(name)"
        case .system(let part): "system:\(part)"
        case .anonymous: "anonymous"
        case .delegate(let delegate, let user): "\(delegate) for user:\(user)"
        }
    }
}

/// A caller's Idempotency-Key together with what it was sent for.
package struct IdempotencyClaim: Sendable, Hashable {
    /// The key as sent; the result is sealed under a key derived from it and only its hash is stored.
    package let key: String
    /// Who and which route: two callers with the same key never meet.
    package let scope: String
    /// SHA-256 of method, path and body: the same key with another request is refused.
    package let fingerprint: [UInt8]

    package init(key: String, scope: String, fingerprint: [UInt8]) {
        self.key = key
        self.scope = scope
        self.fingerprint = fingerprint
    }
}
