/// A piece of a Lua file: bytes `start ..< end`, and the line on which it begins.
struct LuaSpan: Sendable, Hashable {
    var start: Int
    var end: Int
    var line: Int
}

/// A Lua file as its author wrote it. What lints, traces, coverage and mutations read: nothing here runs.
struct LuaTree: Sendable {
    let bytes: [UInt8]
    let body: LuaBlock

    func text(_ span: LuaSpan) -> String { String(decoding: bytes[span.start..<span.end], as: UTF8.self) }
}

struct LuaBlock: Sendable {
    let statements: [LuaStatement]
    let height: Int
    init(statements: [LuaStatement]) {
        self.statements = statements
        height = (statements.map(\.height).max() ?? 0) + 1
    }
}

struct LuaStatement: Sendable {
    indirect enum Kind: Sendable {
        case local([LuaName], [LuaExpression])
        case assign([LuaExpression], [LuaExpression])
        case call(LuaExpression)
        case block(LuaBlock)
        case whileLoop(LuaExpression, LuaBlock)
        case repeatLoop(LuaBlock, LuaExpression)
        case choose([(condition: LuaExpression, block: LuaBlock)], otherwise: LuaBlock?)
        case countLoop(LuaName, [LuaExpression], LuaBlock)
        case eachLoop([LuaName], [LuaExpression], LuaBlock)
        /// `function a.b.c()`: what is assigned, and the function.
        case function(LuaExpression, LuaExpression)
        case localFunction(LuaName, LuaExpression)
        case answer([LuaExpression])
        case leave
        case jump
        case label
    }
    let span: LuaSpan
    let kind: Kind
    let height: Int
    init(span: LuaSpan, kind: Kind) {
        self.span = span
        self.kind = kind
        var parts = HeightReader()
        parts.walk(LuaStatement(shallow: kind, span))
        height = parts.most + 1
    }
    private init(shallow kind: Kind, _ span: LuaSpan) {
        self.span = span
        self.kind = kind
        height = 0
    }
}

struct LuaName: Sendable {
    let span: LuaSpan
    let text: String
}

struct LuaExpression: Sendable {
    enum Constant: Sendable, Hashable {
        case null, rest
        case bool(Bool)
        case integer(Int64)
        case float
        case text(String)
    }
    struct Field: Sendable {
        /// Nil for an item of a list.
        let key: LuaExpression?
        let value: LuaExpression
    }
    indirect enum Kind: Sendable {
        case constant(Constant)
        case name(String)
        /// `of[key]`, `of.key`
        case index(LuaExpression, LuaExpression)
        case call(LuaExpression, method: String?, [LuaExpression])
        case function([LuaName], LuaBlock)
        case binary(String, LuaSpan, LuaExpression, LuaExpression)
        case unary(String, LuaExpression)
        case table([Field])
        case group(LuaExpression)
    }
    let span: LuaSpan
    let kind: Kind
    let height: Int
    init(span: LuaSpan, kind: Kind) {
        self.span = span
        self.kind = kind
        var parts = HeightReader()
        parts.walk(LuaExpression(shallow: kind, span))
        height = parts.most + 1
    }
    private init(shallow kind: Kind, _ span: LuaSpan) {
        self.span = span
        self.kind = kind
        height = 0
    }
}

/// How high the parts of one node are. `a + b + c + …` is a tree as high as it is long: whoever walks it must know.
private struct HeightReader: LuaVisitor {
    var most = 0
    mutating func visit(block: LuaBlock) { most = max(most, block.height) }
    mutating func visit(statement: LuaStatement) { most = max(most, statement.height) }
    mutating func visit(expression: LuaExpression) { most = max(most, expression.height) }
}

extension LuaExpression {
    var text: String? {
        if case .constant(.text(let text)) = kind { return text }
        return nil
    }
    var name: String? {
        if case .name(let name) = kind { return name }
        return nil
    }
    /// Without the parentheses around it.
    var bare: LuaExpression {
        if case .group(let inner) = kind { return inner.bare }
        return self
    }
}

/// Sees every block, statement and expression of a tree, the outer before the inner.
protocol LuaVisitor {
    mutating func visit(block: LuaBlock)
    mutating func visit(statement: LuaStatement)
    mutating func visit(expression: LuaExpression)
}

extension LuaVisitor {
    mutating func visit(block: LuaBlock) { walk(block) }
    mutating func visit(statement: LuaStatement) { walk(statement) }
    mutating func visit(expression: LuaExpression) { walk(expression) }

    mutating func walk(_ block: LuaBlock) {
        for statement in block.statements { visit(statement: statement) }
    }
    mutating func visit(all expressions: [LuaExpression]) {
        for expression in expressions { visit(expression: expression) }
    }
    mutating func walk(_ statement: LuaStatement) {
        switch statement.kind {
        case .local(_, let values): visit(all: values)
        case .assign(let targets, let values):
            visit(all: values)
            visit(all: targets)
        case .call(let call): visit(expression: call)
        case .block(let block): visit(block: block)
        case .whileLoop(let condition, let block):
            visit(expression: condition)
            visit(block: block)
        case .repeatLoop(let block, let condition):
            visit(block: block)
            visit(expression: condition)
        case .choose(let branches, let otherwise):
            for branch in branches {
                visit(expression: branch.condition)
                visit(block: branch.block)
            }
            if let otherwise { visit(block: otherwise) }
        case .countLoop(_, let bounds, let block), .eachLoop(_, let bounds, let block):
            visit(all: bounds)
            visit(block: block)
        case .function(let target, let function):
            visit(expression: target)
            visit(expression: function)
        case .localFunction(_, let function): visit(expression: function)
        case .answer(let values): visit(all: values)
        case .leave, .jump, .label: break
        }
    }
    mutating func walk(_ expression: LuaExpression) {
        switch expression.kind {
        case .constant, .name: break
        case .index(let of, let key):
            visit(expression: of)
            visit(expression: key)
        case .call(let function, _, let arguments):
            visit(expression: function)
            visit(all: arguments)
        case .function(_, let body): visit(block: body)
        case .binary(_, _, let left, let right):
            visit(expression: left)
            visit(expression: right)
        case .unary(_, let operand), .group(let operand): visit(expression: operand)
        case .table(let fields):
            for field in fields {
                if let key = field.key { visit(expression: key) }
                visit(expression: field.value)
            }
        }
    }
}
