import Foundation
import HookEngine
import LuaShim
import Synchronization
import Vocabulary

/// Names one set of policies, settings and data: SHA-256 in hexadecimal.
package struct PolicySetHash: Sendable, Hashable, CustomStringConvertible {
    package let hex: String
    package var description: String { hex }
    /// Of a folder of the archive.
    package init(kept folder: URL) { hex = folder.lastPathComponent }
    init(hex: String) { self.hex = hex }
    /// Enough for a person to tell two sets apart.
    package var short: String { String(hex.prefix(12)) }
}

/// One policy at one place of the written order, with its settings.
final class Placement: Sendable {
    let layer: PolicyLayer
    let policy: PolicyFile
    let settings: HookValue
    let data: HookValue
    init(layer: PolicyLayer, policy: PolicyFile, settings: HookValue, data: HookValue) {
        self.layer = layer
        self.policy = policy
        self.settings = settings
        self.data = data
    }
}

/// One hook as a set answers it: which placements to ask, in order.
final class HookPlan: Sendable {
    let definition: HookDefinition
    let encoder: InputEncoder
    /// Terms of an answer; none is required of any single policy.
    let terms: [HookField]
    let platform: [Int]
    let tiers: [String: [Int]]
    /// Of a tenant's own set, which has nothing else.
    let tenant: [Int]
    init(
        definition: HookDefinition, encoder: InputEncoder, terms: [HookField], platform: [Int], tiers: [String: [Int]], tenant: [Int] = []
    ) {
        self.definition = definition
        self.encoder = encoder
        self.terms = terms
        self.platform = platform
        self.tiers = tiers
        self.tenant = tenant
    }
}

/// Everything that a warm state is made of.
struct StateRecipe: Sendable {
    let limits: LuaLimits
    let actions: [String]
    let shapes: [(label: String, names: [String])]
    let placements: [Placement]

    /// Unit n of the state is placement n.
    func make() throws(LuaFault) -> LuaState {
        let state = try LuaState(limits)
        try state.actions(actions)
        for shape in shapes { try state.shape(shape.label, shape.names) }
        for placement in placements {
            let unit = try state.load(placement.policy.source)
            try state.bind(unit, settings: placement.settings, data: placement.data)
        }
        return state
    }
}

/// Warm states, the one used last first. A state that was killed never comes back.
final class StatePool: Sendable {
    private struct Held {
        var idle: [LuaState] = []
        var lent = 0
    }
    private let held = Mutex(Held())
    private let recipe: StateRecipe
    private let most: Int

    init(_ recipe: StateRecipe, most: Int) {
        self.recipe = recipe
        self.most = most
    }

    /// Nil where as many as may be are lent; `beyond` lends one more.
    func take(beyond: Bool = false) throws(LuaFault) -> LuaState? {
        let taken: (state: LuaState?, mayMake: Bool) = held.withLock { held in
            if let state = held.idle.popLast() {
                held.lent += 1
                return (state, true)
            }
            guard beyond || held.lent < most else { return (nil, false) }
            held.lent += 1
            return (nil, true)
        }
        if let state = taken.state { return state }
        guard taken.mayMake else { return nil }
        do {
            return try recipe.make()
        } catch {
            held.withLock { $0.lent -= 1 }
            throw error
        }
    }

    func give(_ state: LuaState, isAlive: Bool) {
        held.withLock { held in
            held.lent -= 1
            if isAlive, held.idle.count < most { held.idle.append(state) }
        }
    }
}

/// One live set: immutable; decisions in flight keep the one that they began with.
final class PolicySet: Sendable {
    let hash: PolicySetHash
    let hooks: [String: HookPlan]
    let data: [String: HookValue]
    let recipe: StateRecipe
    let pool: StatePool

    init(hash: PolicySetHash, hooks: [String: HookPlan], data: [String: HookValue], recipe: StateRecipe, states: Int) {
        self.hash = hash
        self.hooks = hooks
        self.data = data
        self.recipe = recipe
        self.pool = StatePool(recipe, most: states)
    }

    /// This set with a tenant's behind it, for asking both in one state. Keeps this one's hash.
    func joined(_ lower: PolicySet) -> PolicySet {
        let count = recipe.placements.count
        let both = StateRecipe(
            limits: recipe.limits, actions: recipe.actions, shapes: recipe.shapes, placements: recipe.placements + lower.recipe.placements)
        let plans = hooks.mapValues { plan in
            HookPlan(
                definition: plan.definition, encoder: plan.encoder, terms: plan.terms, platform: plan.platform, tiers: plan.tiers,
                tenant: (lower.hooks[plan.definition.name]?.tenant ?? []).map { $0 + count })
        }
        return PolicySet(hash: hash, hooks: plans, data: data, recipe: both, states: 1)
    }

    struct Evaluation: Sendable {
        var answers: [PolicyAnswer] = []
        var fuel: UInt64 = 0
        /// Why no folding may happen: a policy failed, or the input was not what the hook declares.
        var failure: String?

        /// Nothing that a lower layer says can change it.
        var isSettled: Bool { failure != nil || answers.contains(where: \.denies) }

        /// Index of the answer that failed; nil where nobody was asked.
        var failedAt: Int? { answers.last?.failed == true ? answers.count - 1 : nil }

        /// What a lower layer answered to the same question.
        mutating func append(_ lower: Evaluation) {
            answers += lower.answers
            fuel += lower.fuel
            failure = failure ?? lower.failure
        }
    }

    /// Asks the platform's policies, then, unless one of them denied, the tier's; of a tenant's set, the tenant's. On the calling thread.
    func evaluate(_ plan: HookPlan, _ input: HookValue, tier: String?, seed: UInt64, on state: LuaState) -> (Evaluation, isAlive: Bool) {
        if !plan.encoder.write(input, into: &state.input) {
            let issues = HookCheck.issues(input, plan.definition.wholeInput)
            let ordered = InputEncoder.ordered(input, plan.definition.wholeInput)
            guard issues.isEmpty, plan.encoder.write(ordered, into: &state.input) else {
                let why = "the input is not what the hook declares: " + issues.map(\.description).joined(separator: "; ")
                return (Evaluation(failure: why), true)
            }
        }
        return evaluate(plan, tier: tier, seed: seed, on: state)
    }

    /// The same about the input that the state holds already.
    func evaluate(_ plan: HookPlan, tier: String?, seed: UInt64, on state: LuaState) -> (Evaluation, isAlive: Bool) {
        var evaluation = Evaluation()
        var isAlive = true
        ask(plan, plan.platform, seed, state, &evaluation, &isAlive)
        if let tier, !evaluation.isSettled, let placements = plan.tiers[tier] {
            ask(plan, placements, seed, state, &evaluation, &isAlive)
        }
        if !evaluation.isSettled { ask(plan, plan.tenant, seed, state, &evaluation, &isAlive) }
        return (evaluation, isAlive)
    }

    private func ask(
        _ plan: HookPlan, _ placements: [Int], _ seed: UInt64, _ state: LuaState, _ evaluation: inout Evaluation, _ isAlive: inout Bool
    ) {
        for index in placements {
            let placement = recipe.placements[index]
            let content: PolicyAnswer.Content
            var line: Int
            do {
                let wire = try state.ask(UInt32(index), plan.definition.name, seed: seed)
                line = state.line
                content = PolicyReply.content(wire, plan)
            } catch {
                line = error.line
                content = .failed(error.text)
                isAlive = error.kind == .error
            }
            if line == 0 { line = placement.policy.hooks[plan.definition.name] ?? 0 }
            let answer = PolicyAnswer(
                layer: placement.layer, policy: placement.policy.id, file: placement.policy.file, line: line, content: content,
                fuel: state.fuel)
            evaluation.answers.append(answer)
            evaluation.fuel += answer.fuel
            if case .failed(let why) = content {
                evaluation.failure = "\(answer.place): \(why)"
                return
            }
        }
    }
}

extension PolicyAnswer {
    var denies: Bool { if case .deny = content { true } else { false } }
    var failed: Bool { if case .failed = content { true } else { false } }
}

/// What a policy answered, checked against the hook.
enum PolicyReply {
    static func content(_ wire: WireValue, _ plan: HookPlan) -> PolicyAnswer.Content {
        let hook = plan.definition
        switch wire {
        case .null: return .abstain
        case .answer("allow", _, let payload) where hook.kind == .decide: return allow(payload, plan)
        case .answer("deny", _, let payload) where hook.kind == .decide:
            return .deny(reason: payload["reason"]?.string ?? "", retryAfterSeconds: payload["retry_after_seconds"]?.plain?.int)
        case .answer("plan", _, let payload) where hook.kind == .plan: return self.plan(payload, hook)
        default:
            let accepted =
                hook.kind == .plan ? "plan{ … }, or nothing to abstain" : "allow{ … }, deny(\"reason\"), or nothing to abstain"
            return .failed("\(hook.name) answered \(wire.plain?.shown ?? wire.kindName); accepted are \(accepted)")
        }
    }

    private static func allow(_ payload: WireValue, _ plan: HookPlan) -> PolicyAnswer.Content {
        guard case .object(let members) = payload else {
            return .failed("allow holds \(payload.kindName); accepted are the terms: \(HookCheck.names(plan.terms))")
        }
        var terms: [(String, HookValue)] = []
        var delegate: Set<String> = []
        for (name, value) in members {
            if name == "delegate" {
                guard let names = Self.names(value, plan.terms.map(\.name)) else {
                    return .failed("delegate in allow is a list of terms; accepted are: \(HookCheck.names(plan.terms))")
                }
                delegate = names
            } else {
                guard let plain = value.plain else { return .failed("\(name) in allow is \(value.kindName)") }
                terms.append((name, plain))
            }
        }
        if HookCheck.fits(terms, plan.terms) { return .allow(terms: terms, delegate: delegate) }
        if let issue = HookCheck.issues(.object(terms), plan.terms).first { return .failed("allow in \(plan.definition.name): \(issue)") }
        return .allow(terms: terms, delegate: delegate)
    }

    private static func plan(_ payload: WireValue, _ hook: HookDefinition) -> PolicyAnswer.Content {
        var actions: [PlannedAction] = []
        if case .list(let items)? = payload["actions"] {
            for item in items {
                guard case .action(let name, _, let fields) = item, let plain = fields.plain else {
                    return .failed("an item of plan is \(item.kindName); items are actions")
                }
                guard let action = hook.actions.first(where: { $0.name == name }) else {
                    return .failed("\(hook.name) has no action \(name); accepted are: \(hook.actions.map(\.name).joined(separator: ", "))")
                }
                if let issue = HookCheck.issues(plain, action.fields).first { return .failed("\(name): \(issue)") }
                actions.append(PlannedAction(name, plain))
            }
        }
        var delegate: Set<String> = []
        if let value = payload["delegate"] {
            guard let names = names(value, hook.actions.map(\.name)) else {
                return .failed("delegate in plan is a list of actions; accepted are: \(hook.actions.map(\.name).joined(separator: ", "))")
            }
            delegate = names
        }
        return .plan(actions, delegate: delegate)
    }

    private static func names(_ value: WireValue, _ accepted: [String]) -> Set<String>? {
        if case .object(let members) = value, members.isEmpty { return [] }
        guard case .list(let items) = value else { return nil }
        let names = items.compactMap(\.string).filter(accepted.contains)
        return names.count == items.count ? Set(names) : nil
    }
}
