import Store

/// The views through which tenant code sees its rows, and the triggers through which it changes them.
enum TenantViews {
    static let refusal = "row of another scope"

    /// Statements that make the view of `table` and, where it may be written, its triggers.
    static func statements(_ table: TenantTable) -> [String] {
        let columns = table.columns.joined(separator: ", ")
        let view = """
            CREATE VIEW \(table.view) AS SELECT \(columns) FROM \(table.name) WHERE tenant_id = current_tenant()
            """
        guard table.isWritable else { return [view] }
        let rest = table.columns.filter { !table.primaryKey.contains($0) }
        let same = (["tenant_id = current_tenant()"] + table.primaryKey.dropFirst().map { "\($0) = OLD.\($0)" }).joined(separator: " AND ")
        let insert = """
            CREATE TRIGGER \(table.insertTrigger) INSTEAD OF INSERT ON \(table.view)
            BEGIN
                SELECT RAISE(ABORT, '\(refusal): tenant_id') WHERE NEW.tenant_id IS NOT current_tenant();
                INSERT INTO \(table.name) (\(columns)) VALUES (\(table.columns.map { "NEW.\($0)" }.joined(separator: ", ")));
            END
            """
        let key = """
            CREATE TRIGGER \(table.keyTrigger) INSTEAD OF UPDATE OF \(table.primaryKey.joined(separator: ", ")) ON \(table.view)
            WHEN \(table.primaryKey.map { "NEW.\($0) IS NOT OLD.\($0)" }.joined(separator: " OR "))
            BEGIN SELECT RAISE(ABORT, '\(refusal): a key never changes'); END
            """
        let update = """
            CREATE TRIGGER \(table.updateTrigger) INSTEAD OF UPDATE ON \(table.view)
            BEGIN
                UPDATE \(table.name) SET \(rest.map { "\($0) = NEW.\($0)" }.joined(separator: ", ")) WHERE \(same);
            END
            """
        let delete = """
            CREATE TRIGGER \(table.deleteTrigger) INSTEAD OF DELETE ON \(table.view)
            BEGIN DELETE FROM \(table.name) WHERE \(same); END
            """
        return [view, insert, key] + (rest.isEmpty ? [] : [update]) + [delete]
    }
}
