extension HookReference {
    /// `policies/_meta/hooks.lua`: what the Lua language server needs to complete and check policies.
    package static func stubs(_ definitions: [HookDefinition]) -> String {
        let sorted = definitions.sorted { $0.name < $1.name }
        var file = ["---@meta hooks", "-- Generated from the hooks' definitions; change those.", ""]
        if case .object(let fields) = CommonInput.now.kind { file += classes("Now", "Now", fields, summary: CommonInput.now.summary) }
        for hook in sorted {
            let name = camel(hook.name)
            file += classes("\(name)Input", name, hook.wholeInput, summary: hook.summary)
            if hook.kind == .decide { file += classes("\(name)Terms", name, hook.terms, summary: "Terms of allow in \(hook.name).") }
        }
        file += ["---@class Answer", "", "---@class Action", "", "---@class SettingDeclaration"]
        file += [
            "---@field type \"integer\"|\"string\"|\"boolean\"|\"choice\"", "---@field default? integer|string|boolean",
            "---@field min? integer", "---@field max? integer", "---@field values? string[]", "---@field summary? string", "",
        ]
        file += ["---@class Policy", "---@field id string", "---@field api 1", "---@field summary? string"]
        file += ["---@field settings? table<string, SettingDeclaration>", "---@field data? string[]"]
        for hook in sorted {
            file.append("---@field \(hook.name)? fun(request: \(camel(hook.name))Input, settings: table, data: table): Answer?")
        }
        file += ["", "---Allows, with terms that the kernel applies under its own limits.", "---@param terms? \(termUnion(sorted))"]
        file += ["---@return Answer", "function allow(terms) end", ""]
        file += [
            "---Refuses. The reason is a-z, 0-9 and _.", "---@param reason string", "---@param options? { retry_after_seconds?: integer }",
            "---@return Answer", "function deny(reason, options) end", "",
            "---Answers with actions; plan{} does nothing at all.", "---@param actions Action[]", "---@return Answer",
            "function plan(actions) end", "",
            "---Whether the list holds the value.", "---@param list any[]", "---@param value any", "---@return boolean",
            "function contains(list, value) end", "",
        ]
        var seen: Set<String> = []
        for action in sorted.flatMap(\.actions) where seen.insert(action.name).inserted {
            let fields = action.fields.map { "\($0.name)\($0.isOptional ? "?" : ""): \(type($0.kind, ""))" }.joined(separator: ", ")
            file += [
                "---\(action.summary)", "---@param fields { \(fields) }", "---@return Action", "function \(action.name)(fields) end", "",
            ]
        }
        return file.joined(separator: "\n")
    }

    private static func termUnion(_ hooks: [HookDefinition]) -> String {
        let names = hooks.filter { $0.kind == .decide }.map { "\(camel($0.name))Terms" }
        return names.isEmpty ? "table" : names.joined(separator: "|")
    }

    /// A class for the object and one for each object in it, named after `prefix` and the field.
    private static func classes(_ name: String, _ prefix: String, _ fields: [HookField], summary: String) -> [String] {
        var nested: [String] = []
        var lines = ["---\(summary)", "---@class \(name)"]
        for field in fields {
            let child = field.name == CommonInput.now.name ? "Now" : prefix + camel(field.name)
            if case .object(let members) = field.kind, child != "Now" { nested += classes(child, child, members, summary: field.summary) }
            lines.append("---@field \(field.name)\(field.isOptional ? "?" : "") \(type(field.kind, child)) \(field.summary)")
        }
        return nested + lines + [""]
    }

    private static func type(_ kind: HookField.Kind, _ child: String) -> String {
        switch kind {
        case .string: "string"
        case .integer: "integer"
        case .boolean: "boolean"
        case .choice(let names): names.map { "\"\($0)\"" }.joined(separator: "|")
        case .object: child.isEmpty ? "table" : child
        case .list(let kind): "\(type(kind, ""))[]"
        case .map(let kind): "table<string, \(type(kind, ""))>"
        }
    }

    /// `on_seat_request` → `OnSeatRequest`
    private static func camel(_ name: String) -> String {
        name.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }
}
