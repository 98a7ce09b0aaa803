import Vocabulary

/// The words of a statement, split as SQLite's own tokenizer splits them. Names must appear literally in the text, so that what is
/// not among the words cannot be named.
package struct StatementText {
    package enum Token: Hashable {
        /// A bare word, in lower case.
        case word(String)
        /// Anything quoted, without its quotes, in lower case: the engine takes even 'text' as a name where it expects one.
        case quoted(String)
        case number
        case parameter(String)
        case sign(UInt8)
    }
    package let tokens: [Token]
    /// The text ends within a quote or a comment, or holds a byte that no statement of ours has.
    package let isBroken: Bool

    package init(_ text: String) {
        var scanner = Scanner(bytes: Array(text.utf8))
        var tokens: [Token] = []
        while let token = scanner.next() { tokens.append(token) }
        self.tokens = tokens
        isBroken = scanner.isBroken
    }

    /// Throws `outOfScope` unless it is one plain statement that names nothing unspeakable.
    package func check(name: String, isTenants: Bool, unspeakable: Set<String>) throws {
        func refuse(_ message: String) -> StoreFault { .outOfScope(name: name, message: message) }
        if isBroken { throw refuse("the text has an open quote, an open comment, a control character or a name that is not ASCII") }
        guard case .word(let head)? = tokens.first, ["select", "insert", "update", "delete", "with", "values"].contains(head) else {
            throw refuse("a statement begins with SELECT, INSERT, UPDATE, DELETE, WITH or VALUES")
        }
        if let end = tokens.firstIndex(of: .sign(59)), end != tokens.count - 1 { throw refuse("more than one statement") }
        for (index, token) in tokens.enumerated() {
            switch token {
            case .word(let word):
                if word == "rollback" { throw refuse("ROLLBACK undoes the work of others in the same transaction") }
                if isTenants {
                    if unspeakable.contains(word) { throw refuse("\(word) is not of this scope") }
                    if word == "or", index > 0, [.word("insert"), .word("update")].contains(tokens[index - 1]) {
                        throw refuse("no conflict clause in tenant scope")
                    }
                    if word == "replace", index + 1 < tokens.count, tokens[index + 1] == .word("into") {
                        throw refuse("no REPLACE in tenant scope")
                    }
                }
            case .quoted(let word):
                if isTenants, unspeakable.contains(word) { throw refuse("\(word) is not of this scope") }
            default: break
            }
        }
    }
}

extension StatementText {
    private struct Scanner {
        let bytes: [UInt8]
        var index = 0
        var isBroken = false

        init(bytes: [UInt8]) { self.bytes = bytes }

        private func byte(_ offset: Int = 0) -> UInt8? { index + offset < bytes.count ? bytes[index + offset] : nil }
        /// As the engine: ASCII letters, digits, `_`, `$` and every byte above 127.
        private static func isNamePart(_ byte: UInt8) -> Bool {
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 95 || byte == 36 || byte > 127
        }
        private static func folded(_ bytes: some Sequence<UInt8>) -> String {
            String(decoding: bytes.map { (65...90).contains($0) ? $0 + 32 : $0 }, as: UTF8.self)
        }

        mutating func next() -> Token? {
            skipSpace()
            guard !isBroken, let first = byte() else { return nil }
            switch first {
            case 39, 34, 96: return quoted(first)
            case 91: return bracketed()
            case 48...57: return number()
            case 46 where byte(1).map { (48...57).contains($0) } == true: return number()
            case 36, 58, 64, 35, 63: return parameter()
            case let start where Scanner.isNamePart(start): return word()
            case 0..<32, 127:
                isBroken = true
                return nil
            default:
                index += 1
                return .sign(first)
            }
        }

        private mutating func skipSpace() {
            while let current = byte() {
                switch current {
                case 32, 9, 10, 12, 13: index += 1
                case 45 where byte(1) == 45:
                    while let inside = byte(), inside != 10 {
                        if inside == 0 { isBroken = true }
                        index += 1
                    }
                case 47 where byte(1) == 42:
                    index += 2
                    while !(byte() == 42 && byte(1) == 47) {
                        guard let inside = byte(), inside != 0 else {
                            isBroken = true
                            return
                        }
                        index += 1
                    }
                    index += 2
                default: return
                }
            }
        }

        private mutating func quoted(_ mark: UInt8) -> Token? {
            index += 1
            var inside: [UInt8] = []
            while let current = byte() {
                if current == 0 { break }
                if current == mark {
                    guard byte(1) == mark else {
                        index += 1
                        return .quoted(Scanner.folded(inside))
                    }
                    index += 1
                }
                inside.append(current)
                index += 1
            }
            isBroken = true
            return nil
        }

        private mutating func bracketed() -> Token? {
            index += 1
            let start = index
            while let current = byte(), current != 93, current != 0 { index += 1 }
            guard byte() == 93 else {
                isBroken = true
                return nil
            }
            index += 1
            return .quoted(Scanner.folded(bytes[start..<(index - 1)]))
        }

        private mutating func number() -> Token {
            while let current = byte(), Scanner.isNamePart(current) || current == 46 { index += 1 }
            return .number
        }

        private mutating func parameter() -> Token {
            let start = index
            index += 1
            while let current = byte(), Scanner.isNamePart(current) { index += 1 }
            return .parameter(String(decoding: bytes[start..<index], as: UTF8.self))
        }

        private mutating func word() -> Token? {
            let start = index
            while let current = byte(), Scanner.isNamePart(current) { index += 1 }
            // Our names are ASCII; the engine takes a byte order mark for a blank and every other byte above 127 for a letter.
            if bytes[start..<index].contains(where: { $0 > 127 }) {
                isBroken = true
                return nil
            }
            // A blob literal x'…' ends at its quote.
            if index - start == 1, bytes[start] | 32 == 120, byte() == 39 { return quoted(39).map { _ in .number } }
            return .word(Scanner.folded(bytes[start..<index]))
        }
    }
}
