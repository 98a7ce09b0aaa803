import Store

/// Makes PostgreSQL's statements from a migration as rooms write it. The rooms' subset is small, and what is outside of it is refused by
/// name: CREATE TABLE with BLOB, INTEGER and TEXT columns, STRICT and WITHOUT ROWID; CREATE INDEX; ALTER TABLE; DROP TABLE and DROP INDEX;
/// INSERT, UPDATE and DELETE.
package enum PostgresDialect {
    package static func statements(_ migration: Migration) throws -> [String] {
        func refuse(_ message: String) -> StoreFault { .migration("\(migration.path) cannot be said to PostgreSQL: \(message)") }
        var out: [String] = []
        var waiting: [(parent: String, text: String)] = []
        var later = Set(try tables(of: migration))
        for words in try split(migration) {
            let head = words.prefix(3).map { $0.text.lowercased() }
            if head.prefix(2).elementsEqual(["create", "trigger"]) || head.prefix(2).elementsEqual(["drop", "trigger"]) {
                guard migration.room == OwnSchema.room else { throw refuse("triggers are the driver's to make") }
                continue
            }
            switch head.first {
            case "create" where head.count > 1 && head[1] == "table":
                let (name, text, keys) = try table(words, refuse)
                out.append(text)
                later.remove(name)
                for key in keys { waiting.append((key.parent, "ALTER TABLE \(name) ADD \(key.text)")) }
                // A key to a table that comes later waits for it.
                out += waiting.filter { !later.contains($0.parent) }.map(\.text)
                waiting.removeAll { !later.contains($0.parent) }
            case "create" where head.count > 1 && ["index", "unique"].contains(head[1]): out.append(text(words))
            case "alter": out.append(text(words.map(typed)))
            case "drop" where head.count > 1 && ["table", "index"].contains(head[1]): out.append(text(words))
            case "insert", "update", "delete":
                if words.dropFirst().first?.text.lowercased() == "or" { throw refuse("\(words[0].text) OR …: write ON CONFLICT") }
                out.append(text(words))
            default: throw refuse("a statement that begins with \(head.joined(separator: " "))")
            }
        }
        guard waiting.isEmpty else { throw refuse("a foreign key to \(waiting[0].parent), which no statement makes") }
        return out
    }

    private struct Word {
        let text: String
        /// Blank before it.
        let isApart: Bool
    }

    private static func text(_ words: [Word]) -> String {
        words.map { ($0.isApart ? " " : "") + $0.text }.joined().trimmingPrefix(while: \.isWhitespace).description
    }

    private static func typed(_ word: Word) -> Word {
        let types = ["BLOB": "bytea", "INTEGER": "bigint", "TEXT": "text COLLATE \"C\""]
        return Word(text: types[word.text] ?? word.text, isApart: word.isApart)
    }

    private static func table(_ words: [Word], _ refuse: (String) -> StoreFault) throws -> (
        name: String, text: String, keys: [(parent: String, text: String)]
    ) {
        guard let open = words.firstIndex(where: { $0.text == "(" }), open > 2 else { throw refuse("CREATE TABLE … AS") }
        guard let close = words.lastIndex(where: { $0.text == ")" }), close > open else { throw refuse("a parenthesis is open") }
        for word in words[(close + 1)...] where !["WITHOUT", "ROWID", "STRICT", ","].contains(word.text.uppercased()) {
            throw refuse("\(word.text) after a table's columns")
        }
        var items: [[Word]] = [[]]
        var depth = 0
        for word in words[(open + 1)..<close] {
            if word.text == "(" { depth += 1 }
            if word.text == ")" { depth -= 1 }
            if word.text == ",", depth == 0 { items.append([]) } else { items[items.count - 1].append(word) }
        }
        var kept: [String] = []
        var keys: [(parent: String, text: String)] = []
        for item in items {
            for word in item
            where ["AUTOINCREMENT", "GENERATED", "GLOB", "REGEXP", "REAL", "ANY", "NUMERIC"].contains(word.text.uppercased()) {
                throw refuse(word.text)
            }
            if item.first?.text.uppercased() == "FOREIGN" {
                guard let place = item.firstIndex(where: { $0.text.uppercased() == "REFERENCES" }), place + 1 < item.count else {
                    throw refuse("a foreign key to nothing")
                }
                keys.append((item[place + 1].text, text(item)))
            } else {
                kept.append(text(item.map(typed)))
            }
        }
        return (words[open - 1].text, text(Array(words[..<open])) + " (" + kept.joined(separator: ", ") + ")", keys)
    }

    private static func tables(of migration: Migration) throws -> [String] {
        try split(migration).compactMap { words in
            guard words.count > 2, words[0].text.lowercased() == "create", words[1].text.lowercased() == "table" else { return nil }
            return words.firstIndex { $0.text == "(" }.map { words[$0 - 1].text }
        }
    }

    /// The statements, each as its words; comments are left out.
    private static func split(_ migration: Migration) throws -> [[Word]] {
        let bytes = Array(migration.sql.utf8)
        var statements: [[Word]] = []
        var words: [Word] = []
        var index = 0
        var isApart = false
        func isName(_ byte: UInt8) -> Bool {
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 95 || byte > 127
        }
        func take(while keep: (UInt8) -> Bool) -> String {
            let start = index
            while index < bytes.count, keep(bytes[index]) { index += 1 }
            return String(decoding: bytes[start..<index], as: UTF8.self)
        }
        func add(_ text: String) {
            words.append(Word(text: text, isApart: isApart))
            isApart = false
        }
        while index < bytes.count {
            switch bytes[index] {
            case 32, 9, 10, 13:
                index += 1
                isApart = true
            case 45 where index + 1 < bytes.count && bytes[index + 1] == 45:
                _ = take { $0 != 10 }
                isApart = true
            case 39, 34:
                let start = index
                let mark = bytes[index]
                index += 1
                while index < bytes.count, bytes[index] != mark || (index + 1 < bytes.count && bytes[index + 1] == mark) {
                    index += bytes[index] == mark ? 2 : 1
                }
                guard index < bytes.count else { throw StoreFault.migration("\(migration.path): a quote is open") }
                index += 1
                add(String(decoding: bytes[start..<index], as: UTF8.self))
            case 59:
                index += 1
                // A trigger's body has statements of its own.
                let isTrigger = words.prefix(2).map { $0.text.lowercased() } == ["create", "trigger"]
                if isTrigger, words.last?.text.uppercased() != "END" {
                    add(";")
                } else {
                    if !words.isEmpty { statements.append(words) }
                    words = []
                    isApart = false
                }
            case let byte where isName(byte): add(take(while: isName))
            case 47 where index + 1 < bytes.count && bytes[index + 1] == 42:
                throw StoreFault.migration("\(migration.path): comments begin with --")
            case 96, 91, 92:
                throw StoreFault.migration(
                    "\(migration.path): names are written without \(String(decoding: [bytes[index]], as: UTF8.self))")
            default:
                let sign = String(decoding: [bytes[index]], as: UTF8.self)
                index += 1
                add(sign)
            }
        }
        if !words.isEmpty { statements.append(words) }
        return statements
    }
}
