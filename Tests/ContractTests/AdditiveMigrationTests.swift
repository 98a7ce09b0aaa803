import Composition
import Foundation
import Store
import Testing

/// While servers are replaced one by one, the older program works on the newer schema: docs/decisions/0026.
@Suite("migrations beside the program before") struct AdditiveMigrationTests {
    /// Landed before the rule and before any release.
    static let before: Set<String> = ["billing/0002_route_by_invoice", "store/0002_let_the_journal_begin_later"]

    /// What of a migration a program that does not know it could meet; empty: it only adds.
    static func findings(_ sql: String) -> [String] {
        let bare = sql.replacing(#/--[^\n]*/#, with: "")
        var own: Set<String> = []
        var added: [String: Set<String>] = [:]
        var found: [String] = []
        for statement in bare.split(separator: ";") {
            let text = statement.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            if text.isEmpty { continue }
            let short = String(text.prefix(80))
            if let table = text.wholeMatch(of: #/(?i)create table (?:if not exists )?(\w+) .*/#)?.output.1 {
                own.insert(String(table))
            } else if let match = text.wholeMatch(of: #/(?i)create (unique )?index (?:if not exists )?\w+ on (\w+).*/#)?.output {
                if match.1 != nil, !own.contains(String(match.2)) { found.append("its rows may break it: \(short)") }
            } else if let match = text.wholeMatch(of: #/(?i)alter table (\w+) add column (\w+) (.*)/#)?.output {
                let (table, rest) = (String(match.1), match.3.lowercased())
                added[table, default: []].insert(String(match.2))
                if rest.contains("not null") && !rest.contains("default") || rest.contains("unique") {
                    found.append("it does not fill it: \(short)")
                }
            } else if let match = text.wholeMatch(of: #/(?i)insert into (\w+).*/#)?.output {
                if !own.contains(String(match.1)) { found.append("it has not these rows: \(short)") }
            } else if let match = text.wholeMatch(of: #/(?i)update (\w+) set (.*?)(?: where .*)?/#)?.output {
                let table = String(match.1)
                let columns = Set(match.2.matches(of: #/(\w+) ?= ?/#).map { String($0.output.1) })
                if !own.contains(table), !columns.isSubset(of: added[table] ?? []) { found.append("it reads these values: \(short)") }
            } else {
                found.append("it may need what this changes: \(short)")
            }
        }
        return found
    }

    @Test("each only adds, or says in its name that it breaks the program before") func only() throws {
        for migration in try PlatformRegister.migrations() + OwnSchema.migrations where !Self.before.contains(migration.path) {
            let found = Self.findings(
                migration.sql.replacing(#/(?is)create trigger.*?end;/#, with: migration.room == "store" ? "" : "DROP;"))
            #expect(
                found.isEmpty != Migration.breaks(migration.name),
                "\(migration.path): \(found). Add only; or, where that cannot be, end its name in _breaks and release it alone.")
        }
    }

    @Test(
        "what would meet the program before is seen",
        arguments: [
            ("CREATE TABLE a (b TEXT NOT NULL); CREATE UNIQUE INDEX c ON a (b); INSERT INTO a SELECT 1; UPDATE a SET b = 2;", true),
            ("ALTER TABLE a ADD COLUMN b TEXT CHECK (b <> ''); CREATE INDEX c ON a (b); UPDATE a SET b = 'x' WHERE d = 1;", true),
            ("ALTER TABLE a ADD COLUMN b TEXT NOT NULL DEFAULT '';", true), ("-- DROP TABLE a;\nCREATE TABLE b (c TEXT);", true),
            ("ALTER TABLE a ADD COLUMN b TEXT NOT NULL;", false), ("ALTER TABLE a DROP COLUMN b;", false),
            ("ALTER TABLE a RENAME TO b;", false), ("ALTER TABLE a RENAME COLUMN b TO c;", false), ("DROP TABLE a;", false),
            ("DROP INDEX a;", false), ("CREATE UNIQUE INDEX a ON b (c);", false), ("UPDATE a SET b = 1;", false),
            ("ALTER TABLE a ADD COLUMN b TEXT; UPDATE a SET b = 1, c = 2;", false), ("DELETE FROM a;", false),
            ("INSERT INTO a (b) VALUES (1);", false), ("CREATE TRIGGER a BEFORE INSERT ON b BEGIN SELECT 1; END;", false),
        ]) func seen(_ sql: String, _ isFine: Bool)
    {
        #expect(Self.findings(sql).isEmpty == isFine, "\(Self.findings(sql))")
    }
}
