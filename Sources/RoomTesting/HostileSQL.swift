import Foundation
import Store
import Vocabulary

/// One statement of a tenant who means harm.
package struct Attack: Sendable {
    package enum Fate: Sendable {
        /// Never runs.
        case refused
        /// May run, and sees, changes and learns nothing of others.
        case blind
    }
    package let fate: Fate
    package let text: String
    package var arguments: [SQLValue] = []
    package init(_ fate: Fate, _ text: String, _ arguments: SQLValue...) {
        self.fate = fate
        self.text = text
        self.arguments = arguments
    }
}

package enum HostileSQL {
    package static let attacker = TenantID(UUID(bytes: [UInt8](repeating: 0xaa, count: 16)))
    package static let victim = TenantID(UUID(bytes: [UInt8](repeating: 0xbb, count: 16)))
    package static let a = attacker.sqlValue
    package static let b = victim.sqlValue
    package static func id(_ number: UInt8) -> SQLValue { .blob([UInt8](repeating: number, count: 16)) }

    package static let schema = Migration(
        room: "vaults", name: "0001_create_vault",
        sql: """
            CREATE TABLE vault_all (
                tenant_id BLOB NOT NULL, id BLOB NOT NULL, code TEXT NOT NULL, amount INTEGER NOT NULL, note TEXT,
                status TEXT NOT NULL CHECK (status IN ('open', 'shut')), PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, code)
            ) WITHOUT ROWID, STRICT;
            CREATE INDEX vault_by_amount ON vault_all (tenant_id, amount);
            CREATE INDEX vault_by_folded_code ON vault_all (tenant_id, lower(code));
            CREATE TABLE vault_item_all (
                tenant_id BLOB NOT NULL, vault_id BLOB NOT NULL, number INTEGER NOT NULL, label TEXT, PRIMARY KEY (tenant_id, vault_id, number),
                FOREIGN KEY (tenant_id, vault_id) REFERENCES vault_all (tenant_id, id) ON DELETE CASCADE
            ) WITHOUT ROWID, STRICT;
            CREATE TABLE user_account (id BLOB PRIMARY KEY, mail_digest BLOB NOT NULL UNIQUE, sealed_name TEXT NOT NULL) STRICT;
            """)
    package static let canary = "CANARY"

    /// Errors and plans come first, while the attacker's own rows are such that no expression fails on them.
    package static let attacks: [Attack] =
        errors + plans + names + otherTables + moves + conflicts + rowids + settings + transactions + functions + shapes + texts

    /// A base table under every spelling, and through every place where a table may stand.
    package static let names: [Attack] = [
        "SELECT * FROM vault_all", "SELECT * FROM \"vault_all\"", "SELECT * FROM [vault_all]", "SELECT * FROM `vault_all`",
        "SELECT * FROM 'vault_all'", "SELECT * FROM main.vault_all", "SELECT * FROM 'main'.'vault_all'", "SELECT * FROM VAULT_ALL",
        "SELECT * FROM \"Vault_All\"", "SELECT * FROM/**/vault_all", "SELECT * FROM--\nvault_all", "SELECT * FROM\u{FEFF}vault_all",
        "SELECT * FROM \u{FEFF}vault_all", "SELECT * FROM vault_all AS vault", "SELECT vault.* FROM vault_all vault",
        "SELECT (SELECT group_concat(code) FROM vault_all)", "SELECT 1 WHERE EXISTS (SELECT 1 FROM vault_all WHERE code LIKE 'CAN%')",
        "SELECT 1 WHERE 1 IN vault_all", "SELECT 1 WHERE 1 IN (SELECT amount FROM vault_all)",
        "SELECT code FROM vault UNION SELECT code FROM vault_all", "SELECT code FROM vault UNION ALL SELECT code FROM main.[vault_all]",
        "SELECT code FROM vault EXCEPT SELECT code FROM vault_all", "SELECT code FROM vault INTERSECT SELECT code FROM vault_all",
        "SELECT * FROM vault JOIN vault_all USING (id)", "SELECT * FROM vault, vault_all", "SELECT * FROM vault RIGHT JOIN vault_all ON 1",
        "SELECT * FROM vault FULL JOIN vault_all ON 1", "SELECT * FROM vault NATURAL JOIN vault_all",
        "WITH vault AS (SELECT * FROM vault_all) SELECT * FROM vault",
        "WITH vault AS MATERIALIZED (SELECT * FROM vault_all) SELECT * FROM vault",
        "WITH vault AS NOT MATERIALIZED (TABLE vault_all) SELECT * FROM vault",
        "WITH x AS (WITH vault AS (SELECT * FROM vault_all) SELECT * FROM vault) SELECT * FROM x",
        "SELECT * FROM (SELECT * FROM (SELECT * FROM vault_all) AS vault) AS vault",
        "SELECT * FROM (SELECT * FROM vault_all) AS vault_row_insert", "SELECT * FROM (SELECT * FROM vault_all) vault_row_update",
        "WITH vault_row_delete AS (SELECT * FROM vault_all) SELECT * FROM vault_row_delete",
        "WITH vault_all AS (SELECT * FROM vault) SELECT * FROM vault_all", "SELECT vault_all.code FROM vault AS vault_all",
        "SELECT count(*) FROM vault_all", "SELECT max(code) FROM vault_all", "SELECT sum(amount) OVER () FROM vault_all",
        "SELECT code FROM vault ORDER BY (SELECT max(amount) FROM vault_all)",
        "SELECT code FROM vault LIMIT (SELECT count(*) FROM vault_all)",
        "SELECT count(*) FROM vault GROUP BY (SELECT 1 FROM vault_all)", "SELECT 1 FROM vault HAVING (SELECT count(*) FROM vault_all) > 3",
        "SELECT CASE WHEN (SELECT count(*) FROM vault_all) > 3 THEN 1 ELSE 2 END", "VALUES ((SELECT max(code) FROM vault_all))",
        "UPDATE vault SET note = (SELECT max(code) FROM vault_all)", "UPDATE vault SET note = v.code FROM vault_all v",
        "DELETE FROM vault WHERE amount IN (SELECT amount FROM vault_all)", "DELETE FROM vault RETURNING (SELECT max(code) FROM vault_all)",
        "UPDATE vault SET amount = 1 RETURNING (SELECT count(*) FROM vault_all)",
        "INSERT INTO vault SELECT * FROM vault_all", "INSERT INTO vault_all SELECT * FROM vault", "UPDATE vault_all SET amount = 0",
        "DELETE FROM vault_all", "DELETE FROM main.vault_all", "UPDATE 'vault_all' SET amount = 0", "DELETE FROM `vault_all`",
        "INSERT INTO \"vault_all\" (tenant_id, id, code, amount, status) VALUES ($1, $1, 'x', 1, 'open')",
        "SELECT * FROM vault_item_all", "SELECT vault_all.id FROM vault", "SELECT \"vault_all\".\"id\" FROM vault", "SELECT 'vault_all'",
    ].map { $0.contains("$1") ? Attack(.refused, $0, a) : Attack(.refused, $0) }

    /// Tables of the kernel, of the store, of the engine, and tables that are functions.
    package static let otherTables: [Attack] =
        [
            "user_account", "store_job", "store_idempotency", "store_migration", "journal_entry_all", "journal_checkpoint_all",
            "sqlite_master",
            "sqlite_schema", "main.sqlite_master", "\"sqlite_master\"", "sqlite_temp_master", "sqlite_temp_schema", "temp.sqlite_master",
            "sqlite_stat1", "sqlite_sequence", "sqlite_autoindex_vault_all_1", "pragma_table_info('vault')", "pragma_table_list",
            "pragma_table_xinfo('vault')", "pragma_index_list('vault')", "pragma_database_list", "pragma_function_list",
            "pragma_module_list",
            "pragma_compile_options", "pragma_foreign_key_list('vault_item')", "pragma_data_version", "pragma_page_count",
            "pragma_freelist_count", "pragma_integrity_check", "pragma_user_version", "pragma_wal_checkpoint", "json_each('[1]')",
            "json_tree('{}')", "generate_series(1, 9)", "sqlite_dbpage", "dbstat", "sqlite_stmt", "bytecode('SELECT 1')",
            "tables_used('SELECT 1')",
            "fts5vocab", "rtree", "vault_row_insert", "vault_row_update", "vault_by_amount",
        ].map { Attack(.refused, "SELECT * FROM \($0)") } + [
            Attack(.refused, "INSERT INTO user_account (id, mail_digest, sealed_name) VALUES ($1, $1, 'x')", a),
            Attack(.refused, "UPDATE user_account SET sealed_name = 'x'"), Attack(.refused, "DELETE FROM store_job"),
            Attack(.refused, "UPDATE sqlite_master SET sql = 'x'"), Attack(.refused, "DELETE FROM sqlite_schema"),
            Attack(.refused, "UPDATE journal_entry SET action = 'x'"), Attack(.refused, "DELETE FROM journal_entry"),
            Attack(.refused, "INSERT INTO journal_segment (tenant_id, segment, opened_at) VALUES ($1, $1, 1)", a),
            Attack(.refused, "DELETE FROM journal_checkpoint"), Attack(.blind, "SELECT actor, action, subject FROM journal_entry"),
            Attack(.blind, "SELECT count(*), max(seq) FROM journal_entry"), Attack(.blind, "SELECT count(*) FROM journal_segment"),
        ]

    /// Rows that change their owner or name another.
    package static let moves: [Attack] = [
        Attack(.refused, "INSERT INTO vault (tenant_id, id, code, amount, status) VALUES ($1, $2, 'moved', 1, 'open')", b, id(9)),
        Attack(.refused, "INSERT INTO vault (tenant_id, id, code, amount, status) VALUES (NULL, $1, 'moved', 1, 'open')", id(9)),
        Attack(.refused, "INSERT INTO vault (id, code, amount, status) VALUES ($1, 'moved', 1, 'open')", id(9)),
        Attack(.refused, "INSERT INTO vault SELECT $1, id, code, amount, note, status FROM vault", b),
        Attack(
            .refused,
            "INSERT INTO vault (tenant_id, id, code, amount, status) VALUES ($1, $2, 'two', 1, 'open'), ($3, $2, 'two', 1, 'open')", a,
            id(8), b),
        Attack(.refused, "UPDATE vault SET tenant_id = $1", b), Attack(.refused, "UPDATE vault SET tenant_id = NULL"),
        Attack(.refused, "UPDATE vault SET tenant_id = $1 WHERE id = $2", b, id(1)),
        Attack(.refused, "UPDATE vault SET (tenant_id, code) = ($1, 'moved')", b),
        Attack(.refused, "UPDATE vault SET id = $1 WHERE id = $2", id(7), id(1)),
        Attack(.refused, "UPDATE vault SET (code, tenant_id) = (SELECT code, $1)", b),
        Attack(.refused, "UPDATE vault SET tenant_id = $1 RETURNING *", b),
        Attack(.refused, "UPDATE vault SET tenant_id = x.t FROM (SELECT $1 AS t) AS x", b),
        Attack(.blind, "UPDATE vault SET amount = 1 WHERE tenant_id = $1", b), Attack(.blind, "DELETE FROM vault WHERE tenant_id = $1", b),
        Attack(.blind, "DELETE FROM vault WHERE tenant_id = $1 RETURNING *", b),
        Attack(.blind, "DELETE FROM vault WHERE id = $1 RETURNING *", id(2)),
        Attack(.blind, "UPDATE vault SET note = 'x' WHERE id = $1 RETURNING *", id(2)),
        Attack(.blind, "UPDATE vault SET tenant_id = tenant_id, note = 'same' RETURNING id"),
        Attack(.blind, "UPDATE vault_item SET label = 'x' WHERE vault_id = $1 RETURNING *", id(2)),
        Attack(.blind, "SELECT * FROM vault WHERE tenant_id = $1", b),
        Attack(.blind, "SELECT * FROM vault WHERE tenant_id <> current_tenant()"),
        Attack(.blind, "SELECT * FROM vault WHERE tenant_id = $1 OR 1", b),
        Attack(.blind, "SELECT * FROM vault WHERE +tenant_id IN ($1, $2)", a, b),
        Attack(.blind, "SELECT hex(current_tenant())"), Attack(.refused, "SELECT current_tenant($1)", b),
    ]

    /// What a unique key, a foreign key or a conflict clause might tell.
    package static let conflicts: [Attack] = [
        Attack(
            .blind, "INSERT INTO vault (tenant_id, id, code, amount, status) VALUES ($1, $2, 'mine-2', 1, 'open') RETURNING code", a, id(2)),
        Attack(.blind, "INSERT INTO vault (tenant_id, id, code, amount, status) VALUES ($1, $2, 'CANARY-CODE', 1, 'open')", a, id(3)),
        Attack(.blind, "UPDATE vault SET code = 'CANARY-CODE-2' WHERE id = $1", id(1)),
        Attack(.refused, "INSERT INTO vault (tenant_id, id, code, amount, status) VALUES ($1, $2, 'again', 1, 'open')", a, id(1)),
        Attack(.refused, "INSERT INTO vault_item (tenant_id, vault_id, number) VALUES ($1, $2, 1)", a, id(99)),
        Attack(.refused, "INSERT INTO vault_item (tenant_id, vault_id, number) VALUES ($1, $2, 1)", b, id(99)),
        Attack(.blind, "DELETE FROM vault WHERE id = $1", id(3)),
        Attack(.refused, "REPLACE INTO vault (tenant_id, id, code, amount, status) VALUES ($1, $2, 'r', 1, 'open')", a, id(2)),
        Attack(.refused, "replace/**/into vault (tenant_id, id, code, amount, status) VALUES ($1, $2, 'r', 1, 'open')", a, id(2)),
        Attack(.refused, "INSERT OR REPLACE INTO vault (tenant_id, id, code, amount, status) VALUES ($1, $2, 'r', 1, 'open')", b, id(2)),
        Attack(.refused, "INSERT OR IGNORE INTO vault (tenant_id, id, code, amount, status) VALUES ($1, $2, 'r', 1, 'open')", b, id(2)),
        Attack(.refused, "INSERT OR ROLLBACK INTO vault (tenant_id, id, code, amount, status) VALUES ($1, $2, 'r', 1, 'open')", a, id(1)),
        Attack(.refused, "INSERT OR FAIL INTO vault (tenant_id, id, code, amount, status) VALUES ($1, $2, 'r', 1, 'open')", a, id(1)),
        Attack(.refused, "WITH x AS (SELECT 1) INSERT OR REPLACE INTO vault SELECT * FROM vault"),
        Attack(.refused, "WITH x AS (SELECT 1) REPLACE INTO vault SELECT * FROM vault"),
        Attack(.refused, "UPDATE OR REPLACE vault SET code = 'r'"), Attack(.refused, "UPDATE OR ROLLBACK vault SET code = 'r'"),
        Attack(.refused, "UPDATE OR IGNORE vault SET tenant_id = $1", b), Attack(.refused, "UPDATE/**/OR/**/REPLACE vault SET code = 'r'"),
        Attack(
            .refused, "INSERT INTO vault (tenant_id, id, code, amount, status) VALUES ($1, $2, 'u', 1, 'open') ON CONFLICT DO NOTHING", a,
            id(1)),
        Attack(
            .refused,
            "INSERT INTO vault (tenant_id, id, code, amount, status) VALUES ($1, $2, 'u', 1, 'open') ON CONFLICT DO UPDATE SET tenant_id = $3",
            a, id(1), b),
    ]

    package static let rowids: [Attack] = [
        "SELECT rowid FROM vault", "SELECT _rowid_, * FROM vault", "SELECT oid FROM vault", "UPDATE vault SET rowid = 1",
        "DELETE FROM vault WHERE rowid = 1", "INSERT INTO vault (rowid, code) VALUES (1, 'x')", "SELECT vault.rowid FROM vault",
    ].map { Attack(.blind, $0) }

    /// Settings, files and the schema.
    package static let settings: [Attack] = [
        "PRAGMA table_info(vault)", "PRAGMA writable_schema = 1", "PRAGMA foreign_keys = OFF", "PRAGMA query_only = OFF",
        "PRAGMA user_version",
        "PRAGMA main.synchronous = OFF", "PRAGMA journal_mode = DELETE", "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA trusted_schema = ON",
        "PRAGMA recursive_triggers = OFF", "PRAGMA defer_foreign_keys = ON", "PRAGMA ignore_check_constraints = ON",
        "PRAGMA case_sensitive_like = ON",
        "pragma wal_checkpoint(TRUNCATE)", "ATTACH 'x.db' AS x", "ATTACH ':memory:' AS x", "DETACH main", "VACUUM", "VACUUM INTO 'copy.db'",
        "VACUUM main INTO 'copy.db'", "ANALYZE", "ANALYZE vault", "REINDEX", "REINDEX vault_by_amount", "CREATE TABLE x (y)",
        "CREATE TABLE x AS SELECT * FROM vault", "CREATE TEMP TABLE x (y)", "CREATE TEMP TABLE vault AS SELECT 1",
        "CREATE TEMP VIEW vault AS SELECT 1",
        "CREATE VIEW x AS SELECT * FROM vault", "CREATE INDEX x ON vault (code)",
        "CREATE TRIGGER x INSTEAD OF DELETE ON vault BEGIN SELECT 1; END",
        "CREATE TEMP TRIGGER x INSTEAD OF DELETE ON vault BEGIN SELECT 1; END", "CREATE VIRTUAL TABLE x USING fts5 (y)",
        "CREATE VIRTUAL TABLE temp.x USING dbstat (main)", "DROP VIEW vault", "DROP TRIGGER vault_row_key", "DROP TABLE IF EXISTS x",
        "DROP INDEX vault_by_amount", "ALTER TABLE vault RENAME TO x", "ALTER TABLE vault ADD COLUMN x",
        "EXPLAIN SELECT * FROM vault", "EXPLAIN QUERY PLAN SELECT * FROM vault", "explain/**/query plan select 1",
    ].map { Attack(.refused, $0) }

    package static let transactions: [Attack] = [
        "BEGIN", "BEGIN IMMEDIATE", "COMMIT", "END", "ROLLBACK", "ROLLBACK TO closure", "ROLLBACK TRANSACTION TO SAVEPOINT closure",
        "SAVEPOINT x",
        "SAVEPOINT closure", "RELEASE closure", "RELEASE SAVEPOINT closure", "SELECT 1; COMMIT", "SELECT 1; SELECT 2", ";SELECT 1",
        "SELECT 1;;SELECT * FROM vault", "SELECT 1 /* ; */; DELETE FROM vault", "SELECT 1; -- \n COMMIT", "/* SELECT */ COMMIT",
        "-- SELECT\nCOMMIT",
        "SELECT 1\u{0}; COMMIT", "SELECT 1\u{0}",
    ].map { Attack(.refused, $0) }

    /// Functions that reach files, clocks, chance, other statements' effects or the engine.
    package static let functions: [Attack] =
        [
            "load_extension('x')", "readfile('/etc/passwd')", "writefile('x', 'y')", "edit('x')", "fts3_tokenizer('simple')",
            "randomblob(8)",
            "random()", "zeroblob(1000000000)", "sqlite_version()", "sqlite_source_id()", "sqlite_compileoption_get(0)",
            "sqlite_compileoption_used('x')", "last_insert_rowid()", "changes()", "total_changes()", "sqlite_offset(code)",
            "current_timestamp",
            "current_date", "datetime('now')", "date('now')", "time('now')", "julianday('now')", "unixepoch('now')",
            "strftime('%s', 'now')",
            "printf('%s', code)", "format('%.*c', 1000000000, 'x')", "RAISE(ROLLBACK, 'x')", "RAISE(ABORT, 'x')", "sqlite_log(1, 'x')",
            "highlight(code, 0, 'a', 'b')", "soundex('x')", "nosuch(1)", "like('a', 'b', 'c', 'd')", "json_each('[1]')", "eval('SELECT 1')",
        ].map { Attack(.refused, "SELECT \($0) FROM vault") } + [
            Attack(.refused, "UPDATE vault SET note = load_extension('x')"), Attack(.refused, "DELETE FROM vault WHERE random() > 0"),
            Attack(.refused, "SELECT count(*) FILTER (WHERE randomblob(1) = x'00') FROM vault"),
        ]

    /// An expression that fails on the victim's rows and on no own row: its error would be the answer to a question.
    package static let errors: [Attack] = [
        "SELECT abs(amount) FROM vault", "SELECT code FROM vault WHERE abs(amount) >= 0", "SELECT code FROM vault ORDER BY abs(amount)",
        "SELECT min(abs(amount)) FROM vault", "SELECT sum(amount) FROM vault", "SELECT total(amount) > 1, count(*) FROM vault",
        "SELECT sum(amount) FROM vault GROUP BY status", "SELECT count(*) FROM vault HAVING abs(min(amount)) > 0",
        "SELECT json_extract(note, '$.a') FROM vault", "SELECT code FROM vault WHERE json_extract(note, '$.a') = 1",
        "SELECT note -> '$.a' FROM vault", "SELECT code FROM vault WHERE note ->> 'a' IS NULL",
        "SELECT json_group_array(json(note)) FROM vault",
        "SELECT code FROM vault WHERE CASE WHEN code LIKE 'CANARY%' THEN abs(-9223372036854775807 - 1) ELSE 1 END",
        "SELECT code FROM vault WHERE code LIKE 'C%' AND abs(-9223372036854775807 - length(code) / length(code)) > 0",
        "SELECT 1 / (amount - amount) FROM vault", "SELECT code FROM vault WHERE amount = -9223372036854775807 - 1 AND abs(amount)",
        "UPDATE vault SET amount = abs(amount)", "UPDATE vault SET note = json_extract(note, '$.a')",
        "DELETE FROM vault WHERE abs(amount) < 0",
        "DELETE FROM vault WHERE json_extract(note, '$.none') = 1", "UPDATE vault SET note = note WHERE abs(amount) < 0 RETURNING *",
        "SELECT abs(v.amount) FROM vault v JOIN vault w ON abs(w.amount) = abs(v.amount)",
        "SELECT abs(v.amount) FROM vault v LEFT JOIN vault w ON abs(w.amount) = v.amount AND json_extract(w.note, '$.a') = 1",
        "SELECT abs(v.amount) FROM vault v RIGHT JOIN vault w ON abs(w.amount) = v.amount",
        "SELECT abs(v.amount) FROM vault v FULL JOIN vault w ON abs(w.amount) = v.amount WHERE json_extract(w.note, '$.a') IS NULL",
        "SELECT abs(amount) OVER (ORDER BY code) FROM vault", "SELECT sum(amount) OVER (ORDER BY amount) FROM vault",
        "SELECT first_value(abs(amount)) OVER (PARTITION BY status ORDER BY amount) FROM vault",
        "SELECT code FROM vault WHERE EXISTS (SELECT 1 FROM vault w WHERE abs(w.amount) < 0 AND w.status = vault.status)",
        "SELECT (SELECT max(abs(w.amount)) FROM vault w WHERE w.code >= vault.code) FROM vault",
        "WITH x AS (SELECT abs(amount) AS n FROM vault) SELECT * FROM x WHERE n > 0",
        "WITH x AS MATERIALIZED (SELECT abs(amount) AS n, note FROM vault) SELECT json_extract(note, '$.a') FROM x",
        "SELECT abs(amount) FROM vault UNION SELECT json_extract(note, '$.a') FROM vault",
        "SELECT DISTINCT abs(amount) FROM vault", "SELECT abs(amount) FROM vault LIMIT 1 OFFSET 1",
        "SELECT group_concat(abs(amount)) FROM vault",
        "SELECT label FROM vault_item i JOIN vault v ON v.id = i.vault_id WHERE abs(v.amount) > 0",
        "SELECT code FROM vault WHERE lower(code) = 'canary-code' AND abs(amount) >= 0",
        "SELECT code FROM vault WHERE lower(code) >= 'canary'",
    ].map { Attack(.blind, $0) }

    /// Ways to talk the planner into another way to the rows.
    package static let plans: [Attack] = [
        "SELECT code FROM vault WHERE id = x'02' OR abs(amount) > 0",
        "SELECT code FROM vault WHERE code = 'a' OR amount = 3 OR abs(amount) = 2",
        "SELECT code FROM vault WHERE amount > -9223372036854775807 - 1 ORDER BY amount", "SELECT max(amount), min(amount) FROM vault",
        "SELECT min(code) FROM vault", "SELECT code FROM vault WHERE unicode(code) > 0 ORDER BY lower(code)",
        "SELECT count(*) FROM vault", "SELECT count(*) FROM vault a, vault b WHERE a.amount < b.amount",
        "SELECT count(*) FROM vault a LEFT JOIN vault_item b ON b.vault_id = a.id WHERE abs(a.amount) >= 0",
        "SELECT count(*) FROM vault_item b RIGHT JOIN vault a ON b.vault_id = a.id",
        "SELECT * FROM vault_item i, vault v WHERE v.code = i.label",
        "SELECT count(DISTINCT status) FROM vault", "SELECT code FROM vault WHERE code BETWEEN 'A' AND 'z'",
        "SELECT code FROM vault WHERE code GLOB 'C*'",
        "SELECT code FROM vault WHERE code LIKE 'c%'", "SELECT status, count(*) FROM vault GROUP BY 1 ORDER BY 2",
        "SELECT a.code FROM vault a CROSS JOIN vault b CROSS JOIN vault_item c",
        "SELECT v.code FROM vault v WHERE v.id IN (SELECT vault_id FROM vault_item)",
        "SELECT code FROM vault WHERE (amount, code) > (1, 'a')", "SELECT code FROM vault WHERE likely(amount > 1)",
        "SELECT code FROM vault INDEXED BY vault_by_amount", "SELECT code FROM vault NOT INDEXED",
        "DELETE FROM vault INDEXED BY vault_by_amount",
        "UPDATE vault NOT INDEXED SET note = 'x'", "SELECT code FROM vault WHERE tenant_id > x'00'",
        "SELECT code FROM vault WHERE tenant_id IS NOT NULL",
        "SELECT code FROM vault WHERE tenant_id COLLATE NOCASE = current_tenant()",
        "SELECT code FROM vault WHERE typeof(tenant_id) = 'blob'",
    ].map { Attack(.blind, $0) }

    /// Shapes that hide what they name, and own names that stand for foreign ones.
    package static let shapes: [Attack] = [
        Attack(.refused, "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"),
        Attack(.refused, "WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 5) SELECT * FROM n"),
        Attack(
            .refused,
            "WITH RECURSIVE n(x) AS (VALUES (1) UNION SELECT x + 1 FROM n WHERE x < 5) UPDATE vault SET amount = (SELECT max(x) FROM n)"),
        Attack(.blind, "WITH vault AS (SELECT 1 AS code) SELECT code FROM vault"),
        Attack(.blind, "SELECT v.code FROM (SELECT * FROM vault) AS v JOIN (SELECT * FROM vault) AS w ON v.id = w.id"),
        Attack(.blind, "SELECT code FROM vault WHERE id IN (SELECT id FROM vault UNION SELECT vault_id FROM vault_item)"),
        Attack(.blind, "UPDATE vault SET note = x.code FROM (SELECT id, code FROM vault) AS x WHERE x.id = vault.id RETURNING note"),
        Attack(.blind, "INSERT INTO vault_item SELECT tenant_id, id, 7, code FROM vault WHERE code = 'mine' RETURNING label"),
        Attack(.blind, "DELETE FROM vault_item RETURNING label"),
        Attack(.blind, "SELECT row_number() OVER (ORDER BY code), code FROM vault"),
        Attack(.blind, "SELECT * FROM main.vault"), Attack(.refused, "SELECT * FROM temp.vault"), Attack(.refused, "SELECT * FROM nosuch"),
        Attack(.blind, "SELECT 'a CANARY-free literal; with -- signs /* and words'"), Attack(.blind, "VALUES (1), (2)"),
    ]

    /// Texts that two tokenizers might split in two ways.
    package static let texts: [Attack] = [
        "SELECT 'open", "SELECT \"open", "SELECT [open", "SELECT `open", "SELECT 1 /* open", "SELECT ?1", "SELECT :name", "SELECT @name",
        "SELECT $name", "SELECT $0", "SELECT \"CANARY\"", "SELECT 1 \u{0B} FROM vault", "SELECT \u{7F}1", "SELECT ä FROM vault",
        "SELECT * FROM \u{FF56}ault_all", "SELECT 'it''s' FROM 'vault_all'", "SELECT '/*' FROM vault_all -- */",
        "SELECT '--' , code FROM vault_all",
        "SELECT 1 --\r FROM vault\n, (SELECT * FROM vault_all)", "SELECT/*/ */* FROM vault_all", "SELECT\"code\"FROM\"vault_all\"",
        "SELECT[code]FROM[vault_all]", "SELECT'x'FROM'vault_all'", "SELECT x'00'FROM`vault_all`", "SELECT 1e0FROM vault_all", "", " ", ";",
        "--", "/**/",
        "TABLE vault", "CALL x()", "SELECT * FROM vault WHERE code = \"CANARY-CODE\"",
    ].map { Attack(.refused, $0) }
}
