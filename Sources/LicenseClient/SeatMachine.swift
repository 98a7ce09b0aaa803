import Foundation
import Vocabulary

/// What the holder of a seat does next, whatever happens: event in, actions out. Knows neither network, files nor clocks; times
/// are readings of one monotonic clock. Results that come after the end are told too, so that no seat is taken and forgotten.
struct SeatMachine: Sendable, Equatable {
    /// A lease as the server told it, its end counted from when it was asked: never later than the server's own.
    struct Lease: Sendable, Hashable {
        var session: String
        var license: String
        var epoch: Int64
        var end: Duration
        /// How often to send heartbeats.
        var interval: Duration
        var used: Int64
        var total: Int64
    }

    struct Rules: Sendable, Equatable {
        /// How often the first acquire is tried before the server counts as away.
        var firstAttempts = 4
        /// How long the first acquire waits for an answer.
        var firstPatience = Platform.patience
        /// Until when to wait for a free seat; nil: not at all.
        var waitsUntil: Duration?
        /// The longest wait before a free seat is asked for again: another holder may leave long before its lease would end.
        var longestWait: Duration = .seconds(15)
    }

    enum State: Sendable, Equatable {
        /// → asking, released
        case new
        /// An acquire is under way. `before`: the lease that it follows, or nil. → held, waiting, asking, judging, lost, ended, released
        case asking(before: Lease?, attempt: Int)
        /// No seat was free. → asking, released
        case waiting(LicenseClientError)
        /// → held, unsure, asking, lost, released
        case held(Lease)
        /// The lease lives, but the server does not answer. → held, asking, judging, lost, released
        case unsure(Lease, attempt: Int)
        /// Whether the signed file of this device holds is being looked up. → offline, lost, ended
        case judging(LicenseClientError, before: Lease?, attempt: Int, isLost: Bool)
        /// The signed file stands in for the seat. → held, asking, judging, lost, released
        case offline(before: Lease?, attempt: Int)
        /// There is no right to go on; what may pass is still tried. → held, asking, judging, lost, released
        case lost(LicenseClientError, before: Lease?, attempt: Int)
        /// The first acquire failed for good. Final.
        case ended(LicenseClientError)
        /// Given back. Final.
        case released
    }

    enum Event: Sendable, Equatable {
        case start
        /// The time that the last `wake` named has come.
        case due
        case granted(Lease)
        case beaten(end: Duration, epoch: Int64, resurrected: Bool)
        case refused(LicenseClientError)
        /// Nobody answered, or the server was in trouble.
        case unanswered(LicenseClientError)
        /// Another process of this device renewed the lease, or has a newer one.
        case adopted(Lease)
        /// - Parameter left: until then it is not to be believed without another look.
        case fileHolds(until: Timestamp, left: Duration = .days(3_650), isBorrowed: Bool = false)
        case fileRefused(LicenseClientError)
        case release
    }

    enum Action: Sendable, Equatable {
        /// Ask for a seat; `again`: as the same request, whose answer may have been lost.
        case acquire(again: Bool, patience: Duration)
        case beat(Lease, patience: Duration)
        case judgeFile
        case giveBack(Lease)
        case wake(at: Duration)
        case tell(SeatNotice)
    }

    private(set) var state: State = .new
    let rules: Rules

    init(rules: Rules = Rules()) { self.rules = rules }

    /// - Parameter jitter: 0 ..< 1, another one each time.
    mutating func handle(_ event: Event, at now: Duration, jitter: Double) -> [Action] {
        if case .release = event { return release() }
        let event = Self.asSilence(event, state)
        switch state {
        case .new: return event == .start ? ask(before: nil, attempt: 1, again: false) : []
        case .asking(let before, let attempt): return asking(event, before, attempt, now, jitter)
        case .waiting: return event == .due ? ask(before: nil, attempt: 1, again: false) : []
        case .held(let lease): return holding(event, lease, attempt: 0, now, jitter)
        case .unsure(let lease, let attempt): return holding(event, lease, attempt: attempt, now, jitter)
        case .judging: return judging(event, now, jitter)
        case .offline(let before, let attempt): return away(event, before, attempt, now, jitter)
        case .lost(let reason, let before, let attempt): return losing(event, reason, before, attempt, now, jitter)
        case .ended: return []
        case .released:
            // Taken while it was given back.
            if case .granted(let lease) = event { return [.giveBack(lease)] }
            return []
        }
    }

    /// Who already has a seat keeps it while its user is signed out or asks too often, or while this machine is in trouble: none of
    /// these says anything about the seat. Who has none is told at once: a file stands in for a server that is away, for nothing else.
    private static func asSilence(_ event: Event, _ state: State) -> Event {
        guard case .refused(let reason) = event, [.notSignedIn, .rateLimited, .deviceBusy, .storage].contains(reason.code) else {
            return event
        }
        if case .asking(before: nil, _) = state { return event }
        return .unanswered(reason)
    }

    // MARK: Asking

    private mutating func ask(before: Lease?, attempt: Int, again: Bool) -> [Action] {
        state = .asking(before: before, attempt: attempt)
        return [.acquire(again: again, patience: before == nil ? rules.firstPatience : Platform.patience)]
    }

    private mutating func asking(_ event: Event, _ before: Lease?, _ attempt: Int, _ now: Duration, _ jitter: Double) -> [Action] {
        switch event {
        case .due: return ask(before: before, attempt: attempt, again: true)
        case .granted(let lease):
            // A repeated request is told the old answer, even when that lease has ended meanwhile.
            guard lease.end > now else {
                guard attempt < rules.firstAttempts else {
                    return unavailable(
                        LicenseClientError(
                            .badAnswer, "the server grants leases that have ended", next: "tell whoever runs it: its clock may be wrong"),
                        before, attempt, now, jitter)
                }
                return ask(before: before, attempt: attempt + 1, again: false)
            }
            let notice: SeatNotice = before == nil ? .held(used: lease.used, total: lease.total) : .regained
            return hold(lease, telling: [notice], now, jitter)
        case .adopted(let lease): return hold(lease, telling: before == nil ? [] : [.regained], now, jitter)
        case .unanswered(let reason): return unavailable(reason, before, attempt, now, jitter)
        case .refused(let reason):
            guard before == nil else { return lose(reason, before, attempt: 1, now, jitter) }
            guard let until = rules.waitsUntil, reason.isPassing, let pause = pause(reason, jitter), now + pause <= until else {
                state = .ended(reason)
                return [.tell(.refused(reason))]
            }
            state = .waiting(reason)
            return [.tell(.waiting(reason, pause)), .wake(at: now + pause)]
        case .start, .beaten, .fileHolds, .fileRefused, .release: return []
        }
    }

    /// Seats come free before leases end, so a free seat is asked for more often than `retry_after`; a policy is taken at its word.
    private func pause(_ reason: LicenseClientError, _ jitter: Double) -> Duration? {
        guard reason.code == .noSeat || reason.retryAfter != nil else { return nil }
        let told = reason.retryAfter ?? rules.longestWait
        return (reason.code == .noSeat ? min(told, rules.longestWait) : told) * (1 + jitter / 10)
    }

    private mutating func unavailable(
        _ reason: LicenseClientError, _ before: Lease?, _ attempt: Int, _ now: Duration, _ jitter: Double
    ) -> [Action] {
        if before == nil, attempt < rules.firstAttempts {
            state = .asking(before: nil, attempt: attempt + 1)
            return [
                .wake(
                    at: now
                        + max(
                            reason.retryAfter.map { min($0, .seconds(5)) } ?? .zero,
                            Self.backOff(attempt, .milliseconds(250), .seconds(2), jitter)))
            ]
        }
        return judge(reason, before, attempt: 1)
    }

    // MARK: Holding

    private mutating func hold(_ lease: Lease, telling notices: [SeatNotice], _ now: Duration, _ jitter: Double) -> [Action] {
        state = .held(lease)
        // Never after its time, so that a full interval and the lease's spare time stay for trying again.
        let beat = min(now + lease.interval * (0.8 + 0.2 * jitter), now + (lease.end - now) * 0.8)
        return notices.map(Action.tell) + [.wake(at: beat)]
    }

    private mutating func holding(_ event: Event, _ lease: Lease, attempt: Int, _ now: Duration, _ jitter: Double) -> [Action] {
        switch event {
        case .due: return [beat(lease, now)]
        case .beaten(let end, let epoch, let isResurrected):
            let notices: [SeatNotice] = isResurrected ? [.revived] : attempt > 0 ? [.answered] : []
            return hold(lease.renewed(end, epoch), telling: notices, now, jitter)
        case .adopted(let other): return hold(other, telling: attempt > 0 ? [.answered] : [], now, jitter)
        case .unanswered(let reason):
            guard now < lease.end else { return judge(reason, lease, attempt: 1) }
            state = .unsure(lease, attempt: attempt + 1)
            let pause = max(
                Self.backOff(attempt + 1, .seconds(1), min(.seconds(30), max(.seconds(1), lease.interval / 4)), jitter),
                reason.retryAfter.map { min($0, .seconds(60)) } ?? .zero)
            return (attempt == 0 ? [.tell(.unsure(reason, left: lease.end - now))] : []) + [.wake(at: min(now + pause, lease.end))]
        case .refused(let reason): return refused(reason, lease, now, jitter)
        case .start, .granted, .fileHolds, .fileRefused, .release: return []
        }
    }

    /// Near the end of a lease a dead server is not waited for longer than the lease lives, give or take two seconds.
    private func beat(_ lease: Lease, _ now: Duration) -> Action {
        .beat(lease, patience: now >= lease.end ? Platform.patience : min(Platform.patience, max(.seconds(2), lease.end - now)))
    }

    private mutating func refused(_ reason: LicenseClientError, _ lease: Lease?, _ now: Duration, _ jitter: Double) -> [Action] {
        switch reason.code {
        // Dead for good; a new life is another lease.
        case .leaseEnded: return [.tell(.asking(reason))] + ask(before: lease, attempt: 1, again: false)
        default: return lose(reason, lease, attempt: 1, now, jitter)
        }
    }

    // MARK: Without the server

    private mutating func judge(_ reason: LicenseClientError, _ before: Lease?, attempt: Int) -> [Action] {
        if case .lost = state {
            state = .judging(reason, before: before, attempt: attempt, isLost: true)
        } else {
            state = .judging(reason, before: before, attempt: attempt, isLost: false)
        }
        return [.judgeFile]
    }

    private mutating func judging(_ event: Event, _ now: Duration, _ jitter: Double) -> [Action] {
        guard case .judging(let reason, let before, let attempt, let isLost) = state else { return [] }
        switch event {
        case .fileHolds(let until, let left, let isBorrowed):
            state = .offline(before: before, attempt: attempt)
            let end = Date(timeIntervalSince1970: Double(until.seconds))
            let news: SeatNotice = isBorrowed ? .borrowed(reason, until: end) : .offline(reason, until: end)
            let notice: [Action] = attempt == 1 || isLost ? [.tell(news)] : []
            return notice + [.wake(at: now + min(Self.slowBackOff(attempt, jitter), max(left, .milliseconds(1))))]
        case .fileRefused(let fault):
            let both = LicenseClientError(
                fault.code == .notActivated ? reason.code : fault.code, "\(reason.message); and \(fault.message)",
                next: fault.code == .notActivated ? reason.next : fault.next)
            guard before == nil, attempt == 1 else { return lose(both, before, attempt: attempt, isKnown: isLost, now, jitter) }
            state = .ended(both)
            return [.tell(.refused(both))]
        default: return []
        }
    }

    private mutating func away(_ event: Event, _ before: Lease?, _ attempt: Int, _ now: Duration, _ jitter: Double) -> [Action] {
        switch event {
        case .due: return [before.map { beat($0, now) } ?? .acquire(again: false, patience: Platform.patience)]
        case .beaten(let end, let epoch, _): return before.map { hold($0.renewed(end, epoch), telling: [.regained], now, jitter) } ?? []
        case .granted(let lease), .adopted(let lease): return hold(lease, telling: [.regained], now, jitter)
        // Asked each time: another process may have fetched a newer file, and a clock may have been set back.
        case .unanswered(let reason): return judge(reason, before, attempt: attempt + 1)
        case .refused(let reason): return refused(reason, before, now, jitter)
        case .start, .fileHolds, .fileRefused, .release: return []
        }
    }

    // MARK: Losing

    private mutating func lose(
        _ reason: LicenseClientError, _ before: Lease?, attempt: Int, isKnown: Bool = false, _ now: Duration, _ jitter: Double
    ) -> [Action] {
        var isNews = !isKnown
        if case .lost(let known, _, _) = state { isNews = known.code != reason.code }
        state = .lost(reason, before: before, attempt: attempt)
        let notice: [Action] = isNews ? [.tell(.lost(reason, grace: max(.zero, (before?.end ?? now) - now)))] : []
        guard mayPass(reason) else { return notice }
        return notice + [
            .wake(at: now + (reason.retryAfter.map { max($0, .seconds(1)) * (1 + jitter / 10) } ?? Self.slowBackOff(attempt, jitter)))
        ]
    }

    /// What the server took, it took; what only ran out may come back.
    private func mayPass(_ reason: LicenseClientError) -> Bool {
        switch reason.code {
        case .forced, .superseded, .revoked, .notHolder, .refused, .noLicense: false
        default: true
        }
    }

    private mutating func losing(
        _ event: Event, _ reason: LicenseClientError, _ before: Lease?, _ attempt: Int, _ now: Duration, _ jitter: Double
    ) -> [Action] {
        switch event {
        case .due:
            guard mayPass(reason) else { return [] }
            // A lease that only ran out may be revived; one that was refused is asked for anew.
            if let before, !Self.isRefusal(reason) { return [beat(before, now)] }
            return [.acquire(again: false, patience: Platform.patience)]
        case .beaten(let end, let epoch, _): return before.map { hold($0.renewed(end, epoch), telling: [.regained], now, jitter) } ?? []
        case .granted(let lease), .adopted(let lease): return hold(lease, telling: [.regained], now, jitter)
        case .unanswered(let error):
            return Self.isRefusal(reason)
                ? lose(reason, before, attempt: attempt + 1, now, jitter) : judge(error, before, attempt: attempt + 1)
        case .refused(let reason):
            if reason.code == .leaseEnded { return [.acquire(again: false, patience: Platform.patience)] }
            return lose(reason, before, attempt: attempt + 1, now, jitter)
        case .start, .fileHolds, .fileRefused, .release: return []
        }
    }

    /// The server answered, and said no.
    private static func isRefusal(_ reason: LicenseClientError) -> Bool {
        switch reason.code {
        case .noSeat, .policyDenied, .suspended, .expired, .noLicense: true
        default: false
        }
    }

    private mutating func release() -> [Action] {
        defer { state = .released }
        switch state {
        case .held(let lease), .unsure(let lease, _): return [.giveBack(lease), .tell(.released)]
        case .asking(let lease?, _), .offline(let lease?, _), .judging(_, let lease?, _, _): return [.giveBack(lease), .tell(.released)]
        case .lost(let reason, let lease?, _) where mayPass(reason): return [.giveBack(lease), .tell(.released)]
        case .ended, .released, .new: return []
        case .asking, .waiting, .judging, .offline, .lost: return [.tell(.released)]
        }
    }

    // MARK: Back-off

    /// Doubles from `first` to `most`; half of it is chance, so that many clients do not come back at once.
    static func backOff(_ attempt: Int, _ first: Duration, _ most: Duration, _ jitter: Double) -> Duration {
        min(most, first * (1 << min(max(attempt, 1) - 1, 16))) * (0.5 + jitter / 2)
    }
    static func slowBackOff(_ attempt: Int, _ jitter: Double) -> Duration { backOff(attempt, .seconds(2), .seconds(60), jitter) }
}

extension SeatMachine.Lease {
    func renewed(_ end: Duration, _ epoch: Int64) -> Self {
        var copy = self
        copy.end = end
        copy.epoch = epoch
        return copy
    }
}

/// What happened to a seat, for whoever holds it.
public enum SeatNotice: Sendable, Hashable {
    case held(used: Int64, total: Int64)
    /// No seat is free; asked again after the span.
    case waiting(LicenseClientError, Duration)
    /// The first request was refused, or could not be made.
    case refused(LicenseClientError)
    /// The server does not answer; the seat is kept for what is left of its lease.
    case unsure(LicenseClientError, left: Duration)
    /// The server answers again, and the lease goes on.
    case answered
    /// The lease had run out and was given back by the server.
    case revived
    /// The lease is over; a new one is asked for.
    case asking(LicenseClientError)
    /// The server is away; the signed file of this device stands in for the seat.
    case offline(LicenseClientError, until: Date)
    /// The server is away; the seat that this device borrowed is used.
    case borrowed(LicenseClientError, until: Date)
    /// There is a seat again, after it was lost or the file stood in for it.
    case regained
    /// There is no right to go on. `grace`: what was left of the lease as last told.
    case lost(LicenseClientError, grace: Duration)
    case released

    /// For a log and for a person.
    public var line: LicenseLogLine {
        switch self {
        case .held(let used, let total): .init(.info, "held", "seat taken: \(used) of \(total) in use")
        case .waiting(let error, let pause):
            .init(.info, "waiting", "\(error.message); asking again in \(Spans.text(pause.wholeSeconds))")
        case .refused(let error): .init(.warning, "refused", error.description)
        case .unsure(let error, let left):
            .init(.warning, "unsure", "\(error.message); the seat is kept for \(Spans.text(left.wholeSeconds)), trying again")
        case .answered: .init(.info, "answered", "the server is back; the seat was kept")
        case .revived: .init(.info, "revived", "the lease had run out and was given back")
        case .asking(let error): .init(.info, "asking", "\(error.message); asking for a new lease")
        case .offline(let error, let until):
            .init(
                .warning, "offline",
                "\(error.message); running under the offline licence, which holds until \(Moments.text(Timestamp(seconds: Int64(until.timeIntervalSince1970))))"
            )
        case .borrowed(let error, let until):
            .init(
                .info, "borrowed",
                "\(error.message); running under the borrowed seat, which ends on \(Moments.text(Timestamp(seconds: Int64(until.timeIntervalSince1970))))"
            )
        case .regained: .init(.info, "regained", "there is a seat again")
        case .lost(let error, _): .init(.warning, "lost", "the seat is gone: \(error)")
        case .released: .init(.debug, "released", "seat given back")
        }
    }
}

package enum Moments {
    /// `2027-01-15 08:06 UTC`.
    package static func text(_ moment: Timestamp) -> String { moment.iso8601.prefix(16).replacing("T", with: " ") + " UTC" }
}
