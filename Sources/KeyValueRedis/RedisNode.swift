import KeyValue
import NIOCore
import Synchronization
import Vocabulary

/// One server: connects when it is first asked, again when the connection is lost, and fails at once while it is known to be away.
///
/// idle → connecting → ready → idle. After a try that failed, one caller tries again when the pause is over; the others are told
/// at once that the server is away, until that try succeeds.
final class RedisNode: Sendable {
    private enum Phase {
        case idle
        case connecting(Task<RedisConnection, any Error>)
        case ready(RedisConnection)
    }
    private struct State {
        var phase = Phase.idle
        var failures = 0
        var retryAt = NIODeadline.uptimeNanoseconds(0)
        var number = 0
    }
    let place: RedisPlace
    private let options: RedisOptions
    private let entropy: any Entropy
    enum Use: Sendable {
        case store
        /// Asked for the places of others: may be a replica.
        case scout
        /// Asked for the master, and knows no password of the store's.
        case sentinel
    }
    private let use: Use
    private let state = Mutex(State())

    init(_ place: RedisPlace, _ options: RedisOptions, _ entropy: any Entropy, use: Use = .store) {
        self.place = place
        self.options = options
        self.entropy = entropy
        self.use = use
    }

    func send(_ command: [ScriptArgument], before: [ScriptArgument]? = nil) async throws -> (reply: RedisReply, memory: String) {
        let connection = try await connection()
        return (try await connection.send(command, before: before), connection.memory.withLock { $0 })
    }

    func connection() async throws -> RedisConnection {
        enum Turn { case use(RedisConnection), wait(Task<RedisConnection, any Error>), fail }
        let turn = state.withLock { state -> Turn in
            switch state.phase {
            case .ready(let connection): return .use(connection)
            case .connecting(let task): return state.failures == 0 ? .wait(task) : .fail
            case .idle:
                guard NIODeadline.now() >= state.retryAt else { return .fail }
                state.number += 1
                let number = state.number
                let task = Task { try await connect(number) }
                state.phase = .connecting(task)
                return .wait(task)
            }
        }
        switch turn {
        case .use(let connection): return connection
        case .wait(let task): return try await task.value
        case .fail: throw RedisFault.away("\(place) was away a moment ago")
        }
    }

    private func connect(_ number: Int) async throws -> RedisConnection {
        do {
            let connection = try await RedisConnection.open(place, options) { [weak self] in self?.lost(number) }
            do {
                try await greet(connection)
            } catch {
                connection.end(error as? RedisFault ?? .away("\(error)"))
                throw error
            }
            state.withLock { state in
                guard state.number == number else { return }
                state.failures = 0
                state.phase = .ready(connection)
            }
            if use == .store { connection.watch() }
            return connection
        } catch {
            state.withLock { state in
                guard state.number == number else { return }
                state.failures += 1
                state.retryAt = .now() + pause(state.failures)
                state.phase = .idle
            }
            throw error
        }
    }

    private func greet(_ connection: RedisConnection) async throws {
        func ask(_ words: [ScriptArgument]) async throws {
            if case .error(let text) = try await connection.send(words) { throw RedisFault.refused(text) }
        }
        if use == .sentinel { return }
        if let password = options.password {
            let user = options.user.map { [ScriptArgument.text($0)] } ?? []
            try await ask([.text("AUTH")] + user + [.text(password)])
        }
        if use == .scout { return }
        if options.database != 0 { try await ask([.text("SELECT"), .integer(Int64(options.database))]) }
        let memory = try await connection.identify()
        connection.memory.withLock { $0 = memory }
    }

    private func lost(_ number: Int) {
        state.withLock { state in
            guard state.number == number, case .ready = state.phase else { return }
            state.phase = .idle
        }
    }

    /// Gives the connection up, since what is behind it is no master, or not the right one.
    func drop(_ why: String) {
        let connection = state.withLock { state -> RedisConnection? in
            guard case .ready(let connection) = state.phase else { return nil }
            state.phase = .idle
            return connection
        }
        connection?.end(.away(why))
    }

    private func pause(_ failures: Int) -> TimeAmount {
        let bounds = options.bounds
        let whole = min(bounds.longestPause.nanoseconds, bounds.shortestPause.nanoseconds << Int64(min(failures - 1, 16)))
        let dice = entropy.bytes(2)
        return .nanoseconds(whole / 2 + whole / 2 * (Int64(dice[0]) << 8 | Int64(dice[1])) / 65_536)
    }
}
