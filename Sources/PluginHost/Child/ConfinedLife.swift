import Foundation
import PluginKit
import PluginWire

/// A child's life: born, watched, mourned, born again.
extension ConfinedPlugin {
    /// Starts a process and makes the plugin in it. Throws a `Refusal`.
    func beget(isFirst: Bool) async throws -> ChildProcess {
        guard access(prison.program.path, X_OK) == 0 else {
            throw Refusal(.childFailed, "\(prison.program.path) is not there or cannot be run.")
        }
        let answering = ChildServices(context)
        let child: ChildProcess
        do {
            child = try ChildProcess(cell.confinement)
            try await child.begin(
                program: prison.program.path, arguments: cell.arguments(id),
                desk: answering.desk(), line: { answering.heard($0) }, over: { [weak self, weak child] reason in self?.died(child, reason) }
            )
        } catch {
            throw Refusal(.childFailed, "\(error).")
        }
        watch(child, answering)
        do {
            let isWanted = state.withLock { state in
                if case .stopped = state.phase { return false }
                state.phase = isFirst ? .making(child) : .reviving(child)
                return true
            }
            guard isWanted else { throw WireEnd("it was stopped") }
            let beginning = ToChild.Beginning(id: id, settings: context.settings, secrets: context.secrets)
            let begun = try await withTaskCancellationHandler {
                try await child.wire.call(ToChild.begin, beginning)
            } onCancel: {
                child.end("it was not made in time")
            }
            guard case .success(let walls) = answering.standing else { throw WireEnd("it did not say what walls stand around it") }
            state.withLock { state in
                if state.begun == nil { state.begun = begun }
                state.walls = walls
            }
            return child
        } catch {
            child.end("it was not made")
            await child.ended()
            throw ConfinedPlugin.refusal(error, answering)
        }
    }

    private static func refusal(_ error: any Error, _ services: ChildServices) -> any Error {
        if case .failure(let end) = services.standing { return Refusal(.childFailed, "On this machine \(end).") }
        if let failure = error as? LoadingFailure, let code = RefusalCode(rawValue: failure.code), loading.contains(code) {
            return Refusal(code, String(failure.reason.prefix(500)))
        }
        return Refusal(.childFailed, "Its process did not live to be made: \(error).")
    }
    private static let loading: Set<RefusalCode> = [
        .loadFailed, .entryMissing, .entryForeign, .manifestDisagrees, .settingsRefused, .makeFailed,
    ]

    /// It is started: from here on it takes calls, and is started again when it dies.
    func settle(_ child: ChildProcess) throws {
        let waiting = try state.withLock { state in
            guard let own = state.child, own === child, !child.isOver else { throw WireEnd("its process has just ended") }
            state.phase = .working(child)
            defer { state.waiting = [] }
            return state.waiting
        }
        for waiter in waiting {
            // On trial one of them goes first; none waits there.
            waiter.resume(returning: child)
        }
    }

    /// Looks after it once a second until it ends.
    private func watch(_ child: ChildProcess, _ answering: ChildServices) {
        let clock = clock
        let watching = Task {
            while !Task.isCancelled, (try? await clock.sleep(for: .seconds(1))) != nil {
                child.tick()
                answering.tick()
            }
        }
        Task {
            await child.ended()
            watching.cancel()
        }
    }

    /// It is dead and reaped. One that dies while it is made or started fails that; only one at work is mourned here.
    private func died(_ child: ChildProcess?, _ reason: String) {
        let wasAtWork = state.withLock { state in
            state.lastEnd = reason
            guard case .working(let own) = state.phase, own === child else { return false }
            if state.isDraining { state.phase = .stopped }
            return !state.isDraining
        }
        if wasAtWork { mourn(reason, "A plugin's process died; what was under way in it has an unknown outcome.") }
    }

    /// Lets it rest for a while, then tries again.
    private func mourn(_ reason: String, _ sentence: String) {
        let now = clock.now()
        let mourned: (pause: Duration, standing: ChildStanding, dismissed: [CheckedContinuation<ChildProcess, any Error>])? =
            state.withLock { state in
                if case .stopped = state.phase { return nil }
                // Different for each plugin and death, the same in each run: chance that needs no source.
                let seed = PluginDigest.sha256(Data("\(id) \(cell.digest) \(state.standing.deathsEver)".utf8))
                let pause = state.standing.died(at: now, spread: Double(seed.first ?? 0) / 255)
                state.phase = .resting(until: now + pause)
                state.isTrialTaken = false
                state.revival = Task { await self.revive(after: pause) }
                guard state.standing.breaker != .closed else { return (pause, state.standing, []) }
                defer { state.waiting = [] }
                return (pause, state.standing, state.waiting)
            }
        guard let mourned else { return }
        context.log.write(
            .error, sentence,
            [
                "reason": String(reason.prefix(300)), "deaths": "\(mourned.standing.deaths.count)",
                "breaker": mourned.standing.breaker.rawValue, "again_in_ms": "\(mourned.pause.microseconds / 1_000)",
            ])
        for waiter in mourned.dismissed { waiter.resume(throwing: WireEnd("its process died too often and is left alone for a while")) }
    }

    private func revive(after pause: Duration) async {
        guard (try? await clock.sleep(for: pause)) != nil else { return }
        let isWanted = state.withLock { state in
            guard case .resting = state.phase, !state.isDraining else { return false }
            state.phase = .reviving(nil)
            state.standing.started()
            return true
        }
        guard isWanted else { return }
        do {
            let child = try await bounded(patience.make, clock) { [self] in try await beget(isFirst: false) }
            do {
                try await bounded(patience.start, clock) { _ = try await child.wire.call(ToChild.start, Nothing()) }
                try settle(child)
            } catch {
                child.end("it did not start again")
                await child.ended()
                throw error
            }
            state.withLock { $0.restarts += 1 }
            context.log.write(.info, "A plugin's process is back.", ["process": "\(child.process ?? 0)"])
        } catch {
            let reason = (error as? Refusal)?.reason ?? (error is TooSlow ? "it was too slow" : "\(error)")
            mourn(reason, "A plugin's process did not start again.")
        }
    }
}
