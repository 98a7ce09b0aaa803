import PluginKit
import Store
import Vocabulary

/// What came of one call to the provisioner.
enum WorkOutcome: Sendable, Hashable {
    /// One step is done, and there are more.
    case stepped(String)
    /// Asked again then.
    case waiting(Duration)
    /// All of it is done; the name of the last step, where it was carried out now.
    case finished(ObservedWorkstation, step: String?)
    /// Not done, or nobody knows: again later.
    case failed(String, isUnknown: Bool, again: Bool)
    /// Not as it is; what is there in its place, where that could be asked.
    case refused(String, ObservedWorkstation?)
}

struct WorkRules: Sendable {
    /// After so many failures in a row a `create` is taken back.
    var attempts = 8
    /// A `create` that takes longer is taken back.
    var longest = Duration.hours(2)
    var backoff = Backoff(first: .seconds(2), cap: .minutes(15))
}

/// Pure: what is to be done next, and what an outcome makes of a workstation. Every change of state is one that `workstationLifecycle` names.
extension Workstation {
    /// What would bring it nearer to the wish; nil: it rests.
    var due: Work? {
        if state == .deleted { return nil }
        switch wish {
        case .gone: return .delete
        case .suspended:
            switch state {
            case .requested, .suspended, .deleted: return nil
            // Half-made: taken back, and made anew once access is there again.
            case .provisioning: return made == nil ? .undo : .suspend
            case .failed: return made == nil ? nil : .suspend
            case .running, .stopped, .resizing, .deleting: return .suspend
            }
        case .running, .stopped:
            let isRight = made.map { size.over($0) == $0 } ?? true
            switch state {
            case .requested, .provisioning: return .create
            case .suspended: return .restore
            case .resizing: return .resize
            case .stopped: return isRight ? (wish == .running ? .start : nil) : .resize
            case .running: return isRight && wish == .running ? nil : .stop
            case .failed, .deleting, .deleted: return nil
            }
        }
    }

    /// The work to go on with; a changed wish replaces what it makes pointless.
    var current: Work? {
        switch (work, wish) {
        case (nil, _): due
        case (.delete?, _): .delete
        case (_, .gone): .delete
        case (.undo?, _): .undo
        // Nothing that is under way may start it once more.
        case (_, .suspended): state == .provisioning && made == nil ? .undo : .suspend
        case (let work, _): work
        }
    }
    var hasMore: Bool { current != nil }
    /// It waits for its first turn: nothing of it was ever made or asked for.
    var isUntouched: Bool { state == .requested && work == nil && busyBy == nil && made == nil }

    /// Begins a work, or goes on with it.
    mutating func begin(_ next: Work, now: Timestamp) {
        guard work != next else { return }
        work = next
        (beganAt, step, attempt, isUnknown, nextAt) = (now, 0, 0, false, nil)
        note = ""
        switch next {
        case .create where state == .requested: move(to: .provisioning, now)
        case .resize where state == .stopped: move(to: .resizing, now)
        case .delete where state != .deleting: move(to: .deleting, now)
        default: break
        }
        if next == .resize || next == .create { size = size.over(made) }
    }

    /// - Parameter jitter: spreads retries.
    mutating func apply(_ outcome: WorkOutcome, now: Timestamp, rules: WorkRules, jitter: UInt16) {
        guard let work else { return }
        changedAt = now
        switch outcome {
        case .stepped:
            step += 1
            (attempt, isUnknown, nextAt, note) = (0, false, nil, work == .undo ? note : "")
        case .waiting(let again):
            isUnknown = false
            nextAt = now + again
            if work == .create, made == nil, let beganAt, now - beganAt > rules.longest { takeBack("it took longer than it may", now) }
        case .finished(let shown, _): end(work, shown, now)
        case .failed(let why, let unknown, let again):
            attempt += 1
            (isUnknown, nextAt) = (unknown, now + rules.backoff.delay(attempt: attempt, jitter: jitter))
            if again { step = 0 }
            if work == .create, made == nil, attempt >= rules.attempts {
                takeBack(why, now)
            } else if work != .undo {
                note = String(why.prefix(500))
            }
        case .refused(let why, let shown): refuse(why, shown, work, now, rules, jitter)
        }
    }

    private mutating func takeBack(_ why: String, _ now: Timestamp) {
        begin(.undo, now: now)
        note = String(why.prefix(500))
    }

    private mutating func end(_ done: Work, _ shown: ObservedWorkstation, _ now: Timestamp) {
        (work, beganAt, step, attempt, isUnknown, nextAt) = (nil, nil, 0, 0, false, nil)
        (address, credential) = (shown.address, shown.credential ?? credential)
        switch done {
        case .create, .start:
            made = shown.size.map { WorkstationSizing($0, else: size) } ?? made ?? size
            activeAt = now
            note = ""
            move(to: .running, now)
        case .stop: move(to: .stopped, now)
        case .resize:
            made = shown.size.map { WorkstationSizing($0, else: size) } ?? size
            move(to: .stopped, now)
        case .suspend: move(to: .suspended, now)
        case .restore: move(to: .stopped, now)
        case .delete: forget(.deleted, now)
        case .undo: forget(note.isEmpty ? .requested : .failed, now)
        }
    }
    private mutating func forget(_ next: State, _ now: Timestamp) {
        (made, address, credential) = (nil, nil, nil)
        move(to: next, now)
    }

    /// What is really there decides; where nothing can be made of it, somebody has to look.
    private mutating func refuse(
        _ why: String, _ shown: ObservedWorkstation?, _ work: Work, _ now: Timestamp, _ rules: WorkRules, _ jitter: UInt16
    ) {
        attempt += 1
        nextAt = now + rules.backoff.delay(attempt: attempt, jitter: jitter)
        if work != .undo { note = String(why.prefix(500)) }
        // What must come to an end is tried for ever, ever more slowly.
        guard work != .delete, work != .undo, let shown else { return }
        if attempt < rules.attempts, adopt(shown, now) { return }
        // Nothing was ever finished, so nothing on it is anybody's: whatever is there goes.
        if work == .create, made == nil {
            return takeBack(why, now)
        }
        guard attempt >= rules.attempts || shown.state == .absent else { return }
        (self.work, beganAt, step, isUnknown, nextAt, address) = (nil, nil, 0, false, nil, nil)
        if shown.state == .absent { made = nil }
        move(to: .failed, now)
    }

    /// Takes what is there for what it is; false where that is no state to rest in.
    private mutating func adopt(_ shown: ObservedWorkstation, _ now: Timestamp) -> Bool {
        let found: State
        switch shown.state {
        case .running: found = .running
        case .stopped: found = .stopped
        case .suspended: found = .suspended
        default: return false
        }
        guard workstationLifecycle.transition(from: state, to: found) != nil else { return false }
        (work, beganAt, step, isUnknown) = (nil, nil, 0, false)
        made = shown.size.map { WorkstationSizing($0, else: size) } ?? made
        (address, credential) = (shown.address, shown.credential ?? credential)
        move(to: found, now)
        return true
    }

    /// What the provisioner shows while nothing is under way: it may have stopped by itself.
    mutating func notice(_ shown: ObservedWorkstation, _ now: Timestamp) {
        guard work == nil else { return }
        if state == .running, shown.state == .stopped {
            wish = wish == .running ? .stopped : wish
            address = nil
            move(to: .stopped, now)
        } else if state == .stopped, shown.state == .running, wish == .running {
            address = shown.address
            activeAt = now
            move(to: .running, now)
        } else if state == .running, shown.state == .running {
            address = shown.address
        }
    }

    mutating func move(to next: State, _ now: Timestamp) {
        guard workstationLifecycle.transition(from: state, to: next) != nil else { return }
        state = next
        changedAt = now
    }
}

extension Workstation.Work {
    /// Whether what is there is what the work is for: asked where nobody knows what became of a call.
    func isReached(_ shown: ObservedWorkstation) -> Bool {
        switch self {
        case .create, .start: shown.state == .running
        case .stop, .restore: shown.state == .stopped
        case .suspend: shown.state == .suspended
        case .delete, .undo: shown.state == .absent
        // The size says it, not the state: the step itself finds it done.
        case .resize: false
        }
    }
}
