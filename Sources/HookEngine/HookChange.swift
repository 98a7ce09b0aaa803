/// One thing that differs between two versions of the hooks, and what it means to whoever wrote a policy for the earlier one.
package struct HookChange: Sendable, Hashable {
    package enum Kind: String, Sendable {
        case added, removed, renamed, retyped, narrowed, widened, refolded, redefined
        /// Was always there and may be absent now.
        case loosened
        /// Could be left out and must be there now.
        case required
    }
    /// Which part of a hook it is about.
    package enum Part: String, Sendable { case hook, input, term, action, given }
    /// `breaking`: a policy that uses it fails. `caution`: a policy that uses it goes on, and may decide otherwise. `compatible`: neither.
    package enum Impact: String, Sendable, CaseIterable { case breaking, caution, compatible }

    package let kind: Kind
    package let part: Part
    package let impact: Impact
    /// Empty for what every policy is given.
    package let hook: String
    /// `user.role` of an input, `overdraft_seats` of the terms, `start_grace.days` of the actions.
    package let path: String
    /// What it was and what it is, as a sentence without its subject.
    package let detail: String
    /// What a narrowed answer may still be.
    package let accepts: HookAccepts?

    /// `on_seat_request: request.user.role was removed`
    package var title: String { "\(hook.isEmpty ? "" : "\(hook): ")\(subject) \(detail)" }

    package var subject: String {
        switch part {
        case .hook: "the hook"
        case .input: "request.\(path)"
        case .term: "the term \(path)"
        case .action: path.contains(".") ? "the field \(path)" : "the action \(path)"
        case .given: path
        }
    }

    /// What an author is told at the line that reads a field which is not there: in the report and when the set is refused.
    package static func missing(_ label: String, of parent: String, hook: String, _ fields: [HookField]) -> String {
        switch (parent, fields.isEmpty) {
        case ("settings", true):
            let name = label.split(separator: ".").last ?? ""
            return "\(label) is not there; declare it: settings = { \(name) = { type = \"integer\", default = 0 } }"
        case ("data", true):
            let name = label.split(separator: ".").last ?? ""
            return "\(label) is not there; name the data file: data = { \"\(name)\" }"
        default: return "\(label) is not there; \(parent == "request" ? "\(hook) gives" : "\(parent) has"): \(HookCheck.names(fields))"
        }
    }
}

/// Numbers or names that an answer may hold.
package enum HookAccepts: Sendable, Hashable {
    case range(Int64, Int64)
    case choice([String])
}

extension HookCatalogue {
    /// Everything that differs in `later`: what breaks first, then by hook and path.
    package func changes(to later: HookCatalogue) -> [HookChange] {
        var comparison = HookComparison()
        for hook in hooks {
            guard let now = later.hooks.first(where: { $0.name == hook.name }) else {
                comparison.add(.removed, .hook, .breaking, hook.name, "", "was removed; a set that answers it is refused")
                continue
            }
            comparison.compare(hook, now)
        }
        for hook in later.hooks where !hooks.contains(where: { $0.name == hook.name }) {
            comparison.add(.added, .hook, .compatible, hook.name, "", "was added")
        }
        for name in given where !later.given.contains(name) {
            comparison.add(.removed, .given, .breaking, "", name, "is no longer given to policies")
        }
        for name in later.given where !given.contains(name) {
            comparison.add(.added, .given, .compatible, "", name, "is given to policies")
        }
        return comparison.sorted
    }
}

private struct HookComparison {
    private var found: [HookChange] = []

    var sorted: [HookChange] {
        let order = HookChange.Impact.allCases
        func key(_ change: HookChange) -> (Int, String, String, String) {
            (order.firstIndex(of: change.impact) ?? 0, change.hook, change.part.rawValue, change.path)
        }
        return found.sorted { key($0) < key($1) }
    }

    mutating func add(
        _ kind: HookChange.Kind, _ part: HookChange.Part, _ impact: HookChange.Impact, _ hook: String, _ path: String, _ detail: String,
        accepts: HookAccepts? = nil
    ) {
        found.append(HookChange(kind: kind, part: part, impact: impact, hook: hook, path: path, detail: detail, accepts: accepts))
    }

    mutating func compare(_ old: HookDefinition, _ new: HookDefinition) {
        if old.kind != new.kind {
            add(.redefined, .hook, .breaking, old.name, "", "was \(old.kind.rawValue) and is \(new.kind.rawValue)")
        }
        if old.whenAllAbstain != new.whenAllAbstain {
            add(
                .redefined, .hook, .caution, old.name, "",
                "answers \(new.whenAllAbstain.rawValue) when all abstain, and answered \(old.whenAllAbstain.rawValue)")
        }
        if old.whenFailing != new.whenFailing {
            add(
                .redefined, .hook, .caution, old.name, "",
                "answers \(new.whenFailing.rawValue) when a policy fails, and answered \(old.whenFailing.rawValue)")
        }
        if old.isAsked != new.isAsked {
            add(
                .redefined, .hook, .caution, old.name, "",
                new.isAsked ? "is asked now: policies for it decide from here on" : "is no longer asked: policies for it decide nothing")
        }
        if old.isOpenToTenants, !new.isOpenToTenants {
            add(.redefined, .hook, .caution, old.name, "", "is closed to tenants: their own policies for it decide nothing")
        }
        fields(old.wholeInput, new.wholeInput, .input, old.name, "", all: new.wholeInput)
        fields(old.terms, new.terms, .term, old.name, "", all: new.terms)
        for action in old.actions {
            if let now = new.actions.first(where: { $0.name == action.name }) {
                fields(action.fields, now.fields, .action, old.name, action.name, all: now.fields)
            } else {
                add(.removed, .action, .breaking, old.name, action.name, "was removed")
            }
        }
        for action in new.actions where !old.actions.contains(where: { $0.name == action.name }) {
            add(.added, .action, .compatible, old.name, action.name, "was added")
        }
    }

    private mutating func fields(
        _ old: [HookField], _ new: [HookField], _ part: HookChange.Part, _ hook: String, _ prefix: String, all: [HookField]
    ) {
        var renamed: Set<String> = []
        for field in old {
            let path = prefix.isEmpty ? field.name : "\(prefix).\(field.name)"
            if let now = new.first(where: { $0.name == field.name }) {
                compare(field, now, part, hook, path, all: all)
                continue
            }
            let strangers = new.filter { candidate in !old.contains { $0.name == candidate.name } }
            if let now = strangers.first(where: { Self.isSame($0, field) }) {
                renamed.insert(now.name)
                let whole = prefix.isEmpty ? now.name : "\(prefix).\(now.name)"
                add(.renamed, part, .breaking, hook, path, "is called \(part == .input ? "request." : "")\(whole) now")
            } else if part == .input, let moved = Self.find(field, all, "") {
                add(.renamed, part, .breaking, hook, path, "is request.\(moved) now")
            } else {
                add(.removed, part, .breaking, hook, path, "was removed")
            }
        }
        for field in new where !renamed.contains(field.name) && !old.contains(where: { $0.name == field.name }) {
            let path = prefix.isEmpty ? field.name : "\(prefix).\(field.name)"
            if field.isOptional || part == .term {
                add(.added, part, .compatible, hook, path, "was added")
            } else {
                // Policies need not read it; their tests must give it.
                add(.added, part, .breaking, hook, path, "was added and is always there: \(field.accepted)")
            }
        }
    }

    /// The same thing under another name: of one kind and one description.
    private static func isSame(_ left: HookField, _ right: HookField) -> Bool {
        !left.summary.isEmpty && left.summary == right.summary && same(left.kind, right.kind)
    }
    private static func find(_ field: HookField, _ fields: [HookField], _ prefix: String) -> String? {
        for other in fields {
            let path = prefix + other.name
            if isSame(other, field) { return path }
            if case .object(let inner) = other.kind, let found = find(field, inner, path + ".") { return found }
        }
        return nil
    }

    private static func same(_ left: HookField.Kind, _ right: HookField.Kind) -> Bool {
        switch (left, right) {
        case (.string, .string), (.integer, .integer), (.boolean, .boolean), (.choice, .choice), (.object, .object): true
        case (.list(let left), .list(let right)), (.map(let left), .map(let right)): same(left, right)
        default: false
        }
    }

    private mutating func compare(
        _ old: HookField, _ new: HookField, _ part: HookChange.Part, _ hook: String, _ path: String, all: [HookField]
    ) {
        let isAnswer = part != .input
        switch (old.kind, new.kind) {
        case (.object(let before), .object(let after)): fields(before, after, part, hook, path, all: all)
        case (.choice(let before), .choice(let after)):
            let gone = before.filter { !after.contains($0) }
            let come = after.filter { !before.contains($0) }
            if !gone.isEmpty {
                add(
                    .narrowed, part, isAnswer ? .breaking : .caution, hook, path,
                    "is no longer one of \(gone.map { "\"\($0)\"" }.joined(separator: ", ")); it is \(new.accepted)",
                    accepts: .choice(after))
            }
            if !come.isEmpty {
                add(
                    .widened, part, isAnswer ? .compatible : .caution, hook, path,
                    "may also be \(come.map { "\"\($0)\"" }.joined(separator: ", "))")
            }
        case (.string, .choice(let names)):
            add(
                .narrowed, part, isAnswer ? .breaking : .compatible, hook, path, "was a text and is \(new.accepted)",
                accepts: .choice(names))
        case (.choice, .string):
            add(.widened, part, isAnswer ? .compatible : .caution, hook, path, "was \(old.accepted) and may be any text")
        default:
            if Self.same(old.kind, new.kind) {
                range(old, new, part, hook, path)
            } else {
                add(.retyped, part, .breaking, hook, path, "was \(old.accepted) and is \(new.accepted)")
            }
        }
        guard part != .term else {
            if old.tight != new.tight { add(.refolded, part, .caution, hook, path, "folds to the other end when several policies answer") }
            return
        }
        if old.isOptional != new.isOptional {
            let isBreaking = part == .input ? new.isOptional : !new.isOptional
            add(
                new.isOptional ? .loosened : .required, part, part == .input || isBreaking ? .breaking : .compatible, hook, path,
                new.isOptional ? "may be absent now" : "must always be there now")
        }
    }

    private mutating func range(_ old: HookField, _ new: HookField, _ part: HookChange.Part, _ hook: String, _ path: String) {
        guard old.range != new.range else { return }
        let was = old.range ?? Int64.min...Int64.max
        let now = new.range ?? Int64.min...Int64.max
        let isAnswer = part != .input
        if now.lowerBound > was.lowerBound || now.upperBound < was.upperBound {
            add(
                .narrowed, part, isAnswer ? .breaking : .compatible, hook, path, "was \(old.accepted) and is \(new.accepted)",
                accepts: .range(now.lowerBound, now.upperBound))
        } else {
            add(.widened, part, isAnswer ? .compatible : .caution, hook, path, "was \(old.accepted) and is \(new.accepted)")
        }
    }
}
