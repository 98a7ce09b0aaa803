/// Who wrote a policy, from the widest say to the narrowest.
package enum PolicyLayer: String, Sendable, CaseIterable, Comparable {
    case platform, tier, tenant
    package static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }
    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// What one policy answered to one question.
package struct PolicyAnswer: Sendable {
    package enum Content: Sendable {
        case abstain
        case allow(terms: [(String, HookValue)], delegate: Set<String>)
        case deny(reason: String, retryAfterSeconds: Int64?)
        case plan([PlannedAction], delegate: Set<String>)
        case failed(String)
    }
    package let layer: PolicyLayer
    /// `seats.overdraft`
    package let policy: String
    /// `seats/overdraft/policy.lua`
    package let file: String
    /// The line of the rule that answered; 0 where none is known.
    package let line: Int
    package let content: Content
    package let fuel: UInt64

    package init(layer: PolicyLayer, policy: String, file: String, line: Int, content: Content, fuel: UInt64 = 0) {
        self.layer = layer
        self.policy = policy
        self.file = file
        self.line = line
        self.content = content
        self.fuel = fuel
    }
    package var abstained: Bool { if case .abstain = content { true } else { false } }
}

/// Folds the answers of all layers into one. Pure: the same answers give the same outcome.
///
/// Any deny wins, the first in the written order names the reason. A numeric term takes its tight end. A lower layer narrows what an
/// upper one said; what an upper layer delegates it may replace. A tenant may only touch terms and actions that somebody above set
/// or delegated; where the platform is silent, the tier speaks for the operator.
package enum Folding {
    package struct Decision: Sendable {
        package let verdict: Ruling
        package let terms: [(String, HookValue)]
        /// Index of the answer that decided; nil where all abstained.
        package let decidedBy: Int?
    }
    package enum Ruling: Sendable, Hashable {
        case allow
        case deny(reason: String, retryAfterSeconds: Int64?)
    }

    package static func decide(_ answers: [PolicyAnswer], _ definition: HookDefinition) -> Decision {
        for (index, answer) in answers.enumerated() {
            if case .deny(let reason, let seconds) = answer.content {
                return Decision(verdict: .deny(reason: reason, retryAfterSeconds: seconds), terms: [], decidedBy: index)
            }
        }
        // Most questions have one policy that answers: there is nothing to fold.
        let speaking = answers.indices.filter { !answers[$0].abstained }
        if speaking.count == 1, answers[speaking[0]].layer != .tenant, case .allow(let named, _) = answers[speaking[0]].content {
            return Decision(verdict: .allow, terms: named, decidedBy: speaking[0])
        }
        var decidedBy: Int?
        var terms: [(String, HookValue)] = []
        var delegated: Set<String> = []
        for layer in PolicyLayer.allCases {
            var own: [(String, HookValue)] = []
            var offered: Set<String> = []
            var kept: Set<String> = []
            for (index, answer) in answers.enumerated() where answer.layer == layer {
                guard case .allow(let named, let delegate) = answer.content else { continue }
                decidedBy = decidedBy ?? index
                for (name, value) in named {
                    merge(&own, name, value, definition)
                    if !delegate.contains(name) { kept.insert(name) }
                }
                // Nobody hands down what was not his to say: a term that an upper layer set and kept stays kept.
                offered.formUnion(delegate.filter { name in delegated.contains(name) || !terms.contains { $0.0 == name } })
            }
            for (name, value) in own {
                let isSet = terms.contains { $0.0 == name }
                if delegated.contains(name) {
                    replace(&terms, name, value)
                } else if isSet {
                    if tight(name, definition) != nil { merge(&terms, name, value, definition) }
                } else if layer != .tenant {
                    terms.append((name, value))
                }
            }
            delegated.formUnion(offered)
            delegated.subtract(kept)
        }
        guard decidedBy != nil else {
            let ruling: Ruling = definition.whenAllAbstain == .deny ? .deny(reason: "no_policy_allows", retryAfterSeconds: nil) : .allow
            return Decision(verdict: ruling, terms: [], decidedBy: nil)
        }
        return Decision(verdict: .allow, terms: terms, decidedBy: decidedBy)
    }

    /// Nil where all abstained: the shipped plan holds. `shipped` is what a tenant may take from when nobody above it spoke.
    package static func plan(_ answers: [PolicyAnswer], shipped: () -> [PlannedAction]) -> (actions: [PlannedAction], decidedBy: Int)? {
        var decidedBy: Int?
        var plan: [PlannedAction]?
        var delegated: Set<String> = []
        for layer in PolicyLayer.allCases {
            var own: [PlannedAction]?
            var offered: Set<String> = []
            for (index, answer) in answers.enumerated() where answer.layer == layer {
                guard case .plan(let actions, let delegate) = answer.content else { continue }
                decidedBy = decidedBy ?? index
                let before = own ?? []
                own = before + actions.filter { !before.contains($0) }
                offered.formUnion(plan == nil ? delegate : delegate.intersection(delegated))
            }
            if let own {
                if plan == nil, layer != .tenant {
                    plan = own
                } else {
                    let upper = plan ?? shipped()
                    let kept = upper.filter { own.contains($0) && !delegated.contains($0.name) }
                    plan = kept + own.filter { delegated.contains($0.name) }
                }
            }
            delegated.formUnion(offered)
        }
        return plan.flatMap { plan in decidedBy.map { (plan, $0) } }
    }

    private static func tight(_ name: String, _ definition: HookDefinition) -> HookField.Tight? {
        definition.terms.first { $0.name == name }?.tight
    }

    /// A numeric term takes its tight end, any other keeps what was said first.
    private static func merge(_ terms: inout [(String, HookValue)], _ name: String, _ value: HookValue, _ definition: HookDefinition) {
        guard let index = terms.firstIndex(where: { $0.0 == name }) else { return terms.append((name, value)) }
        guard case .int(let before) = terms[index].1, case .int(let now) = value, let end = tight(name, definition) else { return }
        terms[index].1 = .int(end == .lowest ? min(before, now) : max(before, now))
    }

    private static func replace(_ terms: inout [(String, HookValue)], _ name: String, _ value: HookValue) {
        if let index = terms.firstIndex(where: { $0.0 == name }) { terms[index].1 = value } else { terms.append((name, value)) }
    }
}
