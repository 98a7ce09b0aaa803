import Vocabulary

/// A named point where the kernel asks policy. One definition, from which come the Lua checking, editor stubs, reference and tests.
package struct HookDefinition: Sendable {
    package enum Kind: String, Sendable {
        /// Allow or deny, with terms.
        case decide
        /// A list of actions, which the kernel checks and runs.
        case plan
        /// After the commit, no answer.
        case observe
    }
    package enum Fallback: String, Sendable { case allow, deny, shippedPlan = "shipped_plan" }

    /// `on_seat_request`
    package let name: String
    package let kind: Kind
    package let summary: String
    package let input: [HookField]
    /// Terms of an allow, for `decide`.
    package let terms: [HookField]
    /// Actions of a plan by name with their fields, for `plan`.
    package let actions: [HookAction]
    /// What holds when every policy abstains.
    package let whenAllAbstain: Fallback
    /// What holds when a policy fails or runs out of budget; `deny` everywhere but for `plan`, where the event stays queued.
    package let whenFailing: Fallback
    /// Somebody in this server asks it. A hook that nobody asks yet can be written and tested against; it decides nothing.
    package let isAsked: Bool
    /// A tenant's own policies are asked too, after the operator's. Closed where the answer is the operator's money, machines or duties.
    package let isOpenToTenants: Bool

    package init(
        _ name: String, kind: Kind, summary: String, input: [HookField], terms: [HookField] = [], actions: [HookAction] = [],
        whenAllAbstain: Fallback, whenFailing: Fallback = .deny, isAsked: Bool = true, isOpenToTenants: Bool = false
    ) {
        self.name = name
        self.kind = kind
        self.summary = summary
        self.input = input
        self.terms = terms
        self.actions = actions
        self.whenAllAbstain = whenAllAbstain
        self.whenFailing = whenFailing
        self.isAsked = isAsked
        self.isOpenToTenants = isOpenToTenants
    }
}

package struct HookAction: Sendable {
    package let name: String
    package let summary: String
    package let fields: [HookField]
    package init(_ name: String, summary: String, fields: [HookField] = []) {
        self.name = name
        self.summary = summary
        self.fields = fields
    }
}

package struct HookField: Sendable {
    package enum Kind: Sendable {
        case string, integer, boolean
        case choice([String])
        case object([HookField])
        indirect case list(Kind)
        /// Names of the author's choice, values of one kind.
        indirect case map(Kind)
    }
    /// Which end of a numeric term is tight when several policies answer.
    package enum Tight: Sendable { case lowest, highest }
    package let name: String
    package let kind: Kind
    package let summary: String
    package let isOptional: Bool
    package let tight: Tight?
    package let range: ClosedRange<Int64>?

    package init(
        _ name: String, _ kind: Kind, _ summary: String, optional: Bool = false, tight: Tight? = nil, range: ClosedRange<Int64>? = nil
    ) {
        self.name = name
        self.kind = kind
        self.summary = summary
        self.isOptional = optional
        self.tight = tight
        self.range = range
    }

    /// Who answers gives the terms that it has something to say about.
    package var asOptional: HookField { HookField(name, kind, summary, optional: true, tight: tight, range: range) }
}

/// The tree that crosses to a policy and back: no floats, no NUL, bounded.
package enum HookValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case int(Int64)
    case string(String)
    case list([HookValue])
    /// In the order of the definition.
    case object([(String, HookValue)])

    package subscript(name: String) -> HookValue? {
        if case .object(let members) = self { return members.first { $0.0 == name }?.1 }
        return nil
    }
    package var string: String? { if case .string(let text) = self { text } else { nil } }
    package var int: Int64? { if case .int(let number) = self { number } else { nil } }
    package var bool: Bool? { if case .bool(let flag) = self { flag } else { nil } }
    package var list: [HookValue]? { if case .list(let items) = self { items } else { nil } }

    package static func == (left: HookValue, right: HookValue) -> Bool { left.json == right.json }
    package func hash(into hasher: inout Hasher) { hasher.combine(json) }

    package var json: JSONValue {
        switch self {
        case .null: .null
        case .bool(let flag): .bool(flag)
        case .int(let number): .int(number)
        case .string(let text): .string(text)
        case .list(let items): .array(items.map(\.json))
        case .object(let members): .object(Dictionary(members.map { ($0.0, $0.1.json) }, uniquingKeysWith: { first, _ in first }))
        }
    }
}

/// A hook that allows or denies. The room declares one in its `…Hooks.swift`.
package protocol DecideHook {
    associatedtype Input: Sendable
    associatedtype Terms: Sendable
    static var definition: HookDefinition { get }
    static func encode(_ input: Input) -> HookValue
    /// From the folded terms; every field that no policy set is absent.
    static func terms(_ value: HookValue) -> Terms
}

/// A hook that answers with actions.
package protocol PlanHook {
    associatedtype Input: Sendable
    static var definition: HookDefinition { get }
    static func encode(_ input: Input) -> HookValue
    /// The plan when every policy abstains.
    static func shippedPlan(_ input: Input) -> [PlannedAction]
}

package struct PlannedAction: Sendable, Hashable {
    package let name: String
    package let fields: HookValue
    package init(_ name: String, _ fields: HookValue = .object([])) {
        self.name = name
        self.fields = fields
    }
}

/// Whom and when a question concerns; chooses the layers and seeds the decision.
package struct HookSubject: Sendable {
    package var tenant: TenantID?
    package var tier: String?
    package var requestID: String
    package var now: Timestamp
    /// Whether the tenant's own policies have a say, where the hook is open to them.
    package var asksTenant: Bool
    package init(tenant: TenantID?, tier: String?, requestID: String, now: Timestamp, asksTenant: Bool = true) {
        self.tenant = tenant
        self.tier = tier
        self.requestID = requestID
        self.now = now
        self.asksTenant = asksTenant
    }
}

package struct Verdict<Terms: Sendable>: Sendable {
    package enum Outcome: Sendable, Hashable {
        case allow
        case deny(reason: String, retryAfterSeconds: Int64?)
    }
    package let decision: DecisionID
    package let outcome: Outcome
    package let terms: Terms
    /// Hash of the policy set that answered.
    package let policyHash: String
    /// Hash of the tenant's own set, where it has one for the hook.
    package let tenantPolicyHash: String?
    package init(decision: DecisionID, outcome: Outcome, terms: Terms, policyHash: String, tenantPolicyHash: String? = nil) {
        self.decision = decision
        self.outcome = outcome
        self.terms = terms
        self.policyHash = policyHash
        self.tenantPolicyHash = tenantPolicyHash
    }
    /// Throws `policy_denied` with the reason unless allowed.
    package func enforce() throws(Problem) {
        if case .deny(let reason, let seconds) = outcome { throw CommonProblems.denied(reason, retryAfterSeconds: seconds) }
    }
}

package struct Plan: Sendable {
    package let decision: DecisionID
    package let actions: [PlannedAction]
    package let policyHash: String
    package init(decision: DecisionID, actions: [PlannedAction], policyHash: String) {
        self.decision = decision
        self.actions = actions
        self.policyHash = policyHash
    }
}

/// A policy failed while a plan was asked for: the event stays queued and staff is told.
package struct HookFailure: Error, Sendable {
    package let hook: String
    package let reason: String
    package init(hook: String, reason: String) {
        self.hook = hook
        self.reason = reason
    }
}

/// Where rooms ask. Never call it inside a write transaction.
package protocol Hooks: Sendable {
    func decide<Hook: DecideHook>(_ hook: Hook.Type, _ input: Hook.Input, _ subject: HookSubject) async throws -> Verdict<Hook.Terms>
    /// Throws `HookFailure`.
    func plan<Hook: PlanHook>(_ hook: Hook.Type, _ input: Hook.Input, _ subject: HookSubject) async throws -> Plan
}
