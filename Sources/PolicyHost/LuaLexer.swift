/// The words of a Lua file with their places.
struct LuaLexer {
    enum Kind: Hashable {
        case name(String)
        case keyword(String)
        case sign(String)
        case integer(Int64)
        case float
        case text(String)
        case end
    }
    struct Word {
        let kind: Kind
        let span: LuaSpan
    }
    struct Fault: Error {
        let line: Int
        let message: String
    }

    static let keywords: Set<String> = [
        "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil", "not", "or",
        "repeat",
        "return", "then", "true", "until", "while",
    ]
    private static let signs = [
        "...", "<<", ">>", "//", "==", "~=", "<=", ">=", "::", "..", "+", "-", "*", "/", "%", "^", "#", "&", "~", "|", "<", ">", "=", "(",
        ")", "{", "}", "[", "]", ";", ":", ",", ".",
    ].map { Array($0.utf8) }

    private let bytes: [UInt8]
    private var at = 0
    private var line = 1

    private init(_ bytes: [UInt8]) {
        self.bytes = bytes
        // Editors write a byte order mark; the compiler skips it too.
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { at = 3 }
    }

    /// A line ends with LF, CR LF or CR, as the compiler counts.
    static func endsLine(_ bytes: [UInt8], _ at: Int) -> Bool {
        bytes[at] == 13 || (bytes[at] == 10 && (at == 0 || bytes[at - 1] != 13))
    }

    static func words(_ bytes: [UInt8]) throws(Fault) -> [Word] {
        var lexer = LuaLexer(bytes)
        var words: [Word] = []
        while true {
            let word = try lexer.next()
            words.append(word)
            if word.kind == .end { return words }
        }
    }

    private func peek(_ ahead: Int = 0) -> UInt8 { at + ahead < bytes.count ? bytes[at + ahead] : 0 }
    private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
    private static func isName(_ byte: UInt8) -> Bool {
        (97...122).contains(byte) || (65...90).contains(byte) || isDigit(byte) || byte == 95
    }

    /// The level of the long bracket that opens here, or nil.
    private func longBracket() -> Int? {
        guard peek() == 91 else { return nil }
        var end = at + 1
        while end < bytes.count, bytes[end] == 61 { end += 1 }
        return end < bytes.count && bytes[end] == 91 ? end - at - 1 : nil
    }

    private mutating func long(_ level: Int) throws(Fault) -> String {
        let opened = line
        at += level + 2
        if peek() == 13 || peek() == 10 {
            line += 1
            at += peek() == 13 && peek(1) == 10 ? 2 : 1
        }
        let start = at
        while at < bytes.count {
            if Self.endsLine(bytes, at) { line += 1 }
            if bytes[at] == 93, at + level + 1 < bytes.count, bytes[at + level + 1] == 93,
                bytes[(at + 1)..<(at + level + 1)].allSatisfy({ $0 == 61 })
            {
                let text = String(decoding: bytes[start..<at], as: UTF8.self)
                at += level + 2
                return text
            }
            at += 1
        }
        throw Fault(line: opened, message: "a long text or comment that begins here has no end")
    }

    private mutating func skip() throws(Fault) {
        while at < bytes.count {
            if Self.endsLine(bytes, at) { line += 1 }
            if bytes[at] <= 32 {
                at += 1
            } else if bytes[at] == 45, peek(1) == 45 {
                at += 2
                if let level = longBracket() {
                    _ = try long(level)
                } else {
                    while at < bytes.count, bytes[at] != 10, bytes[at] != 13 { at += 1 }
                }
            } else {
                return
            }
        }
    }

    private mutating func next() throws(Fault) -> Word {
        try skip()
        let start = at
        let first = line
        let kind = try read()
        return Word(kind: kind, span: LuaSpan(start: start, end: at, line: first))
    }

    private mutating func read() throws(Fault) -> Kind {
        guard at < bytes.count else { return .end }
        let byte = bytes[at]
        if Self.isDigit(byte) || (byte == 46 && Self.isDigit(peek(1))) { return number() }
        if Self.isName(byte) {
            let start = at
            while at < bytes.count, Self.isName(bytes[at]) { at += 1 }
            let text = String(decoding: bytes[start..<at], as: UTF8.self)
            return Self.keywords.contains(text) ? .keyword(text) : .name(text)
        }
        if byte == 34 || byte == 39 { return .text(try quoted(byte)) }
        if let level = longBracket() { return .text(try long(level)) }
        for sign in Self.signs where bytes[at...].starts(with: sign) {
            at += sign.count
            return .sign(String(decoding: sign, as: UTF8.self))
        }
        throw Fault(line: line, message: "a sign that Lua does not know")
    }

    private mutating func number() -> Kind {
        let start = at
        let isHex = peek() == 48 && (peek(1) | 32) == 120
        if isHex { at += 2 }
        var isFloat = false
        while at < bytes.count {
            let byte = bytes[at]
            let exponent: UInt8 = isHex ? 112 : 101
            if byte | 32 == exponent {
                isFloat = true
                at += 1
                if peek() == 43 || peek() == 45 { at += 1 }
            } else if byte == 46 {
                isFloat = true
                at += 1
            } else if Self.isName(byte) {
                at += 1
            } else {
                break
            }
        }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        if isFloat { return .float }
        if isHex { return UInt64(text.dropFirst(2).suffix(16), radix: 16).map { .integer(Int64(bitPattern: $0)) } ?? .float }
        return Int64(text).map { .integer($0) } ?? .float
    }

    private mutating func quoted(_ quote: UInt8) throws(Fault) -> String {
        let opened = line
        at += 1
        var text: [UInt8] = []
        while at < bytes.count, bytes[at] != quote {
            if bytes[at] == 10 || bytes[at] == 13 { break }
            if bytes[at] != 92 {
                text.append(bytes[at])
                at += 1
                continue
            }
            at += 1
            switch peek() {
            case 110: text.append(10)
            case 116: text.append(9)
            case 10:
                line += 1
                text.append(10)
            case 122:
                while at + 1 < bytes.count, bytes[at + 1] <= 32 {
                    at += 1
                    if bytes[at] == 10 { line += 1 }
                }
            default: text.append(peek())
            }
            at += 1
        }
        guard peek() == quote else { throw Fault(line: opened, message: "a text that begins here has no end") }
        at += 1
        return String(decoding: text, as: UTF8.self)
    }
}
