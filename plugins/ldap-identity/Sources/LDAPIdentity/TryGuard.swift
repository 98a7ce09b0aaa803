import PluginKit
import Synchronization

/// Keeps the platform from being what locks somebody's account in the directory, and one slow directory from being everybody's.
///
/// Of this process: it is empty after a restart, and several servers have one each.
final class TryGuard: Sendable {
    /// Of one connection: beyond it nobody of that connection is let through uncounted.
    static let maxAccounts = 2_000
    /// Of all: beyond it the connection that takes most room loses its counts, and no other.
    static let maxOfAll = 50_000
    /// At one directory at a time.
    static let maxAtOnce = 8

    private struct Sheet {
        var begun: Int
        var since: Timestamp
    }
    private struct State {
        /// By connection, then by account.
        var sheets: [String: [String: Sheet]] = [:]
        var count = 0
        var busy: [String: Int] = [:]
        var away: [String: Timestamp] = [:]
    }
    private let state = Mutex(State())
    private let tries: Int
    private let memory: Duration

    init(tries: Int, memory: Duration) {
        self.tries = tries
        self.memory = memory
    }

    /// Counted before the directory is asked, so that guesses side by side count like one after the other. False: the directory is not to be asked.
    func begin(_ account: String, of connection: String, now: Timestamp) -> Bool {
        state.withLock { state in
            var own = state.sheets[connection] ?? [:]
            if let sheet = own[account], now < sheet.since + memory, sheet.since <= now {
                guard sheet.begun < tries else { return false }
                state.sheets[connection]?[account]?.begun += 1
                return true
            }
            if own.count >= Self.maxAccounts {
                own = own.filter { now < $0.value.since + memory }
                guard own.count < Self.maxAccounts else { return false }
            }
            own[account] = Sheet(begun: 1, since: now)
            put(own, of: connection, in: &state)
            if state.count > Self.maxOfAll, let largest = state.sheets.max(by: { $0.value.count < $1.value.count }) {
                put([:], of: largest.key, in: &state)
            }
            return true
        }
    }
    /// The password was right.
    func succeed(_ account: String, of connection: String) {
        state.withLock { state in
            var own = state.sheets[connection] ?? [:]
            own[account] = nil
            put(own, of: connection, in: &state)
        }
    }
    private func put(_ sheets: [String: Sheet], of connection: String, in state: inout State) {
        state.count += sheets.count - (state.sheets[connection]?.count ?? 0)
        state.sheets[connection] = sheets.isEmpty ? nil : sheets
    }

    func enter(_ connection: String) -> Bool {
        state.withLock { state in
            guard state.busy[connection, default: 0] < Self.maxAtOnce else { return false }
            state.busy[connection, default: 0] += 1
            return true
        }
    }
    func leave(_ connection: String) {
        state.withLock { state in
            let left = state.busy[connection, default: 1] - 1
            state.busy[connection] = left == 0 ? nil : left
        }
    }

    // MARK: Servers that are away

    /// Those that failed just now come last.
    func ordered(_ servers: [StreamAddress], now: Timestamp) -> [StreamAddress] {
        let away = state.withLock { $0.away }
        let isAway = { (server: StreamAddress) in away[server.description].map { now < $0 } ?? false }
        return servers.filter { !isAway($0) } + servers.filter(isAway)
    }
    func note(_ server: StreamAddress, isAway: Bool, now: Timestamp) {
        state.withLock { state in
            if state.away.count >= 1_000 { state.away = state.away.filter { now < $0.value } }
            state.away[server.description] = isAway && state.away.count < 1_000 ? now + .seconds(60) : nil
        }
    }
}
