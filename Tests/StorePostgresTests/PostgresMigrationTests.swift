import Foundation
import RoomTesting
import Store
import StorePostgres
import Testing
import Vocabulary

@Suite struct PostgresMigrationTests {
    static let second = Migration(
        room: "notes", name: "0002_copy",
        sql: """
            -- What was there is carried over: the owner sees it while it migrates.
            CREATE TABLE note_count_all (
                tenant_id BLOB NOT NULL, notes INTEGER NOT NULL, PRIMARY KEY (tenant_id)
            ) WITHOUT ROWID, STRICT;
            INSERT INTO note_count_all (tenant_id, notes) SELECT tenant_id, count(*) FROM note_all GROUP BY tenant_id;
            ALTER TABLE note_all ADD COLUMN colour TEXT;
            """)

    @Test("a migration carries rows over, is planned before it is done, and done once by two at a time") func carries() async throws {
        let bench = try await PostgresBench()
        try await bench.add(bench.tenant(1), 1, "one")
        try await bench.add(bench.tenant(2), 1, "two")
        let both = [PostgresBench.note, Self.second]
        #expect(try await bench.store.pending(both) == ["notes/0002_copy"])
        await #expect(throws: StoreFault.self) { try await bench.store.begin(both) }
        let other = bench.another()
        async let left = bench.store.migrate(both)
        async let right = other.migrate(both)
        #expect(try await (left + right).sorted() == ["notes/0002_copy"])
        let counts = try await bench.store.kernelRead(bench.reason) { try $0.rows(SQL("n", "SELECT notes FROM note_count_all")) }
        #expect(try counts.map { try $0.int(0) } == [1, 1])
        // Walls stand on what is new, too.
        let own = try await bench.store.tenantRead(bench.tenant(1)) { try $0.rows(SQL("n", "SELECT notes FROM note_count")).count }
        #expect(own == 1)
        await other.close()
        await bench.close()
    }

    @Test("an older program serves what a newer one added to, changes nothing there, and does not serve what a newer one broke")
    func older() async throws {
        let bench = try await PostgresBench()
        let breaking = Migration(room: "notes", name: "0003_drop_kettle_breaks", sql: "DROP TABLE kettle;")
        _ = try await bench.store.migrate([PostgresBench.note, Self.second])
        // The one that runs goes on, and one that starts does.
        try await bench.add(bench.tenant(1), 1, "running")
        let older = bench.another()
        try await older.begin([PostgresBench.note])
        let (id, a) = (bench.uuid(2), bench.tenant(1))
        try await older.tenant(a) { db in try db.run(PostgresBench.insert, db.tenant, id, "started", 1) }
        #expect(try await older.tenantRead(a) { try $0.rows(PostgresBench.texts).map { try $0.text(0) } } == ["running", "started"])
        await #expect(throws: StoreFault.self) { try await older.migrate([PostgresBench.note]) }
        _ = try await bench.store.migrate([PostgresBench.note, Self.second, breaking])
        let late = bench.another()
        await #expect {
            try await late.begin([PostgresBench.note])
        } throws: {
            "\($0)".contains("notes/0003_drop_kettle_breaks was applied to this database and changed what this program needs")
        }
        await late.close()
        await older.close()
        await bench.close()
    }

    @Test("an edited, a vanished and a failing migration are refused, and nothing is left of them") func refused() async throws {
        let bench = try await PostgresBench()
        let edited = Migration(room: "notes", name: "0001_create_note", sql: PostgresBench.note.sql + "\n-- later")
        let failing = Migration(
            room: "notes", name: "0002_bad", sql: "CREATE TABLE half_all (tenant_id BLOB NOT NULL PRIMARY KEY) STRICT; DROP TABLE no;")
        for migrations in [[edited], [], [PostgresBench.note, failing]] {
            await #expect {
                try await bench.store.migrate(migrations)
            } throws: { error in
                if case StoreFault.migration = error { true } else { false }
            }
        }
        #expect(try await bench.store.pending([PostgresBench.note]) == [])
        await bench.close()
    }

    @Test(
        "a table that would not keep tenants apart is refused by the catalogue",
        arguments: [
            ("CREATE TABLE a_all (id BLOB NOT NULL, tenant_id BLOB NOT NULL, PRIMARY KEY (id, tenant_id)) STRICT;", "comes first"),
            ("CREATE TABLE a_all (tenant_id BLOB NOT NULL PRIMARY KEY, code TEXT, UNIQUE (code)) STRICT;", "does not begin with tenant_id"),
            ("CREATE TABLE a_all (tenant_id BLOB NOT NULL PRIMARY KEY, code TEXT DEFAULT 'x') STRICT;", "has a default"),
            ("CREATE TABLE a_all (tenant_id BLOB NOT NULL PRIMARY KEY, at timestamptz) STRICT;", "is not bigint"),
            ("CREATE TABLE a_all (tenant_id BLOB NOT NULL PRIMARY KEY, k BLOB REFERENCES kettle (id)) STRICT;", "crosses"),
        ])
    func lint(_ sql: String, _ sentence: String) async throws {
        let bench = try await PostgresBench(writers: 1)
        await #expect {
            try await bench.store.migrate([PostgresBench.note, Migration(room: "notes", name: "0002_bad", sql: sql)])
        } throws: {
            "\($0)".contains(sentence)
        }
        await bench.close()
    }

    @Test(
        "what a server's operator changed by hand is found",
        arguments: [
            ("ALTER TABLE coditect.note_all NO FORCE ROW LEVEL SECURITY", true), ("DROP POLICY tenant_sealed ON coditect.note_all", true),
            ("CREATE POLICY open ON coditect.note_all USING (true)", false), ("GRANT TRUNCATE ON coditect.kettle TO coditect_kernel", true),
            ("CREATE SEQUENCE coditect.counter", false), ("GRANT SELECT ON coditect_guard.seal_key TO coditect_kernel", true),
            ("CREATE FUNCTION coditect.leak() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'", false),
            ("CREATE MATERIALIZED VIEW coditect.copy AS SELECT * FROM coditect.note_all", false),
        ])
    func byHand(_ change: String, _ isMended: Bool) async throws {
        let bench = try await PostgresBench(writers: 1)
        try bench.cluster.admin(bench.database, change)
        if isMended {
            // What the driver makes itself it makes anew.
            #expect(try await bench.store.migrate([PostgresBench.note]) == [])
        } else {
            await #expect(throws: StoreFault.self) { try await bench.store.migrate([PostgresBench.note]) }
        }
        await bench.close()
    }

    @Test(
        "a migration outside of the rooms' subset is refused by name",
        arguments: [
            ("CREATE TRIGGER t BEFORE INSERT ON x BEGIN SELECT 1; END;", "triggers"), ("CREATE TABLE x AS SELECT 1;", "AS"),
            ("CREATE TABLE x (a INTEGER PRIMARY KEY AUTOINCREMENT) STRICT;", "AUTOINCREMENT"), ("PRAGMA foreign_keys = ON;", "pragma"),
            ("INSERT OR REPLACE INTO x VALUES (1);", "ON CONFLICT"), ("CREATE TABLE x (a BLOB CHECK (a GLOB 'b')) STRICT;", "GLOB"),
            ("CREATE TABLE x (a BLOB, FOREIGN KEY (a) REFERENCES y (b)) STRICT; CREATE TABLE `y` (b BLOB) STRICT;", "`"),
            ("CREATE TABLE x (a TEXT CHECK (a = 'b)) STRICT;", "quote"),
        ])
    func subset(_ sql: String, _ word: String) throws {
        #expect {
            _ = try PostgresDialect.statements(Migration(room: "x", name: "0001", sql: sql))
        } throws: {
            "\($0)".contains(word)
        }
    }
}
