import Store
import Vocabulary

/// One tenant table, as its view and triggers are made from it.
struct TenantTable: Hashable {
    let name: String
    let columns: [String]
    let primaryKey: [String]
    /// Tables that a row of this one points to; checked by the engine on writes.
    var parents: [String] = []
    /// Columns beside the key that stand in an index or point to another table: costly to set, and mostly unchanged.
    var indexed: Set<String> = []
    /// What tenant code calls it.
    var view: String { String(name.dropLast(TenantTable.suffix.count)) }
    var insertTrigger: String { "\(view)_row_insert" }
    var keyTrigger: String { "\(view)_row_key" }
    var updateTrigger: String { "\(view)_row_update" }
    var touchTrigger: String { "\(view)_row_touch" }
    var deleteTrigger: String { "\(view)_row_delete" }
    var triggers: [String] { [insertTrigger, keyTrigger, updateTrigger, touchTrigger, deleteTrigger] }
    /// The journal is read through its views and written by the driver alone.
    var isWritable: Bool { !OwnTables.readOnly.contains(name) }
    static let suffix = "_all"
}

/// The tables and views of the schema, by what the guard needs to know of them. Names in lower case.
final class Catalogue: Sendable {
    let tables: [TenantTable]
    /// By view name.
    let views: [String: TenantTable]
    /// Base table → names of the views and triggers through which it may be touched.
    let doors: [String: Set<String>]
    /// Every table of the kernel's own: no tenant statement may as much as name one.
    let kernelTables: Set<String>
    /// What the engine itself reads, deletes or updates when a parent row goes, in its own name.
    let cascaded: Set<String>
    /// Words that no tenant statement may contain as a name.
    let unspeakable: Set<String>

    init(tables: [TenantTable], kernelTables: Set<String>, cascaded: Set<String>) {
        self.tables = tables
        self.kernelTables = kernelTables
        self.cascaded = cascaded
        var views: [String: TenantTable] = [:]
        var doors: [String: Set<String>] = [:]
        for table in tables {
            views[table.view] = table
            doors[table.name, default: []].formUnion([table.view] + table.triggers)
            // The engine reads parents on insert and children on delete, from within the triggers.
            for parent in table.parents {
                doors[parent, default: []].formUnion(table.triggers)
                doors[table.name, default: []].formUnion(tables.first { $0.name == parent }?.triggers ?? [])
            }
        }
        self.views = views
        self.doors = doors
        unspeakable = kernelTables.union(tables.map(\.name)).union(tables.flatMap(\.triggers))
    }
    static let empty = Catalogue(tables: [], kernelTables: [], cascaded: [])

    /// From the schema as it is.
    static func read(_ connection: Connection) throws -> Catalogue {
        var tables: [TenantTable] = []
        var kernel: Set<String> = []
        var cascaded: Set<String> = []
        for row in try connection.rows(SchemaTable.list, [], as: .trusted) {
            let name = try row.text(0).lowercased()
            guard name.hasSuffix(TenantTable.suffix) else {
                kernel.insert(name)
                continue
            }
            let columns = try connection.rows(SchemaTable.columns, [name], as: .trusted).map { (try $0.text(0), try $0.int(1)) }
            let keys = try connection.rows(SchemaTable.foreignKeys, [name], as: .trusted)
            for key in keys where try [key.text(1), key.text(2)].contains("CASCADE") {
                cascaded.formUnion([name, try key.text(0).lowercased()])
            }
            tables.append(
                TenantTable(
                    name: name, columns: columns.map(\.0), primaryKey: columns.filter { $0.1 > 0 }.sorted { $0.1 < $1.1 }.map(\.0),
                    parents: try keys.map { try $0.text(0).lowercased() },
                    indexed: Set(try connection.rows(SchemaTable.indexedColumns, [name], as: .trusted).map { try $0.text(0) })))
        }
        return Catalogue(tables: tables, kernelTables: kernel, cascaded: cascaded)
    }
}

enum SchemaTable {
    static let list = SQL("schema.tables", "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name")
    static let columns = SQL("schema.columns", "SELECT name, pk FROM pragma_table_info($1) ORDER BY cid")
    static let indexedColumns = SQL(
        "schema.indexed_columns",
        """
        SELECT x.name FROM pragma_index_list($1) i, pragma_index_xinfo(i.name) x WHERE i.origin <> 'pk' AND x.key = 1 AND x.name IS NOT NULL
        UNION SELECT "from" FROM pragma_foreign_key_list($1)
        """)
    static let foreignKeys = SQL("schema.foreign_keys", "SELECT \"table\", on_update, on_delete FROM pragma_foreign_key_list($1)")
}
