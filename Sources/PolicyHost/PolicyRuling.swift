import HookEngine

/// What a set answers to one question, folded.
package struct PolicyRuling: Sendable, Hashable {
    package enum Outcome: Sendable, Hashable {
        case allow([PlannedTerm])
        case deny(reason: String, retryAfterSeconds: Int64?)
        case plan([PlannedAction])
        /// All abstained: the kernel's own plan, which only the kernel knows.
        case shippedPlan
        /// Which policy failed, where and why.
        case failed(String)
    }
    package struct PlannedTerm: Sendable, Hashable {
        package let name: String
        package let value: HookValue
    }
    package let outcome: Outcome

    init(_ outcome: Outcome) { self.outcome = outcome }

    /// Of a line of the log.
    package init(_ recorded: RecordedDecision) {
        switch recorded.outcome {
        case "deny": outcome = .deny(reason: recorded.reason ?? "", retryAfterSeconds: recorded.retryAfterSeconds)
        case "plan": outcome = recorded.policy == nil ? .shippedPlan : .plan(recorded.actions)
        case "failed": outcome = .failed(recorded.reason ?? "")
        default:
            var terms: [PlannedTerm] = []
            if case .object(let members) = recorded.terms { terms = members.map { PlannedTerm(name: $0.0, value: $0.1) } }
            outcome = .allow(terms)
        }
    }

    /// `allow`, `deny`, `plan`, `failed`: what a flip is told by.
    package var kind: String {
        switch outcome {
        case .allow: "allow"
        case .deny: "deny"
        case .plan, .shippedPlan: "plan"
        case .failed: "failed"
        }
    }

    /// Numbers that the answer carries: terms of an allow, fields of actions.
    package var numbers: [(name: String, value: Int64)] {
        switch outcome {
        case .allow(let terms): return terms.compactMap { term in term.value.int.map { (term.name, $0) } }
        case .plan(let actions):
            return actions.flatMap { action -> [(name: String, value: Int64)] in
                guard case .object(let members) = action.fields else { return [] }
                return members.compactMap { name, value in value.int.map { ("\(action.name).\(name)", $0) } }
            }
        default: return []
        }
    }
}

extension PolicyRuling: CustomStringConvertible {
    /// `deny outside_hours (retry after 3600 s)`, `allow{overdraft_seats=2}`
    package var description: String {
        switch outcome {
        case .allow(let terms):
            return terms.isEmpty ? "allow" : "allow{" + terms.map { "\($0.name)=\($0.value.plainText)" }.joined(separator: " ") + "}"
        case .deny(let reason, let seconds): return "deny \(reason)" + (seconds.map { " (retry after \($0) s)" } ?? "")
        case .plan(let actions):
            return actions.isEmpty ? "plan nothing" : "plan " + actions.map(\.shown).joined(separator: ", ")
        case .shippedPlan: return "the shipped plan"
        case .failed(let why): return "failed: \(Shown.line(why, most: 1_000))"
        }
    }
}

extension PlannedAction {
    var shown: String {
        guard case .object(let members) = fields, !members.isEmpty else { return name }
        return "\(name){" + members.map { "\($0.0)=\($0.1.plainText)" }.joined(separator: " ") + "}"
    }
}

extension HookValue {
    /// For a person: `user={id=u1 role=developer}`, without the moment.
    package var withoutNow: String {
        guard case .object(let members) = self else { return plainText }
        return members.filter { $0.0 != CommonInput.now.name }.map { "\($0.0)=\($0.1.plainText)" }.joined(separator: " ")
    }
    /// As in a log line for people: texts without quotes.
    package var plainText: String {
        switch self {
        case .null: "nothing"
        case .bool(let flag): "\(flag)"
        case .int(let number): "\(number)"
        case .string(let text): Shown.line(text, most: 500)
        case .list(let items): "[" + items.map(\.plainText).joined(separator: " ") + "]"
        case .object(let members): "{" + members.map { "\($0.0)=\($0.1.plainText)" }.joined(separator: " ") + "}"
        }
    }
}

extension PolicySet.Evaluation {
    /// Folds as the engine does; `decidedBy` is the index of the answer that decided.
    func ruling(_ definition: HookDefinition) -> (ruling: PolicyRuling, decidedBy: Int?) {
        if let failure { return (PolicyRuling(.failed(failure)), failedAt) }
        if definition.kind == .plan {
            guard let folded = Folding.plan(answers, shipped: { [] }) else { return (PolicyRuling(.shippedPlan), nil) }
            return (PolicyRuling(.plan(folded.actions)), folded.decidedBy)
        }
        let folded = Folding.decide(answers, definition)
        switch folded.verdict {
        case .allow: return (PolicyRuling(.allow(folded.terms.map { .init(name: $0.0, value: $0.1) })), folded.decidedBy)
        case .deny(let reason, let seconds): return (PolicyRuling(.deny(reason: reason, retryAfterSeconds: seconds)), folded.decidedBy)
        }
    }
}

extension PolicyAnswer.Content {
    /// `deny outside_hours`, `abstain`: what one policy answered.
    package var shown: String {
        switch self {
        case .abstain: "abstain"
        case .allow(let terms, let delegate):
            PolicyRuling(.allow(terms.map { .init(name: $0.0, value: $0.1) })).description + Self.handed(delegate)
        case .deny(let reason, let seconds): PolicyRuling(.deny(reason: reason, retryAfterSeconds: seconds)).description
        case .plan(let actions, let delegate): PolicyRuling(.plan(actions)).description + Self.handed(delegate)
        case .failed(let why): "failed: \(Shown.line(why, most: 1_000))"
        }
    }
    private static func handed(_ names: Set<String>) -> String {
        names.isEmpty ? "" : ", delegates " + names.sorted().joined(separator: ", ")
    }
}
