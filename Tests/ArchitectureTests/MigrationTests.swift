import Foundation
import Testing

/// A migration that has landed is history: the ledger of their hashes may only grow.
struct MigrationTests {
    static func hash(_ text: String) -> String {
        // FNV-1a, 64 bits twice with different offsets: finds edits, not forgers.
        func fnv(_ start: UInt64) -> String {
            var hash = start
            for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            return String(hash, radix: 16)
        }
        return fnv(0xcbf2_9ce4_8422_2325) + fnv(0x8422_2325_cbf2_9ce4)
    }

    @Test("no landed migration was edited or removed, and each new one is in the ledger")
    func migrationsAreUnedited() throws {
        var found: [String: String] = [:]
        for file in try House.files("Sources", endings: ["sql"]) { found[file.path] = Self.hash(file.text) }
        let ledger = try House.text("docs/reference/migrations.txt").split(separator: "\n").filter { !$0.hasPrefix("#") }
        var listed: [String: String] = [:]
        for line in ledger {
            let words = line.split(separator: " ").map(String.init)
            try #require(words.count == 2, "\(line)")
            listed[words[1]] = words[0]
        }
        for (path, hash) in listed { #expect(found[path] == hash, "\(path) was edited or removed; write a new migration instead") }
        for (path, hash) in found.sorted(by: { $0.key < $1.key }) where listed[path] == nil {
            Issue.record("add to docs/reference/migrations.txt: \(hash) \(path)")
        }
    }

    @Test("a room's migrations are numbered without gaps")
    func migrationsAreNumbered() throws {
        let byFolder = Dictionary(grouping: try House.files("Sources", endings: ["sql"])) {
            $0.path.split(separator: "/").dropLast().joined(separator: "/")
        }
        for (folder, files) in byFolder {
            for (index, file) in files.sorted(by: { $0.path < $1.path }).enumerated() {
                let expected = String(repeating: "0", count: 4 - String(index + 1).count) + String(index + 1) + "_"
                #expect(file.name.hasPrefix(expected), "\(folder)/\(file.name) should begin with \(expected)")
            }
        }
    }
}
