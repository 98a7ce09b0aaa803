/// Reads Lua 5.4 into a tree. What it refuses, Lua's own compiler has refused before: its faults are a defence, not a service.
struct LuaParser {
    private let bytes: [UInt8]
    private let words: [LuaLexer.Word]
    private var at = 0
    private var depth = 0

    /// As Lua's own limit of C levels.
    private static let deepest = 190
    /// Of the tree: walking it and letting it go need stack.
    private static let highest = 1_000

    static func parse(_ source: String) throws(LuaLexer.Fault) -> LuaTree {
        let bytes = Array(source.utf8)
        var parser = LuaParser(bytes: bytes, words: try LuaLexer.words(bytes))
        let body = try parser.block()
        guard parser.kind == .end else { throw parser.fault("the end of the file") }
        return LuaTree(bytes: bytes, body: body)
    }

    private init(bytes: [UInt8], words: [LuaLexer.Word]) {
        self.bytes = bytes
        self.words = words
    }

    // MARK: Words

    private var kind: LuaLexer.Kind { words[at].kind }
    private var span: LuaSpan { words[at].span }
    private func fault(_ expected: String) -> LuaLexer.Fault { LuaLexer.Fault(line: span.line, message: "expected \(expected)") }

    private mutating func take(_ wanted: LuaLexer.Kind) -> Bool {
        guard kind == wanted else { return false }
        at += 1
        return true
    }
    private mutating func need(keyword: String) throws(LuaLexer.Fault) {
        guard take(.keyword(keyword)) else { throw fault(keyword) }
    }
    private mutating func need(sign: String) throws(LuaLexer.Fault) {
        guard take(.sign(sign)) else { throw fault(sign) }
    }
    private mutating func name() throws(LuaLexer.Fault) -> LuaName {
        guard case .name(let text) = kind else { throw fault("a name") }
        at += 1
        return LuaName(span: words[at - 1].span, text: text)
    }
    private func since(_ start: LuaSpan) -> LuaSpan { LuaSpan(start: start.start, end: words[at - 1].span.end, line: start.line) }

    private mutating func deeper<Value>(_ body: (inout LuaParser) throws(LuaLexer.Fault) -> Value) throws(LuaLexer.Fault) -> Value {
        depth += 1
        defer { depth -= 1 }
        guard depth < Self.deepest else { throw LuaLexer.Fault(line: span.line, message: "nested too deeply") }
        return try body(&self)
    }

    private func low(_ expression: LuaExpression) throws(LuaLexer.Fault) -> LuaExpression {
        guard expression.height < Self.highest else {
            throw LuaLexer.Fault(line: expression.span.line, message: "a chain of more than \(Self.highest) links")
        }
        return expression
    }

    // MARK: Statements

    private mutating func block() throws(LuaLexer.Fault) -> LuaBlock {
        try deeper { parser throws(LuaLexer.Fault) in
            var statements: [LuaStatement] = []
            while true {
                while parser.take(.sign(";")) {}
                switch parser.kind {
                case .end, .keyword("end"), .keyword("else"), .keyword("elseif"), .keyword("until"):
                    return LuaBlock(statements: statements)
                default: break
                }
                let start = parser.span
                let isLast = parser.kind == .keyword("return")
                let kind = try parser.statement()
                statements.append(LuaStatement(span: parser.since(start), kind: kind))
                if isLast {
                    while parser.take(.sign(";")) {}
                    return LuaBlock(statements: statements)
                }
            }
        }
    }

    private mutating func statement() throws(LuaLexer.Fault) -> LuaStatement.Kind {
        guard case .keyword(let word) = kind else {
            if take(.sign("::")) {
                _ = try name()
                try need(sign: "::")
                return .label
            }
            return try callOrAssignment()
        }
        switch word {
        case "if": return try choose()
        case "while":
            at += 1
            let condition = try expression()
            return .whileLoop(condition, try body("do"))
        case "do": return .block(try body("do"))
        case "for": return try loop()
        case "repeat":
            at += 1
            let inner = try block()
            try need(keyword: "until")
            return .repeatLoop(inner, try expression())
        case "function": return try namedFunction()
        case "local": return try local()
        case "return":
            at += 1
            switch kind {
            case .end, .keyword("end"), .keyword("else"), .keyword("elseif"), .keyword("until"), .sign(";"): return .answer([])
            default: return .answer(try expressions())
            }
        case "break":
            at += 1
            return .leave
        case "goto":
            at += 1
            _ = try name()
            return .jump
        default: throw fault("a statement")
        }
    }

    /// `do … end`, from its opening word.
    private mutating func body(_ opening: String) throws(LuaLexer.Fault) -> LuaBlock {
        try need(keyword: opening)
        let inner = try block()
        try need(keyword: "end")
        return inner
    }

    private mutating func choose() throws(LuaLexer.Fault) -> LuaStatement.Kind {
        var branches: [(condition: LuaExpression, block: LuaBlock)] = []
        repeat {
            at += 1
            let condition = try expression()
            try need(keyword: "then")
            branches.append((condition, try block()))
        } while kind == .keyword("elseif")
        let otherwise = take(.keyword("else")) ? try block() : nil
        try need(keyword: "end")
        return .choose(branches, otherwise: otherwise)
    }

    private mutating func loop() throws(LuaLexer.Fault) -> LuaStatement.Kind {
        at += 1
        var names = [try name()]
        if take(.sign("=")) {
            let bounds = try expressions()
            return .countLoop(names[0], bounds, try body("do"))
        }
        while take(.sign(",")) { names.append(try name()) }
        try need(keyword: "in")
        let values = try expressions()
        return .eachLoop(names, values, try body("do"))
    }

    private mutating func namedFunction() throws(LuaLexer.Fault) -> LuaStatement.Kind {
        let start = span
        at += 1
        let first = try name()
        var target = LuaExpression(span: first.span, kind: .name(first.text))
        var isMethod = false
        while !isMethod, kind == .sign(".") || kind == .sign(":") {
            isMethod = kind == .sign(":")
            at += 1
            let key = try name()
            target = LuaExpression(
                span: since(first.span), kind: .index(target, LuaExpression(span: key.span, kind: .constant(.text(key.text)))))
        }
        return .function(target, try function(start, isMethod: isMethod))
    }

    private mutating func local() throws(LuaLexer.Fault) -> LuaStatement.Kind {
        at += 1
        if kind == .keyword("function") {
            let start = span
            at += 1
            let name = try name()
            return .localFunction(name, try function(start, isMethod: false))
        }
        var names: [LuaName] = []
        repeat {
            names.append(try name())
            if take(.sign("<")) {
                _ = try name()
                try need(sign: ">")
            }
        } while take(.sign(","))
        return .local(names, take(.sign("=")) ? try expressions() : [])
    }

    private mutating func callOrAssignment() throws(LuaLexer.Fault) -> LuaStatement.Kind {
        let first = try suffixed()
        if kind == .sign("=") || kind == .sign(",") {
            var targets = [first]
            while take(.sign(",")) { targets.append(try suffixed()) }
            try need(sign: "=")
            return .assign(targets, try expressions())
        }
        guard case .call = first.kind else { throw fault("= or a call") }
        return .call(first)
    }

    // MARK: Expressions

    private mutating func expressions() throws(LuaLexer.Fault) -> [LuaExpression] {
        var all = [try expression()]
        while take(.sign(",")) { all.append(try expression()) }
        return all
    }

    private static let binary: [String: (left: Int, right: Int)] = [
        "or": (1, 1), "and": (2, 2), "<": (3, 3), ">": (3, 3), "<=": (3, 3), ">=": (3, 3), "~=": (3, 3), "==": (3, 3), "|": (4, 4),
        "~": (5, 5), "&": (6, 6), "<<": (7, 7), ">>": (7, 7), "..": (9, 8), "+": (10, 10), "-": (10, 10), "*": (11, 11), "/": (11, 11),
        "//": (11, 11), "%": (11, 11), "^": (14, 13),
    ]
    private static let unary = 12

    private mutating func expression(_ limit: Int = 0) throws(LuaLexer.Fault) -> LuaExpression {
        try deeper { parser throws(LuaLexer.Fault) in
            let start = parser.span
            var left: LuaExpression
            switch parser.kind {
            case .keyword("not"), .sign("-"), .sign("#"), .sign("~"):
                let sign = parser.word
                parser.at += 1
                let operand = try parser.expression(Self.unary)
                left = LuaExpression(span: parser.since(start), kind: .unary(sign, operand))
            default: left = try parser.simple()
            }
            while let power = Self.binary[parser.word], power.left > limit {
                let sign = parser.word
                let place = parser.span
                parser.at += 1
                let right = try parser.expression(power.right)
                left = try parser.low(LuaExpression(span: parser.since(start), kind: .binary(sign, place, left, right)))
            }
            return left
        }
    }

    /// The sign or keyword here; empty for anything else.
    private var word: String {
        switch kind {
        case .sign(let text), .keyword(let text): text
        default: ""
        }
    }

    private mutating func simple() throws(LuaLexer.Fault) -> LuaExpression {
        let start = span
        let constant: LuaExpression.Constant
        switch kind {
        case .integer(let number): constant = .integer(number)
        case .float: constant = .float
        case .text(let text): constant = .text(text)
        case .keyword("nil"): constant = .null
        case .keyword("true"): constant = .bool(true)
        case .keyword("false"): constant = .bool(false)
        case .sign("..."): constant = .rest
        case .sign("{"): return try table()
        case .keyword("function"):
            at += 1
            return try function(start, isMethod: false)
        default: return try suffixed()
        }
        at += 1
        return LuaExpression(span: start, kind: .constant(constant))
    }

    private mutating func suffixed() throws(LuaLexer.Fault) -> LuaExpression {
        let start = span
        var value: LuaExpression
        if take(.sign("(")) {
            let inner = try expression()
            try need(sign: ")")
            value = LuaExpression(span: since(start), kind: .group(inner))
        } else {
            let name = try name()
            value = LuaExpression(span: name.span, kind: .name(name.text))
        }
        while true {
            value = try low(value)
            switch kind {
            case .sign("."):
                at += 1
                let key = try name()
                value = LuaExpression(
                    span: since(start), kind: .index(value, LuaExpression(span: key.span, kind: .constant(.text(key.text)))))
            case .sign("["):
                at += 1
                let key = try expression()
                try need(sign: "]")
                value = LuaExpression(span: since(start), kind: .index(value, key))
            case .sign(":"):
                at += 1
                let method = try name()
                let given = try arguments()
                value = LuaExpression(span: since(start), kind: .call(value, method: method.text, given))
            case .sign("("), .sign("{"), .text:
                let given = try arguments()
                value = LuaExpression(span: since(start), kind: .call(value, method: nil, given))
            default: return value
            }
        }
    }

    private mutating func arguments() throws(LuaLexer.Fault) -> [LuaExpression] {
        let start = span
        switch kind {
        case .text(let text):
            at += 1
            return [LuaExpression(span: start, kind: .constant(.text(text)))]
        case .sign("{"): return [try table()]
        default:
            try need(sign: "(")
            if take(.sign(")")) { return [] }
            let given = try expressions()
            try need(sign: ")")
            return given
        }
    }

    private mutating func table() throws(LuaLexer.Fault) -> LuaExpression {
        let start = span
        return try deeper { parser throws(LuaLexer.Fault) in
            try parser.need(sign: "{")
            var fields: [LuaExpression.Field] = []
            while parser.kind != .sign("}") {
                if parser.take(.sign("[")) {
                    let key = try parser.expression()
                    try parser.need(sign: "]")
                    try parser.need(sign: "=")
                    fields.append(.init(key: key, value: try parser.expression()))
                } else if case .name(let text) = parser.kind, parser.words[parser.at + 1].kind == .sign("=") {
                    let key = LuaExpression(span: parser.span, kind: .constant(.text(text)))
                    parser.at += 2
                    fields.append(.init(key: key, value: try parser.expression()))
                } else {
                    fields.append(.init(key: nil, value: try parser.expression()))
                }
                if !parser.take(.sign(",")), !parser.take(.sign(";")) { break }
            }
            try parser.need(sign: "}")
            return LuaExpression(span: parser.since(start), kind: .table(fields))
        }
    }

    /// After the word `function` and its name.
    private mutating func function(_ start: LuaSpan, isMethod: Bool) throws(LuaLexer.Fault) -> LuaExpression {
        try need(sign: "(")
        var names: [LuaName] = isMethod ? [LuaName(span: start, text: "self")] : []
        while kind != .sign(")") {
            if take(.sign("...")) { break }
            names.append(try name())
            if !take(.sign(",")) { break }
        }
        try need(sign: ")")
        let inner = try block()
        try need(keyword: "end")
        return LuaExpression(span: since(start), kind: .function(names, inner))
    }
}
