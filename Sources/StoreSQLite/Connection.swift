import CSQLite
import Foundation
import Store
import Vocabulary

/// Whose statement, and for which tenant.
enum Scope {
    case tenant([UInt8])
    case kernel
    case trusted
    case migration

    var mode: Mode {
        switch self {
        case .tenant: .tenant
        case .kernel: .kernel
        case .trusted: .trusted
        case .migration: .migration
        }
    }
    var tenant: [UInt8]? { if case .tenant(let raw) = self { raw } else { nil } }
}

/// One connection over SQLite's C interface. Belongs to one thread.
final class Connection {
    let handle: OpaquePointer
    let sentry: Guard
    let limits: SQLiteLimits
    /// The journal's segment of this process.
    let segment: UUID
    /// The last entry of each tenant's journal in this process.
    var heads = JournalHeads()
    /// A job was made due since the last commit.
    var hasNewJobs = false
    private var caches: [[SQL: Statement]] = Array(repeating: [:], count: Mode.allCases.count)

    init(file: URL, isWriter: Bool, limits: SQLiteLimits, segment: UUID = JournalRecord.platform) throws {
        self.segment = segment
        _ = Connection.processIsReady
        var raw: OpaquePointer?
        let access = isWriter ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY
        let code = sqlite3_open_v2(file.path, &raw, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW, nil)
        guard code == SQLITE_OK, let raw else {
            let message = raw.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(raw)
            throw StoreFault.sql(name: "open", code: Int(code), message: "\(message): \(file.path)")
        }
        handle = raw
        self.limits = limits
        sentry = Guard(isWriter: isWriter)
        do { try prepareForWork(isWriter: isWriter) } catch {
            sqlite3_close_v2(raw)
            throw error
        }
    }

    private static let processIsReady: Void = coditect_sqlite_begin()

    private func prepareForWork(isWriter: Bool) throws {
        for (option, on) in [
            (SQLITE_DBCONFIG_DEFENSIVE, 1), (SQLITE_DBCONFIG_DQS_DML, 0), (SQLITE_DBCONFIG_DQS_DDL, 0), (SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
            (SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0), (SQLITE_DBCONFIG_ENABLE_FKEY, 1), (SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0),
        ] { _ = coditect_sqlite_flag(handle, Int32(option), Int32(on)) }
        for (limit, value) in [
            (SQLITE_LIMIT_ATTACHED, 0), (SQLITE_LIMIT_LENGTH, limits.valueBytes), (SQLITE_LIMIT_SQL_LENGTH, 100_000),
            (SQLITE_LIMIT_COLUMN, 200), (SQLITE_LIMIT_EXPR_DEPTH, 100), (SQLITE_LIMIT_COMPOUND_SELECT, 20), (SQLITE_LIMIT_VDBE_OP, 25_000),
            (SQLITE_LIMIT_FUNCTION_ARG, 64), (SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200), (SQLITE_LIMIT_VARIABLE_NUMBER, 2_000),
            (SQLITE_LIMIT_TRIGGER_DEPTH, 10), (SQLITE_LIMIT_WORKER_THREADS, 0),
        ] { sqlite3_limit(handle, limit, Int32(value)) }
        sqlite3_busy_timeout(handle, Int32(limits.busy.wholeSeconds * 1_000))
        let context = Unmanaged.passUnretained(sentry).toOpaque()
        sqlite3_set_authorizer(handle, authorize, context)
        sqlite3_progress_handler(handle, 1_000, spendFuel, context)
        sqlite3_create_function_v2(
            handle, "current_tenant", 0, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, context, currentTenant, nil, nil, nil)
        // Off: an index that the engine builds by itself reads whole tables. On: REPLACE fires the triggers that refuse a deletion.
        try execute("PRAGMA automatic_index = OFF; PRAGMA recursive_triggers = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000")
        if isWriter {
            // A checkpoint each 16 MB: pages that change often are written back once for many commits.
            try execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4000")
            // What is deleted is overwritten: Debian builds it so, and nothing here hangs on that.
            try execute("PRAGMA secure_delete = ON")
            try execute("PRAGMA journal_size_limit = 67108864")
        } else {
            try execute("PRAGMA query_only = ON")
        }
    }

    func close() {
        forgetStatements()
        sqlite3_close_v2(handle)
    }

    /// False after the engine has undone the transaction by itself.
    var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    /// A new schema: statements of the old one must be judged anew.
    func adopt(_ catalogue: Catalogue) {
        guard catalogue !== sentry.catalogue else { return }
        sentry.catalogue = catalogue
        forgetStatements()
        // Makes the engine read the schema, so that statements are judged by the new one at once.
        try? execute("SELECT 1 FROM sqlite_schema LIMIT 1")
    }
    func forgetStatements() { for index in caches.indices { caches[index].removeAll() } }

    /// The driver's own statements, one or more, without parameters or answers.
    func execute(_ text: String, as mode: Mode = .trusted) throws {
        sentry.mode = mode
        sentry.tenant = nil
        let code = sqlite3_exec(handle, text, nil, nil, nil)
        guard code == SQLITE_OK else { throw fault(code, name: String(text.prefix(60))) }
    }

    /// Runs one statement to its end.
    func rows(_ sql: SQL, _ arguments: [any SQLBindable], as scope: Scope) throws -> [Row] {
        sentry.mode = scope.mode
        sentry.tenant = scope.tenant
        let statement = try statement(sql)
        defer { sqlite3_reset(statement.handle) }
        try statement.bind(arguments, name: sql.name)
        var rows: [Row] = []
        var bytes = 0
        while true {
            let code = sqlite3_step(statement.handle)
            if code == SQLITE_ROW {
                guard rows.count < limits.rows else { throw StoreFault.budgetExceeded(name: sql.name) }
                let row = try statement.row(name: sql.name)
                bytes += row.byteCount
                guard bytes <= limits.answerBytes else { throw StoreFault.budgetExceeded(name: sql.name) }
                rows.append(row)
                continue
            }
            guard code == SQLITE_DONE else { throw fault(code, name: sql.name) }
            return rows
        }
    }

    private func statement(_ sql: SQL) throws -> Statement {
        let mode = sentry.mode
        if let known = caches[mode.rawValue][sql] { return known }
        if mode == .tenant || mode == .kernel {
            try StatementText(sql.text).check(name: sql.name, isTenants: mode == .tenant, unspeakable: sentry.catalogue.unspeakable)
        }
        if mode == .tenant, let line = PlanCheck.trespass(try plan(sql), sentry.catalogue) {
            throw StoreFault.outOfScope(name: sql.name, message: "the plan leaves the tenant's rows: \(line)")
        }
        sentry.forgetStatement()
        var raw: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, sql.text, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &raw, nil)
        guard code == SQLITE_OK, let raw else { throw fault(code, name: sql.name) }
        let made = try Statement(raw, name: sql.name)
        if caches[mode.rawValue].count >= limits.statements { caches[mode.rawValue].removeAll() }
        caches[mode.rawValue][sql] = made
        return made
    }

    /// On a read connection an INSERT, UPDATE or DELETE is planned as well, and never runs.
    func plan(_ sql: SQL, as scope: Scope) throws -> [String] {
        sentry.mode = scope.mode
        sentry.tenant = scope.tenant
        sentry.isPlanning = true
        defer { sentry.isPlanning = false }
        return try plan(sql)
    }

    private func plan(_ sql: SQL) throws -> [String] {
        sentry.forgetStatement()
        var raw: OpaquePointer?
        let code = sqlite3_prepare_v2(handle, "EXPLAIN QUERY PLAN " + sql.text, -1, &raw, nil)
        defer { sqlite3_finalize(raw) }
        guard code == SQLITE_OK, let raw else { throw fault(code, name: sql.name) }
        var lines: [String] = []
        while sqlite3_step(raw) == SQLITE_ROW { lines.append(sqlite3_column_text(raw, 3).map { String(cString: $0) } ?? "") }
        return lines
    }

    private func fault(_ code: Int32, name: String) -> StoreFault {
        let message = String(cString: sqlite3_errmsg(handle))
        let detail = message.range(of: "constraint failed: ").map { String(message[$0.upperBound...]) } ?? message
        switch code & 0xff {
        case SQLITE_AUTH: return .outOfScope(name: name, message: sentry.denial.isEmpty ? message : sentry.denial)
        case SQLITE_INTERRUPT: return .budgetExceeded(name: name)
        // Nothing of the transaction was done; it may be when somebody has made room.
        case SQLITE_FULL: return .unreachable("its disk is full")
        case SQLITE_CONSTRAINT:
            if [ExtendedCode.primaryKey, ExtendedCode.unique].contains(code) { return .conflict(name: name, constraint: detail) }
            if message.hasPrefix(TenantViews.refusal) { return .outOfScope(name: name, message: message) }
            return .refused(name: name, constraint: detail)
        default: return .sql(name: name, code: Int(code), message: message)
        }
    }
}

extension Connection: LedgerConnection {
    func trusted(_ sql: SQL, _ arguments: [any SQLBindable]) throws -> [Row] { try rows(sql, arguments, as: .trusted) }
}

/// Extended result codes that the header spells as expressions.
enum ExtendedCode {
    static let primaryKey: Int32 = SQLITE_CONSTRAINT | 6 << 8
    static let unique: Int32 = SQLITE_CONSTRAINT | 8 << 8
}

// MARK: - What the engine calls

private func authorize(
    _ context: UnsafeMutableRawPointer?, _ action: Int32, _ first: UnsafePointer<CChar>?, _ second: UnsafePointer<CChar>?,
    _ schema: UnsafePointer<CChar>?, _ door: UnsafePointer<CChar>?
) -> Int32 {
    guard let context else { return SQLITE_DENY }
    let sentry = Unmanaged<Guard>.fromOpaque(context).takeUnretainedValue()
    if sentry.mode == .trusted { return SQLITE_OK }
    return sentry.judge(
        action, first.map { String(cString: $0) } ?? "", second.map { String(cString: $0) } ?? "", door: door.map { String(cString: $0) })
}

private func currentTenant(_ context: OpaquePointer?, _ count: Int32, _ values: UnsafeMutablePointer<OpaquePointer?>?) {
    let sentry = Unmanaged<Guard>.fromOpaque(sqlite3_user_data(context)).takeUnretainedValue()
    guard let tenant = sentry.tenant else {
        sqlite3_result_error(context, "no tenant in this scope", -1)
        return
    }
    tenant.withUnsafeBytes { coditect_sqlite_result_blob(context, $0.baseAddress, Int32($0.count)) }
}

private func spendFuel(_ context: UnsafeMutableRawPointer?) -> Int32 {
    guard let context else { return 1 }
    let sentry = Unmanaged<Guard>.fromOpaque(context).takeUnretainedValue()
    sentry.fuel -= 1
    return sentry.fuel < 0 ? 1 : 0
}
