import Store
import Synchronization

/// The tables of the schema, as statements are judged by and views are made from.
struct PostgresCatalogue: Sendable {
    struct Table: Sendable {
        let name: String
        let columns: [String]
        let primaryKey: [String]
        var isTenants: Bool { name.hasSuffix("_all") }
        var view: String { String(name.dropLast(4)) }
    }
    let tables: [Table]
    /// Words that no tenant's statement may contain as a name.
    let unspeakable: Set<String>

    init(tables: [Table]) {
        self.tables = tables
        unspeakable = Set(tables.map(\.name)).union([PostgresGuard.schema, PostgresGuard.vault])
    }
    static let empty = PostgresCatalogue(tables: [])

    static func read(_ rows: (SQL, [any SQLBindable]) throws -> [Row]) throws -> PostgresCatalogue {
        var tables: [(name: String, columns: [String], key: [(Int64, String)])] = []
        for row in try rows(PostgresShape.columns, []) {
            let (name, column) = (try row.text(0), try row.text(1))
            if tables.last?.name != name { tables.append((name, [], [])) }
            tables[tables.count - 1].columns.append(column)
            let place = try row.integer(2)
            if place > 0 { tables[tables.count - 1].key.append((place, column)) }
        }
        return PostgresCatalogue(
            tables: tables.map { table in
                Table(name: table.name, columns: table.columns, primaryKey: table.key.sorted { $0.0 < $1.0 }.map(\.1))
            })
    }
}

/// The catalogue in force; replaced when migrations ran.
final class PostgresSchemaInForce: Sendable {
    private let current = Mutex(PostgresCatalogue.empty)
    private let number = Mutex(0)
    var catalogue: PostgresCatalogue { current.withLock { $0 } }
    func adopt(_ catalogue: PostgresCatalogue) {
        current.withLock { $0 = catalogue }
        number.withLock { $0 += 1 }
    }
    var version: Int { number.withLock { $0 } }
}

enum PostgresShape {
    static let columns = SQL(
        "shape.columns",
        """
        SELECT c.relname, a.attname, coalesce(array_position(i.indkey::int2[], a.attnum), -1) + 1
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
        WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'coditect') AND c.relkind IN ('r', 'p')
        ORDER BY c.relname, a.attnum
        """)
    static let views = SQL(
        "shape.views",
        """
        SELECT c.relname FROM pg_catalog.pg_class c
        WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'coditect') AND c.relkind = 'v' ORDER BY c.relname
        """)
    static let applied = SQL("migration.applied", "SELECT room, name, sha256 FROM coditect.store_migration ORDER BY room, name")
    static let record = SQL(
        "migration.record", "INSERT INTO coditect.store_migration (room, name, sha256, applied_at) VALUES ($1, $2, $3, $4)")
    static let book = SQL("migration.book", "SELECT to_regclass('coditect.store_migration') IS NOT NULL")
}
