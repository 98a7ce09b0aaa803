import Licensing
import Vocabulary

/// The rules of a licence's seats: facts and an event in, one step out. Pure; whoever keeps the rows carries the step out.
///
/// A licence has seats numbered from 1, each row of which holds at most one lease. Capacity is always the count of live leases,
/// never a counter. Rows of seats come as they are first needed and stay, so that 1 … `highest` all have one.
package enum LeasePool {
    /// What is counted in one look at a licence's seats.
    package struct Census: Sendable, Hashable {
        /// Leases that have not expired.
        package var live: Int
        /// The highest seat that has a row; 0 for none.
        package var highest: Int
        /// The lowest seat within the ceiling whose row holds nobody.
        package var vacant: Int?
        /// The seat within the ceiling whose holder expired longest ago.
        package var lapsed: Int?
        /// When the next live lease expires.
        package var nextExpiry: LedgerTime?
        package init(live: Int, highest: Int, vacant: Int?, lapsed: Int?, nextExpiry: LedgerTime?) {
            self.live = live
            self.highest = highest
            self.vacant = vacant
            self.lapsed = lapsed
            self.nextExpiry = nextExpiry
        }
    }

    // MARK: Acquire

    package enum AcquireStep: Sendable, Hashable {
        /// The device holds a live lease already: the same lease and epoch, for a full term again.
        case keep
        /// The device's own seat, for a new life.
        case renew(slot: Int)
        /// A seat whose row holds nobody.
        case take(slot: Int)
        /// A seat that has no row yet.
        case open(slot: Int)
        /// The seat of a lease that expired.
        case reclaim(slot: Int)
        /// As many live leases as the ceiling allows.
        case refuse(retryAfterSeconds: Int64)
    }

    /// - Parameters:
    ///   - own: what the device's own row holds, live or not.
    ///   - ceiling: seats and overdraft together.
    package static func acquire(own: Lease?, user: UserID, census: Census, ceiling: Int, now: LedgerTime) -> AcquireStep {
        if let own, now < own.expiresAt {
            // Another user of the same device takes its lease over as a new life; the seats in use stay as many.
            return own.user == user ? .keep : .renew(slot: own.slot)
        }
        guard census.live < ceiling else {
            let wait = census.nextExpiry.map { $0 - now } ?? .seconds(60)
            return .refuse(retryAfterSeconds: max(1, (wait.microseconds + 999_999) / 1_000_000))
        }
        if let own, own.slot <= ceiling { return .renew(slot: own.slot) }
        // Seats nobody lost come first, so that whoever is late may still find his own.
        if let vacant = census.vacant { return .take(slot: vacant) }
        if census.highest < ceiling { return .open(slot: census.highest + 1) }
        guard let lapsed = census.lapsed else { return .refuse(retryAfterSeconds: 60) }
        return .reclaim(slot: lapsed)
    }

    // MARK: Heartbeat

    package enum BeatStep: Sendable, Hashable {
        /// A full term from now.
        case extend
        /// Late, but a seat is free: a full term, as a new epoch.
        case revive
        /// The licence may not be used any more.
        case end(LeaseEnd)
        case refuse(Refusal)
    }

    /// Why a heartbeat or a release is refused.
    package enum Refusal: Sendable, Hashable {
        /// No such lease in this tenant.
        case unknown
        /// Somebody else's.
        case notHolder
        case ended(LeaseEnd, note: String?)
    }

    /// - Parameters:
    ///   - lease: what the row with this session holds.
    ///   - ended: what the history says of this session, where no row holds it.
    ///   - epoch: what the caller believes, if he says.
    ///   - live: live leases of the licence, asked for only when a late lease might come back.
    package static func beat(
        _ lease: Lease?, ended: EndedLease?, by user: UserID, epoch: Int64?, license: LicenseStatus?, seats: Int, now: LedgerTime,
        reviveWindow: Duration, live: () throws -> Int
    ) rethrows -> BeatStep {
        guard let lease else {
            guard let ended else { return .refuse(.unknown) }
            guard ended.user == user else { return .refuse(.notHolder) }
            return .refuse(.ended(ended.end, note: ended.note))
        }
        guard lease.user == user else { return .refuse(.notHolder) }
        if let epoch, epoch != lease.epoch { return .refuse(.ended(.superseded, note: nil)) }
        if let end = LeaseEnd(license ?? .revoked) { return .end(end) }
        switch lease.phase(at: now, reviveWindow: reviveWindow) {
        case .live: return .extend
        // An overdraft is never revived: only policy gives one, and a heartbeat asks no policy.
        case .late: return try live() < seats ? .revive : .refuse(.ended(.expired, note: nil))
        case .expired: return .refuse(.ended(.expired, note: nil))
        }
    }

    // MARK: Release

    package enum ReleaseStep: Sendable, Hashable {
        /// Empties the seat; in history the life ended so.
        case vacate(LeaseEnd)
        /// It is over already: releasing again is harmless.
        case nothing
        case refuse(Refusal)
    }

    /// - Parameter user: nil for an operator, who may release any lease.
    package static func release(_ lease: Lease?, ended: EndedLease?, by user: UserID?, now: LedgerTime) -> ReleaseStep {
        guard let lease else {
            guard let ended else { return .refuse(.unknown) }
            if let user, ended.user != user { return .refuse(.notHolder) }
            return .nothing
        }
        if let user, lease.user != user { return .refuse(.notHolder) }
        if now >= lease.expiresAt { return .vacate(.expired) }
        return .vacate(user == nil ? .forced : .released)
    }
}
