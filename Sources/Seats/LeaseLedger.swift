import Licensing
import Store
import Vocabulary

/// Decides who holds a seat. Every method is one step that nobody else gets between; what it answers is durable before it answers.
package protocol LeaseLedger: Sendable {
    /// What an acquire with this Idempotency-Key was answered, if it was.
    func recalled(_ act: Act) async throws -> LeaseGrant?
    /// The tenant's licences with their live leases, the oldest licence first. Only a look: `acquire` counts again.
    func survey(_ tenant: TenantID, device: DeviceHandle) async throws -> [SeatStanding]
    func acquire(_ claim: LeaseClaim, _ act: Act) async throws -> AcquireOutcome
    /// Journals that policy refused.
    func deny(_ claim: LeaseClaim, reason: String, _ act: Act) async throws
    func heartbeat(_ beat: Beat) async throws -> BeatOutcome
    /// - Parameter user: nil for an operator, whose `note` the holder is told at its next heartbeat.
    func release(_ lease: Lease.ID, tenant: TenantID, by user: UserID?, note: String?, _ act: Act) async throws
    /// Live leases by the order of their sessions.
    func leases(_ query: LeaseQuery, now: Timestamp) async throws -> [LeaseView]
    func history(_ query: LeaseQuery) async throws -> [EndedLease]
}

/// One licence as acquire sees it before it asks policy.
package struct SeatStanding: Sendable, Hashable {
    package let license: SeatLicense
    package let live: Int
    /// The asking device holds one of them.
    package let isOwn: Bool
    package var isFree: Bool { live < license.seats }
}

/// What is asked of the ledger, with the terms that policy allowed.
package struct LeaseClaim: Sendable {
    package var tenant: TenantID
    package var license: License.ID
    package var user: UserID
    package var device: DeviceHandle
    package var hostname: String?
    package var os: String?
    package var version: String?
    package var overdraft: Int
    package var ttl: Duration
    package var decision: DecisionID?
    package init(
        tenant: TenantID, license: License.ID, user: UserID, device: DeviceHandle, hostname: String?, os: String?, version: String?,
        overdraft: Int, ttl: Duration, decision: DecisionID?
    ) {
        self.tenant = tenant
        self.license = license
        self.user = user
        self.device = device
        self.hostname = hostname
        self.os = os
        self.version = version
        self.overdraft = overdraft
        self.ttl = ttl
        self.decision = decision
    }
}

package enum AcquireOutcome: Sendable {
    case granted(LeaseGrant)
    case exhausted(used: Int, total: Int, retryAfterSeconds: Int64)
    /// The licence may not be used, or is gone.
    case unusable(LicenseStatus?)
}

/// A seat that was given, before it is signed.
package struct LeaseGrant: Sendable, Hashable, Codable {
    package var license: License.ID
    package var session: Lease.ID
    package var epoch: Int64
    package var seatsUsed: Int
    package var seatsTotal: Int
    /// The lease's end as the wall clock of the answer shows it: whole seconds, never late.
    package var expiresAt: Timestamp
    package var ttlSeconds: Int64
}

package struct Beat: Sendable {
    package var tenant: TenantID
    package var lease: Lease.ID
    package var user: UserID
    /// What the client believes; nil: it did not say.
    package var epoch: Int64?
    package var act: Act
    package init(tenant: TenantID, lease: Lease.ID, user: UserID, epoch: Int64?, act: Act) {
        self.tenant = tenant
        self.lease = lease
        self.user = user
        self.epoch = epoch
        self.act = act
    }
}

package enum BeatOutcome: Sendable, Hashable {
    case alive(epoch: Int64, ttlSeconds: Int64, isResurrected: Bool)
    case refused(LeasePool.Refusal)
}

package struct LeaseQuery: Sendable {
    package var tenant: TenantID
    /// Only this user's.
    package var user: UserID?
    /// Only of this licence.
    package var license: License.ID?
    package var after: Lease.ID?
    package var limit: Int
    package init(tenant: TenantID, user: UserID? = nil, license: License.ID? = nil, after: Lease.ID? = nil, limit: Int = 100) {
        self.tenant = tenant
        self.user = user
        self.license = license
        self.after = after
        self.limit = limit
    }
}

/// A live lease as operators see it.
package struct LeaseView: Sendable, Hashable {
    package let lease: Lease
    /// On the wall clock of the question.
    package let expiresAt: Timestamp
    package let lastHeartbeatAt: Timestamp
    package let hostname: String?
    package let os: String?
    package let version: String?
}
