import Vocabulary

/// A policy of the platform layer that is no Lua but part of a plugin. Asked before the platform's own policies, in the order of the ids.
package struct HookModule: Sendable {
    /// Which plugin.
    package let id: String
    /// Which build of it: the beginning of its digest.
    package let build: String
    package let hooks: Set<String>
    /// Why it cannot be asked though it should be: each question of its hooks fails then, as with a policy that fails.
    package let unfit: String?
    /// A pure function of the question and of what the module holds. Called on a thread that may wait.
    package let answer: @Sendable (ModuleQuestion) throws -> ModuleReply

    package init(
        id: String, build: String, hooks: Set<String>, unfit: String? = nil,
        answer: @escaping @Sendable (ModuleQuestion) throws -> ModuleReply
    ) {
        self.id = id
        self.build = build
        self.hooks = hooks
        self.unfit = unfit
        self.answer = answer
    }

    /// Where its answers come from, in records: `plugin:denylist@0f3a9c21b7d4`.
    package var file: String { "\(PolicyAnswer.modulePrefix)\(id)@\(build)" }
}

/// The module was asked while its plugin was being replaced or taken away: its successor answers, if there is one.
package struct ModuleGone: Error {
    package init() {}
}

package struct ModuleQuestion: Sendable {
    package let hook: String
    /// As policies see it, `now` included.
    package let input: HookValue
    package let tenant: TenantID?
    package let tier: String?
    package let seed: UInt64
    package init(_ record: DecisionRecord) {
        hook = record.hook
        input = record.input
        tenant = record.subject.tenant
        tier = record.subject.tier
        seed = record.seed
    }
}

package enum ModuleReply: Sendable {
    case abstain
    case allow(terms: [(String, HookValue)])
    case deny(reason: String, retryAfterSeconds: Int64?)
    case plan([PlannedAction])
}

extension PolicyAnswer {
    static let modulePrefix = "plugin:"
    package static func module(_ id: String) -> String { modulePrefix + id }
    /// Given by a plugin's module, whose code no replay has: it stays as it was recorded.
    package var isModule: Bool { layer == .platform && file.hasPrefix(Self.modulePrefix) }
}

extension ModuleReply {
    /// The reply checked against the hook, as a Lua policy's is.
    package func content(_ hook: HookDefinition) -> PolicyAnswer.Content {
        switch self {
        case .abstain: return .abstain
        case .allow(let terms) where hook.kind == .decide:
            let accepted = hook.terms.map(\.asOptional)
            if let issue = HookCheck.issues(.object(terms), accepted).first { return .failed("allow in \(hook.name): \(issue)") }
            return .allow(terms: terms, delegate: [])
        case .deny(let reason, let seconds) where hook.kind == .decide:
            guard Self.isReason(reason) else { return .failed("deny takes a reason of a-z, 0-9 and _, at most 64 and a letter first") }
            guard (1...31_536_000).contains(seconds ?? 1) else { return .failed("retry_after_seconds is a whole number, 1 … 31536000") }
            return .deny(reason: reason, retryAfterSeconds: seconds)
        case .plan(let actions) where hook.kind == .plan:
            for action in actions {
                guard let known = hook.actions.first(where: { $0.name == action.name }) else {
                    let accepted = hook.actions.map(\.name).joined(separator: ", ")
                    return .failed("\(hook.name) has no action \(action.name); accepted are: \(accepted)")
                }
                if let issue = HookCheck.issues(action.fields, known.fields).first { return .failed("\(action.name): \(issue)") }
            }
            return .plan(actions, delegate: [])
        default:
            let accepted = hook.kind == .plan ? "a plan, or to abstain" : "to allow, to deny, or to abstain"
            return .failed("answered \(hook.name) with what it does not take; accepted are \(accepted)")
        }
    }

    private static func isReason(_ text: String) -> Bool {
        guard (1...64).contains(text.utf8.count), let first = text.utf8.first, (97...122).contains(first) else { return false }
        return text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
    }
}
