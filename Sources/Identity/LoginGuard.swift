import Vocabulary

/// What is known about guesses for one account from one network, and for that account from everywhere; a pure machine.
///
/// An attempt is counted when it begins, before the password is looked at, so that parallel guesses count like serial ones: of any number
/// that race, `limits.failures` begin. What ends well takes its count back; what ends badly leaves it.
///
/// open --begin (count below the limit)--> open; --begin (reaching it)--> locked
/// locked --succeed of an attempt that had begun--> open; --abandon--> open; --time--> open, with a clean sheet
struct LoginGuard: Sendable, Hashable {
    struct Limits: Sendable, Hashable {
        var failures: Int
        var lock: Duration
        /// After this time without an attempt everything is forgotten.
        var memory: Duration
        var pressureFailures: Int
        var pressureMax: Duration
    }

    /// One account, one network.
    struct Pair: Sendable, Hashable {
        /// Grows whenever the sheet is wiped: an attempt that began on an older sheet is counted anew when it fails.
        var epoch: Int64 = 0
        /// Attempts begun on this sheet and not taken back.
        var begun: Int = 0
        /// Those of them that are known to have failed.
        var failed: Int = 0
        var lastAt: Timestamp
        var lockedUntil: Timestamp?
        /// Whether the person was told about this lock.
        var isNoticed = false
    }
    /// One account, all networks.
    struct Pressure: Sendable, Hashable {
        var begun: Int = 0
        var since: Timestamp
        var nextSlotAt: Timestamp
    }

    var pair: Pair
    var pressure: Pressure
    let limits: Limits

    init(pair: Pair?, pressure: Pressure?, limits: Limits, now: Timestamp) {
        self.pair = pair ?? Pair(lastAt: now)
        self.pressure = pressure ?? Pressure(since: now, nextSlotAt: now)
        self.limits = limits
    }

    /// A place in the count, held from the beginning of an attempt to its end.
    struct Reservation: Sendable, Hashable { let epoch: Int64 }

    enum Entrance: Sendable, Hashable {
        case proceed(Reservation)
        case locked(until: Timestamp, tellPerson: Bool)
        case slowed(until: Timestamp)
    }

    mutating func begin(isKnownNetwork: Bool, now: Timestamp) -> Entrance {
        if let until = pair.lockedUntil, now < until {
            // The attempts that reached the limit never said how they ended: their process died. The person is told late, not never.
            let tell = !pair.isNoticed && pair.lastAt + .minutes(1) <= now
            if tell { pair.isNoticed = true }
            return .locked(until: until, tellPerson: tell)
        }
        if pair.lockedUntil != nil || pair.lastAt + limits.memory <= now { wipe(now) }
        if pressure.since + limits.memory <= now { pressure = Pressure(since: now, nextSlotAt: now) }
        if !isKnownNetwork, pressure.begun >= limits.pressureFailures, now < pressure.nextSlotAt {
            return .slowed(until: pressure.nextSlotAt)
        }
        pair.begun += 1
        pair.lastAt = now
        lockIfFull(now)
        pressure.begun += 1
        if pressure.begun >= limits.pressureFailures { pressure.nextSlotAt = now + spacing }
        return .proceed(Reservation(epoch: pair.epoch))
    }

    /// The password was right: the pair starts anew. What strangers did elsewhere stays counted.
    mutating func succeed(_ reservation: Reservation, now: Timestamp) {
        wipe(now)
        takeBackPressure()
    }

    /// True if the person is now to be told that the pair is locked.
    mutating func fail(_ reservation: Reservation, now: Timestamp) -> Bool {
        if reservation.epoch != pair.epoch {
            pair.begun += 1
            lockIfFull(now)
        }
        pair.failed += 1
        guard pair.lockedUntil != nil, pair.failed >= limits.failures, !pair.isNoticed else { return false }
        pair.isNoticed = true
        return true
    }

    /// The password was never looked at (the server was too busy): as if the attempt had not been made.
    mutating func abandon(_ reservation: Reservation) {
        takeBackPressure()
        guard reservation.epoch == pair.epoch, pair.begun > pair.failed else { return }
        pair.begun -= 1
        if pair.begun < limits.failures { pair.lockedUntil = nil }
    }

    private mutating func lockIfFull(_ now: Timestamp) {
        if pair.begun >= limits.failures, pair.lockedUntil == nil { pair.lockedUntil = now + limits.lock }
    }
    private mutating func wipe(_ now: Timestamp) { pair = Pair(epoch: pair.epoch + 1, lastAt: now) }
    private mutating func takeBackPressure() { pressure.begun = max(0, pressure.begun - 1) }

    /// Doubles from one second with each failure past the threshold.
    private var spacing: Duration {
        let doublings = min(pressure.begun - limits.pressureFailures, 20)
        return min(.seconds(1 << Int64(doublings)), limits.pressureMax)
    }
}
