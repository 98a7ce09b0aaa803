import Foundation
import Testing

/// Rooms write SQL once, for SQLite and PostgreSQL. What only one of them takes is found here before a database is asked.
struct OneTextTests {
    /// What PostgreSQL refuses or means otherwise; `SQL(…, postgres:)` says such a thing twice.
    static let oneSided: [(words: String, why: String)] = [
        (#"json_(each|extract|group|object|array|valid)"#, "is spelt otherwise"), (#"\bGLOB\b"#, "is not there"),
        (#"INSERT OR "#, "is ON CONFLICT"), (#"\bifnull\("#, "is coalesce"), (#"\bgroup_concat\("#, "is string_agg"),
        (#"\bstrftime\(|\bunixepoch\("#, "is not there"), (#"\browid\b"#, "is not there"), (#"\btypeof\("#, "is not there"),
        (#"\((\$\d+) IS NULL OR"#, "has no type yet: put the comparison first"),
        (#"DO UPDATE SET ([a-z_]+) = \1 "#, "is ambiguous: name the table"), (#"[^a-z_](max|min)\([a-z_.$0-9]+, "#, "is greatest or least"),
    ]

    static func findings(_ text: String) -> [String] {
        oneSided.flatMap { rule in
            let matches = (try? Regex(rule.words)).map { text.matches(of: $0) } ?? []
            return matches.map { "\(text[$0.range]) \(rule.why)" }
        }
    }

    @Test("no room writes SQL that one engine alone takes")
    func rooms() throws {
        let files = try House.files("Sources", endings: ["swift"]).filter {
            $0.name.hasSuffix("Table.swift") && $0.text.contains("SQL(") && !$0.text.contains("postgres:")
        }
        for file in files { #expect(Self.findings(file.text).isEmpty, "\(file.path): \(Self.findings(file.text))") }
        let looked = files.count
        #expect(looked > 10)
    }

    @Test(
        "the guard sees each of what it is for",
        arguments: [
            "SELECT value FROM json_each($1)", "WHERE a GLOB 'x*'", "INSERT OR REPLACE INTO a", "SELECT ifnull(a, 0)",
            "WHERE ($1 IS NULL OR a = $1)",
            "ON CONFLICT (a) DO UPDATE SET beats = beats + 1", "SELECT group_concat(a)", "SET a = max(a, $1)", "SELECT rowid FROM a",
        ])
    func seeded(_ text: String) { #expect(!Self.findings(text).isEmpty) }
}
