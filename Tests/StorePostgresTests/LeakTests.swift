import Foundation
import RoomTesting
import Store
import StorePostgres
import Testing
import Vocabulary

/// The ways in which row-level security is known to leak, each tried on our schema with any SQL at all on a serving connection.
@Suite struct LeakTests {
    static let shelf = Migration(
        room: "shelves", name: "0001_create_shelf",
        sql: """
            CREATE TABLE shelf_all (
                tenant_id BLOB NOT NULL, id BLOB NOT NULL, code TEXT NOT NULL, weight INTEGER NOT NULL, PRIMARY KEY (tenant_id, id),
                UNIQUE (tenant_id, code)
            ) WITHOUT ROWID, STRICT;
            CREATE TABLE book_all (
                tenant_id BLOB NOT NULL, id BLOB NOT NULL, shelf_id BLOB NOT NULL, PRIMARY KEY (tenant_id, id),
                FOREIGN KEY (tenant_id, shelf_id) REFERENCES shelf_all (tenant_id, id) ON DELETE CASCADE
            ) WITHOUT ROWID, STRICT;
            CREATE TABLE staff (id BLOB NOT NULL PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID, STRICT;
            """)
    static let a = String(repeating: "01", count: 16)
    static let b = String(repeating: "02", count: 16)
    static let id = "decode(repeat('09', 16), 'hex')"

    /// Statements of one transaction in the scope of tenant a. None may show 'CANARY', weight 777, or change what is not a's.
    static let leaks: [(name: String, texts: [String])] = [
        ("the base table", ["SELECT * FROM shelf_all"]),
        ("the view", ["SELECT * FROM shelf"]),
        ("the table by its schema", ["SELECT * FROM coditect.shelf_all"]),
        ("only", ["SELECT * FROM ONLY shelf_all"]),
        ("a sample", ["SELECT * FROM shelf_all TABLESAMPLE SYSTEM (100)"]),
        ("a whole-row reference", ["SELECT shelf_all FROM shelf_all"]),
        ("json of the table", ["SELECT json_agg(s)::text FROM shelf_all s"]),
        ("xml of the table", ["SELECT query_to_xml('SELECT * FROM coditect.shelf_all', true, true, '')::text"]),
        ("a cursor", ["DECLARE c CURSOR FOR SELECT * FROM shelf_all", "FETCH ALL FROM c"]),
        ("the tenant set again", ["SELECT set_config('app.tenant_id', '\(b)', true)", "SELECT * FROM shelf_all"]),
        ("the tenant set again, by SET", ["SET app.tenant_id = '\(b)'", "SELECT * FROM shelf_all"]),
        ("the tenant set on the way", ["SELECT s.* FROM (SELECT set_config('app.tenant_id', '\(b)', true)) x, shelf_all s"]),
        (
            "the tenant set on the way, first",
            ["WITH x AS MATERIALIZED (SELECT set_config('app.tenant_id', '\(b)', true)) SELECT s.* FROM x, shelf_all s"]
        ),
        ("the tenant set by a condition", ["SELECT * FROM shelf_all WHERE set_config('app.tenant_id', '\(b)', true) <> ''"]),
        (
            "the tenant set between two tables",
            ["SELECT t.* FROM shelf_all s CROSS JOIN LATERAL (SELECT set_config('app.tenant_id', '\(b)', true), s.id) x, shelf_all t"]
        ),
        ("the kernel's role", ["SELECT set_config('role', 'coditect_kernel', true)", "SELECT * FROM shelf_all"]),
        ("the kernel's role, by SET", ["SET ROLE coditect_kernel", "SELECT * FROM staff"]),
        (
            "the kernel's role and no tenant",
            [
                "SELECT set_config('role', 'coditect_kernel', true), set_config('app.tenant_id', '', true)", "SELECT * FROM shelf_all",
            ]
        ),
        ("no role", ["RESET ROLE", "SELECT * FROM shelf_all"]),
        ("the owner's role", ["SET ROLE coditect_owner", "SELECT * FROM shelf_all"]),
        ("row security off", ["SET row_security = off", "SELECT * FROM shelf_all"]),
        ("no seal", ["SELECT set_config('app.seal', '', true)", "SELECT * FROM shelf_all"]),
        ("the seal's key", ["SELECT * FROM coditect_guard.seal_key"]),
        ("the seal's function for the kernel", ["SELECT coditect_guard.sealed('kernel')"]),
        (
            "the seal's function replaced",
            [
                "CREATE OR REPLACE FUNCTION coditect_guard.sealed(wanted text) RETURNS bytea LANGUAGE sql AS $$ SELECT decode('\(b)', 'hex') $$"
            ]
        ),
        ("a function of one's own", ["CREATE FUNCTION coditect.leak() RETURNS bigint LANGUAGE sql AS 'SELECT 1'"]),
        ("a temporary table before the catalogue", ["CREATE TEMP TABLE shelf_all (code text)"]),
        ("a table as", ["CREATE TABLE coditect.copy AS SELECT * FROM shelf_all"]),
        ("a materialized view", ["CREATE MATERIALIZED VIEW coditect.copy AS SELECT * FROM shelf_all"]),
        ("a view of one's own", ["CREATE VIEW coditect.copy AS SELECT * FROM shelf_all"]),
        ("a policy of one's own", ["CREATE POLICY mine ON shelf_all USING (true)"]),
        ("a policy dropped", ["DROP POLICY tenant_sealed ON shelf_all"]),
        ("row security switched off", ["ALTER TABLE shelf_all DISABLE ROW LEVEL SECURITY"]),
        ("a rule", ["CREATE RULE mine AS ON SELECT TO shelf_all DO INSTEAD SELECT 1"]),
        ("a trigger", ["CREATE TRIGGER mine BEFORE INSERT ON shelf_all EXECUTE FUNCTION coditect_guard.append_only()"]),
        (
            "a block of code",
            [
                """
                DO $$ DECLARE found text; BEGIN PERFORM set_config('app.tenant_id', '\(b)', true);
                SELECT string_agg(code, ',') INTO found FROM coditect.shelf_all; RAISE EXCEPTION '%', found; END $$
                """
            ]
        ),
        (
            "a block of code as it is",
            [
                "DO $$ BEGIN RAISE EXCEPTION '%', (SELECT string_agg(code, ',') FROM coditect.shelf_all); END $$"
            ]
        ),
        ("an expression that fails on another's row", ["SELECT 1 / (weight - 777) FROM shelf_all"]),
        ("a cast that fails on another's row", ["SELECT code::bigint FROM shelf_all WHERE code LIKE 'CAN%'"]),
        ("a row written for another", ["INSERT INTO shelf_all VALUES (decode('\(b)', 'hex'), \(id), 'x', 1)"]),
        ("a row given to another", ["UPDATE shelf_all SET tenant_id = decode('\(b)', 'hex')"]),
        ("every row changed", ["UPDATE shelf_all SET weight = 0 RETURNING code"]),
        ("every row deleted", ["DELETE FROM shelf_all RETURNING code"]),
        (
            "a merge",
            [
                "MERGE INTO shelf_all s USING (SELECT 1) x ON true WHEN MATCHED THEN UPDATE SET weight = 0", "SELECT code FROM shelf_all",
            ]
        ),
        ("truncation", ["TRUNCATE shelf_all CASCADE"]),
        ("a copy out", ["COPY shelf_all TO PROGRAM 'cat'"]),
        ("a copy to a file", ["COPY shelf_all TO '/tmp/leak'"]),
        ("a table of the kernel's", ["SELECT * FROM staff"]),
        ("the jobs", ["SELECT * FROM store_job"]),
        ("another's journal", ["SELECT * FROM journal_entry_all"]),
        ("the journal written", ["DELETE FROM journal_entry_all"]),
        ("statistics of columns", ["SELECT * FROM pg_stats WHERE schemaname = 'coditect' AND tablename = 'shelf_all'"]),
        ("statistics in the raw", ["SELECT stavalues1 FROM pg_statistic"]),
        ("what others ask", ["SELECT query FROM pg_stat_activity WHERE query ~ '[0-9a-f]{64}' AND pid <> pg_backend_pid()"]),
        ("passwords", ["SELECT * FROM pg_authid"]),
        ("a file of the server", ["SELECT pg_read_file('/etc/passwd')"]),
    ]

    static func bench() async throws -> PostgresBench {
        let bench = try await PostgresBench(migrations: [shelf])
        let insert = SQL("shelf.insert", "INSERT INTO shelf (tenant_id, id, code, weight) VALUES ($1, $2, $3, $4)")
        let book = SQL("book.insert", "INSERT INTO book (tenant_id, id, shelf_id) VALUES ($1, $2, $3)")
        let (one, two, three, act) = (bench.uuid(1), bench.uuid(2), bench.uuid(3), bench.act)
        for (tenant, code, weight) in [(bench.tenant(1), "own", 5), (bench.tenant(2), "CANARY", 777)] {
            try await bench.store.tenant(tenant) { db in
                try db.run(insert, db.tenant, one, code, weight)
                try db.run(insert, db.tenant, code == "own" ? three : two, "\(code) two", weight)
                try db.run(book, db.tenant, one, one)
                try db.journal(JournalEntry("shelf.made", subject: "\(code)"), act)
            }
        }
        try await bench.store.kernel(bench.reason) { db in
            try db.run(SQL("staff.insert", "INSERT INTO staff (id, name) VALUES ($1, 'CANARY')"), one)
        }
        // Statistics hold values of rows.
        try bench.cluster.admin(bench.database, "ANALYZE")
        return bench
    }
    static func others(_ bench: PostgresBench) async throws -> [[SQLValue]] {
        try await bench.store.kernelRead(bench.reason) { db in
            try ["shelf_all", "book_all", "journal_entry_all"].flatMap { table in
                try db.rows(SQL("others.\(table)", "SELECT * FROM \(table) WHERE tenant_id <> $1 ORDER BY 1, 2, 3"), bench.tenant(1))
                    .map(\.values)
            }
        }
    }

    @Test("no known way around row-level security shows or changes another tenant's row") func catalogue() async throws {
        let bench = try await Self.bench()
        let before = try await Self.others(bench)
        for leak in Self.leaks {
            let outcome = try Visitor(bench).attempt(leak.texts, as: bench.tenant(1))
            #expect(!outcome.contains("CANARY") && !outcome.contains("777") && !outcome.contains(Self.b), "\(leak.name): \(outcome)")
        }
        let after = try await Self.others(bench)
        #expect(before == after && before.count == 4)
        // The suite is about something: what is one's own is seen.
        let own = try Visitor(bench).attempt(["SELECT code FROM shelf_all ORDER BY code"], as: bench.tenant(1))
        #expect(own.contains("own") && own.contains("own two"))
        await bench.close()
    }

    @Test("a seal holds for its tenant, its server process and its time, and for nothing else") func seals() async throws {
        let bench = try await Self.bench()
        let a = bench.tenant(1)
        func outcome(_ enter: (Visitor) throws -> Void) throws -> String {
            let visitor = try Visitor(bench)
            defer { visitor.leave() }
            do {
                try enter(visitor)
                return "saw \(try visitor.rows("SELECT code FROM coditect.shelf_all").count)"
            } catch {
                return "refused: \(error)"
            }
        }
        #expect(try outcome { try $0.enter(a) } == "saw 2")
        for broken in [
            try outcome { try $0.enter(a, backend: 1) },
            try outcome { try $0.enter(a, life: .seconds(-1)) },
            try outcome { try $0.enter(a, seal: "9999999999999999.\(String(repeating: "0", count: 64))") },
            try outcome { try $0.enter(a, seal: "x") },
            try outcome {
                try $0.rows("BEGIN")
                try $0.rows("SET LOCAL ROLE coditect_tenant")
            },
        ] {
            #expect(broken.contains("the scope is not sealed") || broken.contains("app.tenant_id"), "\(broken)")
        }
        // What one transaction set, the next on the same connection has not: a pooler hands on nothing.
        let visitor = try Visitor(bench)
        try visitor.enter(a)
        try visitor.rows("COMMIT")
        try visitor.rows("SET ROLE coditect_tenant")
        #expect(throws: StoreFault.self) { try visitor.rows("SELECT code FROM coditect.shelf_all") }
        await bench.close()
    }

    @Test("keys tell nothing of others: the same key is free, a missing parent and another's look alike") func keys() async throws {
        let bench = try await Self.bench()
        let visitor = try Visitor(bench)
        try visitor.enter(bench.tenant(1))
        #expect(
            try visitor.rows("INSERT INTO shelf_all VALUES (decode('\(Self.a)', 'hex'), \(Self.id), 'CANARY', 777) RETURNING code").count
                == 1)
        visitor.leave()
        // The other tenant has a shelf 2: its key, seen from here, is as good as none.
        func refusal(_ shelf: String) -> String {
            visitor.attempt(
                ["INSERT INTO book_all VALUES (decode('\(Self.a)', 'hex'), \(Self.id), decode(repeat('\(shelf)', 16), 'hex'))"],
                as: bench.tenant(1))
        }
        #expect(refusal("02").hasPrefix("refused") && refusal("02") == refusal("77"))
        // A cascade stays within the tenant.
        let before = try await Self.others(bench)
        try visitor.enter(bench.tenant(1))
        try visitor.rows("DELETE FROM shelf_all")
        try visitor.rows("COMMIT")
        #expect(try await Self.others(bench) == before)
        await bench.close()
    }

    @Test(
        "a tenant's statement that reaches past rows is refused before it is sent",
        arguments: [
            "SELECT set_config('app.tenant_id', 'x', true)", "SELECT pg_sleep(1)", "SELECT pg_advisory_lock(1)", "SELECT lo_create(0)",
            "SELECT pg_notify('a', 'b')", "SELECT current_setting('app.seal')", "SELECT * FROM pg_class", "SELECT ctid FROM shelf",
            "SELECT \"pg_sleep\"(1)", "SELECT U&\"pg\\005Fsleep\"(1)", "SELECT 1 FROM shelf, generate_series(1, 9)",
            "EXPLAIN SELECT * FROM shelf",
            "SELECT $$x$$", "SELECT $a$x$a$", "SELECT E'\\047'", "SELECT /* a /* b */ c */ 1", "SELECT 'shelf'::regclass", "SET ROLE x",
            "SELECT version()", "SELECT query_to_xml('SELECT 1', true, true, '')", "SELECT current_user", "TABLE shelf",
            "SELECT * FROM shelf_all",
        ])
    func words(_ text: String) async throws {
        let bench = try await PostgresBench(migrations: [Self.shelf], writers: 1)
        await #expect {
            try await bench.store.tenant(bench.tenant(1)) { try $0.rows(SQL("attack", text)) }
        } throws: { error in
            if case StoreFault.outOfScope = error { true } else { false }
        }
        await bench.close()
    }
}
