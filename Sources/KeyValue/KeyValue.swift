import Vocabulary

/// Short-lived shared facts: limits, revocations, caches. In-process, or Redis when there are many processes.
/// What must survive a restart is kept in the Store as well and loaded at start.
package protocol KeyValue: Sendable {
    /// Takes one from the bucket `key`. At most `limit` per `window`, sliding.
    func take(_ key: String, limit: RateLimit, now: Timestamp) async throws -> RateDecision
    /// Keeps `value` until `expires`.
    func set(_ key: String, _ value: [UInt8], expires: Timestamp) async throws
    func get(_ key: String, now: Timestamp) async throws -> [UInt8]?
    func remove(_ key: String) async throws
}

package struct RateLimit: Sendable, Hashable {
    package let count: Int
    package let window: Duration
    package init(_ count: Int, per window: Duration) {
        self.count = count
        self.window = window
    }
}

package struct RateDecision: Sendable, Hashable {
    package let isAllowed: Bool
    package let remaining: Int
    /// Whole seconds until one more is allowed; 0 when allowed.
    package let retryAfterSeconds: Int64
    package init(isAllowed: Bool, remaining: Int, retryAfterSeconds: Int64) {
        self.isAllowed = isAllowed
        self.remaining = remaining
        self.retryAfterSeconds = retryAfterSeconds
    }
}
