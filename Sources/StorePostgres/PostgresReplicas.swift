import Foundation
import Store
import Synchronization
import Vocabulary

/// Streaming standbys that answer reads which may lag, in turn. One is asked only if it has replayed everything that the primary had written
/// `bound` ago: the primary's position is looked at from time to time and remembered with the moment, so that no server's clock counts.
///
///     read ──▶ standby fit? ──yes──▶ answers      behind, away, promoted, or the read failed there ──▶ the primary answers
final class PostgresReplicas: Sendable {
    /// A position in the primary's log, and when it was that far.
    struct Sample: Sendable {
        let at: Int64
        let position: Position
    }
    private struct Standby: Sendable {
        let name: String
        let pool: PostgresPool
    }
    private struct State {
        var samples: [Sample] = []
        var next = 0
        /// Until when a standby that failed is left alone, by its place.
        var resting: [Int: Int64] = [:]
        var standings: [ReplicaStanding]
    }
    /// What keeps a standby from answering.
    private struct Behind: Error {}

    private static let sampleEvery = Duration.seconds(1)
    private static let rest = Duration.seconds(5)
    private static let mostSamples = 512
    private static let system = "CAST((SELECT system_identifier FROM pg_control_system()) AS text)"
    static let primaryPosition = SQL("replica.primary_position", "SELECT \(system), CAST(pg_current_wal_lsn() AS text)")
    /// Null where the server is no standby any more: then it may write what the primary never had.
    static let replayed = SQL(
        "replica.replayed", "SELECT \(system), CASE WHEN pg_is_in_recovery() THEN CAST(pg_last_wal_replay_lsn() AS text) END")
    /// Which server's log, and how far in it: positions of two servers that never were one say nothing of each other.
    struct Position: Sendable, Hashable {
        let system: String
        let bytes: UInt64
        /// Nil for a server that is no standby.
        init?(_ row: Row?) throws {
            guard let row, let text = try row.optional(1, row.text), let bytes = PostgresReplicas.position(text) else { return nil }
            system = try row.text(0)
            self.bytes = bytes
        }
        func has(_ needed: Position) -> Bool { system == needed.system && bytes >= needed.bytes }
    }

    private let standbys: [Standby]
    private let bound: Duration
    private let state: Mutex<State>

    init(_ urls: [String], bound: Duration, limits: PostgresLimits, make: (String) -> PostgresSession) {
        self.bound = bound
        standbys = urls.enumerated().map { number, url in
            let name = "replica-\(number + 1)"
            return Standby(
                name: name, pool: PostgresPool(name: name, count: limits.readers, limits) { make(url) })
        }
        state = Mutex(State(standings: standbys.map { ReplicaStanding(name: $0.name) }))
    }

    var standings: [ReplicaStanding] { state.withLock { $0.standings } }
    var pools: [StorePool] { standbys.map(\.pool.standing) }
    func stop() { standbys.forEach { $0.pool.stop() } }
    func close() async { for standby in standbys { await standby.pool.close() } }

    /// What a standby answers; nil where none may or can: then the primary is asked.
    /// - Parameter position: asks the primary how far its log is.
    func read<Value: Sendable>(
        _ scope: PostgresScope, position: () async throws -> Position?, _ body: @escaping @Sendable (PostgresSession) throws -> Value
    ) async throws -> Value? {
        await sample(position)
        guard let (place, needed) = choice() else { return nil }
        do {
            let value = try await standbys[place].pool.submit(.read, scope) { session in
                let replayed = try Position(session.rows(Self.replayed, [], as: scope).first)
                guard replayed?.has(needed) == true else { throw Behind() }
                return try body(session)
            } done: { _ in
            }
            count(place) { $0.answered += 1 }
            return value
        } catch is CancellationError {
            throw CancellationError()
        } catch is Behind {
            count(place) { $0.behind += 1 }
            return nil
        } catch {
            // Also what the body threw: the primary says whether it is so.
            let isProblem = error is Problem
            count(place, rests: !isProblem) { $0.failed += isProblem ? 0 : 1 }
            return nil
        }
    }

    /// Looks at the primary at most once a second.
    private func sample(_ position: () async throws -> Position?) async {
        let now = PostgresLink.monotonic
        let isDue = state.withLock { state in (state.samples.last?.at ?? .min) < now - Self.sampleEvery.microseconds }
        guard isDue, let found = try? await position() else { return }
        state.withLock { state in
            state.samples.append(Sample(at: now, position: found))
            let oldest = now - bound.microseconds
            // The newest of those that are too old is kept no longer either: it could not let anybody answer.
            state.samples.removeAll { $0.at < oldest }
            if state.samples.count > Self.mostSamples { state.samples.removeFirst(state.samples.count - Self.mostSamples) }
        }
    }

    /// The next standby that is not resting, and how far it must have come: as far as the primary was at the oldest moment that is young enough.
    private func choice() -> (place: Int, needed: Position)? {
        let now = PostgresLink.monotonic
        return state.withLock { state in
            guard let needed = state.samples.first(where: { $0.at >= now - bound.microseconds })?.position else { return nil }
            for _ in standbys {
                let place = state.next % standbys.count
                state.next = place + 1
                if state.resting[place] ?? .min <= now { return (place, needed) }
            }
            return nil
        }
    }

    private func count(_ place: Int, rests: Bool = false, _ change: (inout ReplicaStanding) -> Void) {
        state.withLock { state in
            change(&state.standings[place])
            if rests { state.resting[place] = PostgresLink.monotonic + Self.rest.microseconds }
        }
    }

    /// `16/B374D848` as one number.
    static func position(_ text: String) -> UInt64? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let high = UInt32(parts[0], radix: 16), let low = UInt32(parts[1], radix: 16) else { return nil }
        return UInt64(high) << 32 | UInt64(low)
    }
}
