import CSQLite
import Foundation
import Store

/// A database file, copied while servers write to it, and looked over. Connections of its own, without a scope: for an operator's command.
package enum SQLiteCopy {
    private static let pagesAtOnce: Int32 = 1_000

    /// An empty file for its owner alone; it never has another mode, so nobody has it open from before. False where there is one already.
    static func make(_ file: URL) -> Bool {
        let made = open(file.path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        if made >= 0 { close(made) }
        return made >= 0
    }

    /// Writes `file` as it stands in one instant into `target`, which must not exist; writers go on meanwhile. Blocks its thread.
    /// - Parameter progress: pages copied, and of how many.
    package static func copy(_ file: URL, to target: URL, progress: (_ done: Int, _ all: Int) -> Void) throws {
        let source = try Plain(file, SQLITE_OPEN_READONLY)
        // An open transaction holds the instant: without it the copy would begin anew whenever somebody writes.
        try source.execute("BEGIN; SELECT count(*) FROM sqlite_schema")
        guard make(target) else { throw StoreFault.sql(name: "copy", code: Int(SQLITE_CANTOPEN), message: "\(target.path) cannot be made") }
        let copy = try Plain(target, SQLITE_OPEN_READWRITE)
        guard let backup = sqlite3_backup_init(copy.handle, "main", source.handle, "main") else { throw copy.fault("copy") }
        var code = SQLITE_OK
        repeat {
            code = sqlite3_backup_step(backup, pagesAtOnce)
            let all = Int(sqlite3_backup_pagecount(backup))
            progress(all - Int(sqlite3_backup_remaining(backup)), all)
        } while code == SQLITE_OK
        let end = sqlite3_backup_finish(backup)
        guard code == SQLITE_DONE, end == SQLITE_OK else { throw copy.fault("copy") }
        // One file, whole: no log beside it.
        try copy.execute("PRAGMA journal_mode = DELETE")
    }

    /// Throws `StoreFault.corrupt` with the first finding unless every page and index of the file is sound. Blocks its thread.
    package static func check(_ file: URL) throws {
        let plain = try Plain(file, SQLITE_OPEN_READWRITE)
        guard let finding = try plain.first("PRAGMA integrity_check(1)"), finding == "ok" else {
            throw StoreFault.corrupt("the database file is damaged: \((try? plain.first("PRAGMA integrity_check(1)")) ?? "unreadable")")
        }
    }

    private final class Plain {
        let handle: OpaquePointer

        init(_ file: URL, _ access: Int32) throws {
            var raw: OpaquePointer?
            let code = sqlite3_open_v2(file.path, &raw, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
            guard code == SQLITE_OK, let raw else {
                sqlite3_close_v2(raw)
                throw StoreFault.sql(name: "open", code: Int(code), message: "\(file.path) cannot be opened")
            }
            handle = raw
            sqlite3_busy_timeout(raw, 10_000)
        }
        deinit { sqlite3_close_v2(handle) }

        func execute(_ text: String) throws {
            guard sqlite3_exec(handle, text, nil, nil, nil) == SQLITE_OK else { throw fault(String(text.prefix(40))) }
        }
        func first(_ text: String) throws -> String? {
            var statement: OpaquePointer?
            guard sqlite3_prepare_v2(handle, text, -1, &statement, nil) == SQLITE_OK else { throw fault(text) }
            defer { sqlite3_finalize(statement) }
            guard sqlite3_step(statement) == SQLITE_ROW else { throw fault(text) }
            return sqlite3_column_text(statement, 0).map { String(cString: $0) }
        }
        func fault(_ name: String) -> StoreFault {
            .sql(name: name, code: Int(sqlite3_extended_errcode(handle)), message: String(cString: sqlite3_errmsg(handle)))
        }
    }
}
