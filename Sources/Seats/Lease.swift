import Licensing
import Vocabulary

/// One running copy of the product, holding a floating seat until it expires.
package struct Lease: Sendable, Hashable {
    package typealias ID = Identifier<Lease>

    /// `session_id` on the wire: one for each life of a lease.
    package let id: ID
    package let license: License.ID
    /// Which of the licence's seats it holds, from 1.
    package let slot: Int
    package let device: DeviceHandle
    package let user: UserID
    /// Grows with each life of the device's lease; an older one is superseded.
    package var epoch: Int64
    package var ttl: Duration
    /// In ledger time, so that no step of a wall clock ends it.
    package var expiresAt: LedgerTime
    package var acquiredAt: Timestamp
    /// Expired once and got back by a late heartbeat.
    package var isResurrected: Bool
    /// The holder gave it back; until `expiresAt` the seat lingers for the device alone.
    package var releasedAt: Timestamp?
    /// How long the seat lingers after its release.
    package var linger: Duration = .zero
    /// A seat released earlier lingers until then.
    package var holdUntil: LedgerTime?
    /// Until when it is used without the network, by the wall clock.
    package var borrowedUntil: Timestamp?
    /// Against which reservation it counts.
    package var reservation: Reservation.ID?

    package init(
        id: ID, license: License.ID, slot: Int, device: DeviceHandle, user: UserID, epoch: Int64, ttl: Duration, expiresAt: LedgerTime,
        acquiredAt: Timestamp, isResurrected: Bool = false
    ) {
        self.id = id
        self.license = license
        self.slot = slot
        self.device = device
        self.user = user
        self.epoch = epoch
        self.ttl = ttl
        self.expiresAt = expiresAt
        self.acquiredAt = acquiredAt
        self.isResurrected = isResurrected
    }

    package enum Phase: String, Sendable, CaseIterable {
        /// Counts against the seats. Exits: late (time), ended.
        case live
        /// Expired, and a heartbeat may still bring it back if a seat is free. Counts no more. Exits: live (heartbeat), expired (time), ended.
        case late
        /// Expired for good. Exits: ended, when its seat is taken or its device begins a new life.
        case expired
    }

    /// Its file still counts on its device, whatever the ledger says.
    package func isBorrowed(at wall: Timestamp) -> Bool { borrowedUntil.map { wall < $0 } ?? false }

    package func phase(at now: LedgerTime, reviveWindow: Duration) -> Phase {
        if now < expiresAt { return .live }
        return now < expiresAt + reviveWindow ? .late : .expired
    }
}

/// Why a life ended.
package enum LeaseEnd: String, Sendable, CaseIterable, Codable {
    case released
    /// By an operator, with a reason.
    case forced
    case expired
    /// The same device, perhaps another of its users, began a new life.
    case superseded
    case licenseSuspended = "license_suspended"
    case licenseExpired = "license_expired"
    case licenseRevoked = "license_revoked"

    /// What ends a lease under a licence with this status; nil while the licence may be used.
    package init?(_ status: LicenseStatus) {
        switch status {
        case .active, .grace: return nil
        case .suspended: self = .licenseSuspended
        case .expired: self = .licenseExpired
        case .revoked: self = .licenseRevoked
        }
    }
}

/// A life that is over, as the history keeps it.
package struct EndedLease: Sendable, Hashable {
    package let id: Lease.ID
    package let license: License.ID
    package let user: UserID
    package let epoch: Int64
    package let acquiredAt: Timestamp
    package let endedAt: Timestamp
    package let end: LeaseEnd
    /// The operator's reason, for `forced`.
    package let note: String?
    /// The number of the receipt of this end, where there is one.
    package let sequence: Int64?
    package init(
        id: Lease.ID, license: License.ID, user: UserID, epoch: Int64, acquiredAt: Timestamp, endedAt: Timestamp, end: LeaseEnd,
        note: String?, sequence: Int64? = nil
    ) {
        self.id = id
        self.license = license
        self.user = user
        self.epoch = epoch
        self.acquiredAt = acquiredAt
        self.endedAt = endedAt
        self.end = end
        self.note = note
        self.sequence = sequence
    }
}

/// A moment on the ledger's own clock: microseconds that only ticks of a monotonic clock advance.
package struct LedgerTime: Sendable, Hashable, Comparable {
    package let microseconds: Int64
    package init(microseconds: Int64) { self.microseconds = microseconds }
    package static func < (left: Self, right: Self) -> Bool { left.microseconds < right.microseconds }
    package static func + (moment: Self, span: Duration) -> Self { Self(microseconds: moment.microseconds + span.microseconds) }
    package static func - (later: Self, earlier: Self) -> Duration { .microseconds(later.microseconds - earlier.microseconds) }
}
