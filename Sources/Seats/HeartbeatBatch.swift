import Synchronization
import Vocabulary

/// Gathers heartbeats while the one before is being written: whatever waits when the writer is free shares one transaction, and
/// nobody waits for a timer.
///
/// There is no task that writes: whoever comes when nobody does leads, writes for all that wait, and hands the lead to one of those who came
/// meanwhile. So a beat goes from its connection's thread to the store's and back, and over no third.
final class HeartbeatBatch<Item: Sendable, Outcome: Sendable>: Sendable {
    typealias Write = @Sendable ([Item]) async throws -> [Outcome]
    private enum Turn {
        case settled(Outcome)
        /// Nobody writes: it is yours to do, your own beat among them.
        case lead
    }
    private typealias Waiting = (beat: Item, turn: CheckedContinuation<Turn, any Error>)
    private struct State {
        var waiting: [Waiting] = []
        var isLed = false
    }
    private let state = Mutex(State())
    /// Beats in one transaction.
    private let most = 256
    /// Beats that may wait; one more is told to come back.
    private let longestQueue = 16_384

    /// How many wait for somebody else's writing to be over.
    var waiting: Int { state.withLock { $0.waiting.count } }

    func submit(_ beat: Item, write: @escaping Write) async throws -> Outcome {
        guard !takesLead() else { return try await lead(beat, write) }
        let turn = try await withCheckedThrowingContinuation { turn in
            let answer = state.withLock { state -> Result<Turn, any Error>? in
                guard state.waiting.count < longestQueue else { return .failure(SeatProblems.busy.retry(afterSeconds: 1)) }
                guard state.isLed else {
                    state.isLed = true
                    return .success(.lead)
                }
                state.waiting.append((beat, turn))
                return nil
            }
            if let answer { turn.resume(with: answer) }
        }
        switch turn {
        case .settled(let outcome): return outcome
        case .lead: return try await lead(beat, write)
        }
    }

    private func takesLead() -> Bool {
        state.withLock { state in
            guard !state.isLed else { return false }
            state.isLed = true
            return true
        }
    }

    private func lead(_ own: Item, _ write: Write) async throws -> Outcome {
        let others = state.withLock { state -> [Waiting] in
            let others = Array(state.waiting.prefix(most - 1))
            state.waiting.removeFirst(others.count)
            return others
        }
        do {
            let outcomes = try await write([own] + others.map(\.beat))
            for (waiting, outcome) in zip(others, outcomes.dropFirst()) { waiting.turn.resume(returning: .settled(outcome)) }
            handOver()
            return outcomes[0]
        } catch is CancellationError where Task.isCancelled {
            // The leader's own request was given up; the others' were not. A beat that was written after all is written again: it says the same.
            state.withLock { $0.waiting.insert(contentsOf: others, at: 0) }
            handOver()
            throw CancellationError()
        } catch {
            for waiting in others { waiting.turn.resume(throwing: error) }
            handOver()
            throw error
        }
    }

    private func handOver() {
        let next = state.withLock { state -> Waiting? in
            guard !state.waiting.isEmpty else {
                state.isLed = false
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.turn.resume(returning: .lead)
    }
}
