import Store

enum PostgresMode: Hashable { case tenant, kernel }

/// The first wall: what a statement may say at all. Row-level security holds without it; it keeps tenants from what no row policy covers:
/// settings, locks, large objects, the catalogue.
enum PostgresText {
    static func check(_ sql: SQL, _ mode: PostgresMode, _ schema: PostgresCatalogue) throws {
        func refuse(_ message: String) -> StoreFault { .outOfScope(name: sql.name, message: message) }
        let text = StatementText(sql.postgres)
        try text.check(name: sql.name, isTenants: mode == .tenant, unspeakable: schema.unspeakable)
        guard mode == .tenant else {
            let writes = text.tokens.contains { [.word("insert"), .word("update"), .word("delete")].contains($0) }
            for token in text.tokens {
                if case .word(let word) = token, writes, OwnTables.all.contains(word) {
                    throw refuse("\(word) is the store's own to write")
                }
            }
            return
        }
        // Where this engine's reading of a text and ours could part: escapes, dollar quotes, nested comments, brackets.
        for mark in ["\\", "[", "`", "/*", "$$"] where sql.postgres.contains(mark) { throw refuse("no \(mark) in tenant scope") }
        for (index, token) in text.tokens.enumerated() {
            let before = index > 0 ? text.tokens[index - 1] : nil
            let isCall = index + 1 < text.tokens.count && text.tokens[index + 1] == .sign(40)
            let isNamed = [.word("into"), .word("with")].contains(before)
            switch token {
            case .parameter(let name):
                guard name.dropFirst().allSatisfy(\.isNumber), name.count > 1, name.first == "$" else {
                    throw refuse("parameters are $1, $2, …")
                }
            case .word(let word):
                if hidden.contains(word) || ["pg_", "lo_", "information_schema"].contains(where: { word.hasPrefix($0) }) {
                    throw refuse("\(word) is not of this scope")
                }
                if isCall, !isNamed, !functions.contains(word), !keywords.contains(word) { throw refuse("function \(word)") }
                // U&"…" spells names by numbers.
                if word == "u", index + 1 < text.tokens.count, text.tokens[index + 1] == .sign(38) {
                    throw refuse("U& spells names by numbers")
                }
            case .quoted(let word):
                if isCall, !isNamed { throw refuse("function \(word)") }
                if hidden.contains(word) || ["pg_", "information_schema"].contains(where: { word.hasPrefix($0) }) {
                    throw refuse("\(word) is not of this scope")
                }
            case .number, .sign: break
            }
        }
    }

    /// Columns and words that every table has, or that answer about the server.
    private static let hidden: Set<String> = [
        "recursive", "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "current_user", "session_user", "current_role", "current_catalog",
        "current_schema", "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "regclass", "regproc",
        "regprocedure", "regrole", "regnamespace", "regtype", "regoper", "regoperator", "regconfig", "regdictionary", "regcollation", "oid",
    ]
    /// What rooms may call in SQL. No clock, no randomness, no settings, nothing whose effect outlives the transaction.
    private static let functions: Set<String> = [
        "abs", "avg", "coalesce", "count", "cume_dist", "dense_rank", "first_value", "greatest", "lag", "last_value", "lead", "least",
        "length", "lower", "ltrim", "max", "min", "nth_value", "ntile", "nullif", "percent_rank", "rank", "replace", "round", "row_number",
        "rtrim", "sign", "strpos", "substr", "substring", "sum", "trim", "upper",
    ]
    /// Words before a parenthesis that call nothing.
    private static let keywords: Set<String> = [
        "all", "and", "any", "as", "between", "by", "case", "cast", "conflict", "cross", "distinct", "else", "except", "exists", "filter",
        "from",
        "full", "group", "having", "in", "inner", "intersect", "is", "join", "key", "lateral", "left", "like", "limit", "materialized",
        "not",
        "nothing", "offset", "on", "or", "order", "outer", "over", "partition", "returning", "right", "row", "select", "set", "some",
        "then",
        "union", "using", "values", "when", "where", "window", "with",
    ]
}
