import CSQLite
import Store
import Vocabulary

/// Whose statement runs: decides what the engine's authorizer lets it touch and which statements are shared.
enum Mode: Int, CaseIterable {
    /// A tenant's: views and their triggers only.
    case tenant
    /// A room's, unscoped: rows of every table, no schema, no settings, no transactions of its own.
    case kernel
    /// The driver's own statements.
    case trusted
    /// A migration: schema and rows.
    case migration
}

/// What a connection's callbacks read: the one authorizer, `current_tenant()` and the budget. Touched by the connection's thread only.
final class Guard {
    var mode = Mode.trusted
    var tenant: [UInt8]?
    var catalogue = Catalogue.empty
    let isWriter: Bool
    /// A statement is looked at and will not run: rules for writers apply.
    var isPlanning = false
    /// The statement in preparation deletes rows with dependants: what follows in nobody's name is the engine's own cascade.
    var isCascading = false
    /// Why the last statement was refused.
    var denial = ""
    /// Steps of the engine left to this transaction, in thousands.
    var fuel = Int.max

    init(isWriter: Bool) { self.isWriter = isWriter }

    /// Before a statement is prepared.
    func forgetStatement() {
        denial = ""
        isCascading = false
    }

    func judge(_ action: Int32, _ first: String, _ second: String, door: String?) -> Int32 {
        let verdict: Bool
        switch mode {
        case .trusted: verdict = true
        case .migration: verdict = judgeMigration(action, first)
        case .kernel: verdict = judgeKernel(action, first, second)
        case .tenant: verdict = judgeTenant(action, first, second, door)
        }
        if verdict { return SQLITE_OK }
        denial = "\(Guard.words[action] ?? "action \(action)") \(first) \(second)"
        return SQLITE_DENY
    }

    private func judgeTenant(_ action: Int32, _ first: String, _ second: String, _ door: String?) -> Bool {
        switch action {
        case SQLITE_SELECT: return true
        case SQLITE_FUNCTION: return Guard.functions.contains(second.lowercased())
        case SQLITE_READ:
            let table = first.lowercased()
            if catalogue.views[table] != nil { return true }
            return isBehindDoor(table, door)
        case SQLITE_INSERT, SQLITE_UPDATE, SQLITE_DELETE:
            let table = first.lowercased()
            guard isWriter || isPlanning else { return false }
            if let view = catalogue.views[table] { return view.isWritable && door == nil }
            guard isBehindDoor(table, door) else { return false }
            if action == SQLITE_DELETE, catalogue.cascaded.contains(table) { isCascading = true }
            return true
        default: return false
        }
    }

    private func isBehindDoor(_ table: String, _ door: String?) -> Bool {
        guard let doors = catalogue.doors[table] else { return false }
        guard let door else { return isCascading && catalogue.cascaded.contains(table) }
        return doors.contains(door.lowercased())
    }

    private func judgeKernel(_ action: Int32, _ first: String, _ second: String) -> Bool {
        switch action {
        case SQLITE_SELECT, SQLITE_RECURSIVE: return true
        case SQLITE_FUNCTION: return Guard.functions.contains(second.lowercased())
        case SQLITE_READ:
            let table = first.lowercased()
            return catalogue.kernelTables.contains(table) || catalogue.doors[table] != nil || catalogue.views[table] != nil
        case SQLITE_INSERT, SQLITE_UPDATE, SQLITE_DELETE:
            let table = first.lowercased()
            guard isWriter || isPlanning, !OwnTables.all.contains(table) else { return false }
            return catalogue.kernelTables.contains(table) || catalogue.doors[table] != nil
        default: return false
        }
    }

    private func judgeMigration(_ action: Int32, _ first: String) -> Bool {
        switch action {
        // The engine itself looks through a table that gets a column with a CHECK.
        case SQLITE_PRAGMA: return first.lowercased() == "quick_check"
        case SQLITE_ATTACH, SQLITE_DETACH, SQLITE_TRANSACTION, SQLITE_SAVEPOINT, SQLITE_CREATE_VTABLE, SQLITE_DROP_VTABLE,
            SQLITE_CREATE_TEMP_TABLE, SQLITE_CREATE_TEMP_VIEW, SQLITE_CREATE_TEMP_INDEX, SQLITE_CREATE_TEMP_TRIGGER:
            return false
        default: return true
        }
    }

    /// What rooms may call in SQL. No clock, no randomness, nothing that reaches a file or another statement's effects.
    static let functions: Set<String> = [
        "abs", "avg", "char", "coalesce", "count", "cume_dist", "current_tenant", "dense_rank", "first_value", "glob", "group_concat",
        "hex",
        "ifnull", "iif", "instr", "json", "json_array", "json_array_length", "json_extract", "json_group_array", "json_group_object",
        "json_insert", "json_object", "json_patch", "json_quote", "json_remove", "json_replace", "json_set", "json_type", "json_valid",
        "->",
        "->>", "lag", "last_value", "lead", "length", "like", "lower", "ltrim", "max", "min", "nth_value", "ntile", "nullif",
        "percent_rank", "quote", "rank", "replace", "round", "row_number", "rtrim", "sign", "substr", "substring", "sum", "total", "trim",
        "typeof", "unicode", "upper",
    ]

    private static let words: [Int32: String] = [
        SQLITE_READ: "read of", SQLITE_INSERT: "insert into", SQLITE_UPDATE: "update of", SQLITE_DELETE: "delete from",
        SQLITE_FUNCTION: "function", SQLITE_PRAGMA: "pragma", SQLITE_ATTACH: "attach", SQLITE_DETACH: "detach",
        SQLITE_TRANSACTION: "transaction", SQLITE_SAVEPOINT: "savepoint", SQLITE_RECURSIVE: "recursion",
    ]
}
