import HookEngine

/// What a policy's text reads and names, followed as far as it can be without running it: fields of the input, the settings and the data
/// through local names, and globals.
struct PolicyReads: LuaVisitor {
    struct Finding: Hashable {
        let line: Int
        let message: String
    }
    private enum Binding {
        case plain
        /// An object: how it is called, and its fields.
        case shape(String, [HookField])
    }

    /// Reads of fields that are not there: each would be an error when it runs.
    private(set) var unknown: [Finding] = []
    /// Every field of a hook's input that is read, with its line: `user.role`.
    private(set) var fields: [String: [(path: String, line: Int)]] = [:]
    /// Globals that are read or assigned and that nobody gives.
    private(set) var globals: [Finding] = []

    private let definitions: [HookDefinition]
    private let settings: [HookField]
    private let data: [String]
    private let given: Set<String>
    private var assigned: Set<String> = []
    private var made: Set<String> = []
    private var scopes: [[String: Binding]] = [[:]]
    private var hook = ""

    static let lua: Set<String> = [
        "assert", "error", "ipairs", "next", "pairs", "pcall", "xpcall", "select", "type", "tonumber", "tostring", "rawequal", "rawget",
        "rawlen", "rawset", "getmetatable", "setmetatable", "string", "table", "math", "utf8", "contains", "allow", "deny", "plan", "_G",
        "_VERSION",
    ]

    init(_ tree: LuaTree, definitions: [HookDefinition], settings: [HookField], data: [String], actions: [String]) {
        self.definitions = definitions
        self.settings = settings
        self.data = data
        given = Self.lua.union(actions)
        var names = AssignedNames()
        names.visit(block: tree.body)
        assigned = names.names
        made = names.names
        visit(block: tree.body)
    }

    // MARK: Scopes

    private func binding(_ name: String) -> Binding? { scopes.last { $0[name] != nil }?[name] }
    private mutating func declare(_ name: String, _ binding: Binding = .plain) {
        // What is assigned again may be anything.
        scopes[scopes.count - 1][name] = assigned.contains(name) ? .plain : binding
    }
    private mutating func inScope(_ body: (inout Self) -> Void) {
        scopes.append([:])
        body(&self)
        scopes.removeLast()
    }

    mutating func visit(block: LuaBlock) { inScope { $0.walk(block) } }

    mutating func visit(statement: LuaStatement) {
        switch statement.kind {
        case .local(let names, let values):
            visit(all: values)
            for (index, name) in names.enumerated() { declare(name.text, index < values.count ? kind(values[index]) : .plain) }
        case .localFunction(let name, let function):
            declare(name.text)
            visit(expression: function)
        case .repeatLoop(let block, let condition):
            inScope {
                $0.walk(block)
                $0.visit(expression: condition)
            }
        case .countLoop(let name, let bounds, let block):
            visit(all: bounds)
            inScope {
                $0.declare(name.text)
                $0.visit(block: block)
            }
        case .eachLoop(let names, let values, let block):
            visit(all: values)
            inScope { inner in
                for name in names { inner.declare(name.text) }
                inner.visit(block: block)
            }
        case .assign(let targets, let values):
            visit(all: values)
            for target in targets { if let name = target.name { assign(name, target.span.line) } else { visit(expression: target) } }
        case .function(let target, let function):
            if let name = target.name { assign(name, target.span.line) } else { visit(expression: target) }
            visit(expression: function)
        default: walk(statement)
        }
    }

    private mutating func assign(_ name: String, _ line: Int) {
        guard binding(name) == nil else { return }
        globals.append(Finding(line: line, message: "\(name) is a global; write local \(name) = …"))
    }

    mutating func visit(expression: LuaExpression) {
        switch expression.kind {
        case .name(let name):
            if binding(name) == nil, !given.contains(name), !made.contains(name) {
                let near = PolicyNames.nearest(name, Array(given) + scopes.flatMap(\.keys))
                let hint =
                    ForeignName.advice(name).map { "; \($0)" } ?? near.map { "; did you mean \($0)?" }
                    ?? "; declare it with local, or take it from request, settings or data"
                globals.append(Finding(line: expression.span.line, message: "\(name) is not declared\(hint)"))
            }
        case .index:
            walk(expression)
            _ = kind(expression, reports: true)
        case .function(let names, let body):
            inScope { inner in
                for name in names { inner.declare(name.text) }
                inner.visit(block: body)
            }
        case .table(let entries):
            let named = entries.first { $0.key?.text == "hook" }?.value.text
            for entry in entries {
                if entry.key?.text == "holds", case .function(let names, let body) = entry.value.kind,
                    let definition = definitions.first(where: { $0.name == named })
                {
                    // A contract: function(request, answer).
                    answer(definition, Array(names.prefix(1)), body, also: Array(names.dropFirst()))
                } else if let name = entry.key?.text, case .function(let names, let body) = entry.value.kind,
                    let definition = definitions.first(where: { $0.name == name })
                {
                    answer(definition, names, body)
                } else {
                    if let key = entry.key { visit(expression: key) }
                    visit(expression: entry.value)
                }
            }
        default: walk(expression)
        }
    }

    private mutating func answer(_ definition: HookDefinition, _ names: [LuaName], _ body: LuaBlock, also: [LuaName] = []) {
        let before = hook
        hook = definition.name
        inScope { inner in
            let kinds: [Binding] = [
                .shape("request", definition.wholeInput), .shape("settings", inner.settings),
                .shape("data", inner.data.map { HookField($0, .map(.string), "") }),
            ]
            for (index, name) in names.enumerated() { inner.declare(name.text, index < kinds.count ? kinds[index] : .plain) }
            for name in also { inner.declare(name.text) }
            inner.visit(block: body)
        }
        hook = before
    }

    /// What an expression is, where that can be told.
    private mutating func kind(_ expression: LuaExpression, reports: Bool = false) -> Binding {
        switch expression.bare.kind {
        case .name(let name): return binding(name) ?? .plain
        case .index(let of, let key):
            guard case .shape(let label, let fields) = kind(of), let name = key.text else { return .plain }
            guard let field = fields.first(where: { $0.name == name }) else {
                if reports {
                    let message = HookChange.missing("\(label).\(name)", of: label, hook: hook, fields)
                    let finding = Finding(line: key.span.line, message: message)
                    if !unknown.contains(finding) { unknown.append(finding) }
                }
                return .plain
            }
            if reports, label == "request" || label.hasPrefix("request.") {
                self.fields[hook, default: []].append((String("\(label).\(name)".dropFirst("request.".count)), key.span.line))
            }
            if case .object(let inner) = field.kind { return .shape("\(label).\(name)", inner) }
            return .plain
        default: return .plain
        }
    }

    private struct AssignedNames: LuaVisitor {
        var names: Set<String> = []
        mutating func visit(statement: LuaStatement) {
            switch statement.kind {
            case .assign(let targets, _): names.formUnion(targets.compactMap(\.name))
            case .function(let target, _): if let name = target.name { names.insert(name) }
            default: break
            }
            walk(statement)
        }
    }
}

extension PolicyEngine {
    /// Functions and libraries that every policy is given; the actions of a hook stand beside them.
    package static var givenNames: [String] { PolicyReads.lua.sorted() }
}

/// Names that an author may have meant.
enum PolicyNames {
    static func nearest(_ name: String, _ known: [String]) -> String? {
        let scored = known.sorted().map { ($0, distance(Array(name.utf8), Array($0.utf8))) }
        guard let best = scored.min(by: { $0.1 < $1.1 }), best.1 <= max(1, name.utf8.count / 3) else { return nil }
        return best.0
    }

    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        guard abs(left.count - right.count) < 8, left.count < 64 else { return .max }
        var row = Array(0...right.count)
        for (index, byte) in left.enumerated() {
            var corner = row[0]
            row[0] = index + 1
            for (place, other) in right.enumerated() {
                let next = min(row[place + 1] + 1, row[place] + 1, corner + (byte == other ? 0 : 1))
                corner = row[place + 1]
                row[place + 1] = next
            }
        }
        return row[right.count]
    }
}
