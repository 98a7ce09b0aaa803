import Foundation
import Licensing
import Store
import Vocabulary

/// Decides who holds a seat. Every method is one step that nobody else gets between; what it answers is durable before it answers.
package protocol LeaseLedger: Sendable {
    /// What an acquire with this Idempotency-Key was answered, if it was.
    func recalled(_ act: Act) async throws -> LeaseGrant?
    /// The tenant's licences with their live leases, the oldest licence first. Only a look: `acquire` counts again.
    /// - Parameter user: whose other devices are counted; nil: nobody's.
    func survey(_ tenant: TenantID, device: DeviceHandle, user: UserID?, now: Timestamp) async throws -> Survey
    func acquire(_ claim: LeaseClaim, _ act: Act) async throws -> AcquireOutcome
    /// Journals that policy refused; answers the numbers for the receipt.
    func deny(_ claim: LeaseClaim, reason: String, _ act: Act) async throws -> SeatCount
    func heartbeat(_ beat: Beat) async throws -> BeatOutcome
    /// - Parameter user: nil for an operator, whose `note` the holder is told at its next heartbeat.
    /// - Returns: what an operator ended; nil where nothing was left to end, and for the holder's own release.
    @discardableResult
    func release(_ lease: Lease.ID, tenant: TenantID, by user: UserID?, note: String?, _ act: Act) async throws -> ForcedEnd?
    /// Lends a live lease's seat for use without the network.
    func borrow(_ claim: BorrowClaim, _ act: Act) async throws -> BorrowGrant
    /// Live leases by the order of their sessions.
    func leases(_ query: LeaseQuery, now: Timestamp) async throws -> [LeaseView]
    func history(_ query: LeaseQuery) async throws -> [EndedLease]
    /// Who waits, by licence and turn.
    func queue(_ query: LeaseQuery) async throws -> [Waiter]

    func reservations(_ license: License.ID, tenant: TenantID) async throws -> [ReservationView]
    /// Makes the reservation or changes it. Live leases stay as they are.
    func reserve(_ license: License.ID, name: String, seats: Int, members: [UserID], tenant: TenantID, _ act: Act) async throws
    func dropReservation(_ license: License.ID, name: String, tenant: TenantID, _ act: Act) async throws
}

/// A ledger with the jobs that keep it in order.
package protocol KeptLedger: LeaseLedger {
    func jobs() -> [JobHandler]
    /// Makes due what goes on by itself.
    func start(_ act: Act) async throws
}

/// One licence as acquire sees it before it asks policy.
package struct SeatStanding: Sendable, Hashable {
    package let license: SeatLicense
    package let live: Int
    /// The asking device holds one of them.
    package let isOwn: Bool
    package var isFree: Bool { live < license.seats }
}

package struct Survey: Sendable, Hashable {
    package let standings: [SeatStanding]
    /// Devices other than the asking one on which the user began a lease in the last 24 hours; counted up to 200.
    package let recentDevices: Int
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
    /// How long the seat lingers for the device after its release, and how long it is held at least.
    package var linger: Duration = .zero
    package var minimumHold: Duration = .zero
    /// Takes a place in the queue where no seat is free.
    package var waits = false
    /// What policy was asked and who answered.
    package var asked: Asked?
    package init(
        tenant: TenantID, license: License.ID, user: UserID, device: DeviceHandle, hostname: String?, os: String?, version: String?,
        overdraft: Int, ttl: Duration, asked: Asked?
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
        self.asked = asked
    }
}

/// A question to policy, as receipts name it.
package struct Asked: Sendable, Hashable, Codable {
    package var decision: DecisionID
    package var policyHash: String
    package var tenantPolicyHash: String?
    /// Lower-case hexadecimal SHA-256 of the RFC 8785 form of the question.
    package var inputHash: String
    package init(decision: DecisionID, policyHash: String, tenantPolicyHash: String? = nil, inputHash: String) {
        self.decision = decision
        self.policyHash = policyHash
        self.tenantPolicyHash = tenantPolicyHash
        self.inputHash = inputHash
    }
}

/// A licence's seats at one moment, and the number of the receipt that tells of it.
package struct SeatCount: Sendable, Hashable, Codable {
    package var used: Int
    package var total: Int
    package var sequence: Int64
    package init(used: Int, total: Int, sequence: Int64) {
        self.used = used
        self.total = total
        self.sequence = sequence
    }
}

/// A place in the queue.
package struct Place: Sendable, Hashable {
    /// From 1.
    package let position: Int
    package let retryAfterSeconds: Int64
    /// Whoever does not ask again within so many seconds has left the queue.
    package let claimSeconds: Int64
}

/// Somebody who waits, as operators see it.
package struct Waiter: Sendable, Hashable {
    package let license: License.ID
    package let ticket: UUID
    package let user: UserID
    package let waited: Duration
}

package struct ReservationView: Sendable, Hashable {
    package let reservation: Reservation
    /// Live leases that count against it.
    package let live: Int
}

package struct ForcedEnd: Sendable, Hashable {
    package let license: License.ID
    package let epoch: Int64
    package let count: SeatCount
}

package struct BorrowClaim: Sendable {
    package var tenant: TenantID
    package var lease: Lease.ID
    package var user: UserID
    package var device: DeviceHandle
    package var hours: Int
    package var asked: Asked?
    package init(tenant: TenantID, lease: Lease.ID, user: UserID, device: DeviceHandle, hours: Int, asked: Asked?) {
        self.tenant = tenant
        self.lease = lease
        self.user = user
        self.device = device
        self.hours = hours
        self.asked = asked
    }
}

package struct BorrowGrant: Sendable, Hashable, Codable {
    package var license: License.ID
    package var session: Lease.ID
    package var epoch: Int64
    package var issuedAt: Timestamp
    package var expiresAt: Timestamp
    package var count: SeatCount
    package var asked: Asked?
}

package enum AcquireOutcome: Sendable {
    case granted(LeaseGrant)
    case exhausted(SeatCount, retryAfterSeconds: Int64)
    /// No seat is free, and the device has a place in the queue.
    case waiting(Place, SeatCount)
    /// The licence may not be used, or is gone.
    case unusable(LicenseStatus?)
}

/// A seat that was given, before it is signed.
package struct LeaseGrant: Sendable, Hashable, Codable {
    package var license: License.ID
    package var session: Lease.ID
    package var epoch: Int64
    package var count: SeatCount
    package var seatsUsed: Int { count.used }
    package var seatsTotal: Int { count.total }
    /// The device held it already.
    package var isRepeated: Bool
    package var grantedAt: Timestamp
    package var asked: Asked?
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
    /// - Parameter revived: set when this very beat brought the lease back.
    case alive(epoch: Int64, ttlSeconds: Int64, isResurrected: Bool, revived: Revival?)
    case refused(LeasePool.Refusal, license: License.ID?)
}

package struct Revival: Sendable, Hashable {
    package let license: License.ID
    package let count: SeatCount
}

package struct LeaseQuery: Sendable {
    package var tenant: TenantID
    /// Only this user's.
    package var user: UserID?
    /// Only of this licence.
    package var license: License.ID?
    package var after: Lease.ID?
    package var limit: Int
    /// This lease alone.
    package var only: Lease.ID?
    package init(
        tenant: TenantID, user: UserID? = nil, license: License.ID? = nil, after: Lease.ID? = nil, limit: Int = 100, only: Lease.ID? = nil
    ) {
        self.tenant = tenant
        self.user = user
        self.license = license
        self.after = after
        self.limit = limit
        self.only = only
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
