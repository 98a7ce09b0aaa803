import Foundation
import Store
import Testing
import Vocabulary

@testable import StoreSQLite

@Suite struct MigrationTests {
    static let second = Migration(room: "notes", name: "0002_add_colour", sql: "ALTER TABLE note_all ADD COLUMN colour TEXT;")

    static func refusal(_ bench: Bench, _ migrations: [Migration], says: String, _ place: SourceLocation = #_sourceLocation) async {
        await #expect(sourceLocation: place) {
            _ = try await bench.store.migrate(migrations)
        } throws: { error in
            guard case StoreFault.migration(let text)? = error as? StoreFault else { return false }
            return text.contains(says)
        }
    }

    @Test("what is missing is applied once, the store's own tables first, and named") func once() async throws {
        let bench = try await Bench(migrations: [])
        #expect(try await bench.store.migrate([NoteTable.migration]) == ["notes/0001_create_note"])
        #expect(try await bench.store.migrate([NoteTable.migration]) == [])
        #expect(try await bench.store.migrate([NoteTable.migration, MigrationTests.second]) == ["notes/0002_add_colour"])
        let rows = try await bench.store.kernelRead(bench.reason) {
            try $0.rows(SQL("m", "SELECT room || '/' || name, sha256 FROM store_migration ORDER BY room, name"))
        }
        #expect(
            try rows.map { try $0.text(0) } == [
                "notes/0001_create_note", "notes/0002_add_colour", "store/0001_create_store", "store/0002_let_the_journal_begin_later",
                "store/0003_trace_jobs", "store/0004_keep_longer", "store/0005_keep_rounds",
            ])
        #expect(try rows[1].blob(1) == StoreDigest.sha256(Array(MigrationTests.second.sql.utf8)))
        await bench.close()
    }

    @Test("a new column shows through the view at once, also to statements that were kept") func views() async throws {
        let bench = try await Bench(limits: ScopeTests.oneReader)
        let a = bench.tenant(1)
        try await bench.addNote(a, 1, "old")
        let whole = SQL("whole", "SELECT * FROM note")
        #expect(try await bench.store.tenantRead(a) { try $0.row(whole)?.values.count } == 3)
        _ = try await bench.store.migrate([NoteTable.migration, MigrationTests.second])
        #expect(try await bench.store.tenantRead(a) { try $0.row(whole)?.values.count } == 4)
        try await bench.store.tenant(a) { try $0.run(SQL("paint", "UPDATE note SET colour = 'red' WHERE id = $1"), bench.uuid(1)) }
        #expect(try await bench.store.tenantRead(a) { try $0.row(whole)?.text(3) } == "red")
        await bench.close()
    }

    @Test("a migration that was edited, is gone, is there twice or comes too late is refused by name") func history() async throws {
        let bench = try await Bench(migrations: [NoteTable.migration, MigrationTests.second])
        let edited = Migration(room: "notes", name: "0002_add_colour", sql: MigrationTests.second.sql + " ")
        await MigrationTests.refusal(bench, [NoteTable.migration, edited], says: "notes/0002_add_colour was edited")
        await MigrationTests.refusal(
            bench, [NoteTable.migration, MigrationTests.second, MigrationTests.second], says: "notes/0002_add_colour is there twice")
        let late = Migration(room: "notes", name: "0001_zero", sql: "CREATE TABLE late (code TEXT PRIMARY KEY) STRICT;")
        await MigrationTests.refusal(
            bench, [NoteTable.migration, late, MigrationTests.second], says: "notes/0001_zero comes before 0002_add_colour")
        let third = Migration(room: "notes", name: "0003_add_size", sql: "ALTER TABLE note_all ADD COLUMN size INTEGER;")
        _ = try await bench.store.migrate([NoteTable.migration, MigrationTests.second, third])
        await MigrationTests.refusal(
            bench, [NoteTable.migration, third], says: "notes/0002_add_colour was applied to this database and is not part")
        await bench.close()
    }

    @Test("an older program serves what a newer one added to, and not what it broke or what is neither newer nor older") func older()
        async throws
    {
        let breaking = Migration(room: "notes", name: "0003_drop_colour_breaks", sql: "ALTER TABLE note_all DROP COLUMN colour;")
        let other = Migration(room: "pots", name: "0001_create_pot", sql: "CREATE TABLE pot (code TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;")
        let bench = try await Bench(migrations: [NoteTable.migration, MigrationTests.second])
        #expect(try await bench.store.migrate([NoteTable.migration]) == [])
        try await bench.addNote(bench.tenant(1), 1, "by the older one")
        // Asked what it would apply, it says that it is the older one.
        await #expect(throws: StoreFault.self) { _ = try await bench.store.pending([NoteTable.migration]) }
        await MigrationTests.refusal(
            bench, [NoteTable.migration, other], says: "notes/0002_add_colour was applied to this database and is not part")
        _ = try await bench.store.migrate([NoteTable.migration, MigrationTests.second, breaking])
        await MigrationTests.refusal(
            bench, [NoteTable.migration, MigrationTests.second],
            says: "notes/0003_drop_colour_breaks was applied to this database and changed")
        await bench.close()
    }

    @Test(
        "one that fails takes all of them back, and names itself",
        arguments: [
            "CREATE TABLE broken (", "INSERT INTO nowhere VALUES (1);", "PRAGMA user_version = 7;", "ATTACH 'x' AS x;", "COMMIT;", "BEGIN;",
            "SAVEPOINT x;", "CREATE TEMP TABLE x (y);", "CREATE VIRTUAL TABLE x USING fts5 (y);", "DETACH main;", "VACUUM;",
        ]) func failing(_ sql: String) async throws
    {
        let bench = try await Bench()
        try await bench.addNote(bench.tenant(1), 1, "kept")
        let third = Migration(room: "notes", name: "0003_broken", sql: sql)
        await MigrationTests.refusal(bench, [NoteTable.migration, MigrationTests.second, third], says: "notes/0003_broken failed")
        #expect(try await bench.store.tenantRead(bench.tenant(1)) { try $0.row(SQL("w", "SELECT * FROM note"))?.values.count } == 3)
        #expect(try await bench.store.migrate([NoteTable.migration, MigrationTests.second]) == ["notes/0002_add_colour"])
        await bench.close()
    }

    @Test("a table that is made anew keeps its rows; one that leaves a reference hanging is refused") func rebuild() async throws {
        let bench = try await Bench(migrations: [Migration(room: "shelves", name: "0001", sql: SchemaLintTests.good)])
        let a = bench.tenant(1)
        try await bench.store.tenant(a) { db in
            let shelf =
                "INSERT INTO shelf (tenant_id, id, status, created_at, price_minor, currency, seats, \"order\") VALUES ($1, $2, 'open', 1, 1, 'EUR', 1, 1)"
            try db.run(SQL("shelf", shelf), db.tenant, bench.uuid(1))
            try db.run(
                SQL("book", "INSERT INTO book (tenant_id, shelf_id, number, title) VALUES ($1, $2, 1, 'kept')"), db.tenant, bench.uuid(1))
        }
        let hanging = Migration(room: "shelves", name: "0002", sql: "DELETE FROM shelf_all;")
        let first = Migration(room: "shelves", name: "0001", sql: SchemaLintTests.good)
        await MigrationTests.refusal(bench, [first, hanging], says: "a row of book_all points to a row that is not there")
        let rebuilt = Migration(
            room: "shelves", name: "0002",
            sql: """
                CREATE TABLE book_new_all (
                    tenant_id BLOB NOT NULL, shelf_id BLOB NOT NULL, number INTEGER NOT NULL, title TEXT NOT NULL,
                    PRIMARY KEY (tenant_id, shelf_id, number), FOREIGN KEY (tenant_id, shelf_id) REFERENCES shelf_all (tenant_id, id)
                ) WITHOUT ROWID, STRICT;
                INSERT INTO book_new_all SELECT * FROM book_all;
                DROP TABLE book_all;
                ALTER TABLE book_new_all RENAME TO book_all;
                """)
        #expect(try await bench.store.migrate([first, rebuilt]) == ["shelves/0002"])
        #expect(try await bench.store.tenantRead(a) { try $0.row(SQL("t", "SELECT title FROM book"))?.text(0) } == "kept")
        // Foreign keys are in force again.
        await #expect(throws: StoreFault.self) {
            try await bench.store.tenant(a) { try $0.run(SQL("d", "DELETE FROM shelf WHERE id = $1"), bench.uuid(1)) }
        }
        await bench.close()
    }

    @Test("two processes that migrate at once apply everything once") func race() async throws {
        let bench = try await Bench(migrations: [])
        let other = try bench.another()
        let applied = try await withThrowingTaskGroup(of: [String].self) { group in
            for store in [bench.store, other] { group.addTask { try await store.migrate([NoteTable.migration]) } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(applied == ["notes/0001_create_note"])
        for store in [bench.store, other] { try await bench.with(store).addNote(bench.tenant(1), store === other ? 1 : 2, "x") }
        await other.close()
        await bench.close()
    }

    @Test("a store that is opened on a migrated file works without migrating") func reopened() async throws {
        let bench = try await Bench()
        try await bench.addNote(bench.tenant(1), 1, "kept")
        await bench.store.close()
        let again = bench.with(try bench.another())
        #expect(try await again.store.tenantRead(bench.tenant(1)) { try $0.rows(NoteTable.all).count } == 1)
        await again.close()
    }
}
