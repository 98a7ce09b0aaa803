/// A regular expression of the part of ECMA-262 that patterns of the surface need, matched in time proportional to the text:
/// literals, `.`, classes `[a-z]` `[^…]`, `\d \w \s`, escapes, groups, `|`, `* + ? {n} {n,} {n,m}`, and `^ $` at the two ends.
/// As in JSON Schema it may match anywhere unless anchored.
package struct Pattern: Sendable {
    private enum Step: Sendable {
        case one(Set)
        case split(Int, Int)
        case jump(Int)
        case match
    }
    /// Scalars that a step accepts.
    private struct Set: Sendable {
        var ranges: [ClosedRange<UInt32>]
        var isNegated = false
        func contains(_ scalar: Unicode.Scalar) -> Bool { ranges.contains { $0.contains(scalar.value) } != isNegated }
    }
    private indirect enum Tree: Sendable {
        case empty
        case one(Set)
        case sequence([Tree])
        case choice([Tree])
        case times(Tree, Int, Int?)
    }
    private static let maxSteps = 4_096

    private var steps: [Step] = []
    private let isAnchoredAtStart: Bool
    private let isAnchoredAtEnd: Bool

    /// Nil if the expression uses anything else, or unrolls to more than 4,096 steps.
    package init?(_ expression: String) {
        var scalars = Array(expression.unicodeScalars)
        isAnchoredAtStart = scalars.first == "^"
        if isAnchoredAtStart { scalars.removeFirst() }
        isAnchoredAtEnd = scalars.last == "$" && scalars.dropLast().reversed().prefix { $0 == "\\" }.count % 2 == 0
        if isAnchoredAtEnd { scalars.removeLast() }
        var parser = Parser(scalars: scalars)
        guard let tree = parser.choice(), parser.at == scalars.count, !(isAnchoredAtStart || isAnchoredAtEnd) || !parser.hasTopChoice else {
            return nil
        }
        emit(tree)
        steps.append(.match)
        guard steps.count <= Self.maxSteps else { return nil }
    }

    package func matches(_ text: String) -> Bool {
        var current = Swift.Set<Int>()
        follow(0, into: &current)
        for scalar in text.unicodeScalars {
            if !isAnchoredAtEnd, current.contains(steps.count - 1) { return true }
            var next = Swift.Set<Int>()
            for place in current {
                if case .one(let set) = steps[place], set.contains(scalar) { follow(place + 1, into: &next) }
            }
            if !isAnchoredAtStart { follow(0, into: &next) }
            if next.isEmpty { return false }
            current = next
        }
        return current.contains(steps.count - 1)
    }

    private func follow(_ place: Int, into places: inout Swift.Set<Int>) {
        guard places.insert(place).inserted else { return }
        switch steps[place] {
        case .split(let left, let right):
            follow(left, into: &places)
            follow(right, into: &places)
        case .jump(let target): follow(target, into: &places)
        case .one, .match: break
        }
    }

    private mutating func emit(_ tree: Tree) {
        guard steps.count <= Self.maxSteps else { return }
        switch tree {
        case .empty: break
        case .one(let set): steps.append(.one(set))
        case .sequence(let parts): for part in parts { emit(part) }
        case .choice(let ways):
            var ends: [Int] = []
            for (index, way) in ways.enumerated() {
                guard index < ways.count - 1 else {
                    emit(way)
                    break
                }
                let split = steps.count
                steps.append(.jump(0))
                emit(way)
                ends.append(steps.count)
                steps.append(.jump(0))
                steps[split] = .split(split + 1, steps.count)
            }
            for end in ends { steps[end] = .jump(steps.count) }
        case .times(let part, let low, let high):
            for _ in 0..<low { emit(part) }
            if let high {
                var splits: [Int] = []
                for _ in low..<max(low, high) {
                    splits.append(steps.count)
                    steps.append(.jump(0))
                    emit(part)
                }
                for split in splits { steps[split] = .split(split + 1, steps.count) }
            } else {
                let split = steps.count
                steps.append(.jump(0))
                emit(part)
                steps.append(.jump(split))
                steps[split] = .split(split + 1, steps.count)
            }
        }
    }

    private struct Parser {
        let scalars: [Unicode.Scalar]
        var at = 0
        var hasTopChoice = false
        private var depth = 0

        init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

        mutating func choice() -> Tree? {
            guard let first = sequence() else { return nil }
            var ways = [first]
            while at < scalars.count, scalars[at] == "|" {
                at += 1
                guard let way = sequence() else { return nil }
                ways.append(way)
            }
            if depth == 0, ways.count > 1 { hasTopChoice = true }
            return ways.count == 1 ? ways[0] : .choice(ways)
        }
        private mutating func sequence() -> Tree? {
            var parts: [Tree] = []
            while at < scalars.count, scalars[at] != "|", scalars[at] != ")" {
                guard let atom = atom(), let part = quantified(atom) else { return nil }
                parts.append(part)
            }
            return parts.isEmpty ? .empty : .sequence(parts)
        }
        private mutating func quantified(_ atom: Tree) -> Tree? {
            guard at < scalars.count else { return atom }
            switch scalars[at] {
            case "*": return advanced(.times(atom, 0, nil))
            case "+": return advanced(.times(atom, 1, nil))
            case "?": return advanced(.times(atom, 0, 1))
            case "{":
                at += 1
                guard let low = count() else { return nil }
                var high: Int? = low
                if at < scalars.count, scalars[at] == "," {
                    at += 1
                    high = count()
                }
                guard at < scalars.count, scalars[at] == "}", high.map({ $0 >= low }) ?? true else { return nil }
                return advanced(.times(atom, low, high))
            default: return atom
            }
        }
        private mutating func advanced(_ tree: Tree) -> Tree? {
            at += 1
            // A second quantifier (`a+?`, `a**`) is not of the part understood.
            if at < scalars.count, ["*", "+", "?", "{"].contains(scalars[at]) { return nil }
            return tree
        }
        private mutating func count() -> Int? {
            var value: Int?
            while at < scalars.count, let digit = Int(String(scalars[at])), (value ?? 0) < 1_000 {
                value = (value ?? 0) * 10 + digit
                at += 1
            }
            return value
        }
        private mutating func atom() -> Tree? {
            let scalar = scalars[at]
            at += 1
            switch scalar {
            case "(":
                if at + 1 < scalars.count, scalars[at] == "?" {
                    guard scalars[at + 1] == ":" else { return nil }
                    at += 2
                }
                depth += 1
                defer { depth -= 1 }
                guard depth < 32, let inner = choice(), at < scalars.count, scalars[at] == ")" else { return nil }
                at += 1
                return inner
            case "[": return bracket().map { .one($0) }
            case ".": return .one(Set(ranges: [0x0A...0x0A, 0x0D...0x0D, 0x2028...0x2029], isNegated: true))
            case "\\": return escape().map { .one($0) }
            case "*", "+", "?", "{", "}", "^", "$", ")", "]": return nil
            default: return .one(Set(ranges: [scalar.value...scalar.value]))
            }
        }
        private mutating func bracket() -> Set? {
            var set = Set(ranges: [])
            if at < scalars.count, scalars[at] == "^" {
                set.isNegated = true
                at += 1
            }
            while at < scalars.count, scalars[at] != "]" {
                guard let low = member() else { return nil }
                if at + 1 < scalars.count, scalars[at] == "-", scalars[at + 1] != "]" {
                    at += 1
                    guard let high = member(), low.count == 1, high.count == 1, low[0].lowerBound <= high[0].upperBound else { return nil }
                    set.ranges.append(low[0].lowerBound...high[0].upperBound)
                } else {
                    set.ranges.append(contentsOf: low)
                }
            }
            guard at < scalars.count else { return nil }
            at += 1
            return set
        }
        private mutating func member() -> [ClosedRange<UInt32>]? {
            guard at < scalars.count else { return nil }
            let scalar = scalars[at]
            at += 1
            guard scalar == "\\" else { return [scalar.value...scalar.value] }
            guard let set = escape(), !set.isNegated else { return nil }
            return set.ranges
        }
        private mutating func escape() -> Set? {
            guard at < scalars.count else { return nil }
            let scalar = scalars[at]
            at += 1
            let digits: [ClosedRange<UInt32>] = [48...57]
            let words: [ClosedRange<UInt32>] = [48...57, 65...90, 95...95, 97...122]
            let spaces: [ClosedRange<UInt32>] = [0x09...0x0D, 0x20...0x20, 0xA0...0xA0, 0xFEFF...0xFEFF, 0x2028...0x2029]
            switch scalar {
            case "d": return Set(ranges: digits)
            case "D": return Set(ranges: digits, isNegated: true)
            case "w": return Set(ranges: words)
            case "W": return Set(ranges: words, isNegated: true)
            case "s": return Set(ranges: spaces)
            case "S": return Set(ranges: spaces, isNegated: true)
            case "n": return Set(ranges: [0x0A...0x0A])
            case "r": return Set(ranges: [0x0D...0x0D])
            case "t": return Set(ranges: [0x09...0x09])
            default:
                let isAlphanumeric = scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
                return isAlphanumeric ? nil : Set(ranges: [scalar.value...scalar.value])
            }
        }
    }
}
