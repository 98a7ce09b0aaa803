import Synchronization
import Vocabulary

/// Gathers heartbeats while the one before is being written: whatever waits when the writer is free shares one transaction, and
/// nobody waits for a timer.
final class HeartbeatBatch<Item: Sendable, Outcome: Sendable>: Sendable {
    typealias Write = @Sendable ([Item]) async throws -> [Outcome]
    private typealias Waiting = (beat: Item, answer: CheckedContinuation<Outcome, any Error>)
    private struct State {
        var waiting: [Waiting] = []
        var isWriting = false
    }
    private enum Turn { case wait, write, refuse }
    private let state = Mutex(State())
    /// Beats in one transaction.
    private let most = 256
    /// Beats that may wait; one more is told to come back.
    private let longestQueue = 16_384

    func submit(_ beat: Item, write: @escaping Write) async throws -> Outcome {
        try await withCheckedThrowingContinuation { answer in
            let turn = state.withLock { state -> Turn in
                guard state.waiting.count < longestQueue else { return .refuse }
                state.waiting.append((beat, answer))
                defer { state.isWriting = true }
                return state.isWriting ? .wait : .write
            }
            switch turn {
            case .wait: break
            case .write: Task { await drain(write) }
            case .refuse: answer.resume(throwing: SeatProblems.busy.retry(afterSeconds: 1))
            }
        }
    }

    private func drain(_ write: @escaping Write) async {
        while true {
            let batch = state.withLock { state -> [Waiting] in
                let batch = Array(state.waiting.prefix(most))
                state.waiting.removeFirst(batch.count)
                if batch.isEmpty { state.isWriting = false }
                return batch
            }
            if batch.isEmpty { return }
            do {
                let outcomes = try await write(batch.map(\.beat))
                for (waiting, outcome) in zip(batch, outcomes) { waiting.answer.resume(returning: outcome) }
            } catch {
                for waiting in batch { waiting.answer.resume(throwing: error) }
            }
        }
    }
}
