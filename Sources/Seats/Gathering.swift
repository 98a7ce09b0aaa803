import Synchronization
import Vocabulary

/// Gathers requests while the ones before are being written: whatever waits when the writer is free shares one transaction, and nobody waits
/// for a timer.
///
/// There is no task that writes: whoever comes when nobody does leads, writes for all that wait, and hands the lead to one of those who came
/// meanwhile. So a request goes from its connection's thread to the store's and back, and over no third.
final class Gathering<Item: Sendable, Outcome: Sendable>: Sendable {
    typealias Write = @Sendable ([Item]) async throws -> [Outcome]
    private enum Turn {
        case settled(Outcome)
        /// Nobody writes: it is yours to do, your own item among them.
        case lead
    }
    private typealias Waiting = (item: Item, turn: CheckedContinuation<Turn, any Error>)
    private struct State {
        var waiting: [Waiting] = []
        var isLed = false
    }
    private let state = Mutex(State())
    /// Items in one transaction.
    private let most: Int
    /// Items that may wait; one more is told to come back.
    private let longest: Int
    private struct IsShort: Error {}

    init(most: Int = 256, longest: Int = 16_384) {
        self.most = most
        self.longest = longest
    }

    /// How many wait for somebody else's writing to be over.
    var waiting: Int { state.withLock { $0.waiting.count } }

    func submit(_ item: Item, write: @escaping Write) async throws -> Outcome {
        guard !takesLead() else { return try await lead(item, write) }
        let began = ContinuousClock.now
        let turn = try await withCheckedThrowingContinuation { turn in
            let answer = state.withLock { state -> Result<Turn, any Error>? in
                guard state.waiting.count < longest else { return .failure(SeatProblems.busy.retry(afterSeconds: 1)) }
                guard state.isLed else {
                    state.isLed = true
                    return .success(.lead)
                }
                state.waiting.append((item, turn))
                return nil
            }
            if let answer { turn.resume(with: answer) }
        }
        switch turn {
        case .settled(let outcome): return outcome
        // Who leads next is who has waited longest.
        case .lead: return try await Attendance.$waited.withValue(began.duration(to: .now)) { try await lead(item, write) }
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
            let outcomes = try await write([own] + others.map(\.item))
            guard outcomes.count == others.count + 1 else { throw IsShort() }
            for (waiting, outcome) in zip(others, outcomes.dropFirst()) { waiting.turn.resume(returning: .settled(outcome)) }
            handOver()
            return outcomes[0]
        } catch is CancellationError where Task.isCancelled {
            // The leader's own request was given up; the others' were not. What was written after all is written again: it says the same.
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

/// A gathering for each tenant that asks at this moment, and for no other.
final class TenantGatherings<Item: Sendable, Outcome: Sendable>: Sendable {
    private let most: Int
    private let longest: Int
    private let lanes = Mutex<[TenantID: (gathering: Gathering<Item, Outcome>, asking: Int)]>([:])

    /// - Parameter longest: of each tenant's items, how many may wait.
    init(most: Int, longest: Int) {
        self.most = most
        self.longest = longest
    }

    /// How many tenants ask at this moment.
    var tenants: Int { lanes.withLock { $0.count } }
    func waiting(of tenant: TenantID) -> Int { lanes.withLock { $0[tenant]?.gathering }?.waiting ?? 0 }

    func submit(_ item: Item, of tenant: TenantID, write: @escaping Gathering<Item, Outcome>.Write) async throws -> Outcome {
        let gathering = lanes.withLock { lanes in
            lanes[tenant, default: (Gathering(most: most, longest: longest), 0)].asking += 1
            return lanes[tenant]?.gathering
        }
        defer {
            lanes.withLock { lanes in
                lanes[tenant]?.asking -= 1
                if lanes[tenant]?.asking == 0 { lanes[tenant] = nil }
            }
        }
        guard let gathering else { throw SeatProblems.busy.retry(afterSeconds: 1) }
        return try await gathering.submit(item, write: write)
    }
}
