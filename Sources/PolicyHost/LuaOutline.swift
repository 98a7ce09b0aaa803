import Synchronization

/// Where the fields of the table that a file returns stand: reads the text, runs nothing. What it cannot follow (a table made by code)
/// it does not find, and the blame falls on the nearest place that it does.
struct LuaOutline: Sendable {
    indirect enum Node: Sendable {
        case table(line: Int, fields: [Field])
        case text(String)
        case other
    }
    struct Field: Sendable {
        let name: String?
        let position: Int
        let line: Int
        let node: Node
    }

    private struct Found: Sendable {
        let root: Node?
        let end: Int
    }
    /// Read when the first line is asked for: a file without fault needs none.
    private final class Reading: Sendable {
        private let source: String
        private let found = Mutex<Found?>(nil)
        init(_ source: String) { self.source = source }
        var whole: Found {
            found.withLock { found in
                if let found { return found }
                let tokens = LuaTokens.read(source)
                var parser = OutlineParser(tokens)
                let read = Found(root: parser.returnedTable(), end: tokens.last?.line ?? 1)
                found = read
                return read
            }
        }
        var node: Node? { whole.root }
    }
    private let reading: Reading
    /// The last line that holds anything; 1 for an empty file.
    var end: Int { reading.whole.end }

    init(_ source: String) { reading = Reading(source) }

    /// The line of the deepest part of the path that is found: `prices[1].amount_minor`, `tiers.pro.name`. A name in a list means the
    /// item with that id. Nil where not even the table is found.
    func line(_ path: String) -> Int? {
        let root = reading.node
        guard case .table(var line, _)? = root, var node = root else { return nil }
        for step in Self.steps(path) {
            guard case .table(_, let fields) = node, let field = Self.find(step, fields) else { break }
            line = field.line
            node = field.node
        }
        return line
    }

    private static func find(_ step: String, _ fields: [Field]) -> Field? {
        if let named = fields.first(where: { $0.name == step }) { return named }
        if let position = Int(step) { return fields.first { $0.name == nil && $0.position == position } }
        return fields.first { field in
            guard case .table(_, let inner) = field.node,
                case .text(let id)? = inner.first(where: { $0.name == "id" || ($0.name == nil && $0.position == 1) })?.node
            else { return false }
            return id == step
        }
    }

    private static func steps(_ path: String) -> [String] {
        path.split(whereSeparator: { $0 == "." || $0 == "[" || $0 == "]" || $0 == "#" }).map(String.init)
    }
}

/// The words of a Lua file with their lines; comments are gone.
enum LuaTokens {
    enum Kind: Equatable {
        case name(String)
        case text(String)
        case sign(Character)
        case number(String)
    }
    struct Token {
        let kind: Kind
        let line: Int
    }

    static func read(_ source: String) -> [Token] {
        var tokens: [Token] = []
        let bytes = Array(source.utf8)
        var at = 0
        var line = 1
        func isName(_ byte: UInt8) -> Bool {
            (97...122).contains(byte) || (65...90).contains(byte) || (48...57).contains(byte) || byte == 95
        }
        /// The level of the long bracket that opens here, or nil.
        func longBracket(_ start: Int) -> Int? {
            guard start < bytes.count, bytes[start] == 91 else { return nil }
            var end = start + 1
            while end < bytes.count, bytes[end] == 61 { end += 1 }
            return end < bytes.count && bytes[end] == 91 ? end - start - 1 : nil
        }
        func skipLong(_ level: Int) -> String {
            at += level + 2
            let start = at
            while at < bytes.count {
                if LuaLexer.endsLine(bytes, at) { line += 1 }
                if bytes[at] == 93, at + level + 1 < bytes.count, bytes[at + level + 1] == 93,
                    bytes[(at + 1)..<(at + level + 1)].allSatisfy({ $0 == 61 })
                {
                    let text = String(decoding: bytes[start..<at], as: UTF8.self)
                    at += level + 2
                    return text
                }
                at += 1
            }
            return ""
        }
        while at < bytes.count {
            let byte = bytes[at]
            if LuaLexer.endsLine(bytes, at) {
                line += 1
                at += 1
            } else if byte <= 32 {
                at += 1
            } else if byte == 45, at + 1 < bytes.count, bytes[at + 1] == 45 {
                at += 2
                if let level = longBracket(at) {
                    _ = skipLong(level)
                } else {
                    while at < bytes.count, bytes[at] != 10, bytes[at] != 13 { at += 1 }
                }
            } else if let level = longBracket(at) {
                let start = line
                tokens.append(Token(kind: .text(skipLong(level)), line: start))
            } else if byte == 34 || byte == 39 {
                let start = at + 1
                at += 1
                while at < bytes.count, bytes[at] != byte, bytes[at] != 10, bytes[at] != 13 { at += bytes[at] == 92 ? 2 : 1 }
                tokens.append(Token(kind: .text(String(decoding: bytes[start..<min(at, bytes.count)], as: UTF8.self)), line: line))
                at += 1
            } else if isName(byte) {
                let start = at
                while at < bytes.count, isName(bytes[at]) { at += 1 }
                let text = String(decoding: bytes[start..<at], as: UTF8.self)
                tokens.append(Token(kind: (48...57).contains(byte) ? .number(text) : .name(text), line: line))
            } else {
                tokens.append(Token(kind: .sign(Character(Unicode.Scalar(byte))), line: line))
                at += 1
            }
        }
        return tokens
    }
}

private struct OutlineParser {
    private let tokens: [LuaTokens.Token]
    private var at = 0
    /// Nested tables read so far; a file is bounded, its nesting is too.
    private var depth = 0

    init(_ tokens: [LuaTokens.Token]) { self.tokens = tokens }

    /// The table after the file's own `return`; those inside functions are not it.
    mutating func returnedTable() -> LuaOutline.Node? {
        var inside = 0
        for index in tokens.indices {
            inside += Self.opens(tokens[index].kind)
            guard inside == 0, tokens[index].kind == .name("return"), index + 1 < tokens.count, tokens[index + 1].kind == .sign("{")
            else { continue }
            at = index + 1
            return table()
        }
        return nil
    }

    /// 1 where a block or bracket opens, -1 where one closes.
    private static func opens(_ kind: LuaTokens.Kind) -> Int {
        switch kind {
        case .name("function"), .name("if"), .name("do"), .name("repeat"), .sign("("), .sign("["), .sign("{"): 1
        case .name("end"), .name("until"), .sign(")"), .sign("]"), .sign("}"): -1
        default: 0
        }
    }

    private var sign: Character? {
        if at < tokens.count, case .sign(let sign) = tokens[at].kind { return sign }
        return nil
    }

    /// At `{`; leaves it after `}`.
    private mutating func table() -> LuaOutline.Node {
        let line = tokens[at].line
        var fields: [LuaOutline.Field] = []
        var position = 0
        at += 1
        depth += 1
        defer { depth -= 1 }
        while at < tokens.count, sign != "}" {
            if sign == "," || sign == ";" {
                at += 1
                continue
            }
            let start = tokens[at].line
            if case .name(let name) = tokens[at].kind, at + 1 < tokens.count, tokens[at + 1].kind == .sign("="), !isComparison(at + 1) {
                at += 2
                fields.append(.init(name: name, position: 0, line: start, node: value()))
            } else if sign == "[", at + 3 < tokens.count, case .text(let name) = tokens[at + 1].kind, tokens[at + 2].kind == .sign("]") {
                at += 4
                fields.append(.init(name: name, position: 0, line: start, node: value()))
            } else if sign == "[", at + 3 < tokens.count, case .number(let number) = tokens[at + 1].kind, tokens[at + 2].kind == .sign("]")
            {
                at += 4
                fields.append(.init(name: nil, position: Int(number) ?? 0, line: start, node: value()))
            } else {
                position += 1
                fields.append(.init(name: nil, position: position, line: start, node: value()))
            }
        }
        at += 1
        return .table(line: line, fields: fields)
    }

    private func isComparison(_ index: Int) -> Bool { index + 1 < tokens.count && tokens[index + 1].kind == .sign("=") }

    /// One expression, up to the comma or brace that ends it.
    private mutating func value() -> LuaOutline.Node {
        var node = LuaOutline.Node.other
        let start = at
        var blocks = 0
        var brackets = 0
        while at < tokens.count {
            if blocks == 0, brackets == 0, sign == "," || sign == ";" || sign == "}" { break }
            switch tokens[at].kind {
            case .name("function"), .name("if"), .name("do"), .name("repeat"): blocks += 1
            case .name("end"), .name("until"): blocks -= 1
            case .sign("("), .sign("["): brackets += 1
            case .sign(")"), .sign("]"): brackets -= 1
            case .sign("{"):
                guard depth < 60, blocks == 0, brackets == 0 else {
                    brackets += 1
                    break
                }
                node = table()
                continue
            case .sign("}"): brackets -= 1
            case .text(let text) where at == start: node = .text(text)
            default: break
            }
            at += 1
        }
        return node
    }
}
