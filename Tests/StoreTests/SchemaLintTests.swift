import Foundation
import Store
import StoreSQLite
import Testing
import Vocabulary

@Suite struct SchemaLintTests {
    /// A parent and a child that keep every rule.
    static let good = """
        CREATE TABLE shelf_all (
            tenant_id BLOB NOT NULL, id BLOB NOT NULL, status TEXT NOT NULL CHECK (status IN ('open', 'shut')), created_at INTEGER NOT NULL,
            price_minor INTEGER NOT NULL, currency TEXT NOT NULL, seats INTEGER NOT NULL CHECK (seats >= 0), "order" INTEGER,
            PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, created_at)
        ) WITHOUT ROWID, STRICT;
        CREATE TABLE book_all (
            tenant_id BLOB NOT NULL, shelf_id BLOB NOT NULL, number INTEGER NOT NULL, title TEXT, PRIMARY KEY (tenant_id, shelf_id, number),
            FOREIGN KEY (tenant_id, shelf_id) REFERENCES shelf_all (tenant_id, id) ON DELETE CASCADE
        ) WITHOUT ROWID, STRICT;
        CREATE INDEX book_by_title ON book_all (tenant_id, title);
        CREATE TABLE shelf_directory (code TEXT PRIMARY KEY, tenant_id BLOB NOT NULL, id BLOB NOT NULL) STRICT;
        """

    static func findings(_ sql: String) async throws -> [SchemaLint.Finding] {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("lint-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try SchemaLint.findings(of: sql, in: folder)
    }

    @Test("tables that keep the rules pass") func pass() async throws {
        #expect(try await SchemaLintTests.findings(SchemaLintTests.good).isEmpty)
    }

    @Test("each rule finds the one thing wrong", arguments: breaches) func breach(_ breach: Breach) async throws {
        var sql = SchemaLintTests.good
        if let from = breach.replacing {
            #expect(sql.contains(from), "the table of this test has changed")
            sql = sql.replacing(from, with: breach.with)
        } else {
            sql += breach.with
        }
        let findings = try await SchemaLintTests.findings(sql)
        #expect(findings.map(\.rule) == [breach.rule], "\(findings)")
        #expect(findings.allSatisfy { $0.sentence.hasSuffix(".") && $0.sentence.count > 20 })
    }

    @Test("every rule has a breach in this suite") func complete() {
        #expect(Set(SchemaLintTests.breaches.map(\.rule)) == Set(SchemaLint.Rule.allCases))
    }

    @Test("a migration that breaks a rule is refused whole, with the sentence") func refusal() async throws {
        let bad = Migration(
            room: "shelves", name: "0001_bad", sql: SchemaLintTests.good.replacing(") WITHOUT ROWID, STRICT", with: ") STRICT"))
        await #expect {
            _ = try await Bench(migrations: [bad])
        } throws: { error in
            guard case StoreFault.migration(let text)? = error as? StoreFault else { return false }
            return text.contains("shelf_all has a rowid") && text.contains("book_all has a rowid")
        }
    }

    @Test("every room's migrations keep the rules together") func house() async throws {
        let sources = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Sources")
        var sql = ""
        for room in try FileManager.default.contentsOfDirectory(atPath: sources.path).sorted() {
            let folder = sources.appendingPathComponent("\(room)/Migrations")
            for file in ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted() where file.hasSuffix(".sql") {
                sql += try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8) + "\n"
            }
        }
        let findings = try await SchemaLintTests.findings(sql)
        #expect(findings.isEmpty, "\(findings.map(\.sentence).joined(separator: "\n"))")
    }

    struct Breach: Sendable, CustomTestStringConvertible {
        let rule: SchemaLint.Rule
        var replacing: String?
        let with: String
        init(_ rule: SchemaLint.Rule, replacing: String? = nil, with: String) {
            self.rule = rule
            self.replacing = replacing
            self.with = with
        }
        var testDescription: String { "\(rule): \(with.prefix(60))" }
    }

    static let breaches: [Breach] = [
        Breach(.strict, with: "CREATE TABLE loose (id BLOB PRIMARY KEY);"),
        Breach(
            .withoutRowID, with: "CREATE TABLE pin_all (tenant_id BLOB NOT NULL, id BLOB NOT NULL, PRIMARY KEY (tenant_id, id)) STRICT;"),
        Breach(
            .tenantFirst,
            with: "CREATE TABLE pin_all (tenant_id BLOB NOT NULL, id BLOB NOT NULL, PRIMARY KEY (id, tenant_id)) WITHOUT ROWID, STRICT;"),
        Breach(
            .tenantFirst, with: "CREATE TABLE pin_all (tenant_id TEXT NOT NULL, PRIMARY KEY (tenant_id)) WITHOUT ROWID, STRICT;"),
        Breach(.tenantSuffix, with: "CREATE TABLE pin (tenant_id BLOB NOT NULL PRIMARY KEY) STRICT;"),
        Breach(.uniqueByTenant, replacing: "UNIQUE (tenant_id, created_at)", with: "UNIQUE (created_at)"),
        Breach(.uniqueByTenant, with: "CREATE UNIQUE INDEX book_title ON book_all (title) WHERE title IS NOT NULL;"),
        Breach(.uniqueByTenant, with: "CREATE UNIQUE INDEX book_title ON book_all (lower(title), tenant_id);"),
        Breach(.indexByTenant, replacing: "book_all (tenant_id, title)", with: "book_all (title, tenant_id)"),
        Breach(.indexByTenant, with: "CREATE INDEX book_short ON book_all (abs(number));"),
        Breach(
            .foreignKeyByTenant,
            with: """
                CREATE UNIQUE INDEX shelf_swapped ON shelf_all (tenant_id, id);
                CREATE TABLE pin_all (tenant_id BLOB NOT NULL, shelf_id BLOB NOT NULL, owner_id BLOB NOT NULL, PRIMARY KEY (tenant_id, shelf_id),
                FOREIGN KEY (owner_id, shelf_id) REFERENCES shelf_all (tenant_id, id)) WITHOUT ROWID, STRICT;
                """),
        Breach(
            .foreignKeyCrosses,
            with: """
                CREATE TABLE pin_all (tenant_id BLOB NOT NULL, code TEXT NOT NULL REFERENCES shelf_directory (code), PRIMARY KEY (tenant_id, code))
                WITHOUT ROWID, STRICT;
                """),
        Breach(
            .foreignKeyCrosses,
            with: """
                CREATE TABLE pin (id BLOB PRIMARY KEY, tenant_id BLOB, FOREIGN KEY (tenant_id, id) REFERENCES shelf_all (tenant_id, id)) STRICT;
                """),
        Breach(.foreignKeyAction, replacing: "ON DELETE CASCADE", with: "ON DELETE SET NULL"),
        Breach(.deferred, replacing: "ON DELETE CASCADE", with: "DEFERRABLE INITIALLY DEFERRED"),
        Breach(.conflictClause, replacing: "UNIQUE (tenant_id, created_at)", with: "UNIQUE (tenant_id, created_at) ON CONFLICT REPLACE"),
        Breach(.noDefault, replacing: "title TEXT", with: "title TEXT DEFAULT 'none'"),
        Breach(.noAutoincrement, with: "CREATE TABLE pin (number INTEGER PRIMARY KEY AUTOINCREMENT) STRICT;"),
        Breach(.noGenerated, replacing: "title TEXT", with: "title TEXT, length INTEGER AS (length(title))"),
        Breach(.plainTypes, replacing: "title TEXT", with: "title TEXT, weight REAL"),
        Breach(.plainTypes, replacing: "title TEXT", with: "title ANY"),
        Breach(.idIsBlob, with: "CREATE TABLE pin (id TEXT PRIMARY KEY) STRICT;"),
        Breach(.timeIsInteger, replacing: "created_at INTEGER", with: "created_at TEXT"),
        Breach(.timeIsInteger, with: "CREATE TABLE pin (code TEXT PRIMARY KEY, locked_until TEXT) STRICT;"),
        Breach(.moneyHasCurrency, replacing: "currency TEXT NOT NULL, ", with: ""),
        Breach(.valueIsChecked, replacing: "status TEXT NOT NULL CHECK (status IN ('open', 'shut'))", with: "status TEXT NOT NULL"),
        Breach(.valueIsChecked, replacing: "CHECK (seats >= 0)", with: "CHECK (created_at >= 0)"),
        Breach(.snakeCase, replacing: "title TEXT", with: "title TEXT, pageCount INTEGER"),
        Breach(.reservedName, with: "CREATE TABLE store_secret (code TEXT PRIMARY KEY) STRICT;"),
        Breach(.nameIsFree, with: "CREATE TABLE shelf (code TEXT PRIMARY KEY) STRICT;"),
        Breach(.nameIsFree, replacing: "title TEXT", with: "title TEXT, shelf_directory TEXT"),
        Breach(.noOwnTriggers, with: "CREATE TRIGGER peek AFTER INSERT ON book_all BEGIN DELETE FROM shelf_directory; END;"),
        Breach(.noOwnTriggers, with: "CREATE VIEW everyone AS SELECT * FROM book_all;"),
    ]
}
