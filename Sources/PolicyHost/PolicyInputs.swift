import HookEngine
import Vocabulary

/// Inputs made from a hook's definition, and from the values that policies compare with.
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

    private struct Axis {
        let path: [String]
        let values: [HookValue]
    }

    /// Every combination of what the read fields may be, as far as anybody can tell the difference; where these are more than `most`, so
    /// many of them, chosen by a fixed seed. Fields that nobody reads stay as they are.
    static func all(_ fields: [HookField], read: Set<String>, literals: PolicyLiterals, most: Int) -> [HookValue] {
        let base = PolicyTestRunner.withNow(InputEncoder.ordered(sample(fields), fields))
        let axes = axes(fields, [], read, literals)
        var product = 1
        for axis in axes { product = min(most + 1, product * max(1, axis.values.count)) }
        if product <= most {
            var found = [base]
            for axis in axes { found = found.flatMap { input in axis.values.map { input.with(axis.path, $0) } } }
            return found + without(optionals(fields, []), found)
        }
        // Each value of each field once around the sample, then as it comes.
        var found = axes.flatMap { axis in axis.values.map { base.with(axis.path, $0) } }
        var dice = Dice(state: 1)
        while found.count < most {
            var input = base
            for axis in axes { if let value = axis.values.randomElement(using: &dice) { input = input.with(axis.path, value) } }
            found.append(input)
        }
        return found + without(optionals(fields, []), found)
    }

    /// Some of the same inputs without each part that may be absent.
    private static func without(_ paths: [[String]], _ inputs: [HookValue]) -> [HookValue] {
        let step = max(1, inputs.count / 500)
        return paths.flatMap { path in stride(from: 0, to: inputs.count, by: step).map { inputs[$0].with(path, .null) } }
    }
    private static func optionals(_ fields: [HookField], _ path: [String]) -> [[String]] {
        fields.flatMap { field -> [[String]] in
            guard case .object(let inner) = field.kind else { return [] }
            let here = path + [field.name]
            return (field.isOptional ? [here] : []) + optionals(inner, here)
        }
    }

    private static func axes(_ fields: [HookField], _ path: [String], _ read: Set<String>, _ literals: PolicyLiterals) -> [Axis] {
        fields.flatMap { field -> [Axis] in
            let here = path + [field.name]
            let name = here.joined(separator: ".")
            if case .object(let inner) = field.kind {
                return axes(inner, here, read, literals)
            }
            guard read.contains(name) else { return [] }
            var values: [HookValue]
            switch field.kind {
            case .boolean: values = [.bool(false), .bool(true)]
            case .choice(let names): values = names.map(HookValue.string)
            case .string: values = [.string("x")] + literals.texts.sorted().map(HookValue.string)
            case .integer:
                var numbers: Set<Int64> = [0, 1, 2, 10, 100]
                for number in literals.numbers { numbers.formUnion([number &- 1, number, number &+ 1]) }
                if let range = field.range { numbers.formUnion([range.lowerBound, range.upperBound]) }
                values = numbers.filter { field.range?.contains($0) ?? true }.sorted().map(HookValue.int)
            case .list: values = [.list([])]
            case .map, .object: values = [.object([])]
            }
            if field.isOptional { values.append(.null) }
            return [Axis(path: here, values: values)]
        }
    }

    /// SplitMix64.
    struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
    }
}
