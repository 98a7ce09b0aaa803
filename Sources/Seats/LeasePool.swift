import Licensing
import Vocabulary

/// The rules of a licence's seats: facts and an event in, one step out. Pure; whoever keeps the rows carries the step out.
///
/// A licence has seats numbered from 1, each row of which holds at most one lease. Rows of seats come as they are first needed and
/// stay, so that 1 … `highest` all have one. Capacity is what the rows say, never a counter: a lease beyond the ceiling (after the
/// seats were lowered) uses up a seat within it, and so does whatever is kept back for others.
package enum LeasePool {
    /// What one look at a licence's seats shows.
    package struct Census: Sendable, Hashable {
        /// Seats within the ceiling that hold no live lease, those without a row included; counted no further than one more than
        /// `beyond` and `held`.
        package var free: Int
        /// Live leases on seats beyond the ceiling.
        package var beyond: Int
        /// Seats kept back from this asker: for those who wait longer, and for those who have them reserved.
        package var held: Int
        /// The highest seat that has a row; 0 for none.
        package var highest: Int
        /// The lowest seat within the ceiling whose row holds nobody.
        package var vacant: Int?
        /// The seat within the ceiling whose holder expired longest ago.
        package var lapsed: Int?
        package init(free: Int, beyond: Int = 0, held: Int = 0, highest: Int, vacant: Int? = nil, lapsed: Int? = nil) {
            self.free = free
            self.beyond = beyond
            self.held = held
            self.highest = highest
            self.vacant = vacant
            self.lapsed = lapsed
        }
        package var hasRoom: Bool { free > beyond + held }
    }

    // MARK: Who stands back for whom

    /// What one asker finds kept back, and against which reservation his lease would count.
    package struct Claim: Sendable, Hashable {
        package let held: Int
        package let reservation: Reservation.ID?
        package init(held: Int, reservation: Reservation.ID?) {
            self.held = held
            self.reservation = reservation
        }
    }

    /// - Parameter ahead: those who wait and come before this asker.
    package static func claim(_ reservations: [ReservationStanding], ahead: Int) -> Claim {
        let others = reservations.filter { !$0.isMember }.reduce(0) { $0 + $1.unfilled }
        // A seat reserved for the asker was never theirs who wait.
        if let own = reservations.first(where: { $0.isMember && $0.unfilled > 0 }) { return Claim(held: others, reservation: own.id) }
        return Claim(held: others + ahead, reservation: nil)
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
        /// As many live leases as the ceiling allows, or the rest is kept for others.
        case refuse
    }

    /// What the own row decides alone, so that nobody needs to look at the others; nil: it does not.
    package static func acquire(own: Lease?, user: UserID, now: LedgerTime) -> AcquireStep? {
        guard let own, now < own.expiresAt else { return nil }
        // Another user of the same device takes its lease over as a new life, as does whoever finds it lingering; the seats in use
        // stay as many.
        return own.user == user && own.releasedAt == nil ? .keep : .renew(slot: own.slot)
    }

    /// - Parameters:
    ///   - own: what the device's own row holds, expired.
    ///   - ceiling: seats and overdraft together.
    package static func acquire(lapsed own: Lease?, census: Census, ceiling: Int) -> AcquireStep {
        guard census.hasRoom else { return .refuse }
        if let own, own.slot <= ceiling { return .renew(slot: own.slot) }
        // Seats nobody lost come first, so that whoever is late may still find his own.
        if let vacant = census.vacant { return .take(slot: vacant) }
        if census.highest < ceiling { return .open(slot: census.highest + 1) }
        guard let lapsed = census.lapsed else { return .refuse }
        return .reclaim(slot: lapsed)
    }

    /// When to ask again: whole seconds until the next lease expires.
    package static func wait(until next: LedgerTime?, now: LedgerTime) -> Int64 {
        let wait = next.map { $0 - now } ?? .seconds(60)
        return max(1, (wait.microseconds + 999_999) / 1_000_000)
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
        case ended(LeaseEnd, note: String?, sequence: Int64? = nil)
    }

    /// - Parameters:
    ///   - lease: what the row with this session holds.
    ///   - ended: what the history says of this session.
    ///   - epoch: what the caller believes, if he says.
    ///   - hasRoom: whether the seats, without overdraft, leave one for this lease; asked only when a late lease might come back.
    package static func beat(
        _ lease: Lease?, ended: EndedLease?, by user: UserID, epoch: Int64?, license: LicenseStatus?, at wall: Timestamp, now: LedgerTime,
        reviveWindow: Duration, hasRoom: () throws -> Bool
    ) rethrows -> BeatStep {
        guard let lease, lease.releasedAt == nil else {
            guard let ended else { return .refuse(.unknown) }
            guard ended.user == user else { return .refuse(.notHolder) }
            return .refuse(.ended(ended.end, note: ended.note, sequence: ended.sequence))
        }
        guard lease.user == user else { return .refuse(.notHolder) }
        if let epoch, epoch != lease.epoch { return .refuse(.ended(.superseded, note: nil)) }
        if let end = LeaseEnd(license ?? .revoked) {
            // A borrowed seat is in use wherever its file is: nobody else gets it before its time.
            return lease.isBorrowed(at: wall) ? .refuse(.ended(end, note: nil)) : .end(end)
        }
        switch lease.phase(at: now, reviveWindow: reviveWindow) {
        case .live: return .extend
        // An overdraft is never revived: only policy gives one, and a heartbeat asks no policy.
        case .late: return try hasRoom() ? .revive : .refuse(.ended(.expired, note: nil))
        case .expired: return .refuse(.ended(.expired, note: nil))
        }
    }

    // MARK: Release

    package enum ReleaseStep: Sendable, Hashable {
        /// Empties the seat; in history the life ended so.
        case vacate(LeaseEnd)
        /// The life is over, the seat stays the device's until then.
        case linger(until: LedgerTime)
        /// It is over already: releasing again is harmless.
        case nothing
        case refuse(Refusal)
        /// An operator cannot call back a seat that is used without the network.
        case isBorrowed(until: Timestamp)
    }

    /// - Parameter user: nil for an operator, who may release any lease.
    package static func release(
        _ lease: Lease?, ended: EndedLease?, by user: UserID?, at wall: Timestamp, now: LedgerTime
    ) -> ReleaseStep {
        guard let lease, lease.releasedAt == nil else {
            guard let ended else { return .refuse(.unknown) }
            if let user, ended.user != user { return .refuse(.notHolder) }
            // An operator also ends what lingers.
            return user == nil && lease != nil ? .vacate(.released) : .nothing
        }
        if let user, lease.user != user { return .refuse(.notHolder) }
        if now >= lease.expiresAt { return .vacate(.expired) }
        if user == nil { return lease.isBorrowed(at: wall) ? .isBorrowed(until: lease.borrowedUntil ?? wall) : .vacate(.forced) }
        let until = max(now + lease.linger, lease.holdUntil ?? now)
        return until > now && !lease.isBorrowed(at: wall) ? .linger(until: until) : .vacate(.released)
    }

    // MARK: Borrow

    package enum BorrowStep: Sendable, Hashable {
        case lend
        case refuse(Refusal)
        /// So many seats stay at home.
        case lowWater(most: Int)
    }

    /// Seats that may be out at once: all but the low-water mark, rounded down so that a single seat can be borrowed.
    package static func mostBorrowed(seats: Int, lowWaterPercent: Int) -> Int { seats - seats * lowWaterPercent / 100 }

    /// - Parameter borrowed: seats of the licence that are out, this one not counted.
    package static func borrow(
        _ lease: Lease?, ended: EndedLease?, by user: UserID, borrowed: Int, most: Int, now: LedgerTime
    ) -> BorrowStep {
        guard let lease, lease.releasedAt == nil else {
            guard let ended else { return .refuse(.unknown) }
            return .refuse(ended.user == user ? .ended(ended.end, note: ended.note) : .notHolder)
        }
        guard lease.user == user else { return .refuse(.notHolder) }
        guard now < lease.expiresAt else { return .refuse(.ended(.expired, note: nil)) }
        return borrowed < most ? .lend : .lowWater(most: most)
    }
}
