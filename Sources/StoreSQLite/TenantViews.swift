import Store

/// The views through which tenant code sees its rows, and the triggers through which it changes them.
enum TenantViews {
    static let refusal = "row of another scope"

    /// Statements that make the view of `table` and, where it may be written, its triggers.
    static func statements(_ table: TenantTable) -> [String] {
        func quoted(_ name: String) -> String { "\"\(name)\"" }
        func list(_ columns: [String], _ each: (String) -> String) -> String { columns.map { each(quoted($0)) }.joined(separator: ", ") }
        let columns = list(table.columns) { $0 }
        let view = """
            CREATE VIEW \(quoted(table.view)) AS SELECT \(columns) FROM \(quoted(table.name)) WHERE tenant_id = current_tenant()
            """
        guard table.isWritable else { return [view] }
        let rest = table.columns.filter { !table.primaryKey.contains($0) }
        let same = (["tenant_id = current_tenant()"] + table.primaryKey.dropFirst().map { "\(quoted($0)) = OLD.\(quoted($0))" })
            .joined(separator: " AND ")
        let insert = """
            CREATE TRIGGER \(quoted(table.insertTrigger)) INSTEAD OF INSERT ON \(quoted(table.view))
            BEGIN
                SELECT RAISE(ABORT, '\(refusal): tenant_id') WHERE NEW.tenant_id IS NOT current_tenant();
                INSERT INTO \(quoted(table.name)) (\(columns)) VALUES (\(list(table.columns) { "NEW.\($0)" }));
            END
            """
        let moved = table.primaryKey.map { "NEW.\(quoted($0)) IS NOT OLD.\(quoted($0))" }.joined(separator: " OR ")
        let key = """
            CREATE TRIGGER \(quoted(table.keyTrigger)) INSTEAD OF UPDATE OF \(list(table.primaryKey) { $0 }) ON \(quoted(table.view))
            WHEN \(moved)
            BEGIN SELECT RAISE(ABORT, '\(refusal): a key never changes'); END
            """
        // The engine rewrites the entries of every index whose columns are set, even to the same value: leave them out where nothing changed.
        let indexed = rest.filter(table.indexed.contains)
        let plain = rest.filter { !table.indexed.contains($0) }
        let isSplit = !indexed.isEmpty && !plain.isEmpty
        let unchanged = indexed.map { "NEW.\(quoted($0)) IS OLD.\(quoted($0))" }.joined(separator: " AND ")
        func update(_ name: String, when condition: String?, _ columns: [String]) -> String {
            """
            CREATE TRIGGER \(quoted(name)) INSTEAD OF UPDATE ON \(quoted(table.view))\(condition.map { "\nWHEN \($0)" } ?? "")
            BEGIN
                UPDATE \(quoted(table.name)) SET \(list(columns) { "\($0) = NEW.\($0)" }) WHERE \(same);
            END
            """
        }
        let updates =
            rest.isEmpty
            ? []
            : isSplit
                ? [
                    update(table.touchTrigger, when: unchanged, plain),
                    update(table.updateTrigger, when: "NOT (\(unchanged))", rest),
                ] : [update(table.updateTrigger, when: nil, rest)]
        let delete = """
            CREATE TRIGGER \(quoted(table.deleteTrigger)) INSTEAD OF DELETE ON \(quoted(table.view))
            BEGIN DELETE FROM \(quoted(table.name)) WHERE \(same); END
            """
        return [view, insert, key] + updates + [delete]
    }
}
