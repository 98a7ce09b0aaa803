import HookEngine

/// What is allowed and yet most likely a mistake, with what would be right.
struct PolicyLint: LuaVisitor {
    private(set) var found: [PolicyReads.Finding] = []
    private var isInFunction = false

    static func findings(_ tree: LuaTree, _ policy: PolicyFile, definitions: [HookDefinition], actions: [String]) -> [PolicyReads.Finding] {
        var lint = PolicyLint()
        lint.visit(block: tree.body)
        let reads = PolicyReads(
            tree, definitions: definitions, settings: policy.settings.map(\.field), data: policy.data, actions: actions)
        return (lint.found + reads.globals).sorted { ($0.line, $0.message) < ($1.line, $1.message) }
    }

    private mutating func add(_ line: Int, _ message: String) { found.append(.init(line: line, message: message)) }

    mutating func visit(block: LuaBlock) {
        for (statement, next) in zip(block.statements, block.statements.dropFirst()) where Self.alwaysLeaves(statement) {
            add(next.span.line, "is never reached: every way through line \(statement.span.line) returns")
        }
        walk(block)
    }

    mutating func visit(statement: LuaStatement) {
        switch statement.kind {
        case .eachLoop(_, let values, let block):
            if case .call(let function, nil, _)? = values.first?.kind, function.name == "pairs", let line = Self.firstLeave(block) {
                add(
                    line,
                    "takes the first match over pairs, whose order is that of the keys, not that in which they are written; where the first "
                        + "match counts, use a list and ipairs")
            }
        case .choose(let branches, _):
            for branch in branches {
                if case .constant(.bool(let flag)) = branch.condition.bare.kind {
                    add(branch.condition.span.line, "this condition is always \(flag)")
                }
            }
        case .answer(let values) where values.count > 1:
            add(statement.span.line, "returns \(values.count) values; only the first counts")
        case .call(let call):
            if case .call(let function, nil, _) = call.kind, let name = function.name, Self.answers.contains(name) {
                add(statement.span.line, "\(name) only makes an answer, and it is thrown away here; write return \(name)…")
            }
        case .assign(let targets, _):
            for target in targets { if let name = Self.given(target) { add(target.span.line, Self.assigned(name)) } }
        default: break
        }
        walk(statement)
    }

    private static let answers: Set<String> = ["allow", "deny", "plan"]
    private static let textFunctions: Set<String> = [
        "sub", "upper", "lower", "match", "find", "gsub", "gmatch", "format", "rep", "reverse", "byte",
    ]

    /// The name of the parameter whose field is assigned.
    private static func given(_ target: LuaExpression) -> String? {
        guard case .index(let of, _) = target.bare.kind else { return nil }
        if let name = of.bare.name { return ["request", "settings", "data"].contains(name) ? name : nil }
        return given(of)
    }
    private static func assigned(_ name: String) -> String {
        "\(name) is changed, and nobody sees it: answer with allow{ … }, deny(\"…\") or plan{ … }, or keep the value in a local"
    }

    mutating func visit(expression: LuaExpression) {
        switch expression.kind {
        case .function:
            let before = isInFunction
            isInFunction = true
            walk(expression)
            isInFunction = before
            return
        case .constant(.float) where isInFunction:
            add(
                expression.span.line,
                "a number with a fraction; answers take whole numbers only: money in minor units, ratios in basis points")
        case .binary("/", let place, let left, let right):
            let sides = [left, right].compactMap(Self.unit)
            if let unit = sides.first {
                add(place.line, "/ makes a number with a fraction of \(unit); write // for whole division, and say which way it rounds")
            } else if isInFunction {
                add(place.line, "/ always makes a number with a fraction; write // for whole division")
            }
        case .call(let function, nil, let given):
            if case .index(let of, let key) = function.kind, case .index = of.bare.kind, let name = key.text,
                Self.textFunctions.contains(name),
                !given.isEmpty
            {
                add(key.span.line, "\(name) is given no text: write a colon, text:\(name)(…), which gives what stands before it")
            }
        case .index(_, let key):
            if case .constant(.integer(0)) = key.bare.kind { add(key.span.line, "[0] holds nothing: the first item of a list is [1]") }
        default: break
        }
        walk(expression)
    }

    /// The name of a field that counts money or another whole unit.
    private static func unit(_ expression: LuaExpression) -> String? {
        var reader = UnitReader()
        reader.visit(expression: expression)
        return reader.unit
    }
    private struct UnitReader: LuaVisitor {
        var unit: String?
        mutating func visit(expression: LuaExpression) {
            if case .index(_, let key) = expression.kind, let name = key.text,
                ["_minor", "_seconds", "_bytes", "_basis_points"].contains(where: name.hasSuffix)
            {
                unit = unit ?? name
            }
            walk(expression)
        }
    }

    private static func alwaysLeaves(_ statement: LuaStatement) -> Bool {
        switch statement.kind {
        case .answer: true
        case .block(let block): block.statements.last.map(alwaysLeaves) ?? false
        case .choose(let branches, let otherwise?):
            (branches.map(\.block) + [otherwise]).allSatisfy { $0.statements.last.map(alwaysLeaves) ?? false }
        default: false
        }
    }

    /// The line of the first return or break that ends the loop with what it is at.
    private static func firstLeave(_ block: LuaBlock) -> Int? {
        var reader = LeaveReader()
        reader.visit(block: block)
        return reader.line
    }
    private struct LeaveReader: LuaVisitor {
        var line: Int?
        var loops = 0
        mutating func visit(statement: LuaStatement) {
            switch statement.kind {
            case .answer: line = line ?? statement.span.line
            case .leave where loops == 0: line = line ?? statement.span.line
            case .whileLoop, .repeatLoop, .countLoop, .eachLoop:
                loops += 1
                walk(statement)
                loops -= 1
                return
            default: break
            }
            walk(statement)
        }
        mutating func visit(expression: LuaExpression) {
            if case .function = expression.kind { return }
            walk(expression)
        }
    }
}

extension PolicyWorkbench {
    /// Most likely mistakes in every policy of the folder; none of them keeps the set from going live.
    package func lints(label: String) -> [PolicyFinding] {
        var found: [PolicyFinding] = []
        let asked = Set(set.recipe.placements.map(\.policy.path))
        for policy in policies.values.sorted(by: { $0.path < $1.path }) {
            func add(_ line: Int, _ message: String) {
                found.append(PolicyFinding(file: "\(label)/\(policy.file)", line: line, message: message))
            }
            if !asked.contains(policy.path) {
                // A comment that names it says that it is off on purpose.
                if files[InitFile.path]?.contains("\"\(policy.path)\"") != true {
                    add(
                        0,
                        "nobody asks it: no layer of init.lua names \"\(policy.path)\"; name it, or say in a comment there that it is off")
                }
            }
            for (hook, line) in policy.hooks.sorted(by: { $0.key < $1.key }) {
                if asked.contains(policy.path), definitions.contains(where: { $0.name == hook && !$0.isAsked }) {
                    add(line, "is never reached: this server does not ask \(hook) yet")
                }
            }
            let layers = set.recipe.placements.filter { $0.policy.path == policy.path && $0.layer == .platform }
            if layers.count > 1 { add(0, "is asked \(layers.count) times in platform of init.lua; once is enough") }
            if files["\(policy.path)/policy_test.lua"] == nil { add(0, "has no policy_test.lua beside it") }
            guard let tree = try? LuaParser.parse(policy.source) else { continue }
            for finding in PolicyLint.findings(tree, policy, definitions: definitions, actions: builder.actions) {
                add(finding.line, finding.message)
            }
        }
        return found
    }
}
