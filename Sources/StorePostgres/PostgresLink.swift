import CPostgres
import Foundation
import Store
import Synchronization
import Vocabulary

/// One statement on its way to the server.
struct PostgresCommand {
    let name: String
    let text: String
    var values: [SQLValue] = []
    /// The role in which it comes again and again, so that its plan may be kept; nil: none is. For what comes behind the lane alone: to read a
    /// statement or give one up takes the transaction's snapshot.
    var role: String?
    init(_ name: String, _ text: String, _ values: [SQLValue] = [], keptFor role: String? = nil) {
        self.name = name
        self.text = text
        self.values = values
        self.role = role
    }
}

/// What went wrong, as the server or the line says it.
struct PostgresError: Error {
    /// SQLSTATE; empty where the connection itself failed.
    let state: String
    let name: String
    let message: String
    let constraint: String
    /// Nobody answered in time: the server stands still, or the line to it is silent.
    var isSilent = false
    /// The server does not know, or cannot use, a plan that it was to keep: on another connection it makes a new one.
    var isStale = false
    var isLost: Bool { state.isEmpty || state.hasPrefix("08") || state.hasPrefix("57P") || wasIdle || isStandby || isStale }
    /// The server is not the primary any more: after a fail-over a pooler may still have lines to it.
    var isStandby: Bool { state == "0A000" && name == PostgresSession.begin }
    /// Committed at the server alone: no standby has confirmed it, so that it is gone if another becomes the primary.
    var isUnconfirmed: Bool { state == PostgresLink.warning && name == PostgresLink.commit.name }
    /// The server ended the transaction because the next statement did not come: nothing of it is committed.
    var wasIdle: Bool { state == "25P03" }
    /// Others were in the way: the same transaction may well go through when it runs again.
    var isConflict: Bool { ["40001", "40P01", "55P03"].contains(state) }

    /// How often the transaction that met this is tried in all.
    func tries(_ limits: PostgresLimits) -> Int {
        if state == "55P03" { return limits.lockAttempts }
        // Whoever asks has waited long enough.
        if isSilent { return 1 }
        // A row that nobody had when this transaction looked: another made it meanwhile. Where it is there when one looks again, it is the answer.
        if state == "23505" { return 2 }
        return isConflict ? limits.attempts : isLost ? 3 : 1
    }

    var fault: StoreFault {
        if isLost { return .unreachable(message) }
        if isUnconfirmed { return .outcomeUnknown }
        switch state {
        case "23505": return .conflict(name: name, constraint: constraint)
        case "42501": return .outOfScope(name: name, message: message)
        case "53100": return .unreachable("its disk is full")
        case "57014": return .budgetExceeded(name: name)
        case "40001", "40P01", "55P03": return .overloaded(queue: "database")
        case let state where state.hasPrefix("23"): return .refused(name: name, constraint: constraint.isEmpty ? message : constraint)
        // Messages about data quote the data.
        case let state where state.hasPrefix("22"): return .sql(name: name, code: Int(state, radix: 36) ?? 0, message: "SQLSTATE \(state)")
        default: return .sql(name: name, code: Int(state, radix: 36) ?? 0, message: message)
        }
    }
}

/// Asks the server to stop what the connection does now. May be used from any thread.
final class PostgresCanceller: @unchecked Sendable {  // libpq: a PGcancel may be used from another thread; freed once, at the end
    private let handle: OpaquePointer?
    init(_ connection: OpaquePointer) { handle = PQgetCancel(connection) }
    deinit { PQfreeCancel(handle) }
    func cancel() {
        var reason = [CChar](repeating: 0, count: 256)
        _ = PQcancel(handle, &reason, Int32(reason.count))
    }
}

/// One connection over libpq, always in pipeline mode: a batch of commands is one round trip. Belongs to one thread.
final class PostgresLink {
    /// What the server said beside its answers.
    private final class Notices {
        /// It ends the connection while nothing was under way. The end itself may come later: a server that is busy lets go of what the
        /// transaction held, and closes when it comes to it.
        var isFarewell = false
        /// It warned, and why.
        var warning: String?
    }

    static let commit = PostgresCommand("store.commit", "COMMIT")
    /// The SQLSTATE of a warning that is no other.
    static let warning = "01000"
    private let handle: OpaquePointer
    private let notices = Notices()
    let canceller: PostgresCanceller
    private let limits: PostgresLimits
    /// The server's process behind this connection; nil behind a pooler, where each transaction may get another.
    private(set) var backend: Int64?
    private var plans = PostgresPlans()
    /// What was sent and what is awaited may differ.
    private var isTorn = false
    /// The server's clock minus this process's monotonic one, in microseconds.
    private(set) var clockLead: Int64 = 0

    init(url: String, limits: PostgresLimits, within limit: Duration = .seconds(10)) throws {
        let given: [(String, String)] = [
            ("dbname", url), ("connect_timeout", "5"), ("client_encoding", "UTF8"), ("fallback_application_name", "coditectd"),
            ("keepalives_idle", "15"), ("keepalives_interval", "5"), ("keepalives_count", "3"), ("tcp_user_timeout", "20000"),
        ]
        // What the URL itself says comes first: libpq takes the last of equals, and expands dbname where it stands.
        let ordered = Array(given.dropFirst()) + [given[0]]
        var keys: [UnsafePointer<CChar>?] = ordered.map { UnsafePointer(strdup($0.0)) } + [nil]
        var values: [UnsafePointer<CChar>?] = ordered.map { UnsafePointer(strdup($0.1)) } + [nil]
        defer { for pointer in keys + values { free(UnsafeMutableRawPointer(mutating: pointer)) } }
        guard let raw = PQconnectdbParams(&keys, &values, 1) else {
            throw PostgresError(state: "", name: "connect", message: "out of memory", constraint: "")
        }
        guard PQstatus(raw) == CONNECTION_OK, PQenterPipelineMode(raw) == 1 else {
            let message = String(cString: PQerrorMessage(raw)).trimmingCharacters(in: .whitespacesAndNewlines)
            PQfinish(raw)
            throw PostgresError(state: "", name: "connect", message: message, constraint: "")
        }
        handle = raw
        self.limits = limits
        canceller = PostgresCanceller(raw)
        PQsetNoticeReceiver(
            raw,
            { notices, notice in
                guard let notices, let notice else { return }
                let kept = Unmanaged<Notices>.fromOpaque(notices).takeUnretainedValue()
                switch PostgresLink.field("V", of: notice) {
                case "FATAL", "PANIC": kept.isFarewell = true
                case "WARNING" where PostgresLink.field("C", of: notice) == PostgresLink.warning:
                    kept.warning = PostgresLink.field("M", of: notice)
                default: break
                }
            }, Unmanaged.passUnretained(notices).toOpaque())
        // From here on the object is whole: what throws ends it, and with it the connection.
        let pid = try lookAtBackend(within: limit)
        backend = pid == Int64(PQbackendPID(raw)) ? pid : nil
    }
    deinit { PQfinish(handle) }

    var isAlive: Bool { PQstatus(handle) == CONNECTION_OK && !notices.isFarewell && !isTorn }
    /// No transaction is open, and nothing is under way.
    var isIdle: Bool { PQtransactionStatus(handle) == PQTRANS_IDLE }

    /// Throws where the other side has ended the connection while nothing was under way: what is sent now cannot have an effect.
    func checkBetweenStatements() throws {
        var descriptor = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
        // Its last words come first, then the end. Whoever says more than that is heard by the next statement.
        for _ in 0..<4 where poll(&descriptor, 1, 0) > 0 {
            let isRead = PQconsumeInput(handle) == 1
            // What was read is understood when somebody asks.
            _ = PQisBusy(handle)
            guard isRead, isAlive else { throw lost("store.between") }
        }
    }

    static let look = PostgresCommand(
        "store.backend", "SELECT pg_backend_pid(), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")

    /// The process that answers now; sets the clock by it.
    @discardableResult func lookAtBackend(after first: [PostgresCommand] = [], within limit: Duration = .seconds(10)) throws -> Int64 {
        let row = try run(first + [PostgresLink.look], within: limit).first
        guard let row else { throw PostgresError(state: "", name: "store.backend", message: "no answer", constraint: "") }
        clockLead = try row.integer(1) - PostgresLink.monotonic
        return try row.integer(0)
    }
    static var monotonic: Int64 {
        var now = timespec()
        clock_gettime(CLOCK_BOOTTIME, &now)
        return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1_000
    }

    /// Sends all, answers the rows of the last. At the first that fails the server skips the others.
    func run(_ commands: [PostgresCommand], within limit: Duration) throws -> [Row] {
        for command in commands { try Self.check(command) }
        let sent = try commands.map(send)
        guard PQpipelineSync(handle) == 1 else { throw lost("store.sync") }
        let deadline = PostgresLink.monotonic + limit.microseconds + limits.grace.microseconds
        var failure: (any Error)?
        var rows: [Row] = []
        func each(_ step: () throws -> Void) throws {
            do { try step() } catch {
                guard isAlive else { throw error }
                failure = failure ?? error
            }
        }
        for (index, command) in commands.enumerated() {
            let sent = sent[index]
            // That it was read, and that another was given up, is answered by itself.
            func isDone(_ isOfPlan: Bool) throws -> Bool {
                var isDone = false
                try each {
                    _ = try collect(command, isOfPlan: isOfPlan, isLast: false, deadline)
                    isDone = true
                }
                return isDone
            }
            if let new = sent.new { plans.settle(new, isKept: try isDone(false)) }
            if let given = sent.given { plans.settle(giving: given, isGone: try isDone(true)) }
            try each { rows = try collect(command, isOfPlan: sent.isKept, isLast: index == commands.count - 1, deadline) }
        }
        try awaitSync(deadline)
        if let failure { throw failure }
        return rows
    }

    /// Throws `isUnconfirmed` where somebody cancelled the wait for a standby: the server then answers that it has committed, and says in a
    /// warning alone that no other has it. (`statement_timeout` does not reach that wait.)
    func commit(within limit: Duration) throws {
        notices.warning = nil
        _ = try run([PostgresLink.commit], within: limit)
        if let warning = notices.warning {
            throw PostgresError(state: PostgresLink.warning, name: PostgresLink.commit.name, message: warning, constraint: "")
        }
    }

    /// How a command went out.
    private struct Sent {
        /// The server reads it first, to keep it.
        var new: PostgresPlans.Subject?
        /// The server gives this one up for it; where it cannot be read, the server skips that.
        var given: PostgresPlans.Plan?
        /// By a plan that was there.
        var isKept = false
    }

    /// Before any of them is sent.
    private static func check(_ command: PostgresCommand) throws {
        for case .text(let text) in command.values where text.utf8.contains(0) {
            throw StoreFault.refused(name: command.name, constraint: "text holds a NUL")
        }
        // Of the protocol.
        guard command.values.count <= 65_535 else { throw StoreFault.refused(name: command.name, constraint: "more than 65,535 values") }
    }
    private func send(_ command: PostgresCommand) throws -> Sent {
        let types = command.values.map(PostgresValue.type)
        let bytes = command.values.map(PostgresValue.bytes)
        let lengths = bytes.map { Int32($0?.count ?? 0) }
        let formats = command.values.map { value -> Int32 in if case .text = value { 0 } else { 1 } }
        // One buffer for all: text needs a NUL behind it.
        var flat: [UInt8] = []
        let places = bytes.map { value -> Int? in
            guard let value else { return nil }
            defer {
                flat += value
                flat.append(0)
            }
            return flat.count
        }
        flat.append(0)
        let subject = backend == nil ? nil : command.role.map { PostgresPlans.Subject(role: $0, text: command.text, types: types) }
        let way = subject.map { plans.way(to: $0) } ?? .once
        let count = Int32(types.count)
        let isSent = flat.withUnsafeBufferPointer { buffer in
            let pointers: [UnsafePointer<CChar>?] = places.map { place in
                place.flatMap { buffer.baseAddress.map { UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self) }?.advanced(by: $0) }
            }
            switch way {
            case .once: return PQsendQueryParams(handle, command.text, count, types, pointers, lengths, formats, 1) == 1
            case .kept(let name): return PQsendQueryPrepared(handle, name, count, pointers, lengths, formats, 1) == 1
            case .first(let name, let other):
                return PQsendPrepare(handle, name, command.text, count, types) == 1
                    && other.map { PQsendQueryParams(handle, "DEALLOCATE \($0.name)", 0, nil, nil, nil, nil, 1) == 1 } ?? true
                    && PQsendQueryPrepared(handle, name, count, pointers, lengths, formats, 1) == 1
            }
        }
        guard isSent else {
            // Part of it may be on its way, and nobody would know whose answer comes next.
            isTorn = true
            throw lost(command.name)
        }
        switch way {
        case .once: return Sent()
        case .first(_, let other): return Sent(new: subject, given: other)
        case .kept: return Sent(isKept: true)
        }
    }

    private func collect(_ command: PostgresCommand, isOfPlan: Bool = false, isLast: Bool, _ deadline: Int64) throws -> [Row] {
        if isLast { PQsetSingleRowMode(handle) }
        var rows: [Row] = []
        var size = 0
        var failure: (any Error)?
        while let result = try next(command.name, deadline) {
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_TUPLES_OK, PGRES_SINGLE_TUPLE:
                guard isLast, failure == nil else { continue }
                for row in 0..<PQntuples(result) {
                    do {
                        let row = try read(result, row, command.name)
                        size += row.byteCount
                        guard rows.count < limits.rows, size <= limits.answerBytes else {
                            throw StoreFault.budgetExceeded(name: command.name)
                        }
                        rows.append(row)
                    } catch {
                        failure = error
                        // The rest is not wanted.
                        canceller.cancel()
                    }
                }
            case PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: break
            case PGRES_PIPELINE_ABORTED:
                failure = failure ?? PostgresError(state: "25P02", name: command.name, message: "skipped", constraint: "")
            default:
                var error = error(result, command.name)
                error.isStale = isOfPlan && (error.state == "26000" || error.state == "0A000")
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        return rows
    }

    private func awaitSync(_ deadline: Int64) throws {
        while true {
            guard let result = try next("store.sync", deadline) else {
                guard PostgresLink.monotonic < deadline else { throw silent("store.sync") }
                continue
            }
            defer { PQclear(result) }
            if PQresultStatus(result) == PGRES_PIPELINE_SYNC { return }
            guard isAlive else { throw lost("store.sync") }
        }
    }

    private func next(_ name: String, _ deadline: Int64) throws -> OpaquePointer? {
        while PQisBusy(handle) == 1 {
            let left = deadline - PostgresLink.monotonic
            guard left > 0 else { throw silent(name) }
            var descriptor = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
            _ = poll(&descriptor, 1, Int32(min(left / 1_000 + 1, 60_000)))
            if descriptor.revents != 0, PQconsumeInput(handle) != 1 { throw lost(name) }
        }
        guard isAlive else { throw lost(name) }
        return PQgetResult(handle)
    }

    private func read(_ result: OpaquePointer, _ row: Int32, _ name: String) throws -> Row {
        var values: [SQLValue] = []
        let columns = PQnfields(result)
        values.reserveCapacity(Int(columns))
        for column in 0..<columns {
            if PQgetisnull(result, row, column) == 1 {
                values.append(.null)
                continue
            }
            let start = UnsafeRawPointer(PQgetvalue(result, row, column)).map { $0.assumingMemoryBound(to: UInt8.self) }
            let bytes = UnsafeBufferPointer(start: start, count: Int(PQgetlength(result, row, column)))
            guard let value = PostgresValue.read(bytes, PQftype(result, column)) else {
                throw StoreFault.sql(name: name, code: 0, message: "column \(column) is neither an integer nor text nor bytes")
            }
            values.append(value)
        }
        return Row(values)
    }

    private func error(_ result: OpaquePointer, _ name: String) -> PostgresError {
        func field(_ code: UnicodeScalar) -> String { PostgresLink.field(code, of: result) }
        return PostgresError(state: field("C"), name: name, message: field("M"), constraint: field("n"))
    }
    private static func field(_ code: UnicodeScalar, of result: OpaquePointer) -> String {
        PQresultErrorField(result, Int32(code.value)).map { String(cString: $0) } ?? ""
    }
    private func silent(_ name: String) -> PostgresError {
        PostgresError(state: "", name: name, message: "the server does not answer", constraint: "", isSilent: true)
    }
    private func lost(_ name: String) -> PostgresError {
        let message = String(cString: PQerrorMessage(handle)).trimmingCharacters(in: .whitespacesAndNewlines)
        return PostgresError(state: "", name: name, message: message.isEmpty ? "the connection is lost" : message, constraint: "")
    }
}

extension Row {
    /// What the answer takes in memory, roughly.
    var byteCount: Int {
        values.reduce(16) { sum, value in
            switch value {
            case .text(let text): sum + 16 + text.utf8.count
            case .blob(let bytes): sum + 32 + bytes.count
            case .null, .integer: sum + 16
            }
        }
    }
}
