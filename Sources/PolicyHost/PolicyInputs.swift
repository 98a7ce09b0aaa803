import HookEngine

/// Inputs made from a hook's definition alone.
package enum PolicyInputs {
    /// One that fits: the first choice, the smallest number that is not nothing, `x` for a text.
    package static func sample(_ fields: [HookField]) -> HookValue {
        .object(fields.map { ($0.name, sample($0.kind, $0.range)) })
    }

    private static func sample(_ kind: HookField.Kind, _ range: ClosedRange<Int64>?) -> HookValue {
        switch kind {
        case .string: .string("x")
        case .integer: .int(range.map { max($0.lowerBound, min(1, $0.upperBound)) } ?? 1)
        case .boolean: .bool(false)
        case .choice(let names): .string(names.first ?? "")
        case .object(let fields): sample(fields)
        case .list: .list([])
        case .map: .object([])
        }
    }
}
