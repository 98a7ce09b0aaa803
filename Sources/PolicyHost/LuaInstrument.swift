/// A policy's text with probes in it: which statements ran, which way each condition went. Lines stay where they are, so that what the
/// probed policy blames is what the policy blames. It costs fuel of its own; what a decision costs is measured without it.
struct LuaInstrument: Sendable {
    struct Site: Sendable, Hashable {
        enum Kind: Sendable, Hashable { case statement, condition }
        let kind: Kind
        let line: Int
        /// The condition as it is written; empty for a statement.
        let text: String
    }
    /// In the order of the text.
    let sites: [Site]
    let source: String

    /// The constructor through which probes tell: an action of that name has to be known to the state.
    static let report = "coditect_probes"
    static let mostEvents = 4_000
    /// The event between the chunk, which makes its table, and the hook.
    static let asked: Int64 = -3

    /// `once` keeps the first time that a site went each way, for coverage; else every step is kept, up to `mostEvents`.
    init(_ tree: LuaTree, once: Bool) {
        var probes = Probes(tree: tree)
        probes.visit(block: tree.body)
        sites = probes.sites
        var pieces: [UInt8] = Array(Self.prelude(once: once).utf8)
        var at = 0
        // At one place: what closes comes before what opens; of two that open, the outer first; of two that close, the inner first.
        let sorted = probes.insertions.enumerated().sorted {
            ($0.element.at, $0.element.opens ? 1 : 0, $0.element.opens ? $0.offset : -$0.offset)
                < ($1.element.at, $1.element.opens ? 1 : 0, $1.element.opens ? $1.offset : -$1.offset)
        }
        for (_, insertion) in sorted {
            pieces += tree.bytes[at..<insertion.at]
            pieces += Array(insertion.text.utf8)
            at = insertion.at
        }
        pieces += tree.bytes[at...]
        source = String(decoding: pieces, as: UTF8.self)
    }

    /// On the first line, before the author's first word.
    private static func prelude(once: Bool) -> String {
        let keep =
            once
            ? "if not seen[k] then seen[k] = true log[#log + 1] = k end" : "if #log < \(mostEvents) then log[#log + 1] = k end"
        return """
            local _probe, _probe_is, _probe_out = (function() local log, seen = {}, {} \
            local type, pairs, pcall, report = type, pairs, pcall, \(report) \
            local function keep(k) \(keep) end \
            local function is(k, v) keep(v and k + 1 or k + 2) return v end \
            local function out(...) local t = ... if type(t) ~= "table" then return ... end local w = {} \
            for k, v in pairs(t) do if type(v) == "function" then \
            w[k] = function(...) keep(\(asked)) pcall(v, ...) return report{ log = log } end else w[k] = v end end return w end \
            return keep, is, out end)() \

            """.replacingOccurrences(of: "\n", with: " ")
    }

    /// An event is three times the site's number, and one more where a condition held, two where it did not.
    static func event(_ number: Int64) -> (site: Int, went: Bool?) {
        let way = number % 3
        return (Int(number / 3), way == 0 ? nil : way == 1)
    }

    private struct Probes: LuaVisitor {
        struct Insertion {
            let at: Int
            let text: String
            let opens: Bool
        }
        let tree: LuaTree
        var sites: [Site] = []
        var insertions: [Insertion] = []
        private var functions = 0

        init(tree: LuaTree) { self.tree = tree }

        mutating func visit(statement: LuaStatement) {
            if case .label = statement.kind { return }
            sites.append(Site(kind: .statement, line: statement.span.line, text: ""))
            insertions.append(Insertion(at: statement.span.start, text: "_probe(\((sites.count - 1) * 3));", opens: true))
            switch statement.kind {
            case .choose(let branches, _): for branch in branches { condition(branch.condition) }
            case .whileLoop(let until, _), .repeatLoop(_, let until): condition(until)
            case .answer(let values) where functions == 0 && !values.isEmpty:
                wrap(values[0].span.start, values[values.count - 1].span.end, "_probe_out(", ")")
            default: break
            }
            walk(statement)
        }

        mutating func visit(expression: LuaExpression) {
            if case .binary(let sign, _, let left, _) = expression.kind, sign == "and" || sign == "or" { condition(left) }
            if case .function = expression.kind {
                functions += 1
                walk(expression)
                functions -= 1
            } else {
                walk(expression)
            }
        }

        private mutating func condition(_ expression: LuaExpression) {
            sites.append(Site(kind: .condition, line: expression.span.line, text: tree.text(expression.span)))
            wrap(expression.span.start, expression.span.end, "_probe_is(\((sites.count - 1) * 3),", ")")
        }
        private mutating func wrap(_ start: Int, _ end: Int, _ opening: String, _ closing: String) {
            insertions.append(Insertion(at: start, text: opening, opens: true))
            insertions.append(Insertion(at: end, text: closing, opens: false))
        }
    }
}
