import HookEngine

/// Everything of the hooks that a file uses, as far as it can be told without running it: fields of the input and of the answer, actions, names
/// that are given. Values are followed through locals, tables, parameters and results, wherever they may go: what is assigned twice may be either.
/// What cannot be followed is said.
struct PolicyUses {
    enum Value: Hashable {
        /// A table of a hook's input; the path of `request` is empty.
        case input(String, String)
        /// What a contract is given: `terms`, `does.start_grace`.
        case answer(String, String)
        case table(Int), function(Int)
        case given(String)
        case text(String)
        case other
    }
    struct Use: Hashable {
        let part: HookChange.Part
        let hook: String
        let path: String
        let line: Int
        var literal: LuaExpression.Constant?
    }
    /// A field of this table may be used here, and nobody can say which.
    struct Unsure: Hashable {
        let part: HookChange.Part
        let hook: String
        let path: String
        let line: Int
        let why: String
    }
    /// An action that is made here, and the fields that it is given; nil where these cannot be told.
    struct Made: Hashable {
        let hook: String
        let action: String
        let line: Int
        let fields: Set<String>?
    }
    struct Site: Hashable {
        /// Nil for a name that is made when it runs.
        let name: String?
        let line: Int
        let literal: LuaExpression.Constant?
    }
    struct Function {
        let line: Int
        var parameters: [Int]
        var rest: Int
        var owners: Set<String> = []
        var results: Set<Value> = []
    }

    private(set) var uses: Set<Use> = []
    private(set) var unsure: Set<Unsure> = []
    private(set) var made: Set<Made> = []

    let catalogue: HookCatalogue
    let given: Set<String>
    var variables: [Int: Set<Value>] = [:]
    var globals: [String: Set<Value>] = [:]
    var cells: [Int: [String: Set<Value>]] = [:]
    var sites: [Int: Set<Site>] = [:]
    var functions: [Int: Function] = [:]
    var scopes: [[String: Int]] = [[:]]
    /// The function whose body is being read.
    var here = -1
    var hasChanged = false

    static let any = "*"
    static let meta = "\0meta"
    private static let mostPasses = 40
    private static let mostValues = 64

    init(_ tree: LuaTree, _ catalogue: HookCatalogue) {
        self.catalogue = catalogue
        given = PolicyReads.lua.union(catalogue.given).union(catalogue.hooks.flatMap(\.actions).map(\.name))
        functions[-1] = Function(line: 1, parameters: [], rest: Int.min)
        var passes = 0
        repeat {
            hasChanged = false
            scopes = [[:]]
            visit(block: tree.body)
            bindHooks()
            passes += 1
        } while hasChanged && passes < Self.mostPasses
        guard hasChanged else { return }
        for hook in catalogue.hooks {
            note(.input, hook.name, "", tree.body.statements.first?.span.line ?? 1, "the file is too entangled to be followed to its end")
        }
    }

    // MARK: Facts

    mutating func add(_ values: Set<Value>, to held: inout Set<Value>) {
        let before = held.count
        held.formUnion(values)
        if held.count > Self.mostValues { held = held.filter { if case .text = $0 { false } else { true } }.union([.other]) }
        if held.count > before { hasChanged = true }
    }
    mutating func give(_ variable: Int, _ values: Set<Value>) {
        var held = variables[variable] ?? []
        add(values, to: &held)
        variables[variable] = held
    }
    mutating func put(_ table: Int, _ name: String, _ values: Set<Value>) {
        var held = cells[table]?[name] ?? []
        add(values, to: &held)
        cells[table, default: [:]][name] = held
    }
    mutating func own(_ function: Int, _ owners: Set<String>) {
        guard let held = functions[function]?.owners, !owners.isSubset(of: held) else { return }
        functions[function]?.owners.formUnion(owners)
        hasChanged = true
    }
    mutating func use(_ part: HookChange.Part, _ hook: String, _ path: String, _ line: Int, _ literal: LuaExpression.Constant? = nil) {
        uses.insert(Use(part: part, hook: hook, path: path, line: line, literal: literal))
    }
    mutating func note(_ part: HookChange.Part, _ hook: String, _ path: String, _ line: Int, _ why: String) {
        unsure.insert(Unsure(part: part, hook: hook, path: path, line: line, why: why))
    }
    mutating func make(_ hook: String, _ action: String, _ line: Int, _ fields: Set<String>?) {
        made.insert(Made(hook: hook, action: action, line: line, fields: fields))
    }
    var owners: Set<String> { functions[here]?.owners ?? [] }

    func definition(_ hook: String) -> HookDefinition? { catalogue.hooks.first { $0.name == hook } }

    /// The fields of a table of the input; nil for what is none.
    func fields(_ hook: String, _ path: String) -> [HookField]? {
        guard var fields = definition(hook)?.wholeInput else { return nil }
        for part in path.split(separator: ".") {
            guard case .object(let inner)? = fields.first(where: { $0.name == part })?.kind else { return nil }
            fields = inner
        }
        return fields
    }

    /// Lines on which a function stands that answers the hook.
    func answering(_ hook: String) -> [Int] { uses.filter { $0.part == .hook && $0.hook == hook }.map(\.line).sorted() }

    /// Functions that stand under the name of a hook are asked with its input; contracts with the answer too.
    private mutating func bindHooks() {
        for (_, members) in cells {
            for hook in catalogue.hooks { bind(members[hook.name] ?? [], hook.name, [.input(hook.name, "")], owns: true) }
            for case .text(let name) in members["hook"] ?? [] where definition(name) != nil {
                bind(members["holds"] ?? [], name, [.input(name, ""), .answer(name, "")], owns: false)
            }
        }
    }
    private mutating func bind(_ values: Set<Value>, _ hook: String, _ arguments: [Value], owns: Bool) {
        for case .function(let id) in values {
            guard let function = functions[id] else { continue }
            for (index, parameter) in function.parameters.enumerated() {
                give(parameter, index < arguments.count ? [arguments[index]] : [.other])
            }
            if owns {
                own(id, [hook])
                use(.hook, hook, "", function.line)
            }
        }
    }

    // MARK: Statements

    func variable(_ name: String) -> Int? { scopes.last { $0[name] != nil }?[name] }
    mutating func declare(_ name: LuaName) { scopes[scopes.count - 1][name.text] = name.span.start }

    mutating func visit(block: LuaBlock, declaring names: [LuaName] = [], then condition: LuaExpression? = nil) {
        scopes.append([:])
        for name in names { declare(name) }
        for statement in block.statements { visit(statement) }
        if let condition { _ = value(condition) }
        scopes.removeLast()
    }

    private mutating func visit(_ statement: LuaStatement) {
        switch statement.kind {
        case .local(let names, let values):
            let found = list(values)
            for (index, name) in names.enumerated() {
                declare(name)
                give(name.span.start, at(found, index))
            }
        case .localFunction(let name, let function):
            declare(name)
            give(name.span.start, value(function))
        case .assign(let targets, let values):
            let found = list(values)
            for (index, target) in targets.enumerated() {
                assign(target, at(found, index), index < values.count ? values[index] : nil)
            }
        case .function(let target, let function): assign(target, value(function), nil)
        case .call(let call): _ = value(call)
        case .block(let block): visit(block: block)
        case .whileLoop(let condition, let block):
            _ = value(condition)
            visit(block: block)
        case .repeatLoop(let block, let condition): visit(block: block, then: condition)
        case .choose(let branches, let otherwise):
            for branch in branches {
                _ = value(branch.condition)
                visit(block: branch.block)
            }
            if let otherwise { visit(block: otherwise) }
        case .countLoop(let name, let bounds, let block):
            for bound in bounds { _ = value(bound) }
            give(name.span.start, [.other])
            visit(block: block, declaring: [name])
        case .eachLoop(let names, let values, let block):
            each(names, values)
            visit(block: block, declaring: names)
        case .answer(let values):
            let results = values.reduce(into: Set<Value>()) { $0.formUnion(value($1)) }
            var held = functions[here]?.results ?? []
            add(results, to: &held)
            functions[here]?.results = held
        case .leave, .jump, .label: break
        }
    }

    private mutating func list(_ values: [LuaExpression]) -> [Set<Value>] {
        var found: [Set<Value>] = []
        for expression in values { found.append(value(expression)) }
        return found
    }
    /// A call at the end may give more than one: each may be any of them.
    private func at(_ found: [Set<Value>], _ index: Int) -> Set<Value> { index < found.count ? found[index] : found.last ?? [] }

    private mutating func assign(_ target: LuaExpression, _ values: Set<Value>, _ source: LuaExpression?) {
        if let name = target.name {
            if let variable = variable(name) {
                give(variable, values)
            } else {
                var held = globals[name] ?? []
                add(values, to: &held)
                globals[name] = held
            }
            return
        }
        guard case .index(let of, let key) = target.kind else { return }
        let names = value(key)
        for case .table(let id) in value(of) { write(id, names, values, target.span.line, source) }
    }

    mutating func write(_ table: Int, _ names: Set<Value>, _ values: Set<Value>, _ line: Int, _ source: LuaExpression?) {
        for name in names {
            var literal: LuaExpression.Constant?
            if case .constant(let constant)? = source?.bare.kind { literal = constant }
            if case .text(let text) = name {
                put(table, text, values)
                sites[table, default: []].insert(Site(name: text, line: line, literal: literal))
            } else {
                put(table, Self.any, values)
                sites[table, default: []].insert(Site(name: nil, line: line, literal: literal))
            }
        }
    }

    private mutating func each(_ names: [LuaName], _ values: [LuaExpression]) {
        var items: Set<Value> = [.other]
        var keys: Set<Value> = [.other]
        if case .call(let function, nil, let arguments)? = values.first?.bare.kind, let name = function.name, variable(name) == nil,
            name == "pairs" || name == "ipairs", let first = arguments.first
        {
            for base in value(first) {
                if case .table(let id) = base {
                    for (key, held) in cells[id] ?? [:] where key != Self.meta {
                        items.formUnion(held)
                        if key != Self.any { keys.insert(.text(key)) }
                    }
                } else {
                    escape([base], name, first.span.line)
                }
            }
            for argument in arguments.dropFirst() { _ = value(argument) }
        } else {
            for expression in values { _ = value(expression) }
        }
        for (index, name) in names.enumerated() { give(name.span.start, index == 0 ? keys : items) }
    }

    /// A table of the input goes where it is not followed.
    mutating func escape(_ values: Set<Value>, _ to: String, _ line: Int) {
        for value in values {
            switch value {
            case .input(let hook, let path):
                let label = path.isEmpty ? "request" : "request.\(path)"
                note(.input, hook, path, line, to.hasSuffix("pairs") ? "\(to) goes through all of \(label)" : "\(label) is handed to \(to)")
            case .answer(let hook, let path):
                note(.term, hook, path, line, "the answer is handed to \(to)")
                note(.action, hook, path, line, "the answer is handed to \(to)")
            default: break
            }
        }
    }
}
