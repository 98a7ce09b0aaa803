import HookEngine

/// What expressions may be.
extension PolicyUses {
    mutating func value(_ expression: LuaExpression) -> Set<Value> {
        switch expression.kind {
        case .constant(.text(let text)): return [.text(text)]
        case .constant(.rest): return variables[functions[here]?.rest ?? 0] ?? []
        case .constant: return [.other]
        case .name(let name): return named(name, expression.span.line)
        case .index(let of, let key):
            let bases = value(of)
            let names = value(key)
            return bases.reduce(into: []) { $0.formUnion(step($1, names, key.span.line)) }
        case .call(let function, let method, let arguments): return call(function, method, arguments, expression.span.line)
        case .function(let names, let body): return made(expression.span, names, body)
        case .binary(let sign, _, let left, let right):
            let first = value(left)
            let second = value(right)
            switch sign {
            case "or": return first.union(second)
            // What stands before `and` is the result only where it is nothing.
            case "and": return second.union([.other])
            case "..": return Self.joined(first, second)
            default: return [.other]
            }
        case .unary(_, let operand):
            _ = value(operand)
            return [.other]
        case .group(let inner): return value(inner)
        case .table(let entries):
            let id = expression.span.start
            for entry in entries {
                let values = value(entry.value)
                let names: Set<Value> = entry.key.map { value($0) } ?? [.other]
                if entry.key == nil {
                    put(id, Self.any, values)
                } else {
                    write(id, names, values, (entry.key ?? entry.value).span.line, entry.value)
                }
            }
            if cells[id] == nil { cells[id] = [:] }
            return [.table(id)]
        }
    }

    private mutating func named(_ name: String, _ line: Int) -> Set<Value> {
        if let variable = variable(name) { return variables[variable] ?? [] }
        if let held = globals[name] { return held }
        guard given.contains(name) else { return [.other] }
        use(.given, "", name, line)
        return [.given(name)]
    }

    private mutating func made(_ span: LuaSpan, _ names: [LuaName], _ body: LuaBlock) -> Set<Value> {
        let id = span.start
        if functions[id] == nil {
            functions[id] = Function(line: span.line, parameters: names.map(\.span.start), rest: -id - 2)
            hasChanged = true
        }
        own(id, owners)
        let before = here
        here = id
        visit(block: body, declaring: names)
        here = before
        return [.function(id)]
    }

    private static func joined(_ left: Set<Value>, _ right: Set<Value>) -> Set<Value> {
        var found: Set<Value> = []
        for first in left {
            for second in right {
                guard case .text(let head) = first, case .text(let tail) = second, head.utf8.count + tail.utf8.count < 200 else {
                    found.insert(.other)
                    continue
                }
                found.insert(.text(head + tail))
            }
        }
        return found
    }

    // MARK: Fields

    mutating func step(_ base: Value, _ names: Set<Value>, _ line: Int, depth: Int = 0) -> Set<Value> {
        switch base {
        case .input(let hook, let path): return input(hook, path, names, line)
        case .answer(let hook, let path): return answer(hook, path, names, line)
        case .table(let id):
            var found: Set<Value> = cells[id]?[Self.any] ?? []
            for name in names {
                if case .text(let text) = name {
                    found.formUnion(cells[id]?[text] ?? [])
                } else {
                    for (key, held) in cells[id] ?? [:] where key != Self.meta { found.formUnion(held) }
                }
            }
            guard depth < 8 else { return found }
            for case .table(let meta) in cells[id]?[Self.meta] ?? [] {
                for behind in cells[meta]?["__index"] ?? [] {
                    if case .function(let function) = behind {
                        found.formUnion(invoke(.function(function), [[base], names], line))
                    } else {
                        found.formUnion(step(behind, names, line, depth: depth + 1))
                    }
                }
            }
            return found
        case .given("_G"):
            return names.reduce(into: []) { found, name in
                if case .text(let text) = name { found.formUnion(globals[text] ?? (given.contains(text) ? [.given(text)] : [.other])) }
            }
        case .given(let library):
            return names.reduce(into: []) { found, name in
                if case .text(let text) = name { found.insert(.given("\(library).\(text)")) } else { found.insert(.other) }
            }
        case .function, .text, .other: return [.other]
        }
    }

    private mutating func input(_ hook: String, _ path: String, _ names: Set<Value>, _ line: Int) -> Set<Value> {
        guard let fields = fields(hook, path) else { return [.other] }
        var found: Set<Value> = []
        for name in names {
            guard case .text(let text) = name else {
                note(.input, hook, path, line, "\(path.isEmpty ? "request" : "request.\(path)")[…] reads a name that is made when it runs")
                for field in fields {
                    if case .object = field.kind { found.insert(.input(hook, Self.join(path, field.name))) }
                }
                found.insert(.other)
                continue
            }
            guard let field = fields.first(where: { $0.name == text }) else { continue }
            use(.input, hook, Self.join(path, text), line)
            if case .object = field.kind { found.insert(.input(hook, Self.join(path, text))) } else { found.insert(.other) }
        }
        return found
    }

    private mutating func answer(_ hook: String, _ path: String, _ names: Set<Value>, _ line: Int) -> Set<Value> {
        var found: Set<Value> = []
        for name in names {
            guard case .text(let text) = name else {
                if path == "terms" { note(.term, hook, "", line, "answer.terms[…] reads a name that is made when it runs") }
                if path != "terms" { note(.action, hook, "", line, "answer.\(path)[…] reads a name that is made when it runs") }
                found.insert(.other)
                continue
            }
            if path == "terms" { use(.term, hook, text, line) }
            if path == "does" { use(.action, hook, text, line) }
            if path.hasPrefix("does.") { use(.action, hook, "\(path.dropFirst(5)).\(text)", line) }
            if path.isEmpty, text == "actions" {
                note(.action, hook, "", line, "answer.actions is a list: what is looked for in it is not followed")
            }
            found.insert(path.isEmpty || path == "does" ? .answer(hook, Self.join(path, text)) : .other)
        }
        return found
    }

    private static func join(_ path: String, _ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    // MARK: Calls

    private mutating func call(_ function: LuaExpression, _ method: String?, _ arguments: [LuaExpression], _ line: Int) -> Set<Value> {
        var given: [Set<Value>] = []
        var callees = value(function)
        if let method {
            given.append(callees)
            callees = callees.reduce(into: []) { $0.formUnion(step($1, [.text(method)], line)) }
        }
        for argument in arguments { given.append(value(argument)) }
        return callees.reduce(into: []) { $0.formUnion(invoke($1, given, line)) }
    }

    private static let harmless: Set<String> = [
        "type", "tostring", "tonumber", "rawequal", "rawlen", "error", "contains", "deny", "allow", "plan", "getmetatable", "ipairs",
    ]

    private mutating func invoke(_ callee: Value, _ arguments: [Set<Value>], _ line: Int) -> Set<Value> {
        switch callee {
        case .function(let id):
            guard let function = functions[id] else { return [] }
            for (index, parameter) in function.parameters.enumerated() where index < arguments.count { give(parameter, arguments[index]) }
            for extra in arguments.dropFirst(function.parameters.count) { give(function.rest, extra) }
            own(id, owners)
            return functions[id]?.results ?? []
        case .given(let name): return builtin(name, arguments, line)
        default:
            for values in arguments { escape(values, "a function that is not followed", line) }
            return [.other]
        }
    }

    private mutating func builtin(_ name: String, _ arguments: [Set<Value>], _ line: Int) -> Set<Value> {
        let first = arguments.first ?? []
        let rest = Array(arguments.dropFirst())
        switch name {
        case "allow", "plan": answered(name, first, line)
        case "rawget": return first.reduce(into: []) { $0.formUnion(step($1, rest.first ?? [], line)) }
        case "rawset":
            for case .table(let id) in first { write(id, rest.first ?? [], rest.dropFirst().first ?? [], line, nil) }
            return first
        case "assert", "select", "table.unpack":
            var found = arguments.reduce(into: Set<Value>()) { $0.formUnion($1) }
            for case .table(let id) in first where name == "table.unpack" {
                for held in (cells[id] ?? [:]).values { found.formUnion(held) }
            }
            return found
        case "setmetatable":
            for case .table(let id) in first { put(id, Self.meta, rest.first ?? []) }
            return first
        case "pcall", "xpcall":
            let passed = Array(rest.dropFirst(name == "pcall" ? 0 : 1))
            return first.reduce(into: [.other]) { $0.formUnion(invoke($1, passed, line)) }
        case "table.insert":
            for case .table(let id) in first { put(id, Self.any, rest.last ?? []) }
        case "table.remove":
            var found: Set<Value> = [.other]
            for case .table(let id) in first { found.formUnion(cells[id]?[Self.any] ?? []) }
            return found
        default:
            if catalogue.hooks.contains(where: { hook in hook.actions.contains { $0.name == name } }) {
                acted(name, first, line)
                return [.other]
            }
            guard !Self.harmless.contains(name) else { break }
            for values in arguments {
                escape(values, name, line)
                // Who is given a function may call it: with what, nobody knows.
                for case .function(let id) in values { _ = invoke(.function(id), [], line) }
            }
        }
        return [.other]
    }

    /// The terms of `allow{ … }`, or what `plan{ …, delegate = { … } }` hands down.
    private mutating func answered(_ name: String, _ values: Set<Value>, _ line: Int) {
        for hook in owners {
            let part: HookChange.Part = name == "allow" ? .term : .action
            for value in values {
                guard case .table(let id) = value else {
                    if value == .other { note(part, hook, "", line, "\(name) is given a table that is not followed") }
                    continue
                }
                for site in sites[id] ?? [] {
                    guard let term = site.name else {
                        note(part, hook, "", site.line, "a name in \(name){ … } is made when it runs")
                        continue
                    }
                    if term != "delegate" {
                        if name == "allow" { use(.term, hook, term, site.line, site.literal ?? .rest) }
                        continue
                    }
                    for case .table(let names) in cells[id]?["delegate"] ?? [] {
                        for case .text(let text) in cells[names]?[Self.any] ?? [] { use(part, hook, text, site.line) }
                    }
                }
            }
        }
    }

    private mutating func acted(_ action: String, _ values: Set<Value>, _ line: Int) {
        for hook in owners where definition(hook)?.actions.contains(where: { $0.name == action }) == true {
            use(.action, hook, action, line)
            var names: Set<String>? = []
            for value in values {
                guard case .table(let id) = value else {
                    if value == .other {
                        names = nil
                        note(.action, hook, action, line, "\(action) is given a table that is not followed")
                    }
                    continue
                }
                for site in sites[id] ?? [] {
                    guard let name = site.name else {
                        names = nil
                        note(.action, hook, action, site.line, "a name in \(action){ … } is made when it runs")
                        continue
                    }
                    names?.insert(name)
                    use(.action, hook, "\(action).\(name)", site.line, site.literal ?? .rest)
                }
            }
            make(hook, action, line, names)
        }
    }
}
