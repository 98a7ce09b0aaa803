import Foundation
import Store

/// Refuses a schema that breaks the rules by which tenants are kept apart and values mean the same everywhere.
package enum SchemaLint {
    package enum Rule: String, Sendable, CaseIterable {
        case strict, withoutRowID, tenantFirst, tenantSuffix, uniqueByTenant, indexByTenant, foreignKeyByTenant, foreignKeyCrosses
        case foreignKeyAction, deferred, conflictClause, noDefault, noAutoincrement, noGenerated, plainTypes, idIsBlob, timeIsInteger
        case moneyHasCurrency, valueIsChecked, snakeCase, reservedName, nameIsFree, noOwnTriggers
    }
    package struct Finding: Sendable, Hashable, CustomStringConvertible {
        package let rule: Rule
        package let sentence: String
        package var description: String { sentence }
    }

    package static func findings(_ schema: SchemaShape) -> [Finding] {
        var findings: [Finding] = []
        for table in schema.tables {
            findings += every(table)
            findings += table.isTenants ? tenants(table, schema) : kernels(table, schema)
        }
        let names = Set(schema.tables.map(\.name))
        for table in schema.tables where table.isTenants {
            let view = String(table.name.dropLast(TenantTable.suffix.count))
            if names.contains(view) {
                findings.append(Finding(rule: .nameIsFree, sentence: "\(table.name) needs the name \(view) for its view; a table has it."))
            }
            for column in table.columns where names.contains(column.name) {
                let sentence = "\(table.name).\(column.name) is called like a table, which no tenant statement may name."
                findings.append(Finding(rule: .nameIsFree, sentence: sentence))
            }
        }
        for other in schema.others where !OwnSchema.triggers.contains(other.name) {
            let sentence = "\(other.type) \(other.name): views and triggers are the driver's to make; put the rule into a constraint."
            findings.append(Finding(rule: .noOwnTriggers, sentence: sentence))
        }
        return findings
    }

    // MARK: - Every table

    private static func every(_ table: SchemaShape.Table) -> [Finding] {
        var findings: [Finding] = []
        func add(_ rule: Rule, _ sentence: String) { findings.append(Finding(rule: rule, sentence: "\(table.name)\(sentence)")) }
        if !table.isStrict { add(.strict, " is not STRICT: a column would take any type.") }
        if table.words.contains(.word("autoincrement")) {
            add(.noAutoincrement, " counts with AUTOINCREMENT, a sequence that tenants would share: use UUIDv7.")
        }
        if table.words.contains(.word("deferrable")) {
            add(.deferred, " has a deferrable key: it would fail at the commit and take the work of others along.")
        }
        if table.words.indices.dropLast().contains(where: { table.words[$0] == .word("on") && table.words[$0 + 1] == .word("conflict") }) {
            add(.conflictClause, " resolves a conflict by itself (ON CONFLICT): the statement decides that.")
        }
        if !OwnTables.all.contains(table.name), ["store_", "journal_", "sqlite_"].contains(where: { table.name.hasPrefix($0) }) {
            add(.reservedName, ": names with store_ and journal_ belong to the store.")
        }
        for name in [table.name] + table.columns.map(\.name) where !isSnakeCase(name) {
            add(.snakeCase, ": \(name) is not snake_case in ASCII.")
        }
        for key in table.foreignKeys where key.actions.contains(where: { $0.hasPrefix("SET") }) {
            add(.foreignKeyAction, " sets columns when a row of \(key.parent) goes: that would clear tenant_id. Use RESTRICT or CASCADE.")
        }
        for column in table.columns { findings += judge(column, of: table) }
        return findings
    }

    private static func judge(_ column: SchemaShape.Column, of table: SchemaShape.Table) -> [Finding] {
        var findings: [Finding] = []
        let place = "\(table.name).\(column.name)"
        func add(_ rule: Rule, _ sentence: String) { findings.append(Finding(rule: rule, sentence: "\(place) \(sentence)")) }
        if !["INTEGER", "TEXT", "BLOB"].contains(column.type) {
            add(
                .plainTypes,
                "is \(column.type.isEmpty ? "untyped" : column.type): columns are INTEGER, TEXT or BLOB, and money is never a fraction.")
        }
        if column.isGenerated { add(.noGenerated, "is generated: compute it where it is written.") }
        // `id INTEGER CHECK (id = 1)` is the kernel's way to say: one row.
        let isSingle = !table.isTenants && column.type == "INTEGER" && checked(table).contains("id")
        if column.name == "id", column.type != "BLOB", !isSingle {
            add(.idIsBlob, "is \(column.type): ids are the 16 bytes of a UUIDv7, BLOB.")
        }
        if column.name.hasSuffix("_at") || column.name.hasSuffix("_until"), column.type != "INTEGER" {
            add(.timeIsInteger, "is \(column.type): times are microseconds UTC, INTEGER.")
        }
        if column.name.hasSuffix("_minor") {
            let currencies = ["currency", column.name.dropLast("_minor".count) + "_currency"]
            if column.type != "INTEGER" || !table.columns.contains(where: { currencies.contains($0.name) && $0.type == "TEXT" }) {
                add(.moneyHasCurrency, "needs to be INTEGER with a TEXT column currency beside it.")
            }
        }
        let isStatus = column.type == "TEXT" && ["status", "state"].contains(column.name)
        let isCount =
            column.type == "INTEGER" && (column.name.hasSuffix("_count") || ["quantity", "seats", "attempt"].contains(column.name))
        if isStatus || isCount, !checked(table).contains(column.name) {
            add(.valueIsChecked, "has no CHECK: the schema refuses \(isStatus ? "an unknown status" : "an impossible count").")
        }
        return findings
    }

    // MARK: - Tenants' tables

    private static func tenants(_ table: SchemaShape.Table, _ schema: SchemaShape) -> [Finding] {
        var findings: [Finding] = []
        func add(_ rule: Rule, _ sentence: String) { findings.append(Finding(rule: rule, sentence: "\(table.name)\(sentence)")) }
        if !table.isWithoutRowID { add(.withoutRowID, " has a rowid, by which REPLACE reaches past the key: add WITHOUT ROWID.") }
        let tenant = table.columns.first { $0.name == "tenant_id" }
        if table.primaryKey.first != "tenant_id" || tenant?.type != "BLOB" || tenant?.isNotNull != true {
            add(.tenantFirst, ": tenant_id BLOB NOT NULL comes first in the PRIMARY KEY.")
        }
        for index in table.indexes where !index.isPrimaryKey && index.columns.first != "tenant_id" {
            if index.isUnique {
                add(.uniqueByTenant, ": the unique \(index.name) does not begin with tenant_id and would tell what other tenants have.")
            } else {
                add(.indexByTenant, ": \(index.name) does not begin with tenant_id and would lead through other tenants' rows.")
            }
        }
        for key in table.foreignKeys {
            let parent = schema.tables.first { $0.name == key.parent }
            guard parent?.isTenants == true else {
                add(.foreignKeyCrosses, " points to \(key.parent), which is no tenant's table.")
                continue
            }
            let first = key.columns.first
            if first?.0 != "tenant_id" || (first?.1 ?? parent?.primaryKey.first) != "tenant_id" {
                add(.foreignKeyByTenant, ": the key to \(key.parent) does not begin with tenant_id and would tell what other tenants have.")
            }
        }
        for column in table.columns where column.hasDefault {
            add(.noDefault, ".\(column.name) has a DEFAULT: the view's insert names every column, so it would never apply.")
        }
        return findings
    }

    // MARK: - The kernel's tables

    private static func kernels(_ table: SchemaShape.Table, _ schema: SchemaShape) -> [Finding] {
        var findings: [Finding] = []
        func add(_ rule: Rule, _ sentence: String) { findings.append(Finding(rule: rule, sentence: "\(table.name)\(sentence)")) }
        if table.primaryKey.first == "tenant_id", !table.name.hasSuffix("_directory") {
            add(
                .tenantSuffix,
                " is keyed by tenant_id first, so it is a tenant's table: call it \(table.name)_all, or …_directory if it routes.")
        }
        for key in table.foreignKeys where key.parent.hasSuffix(TenantTable.suffix) {
            add(.foreignKeyCrosses, " points to \(key.parent), a tenant's table.")
        }
        return findings
    }

    // MARK: - Words

    private static func isSnakeCase(_ name: String) -> Bool {
        guard let first = name.utf8.first, (97...122).contains(first) else { return false }
        return name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
    }

    /// Every name that stands within a CHECK.
    private static func checked(_ table: SchemaShape.Table) -> Set<String> {
        var names: Set<String> = []
        var depth = 0
        for (index, word) in table.words.enumerated() {
            switch word {
            case .sign(40) where depth > 0: depth += 1
            case .sign(40) where index > 0 && table.words[index - 1] == .word("check"): depth = 1
            case .sign(41) where depth > 0: depth -= 1
            case .word(let name) where depth > 0, .quoted(let name) where depth > 0: names.insert(name)
            default: break
            }
        }
        return names
    }
}

extension SchemaLint {
    /// What the linter says of a schema that `sql` makes, beside the store's own tables, in a scratch file within `folder`.
    package static func findings(of sql: String, in folder: URL) throws -> [Finding] {
        let connection = try Connection(file: folder.appendingPathComponent("lint.db"), isWriter: true, limits: SQLiteLimits())
        defer { connection.close() }
        try connection.execute(OwnSchema.createMigrationTable)
        for migration in OwnSchema.migrations { try connection.execute(migration.sql) }
        try connection.execute(sql, as: .migration)
        return findings(try SchemaShape.read(connection))
    }
}
