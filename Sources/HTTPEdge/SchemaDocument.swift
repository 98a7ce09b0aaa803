import Vocabulary

extension Schema {
    /// As JSON Schema 2020-12, the dialect of OpenAPI 3.1. Named schemas are collected into `components` and referred to.
    func document(_ components: inout [String: JSONValue]) -> JSONValue {
        switch self {
        case .string(let min, let max, let format, let pattern):
            var out: [String: JSONValue] = ["type": "string", "maxLength": .int(Int64(max))]
            if min > 0 { out["minLength"] = .int(Int64(min)) }
            if let pattern { out["pattern"] = .string(pattern) }
            switch format {
            case .email, .uuid, .dateTime, .uri: out["format"] = .string(format?.rawValue ?? "")
            case .hex: out["pattern"] = "^[0-9a-f]*$"
            case .token: out["pattern"] = "^[!-~]*$"
            case nil: break
            }
            return .object(out)
        case .choice(let names): return ["type": "string", "enum": .array(names.map { .string($0) })]
        case .integer(let range): return ["type": "integer", "minimum": .int(range.lowerBound), "maximum": .int(range.upperBound)]
        case .boolean: return ["type": "boolean"]
        case .array(let element, let max): return ["type": "array", "items": element.document(&components), "maxItems": .int(Int64(max))]
        case .object(let fields):
            var properties: [String: JSONValue] = [:]
            for field in fields {
                var property = field.schema.document(&components)
                if !field.summary.isEmpty, case .object(var members) = property {
                    members["description"] = .string(field.summary)
                    property = .object(members)
                }
                properties[field.name] = property
            }
            var out: [String: JSONValue] = ["type": "object", "properties": .object(properties), "additionalProperties": false]
            let required = fields.filter(\.isRequired).map(\.name).sorted()
            if !required.isEmpty { out["required"] = .array(required.map { .string($0) }) }
            return .object(out)
        case .map(let value): return ["type": "object", "additionalProperties": value.document(&components)]
        case .nullable(let inner): return ["anyOf": [inner.document(&components), ["type": "null"]]]
        case .named(let name, let inner):
            if components[name] == nil {
                components[name] = .object([:])  // a schema that names itself ends here
                components[name] = inner.document(&components)
            }
            return ["$ref": .string("#/components/schemas/\(name)")]
        case .any: return [:]
        }
    }
}
