import Store

/// The schema as the engine itself describes it: what the linter judges.
package struct SchemaShape: Sendable {
    package struct Column: Sendable {
        let name: String
        let type: String
        let isNotNull: Bool
        let hasDefault: Bool
        /// Place in the primary key, from 1; 0 for none.
        let keyPlace: Int
        let isGenerated: Bool
    }
    package struct Index: Sendable {
        let name: String
        let isUnique: Bool
        let isPrimaryKey: Bool
        /// Nil for an expression.
        let columns: [String?]
    }
    package struct ForeignKey: Sendable {
        let parent: String
        /// Column here, column there; the latter is nil where the parent's key is meant.
        var columns: [(String, String?)]
        let actions: [String]
    }
    package struct Table: Sendable {
        let name: String
        let isStrict: Bool
        let isWithoutRowID: Bool
        let columns: [Column]
        let indexes: [Index]
        let foreignKeys: [ForeignKey]
        let words: [StatementText.Token]
        var primaryKey: [String] { columns.filter { $0.keyPlace > 0 }.sorted { $0.keyPlace < $1.keyPlace }.map(\.name) }
        var isTenants: Bool { name.hasSuffix(TenantTable.suffix) }
    }
    let tables: [Table]
    /// Name and type of each view and trigger.
    let others: [(type: String, name: String)]

    static func read(_ connection: Connection) throws -> SchemaShape {
        func rows(_ sql: SQL, _ arguments: any SQLBindable...) throws -> [Row] { try connection.rows(sql, arguments, as: .trusted) }
        let tables = try rows(ShapeTable.tables).map { row in
            let name = try row.text(0)
            let columns = try rows(ShapeTable.columns, name).map { row in
                Column(
                    name: try row.text(0), type: try row.text(1).uppercased(), isNotNull: try row.bool(2), hasDefault: try row.bool(3),
                    keyPlace: try row.int(4), isGenerated: try row.bool(5))
            }
            let indexes = try rows(ShapeTable.indexes, name).map { row in
                let index = try row.text(0)
                return Index(
                    name: index, isUnique: try row.bool(1), isPrimaryKey: try row.text(2) == "pk",
                    columns: try rows(ShapeTable.indexColumns, index).map { try $0.optional(0, $0.text) })
            }
            var keys: [Int: ForeignKey] = [:]
            for row in try rows(ShapeTable.foreignKeys, name) {
                let pair = (try row.text(2), try row.optional(3, row.text))
                let number = try row.int(0)
                var key = try keys[number] ?? ForeignKey(parent: row.text(1), columns: [], actions: [row.text(4), row.text(5)])
                key.columns.append(pair)
                keys[number] = key
            }
            return Table(
                name: name, isStrict: try row.bool(1), isWithoutRowID: try row.bool(2), columns: columns, indexes: indexes,
                foreignKeys: keys.sorted { $0.key < $1.key }.map(\.value), words: StatementText(try row.text(3)).tokens)
        }
        return SchemaShape(tables: tables, others: try rows(ShapeTable.others).map { (type: try $0.text(0), name: try $0.text(1)) })
    }
}

enum ShapeTable {
    static let tables = SQL(
        "shape.tables",
        """
        SELECT l.name, l.strict, l.wr, s.sql FROM pragma_table_list l JOIN sqlite_schema s ON s.type = 'table' AND s.name = l.name
        WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY l.name
        """)
    static let columns = SQL(
        "shape.columns", "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden > 0 FROM pragma_table_xinfo($1) ORDER BY cid")
    static let indexes = SQL("shape.indexes", "SELECT name, \"unique\", origin FROM pragma_index_list($1) ORDER BY name")
    static let indexColumns = SQL("shape.index_columns", "SELECT name FROM pragma_index_xinfo($1) WHERE key = 1 ORDER BY seqno")
    static let foreignKeys = SQL(
        "shape.foreign_keys",
        "SELECT id, \"table\", \"from\", \"to\", on_update, on_delete FROM pragma_foreign_key_list($1) ORDER BY id, seq")
    static let others = SQL("shape.others", "SELECT type, name FROM sqlite_schema WHERE type IN ('view', 'trigger') ORDER BY type, name")
}
