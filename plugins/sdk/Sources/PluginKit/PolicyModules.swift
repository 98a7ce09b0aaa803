// since 1.2
/// For the kind `policy_module`: answers hooks in Swift, as one more policy of the platform layer.
///
/// Asked before the platform's Lua, and folded with it: any deny wins, a numeric term takes its tight end. What it answers is recorded with the
/// plugin's id and build, and a replay takes it from the record. It has 50 ms for an answer; later ones count as failed.
public protocol PolicyModule: Sendable {
    /// A pure function of the question and of what the module holds: no network, no clock, no chance, or replays and people are told tales.
    /// Called on a thread of the module's own that may be busy, never on Swift's pool. Throwing fails the question, whose fail mode then holds.
    func answer(_ question: PolicyQuestion) throws -> PolicyReply
}

/// One question to policy.
public struct PolicyQuestion: Sendable, Hashable, Codable {
    /// `on_seat_request`
    public var hook: String
    /// As docs/reference/hooks.md lists it for the hook, with `now`; personal fields are handles.
    public var input: [String: JSONValue]
    /// Id of the tenant whom it concerns; nil where there is none yet.
    public var tenant: String?
    /// The tenant's tier; nil where it has none.
    public var tier: String?
    /// The same for the same recorded question.
    public var seed: UInt64
    public init(hook: String, input: [String: JSONValue], tenant: String? = nil, tier: String? = nil, seed: UInt64 = 0) {
        self.hook = hook
        self.input = input
        self.tenant = tenant
        self.tier = tier
        self.seed = seed
    }
}

/// What a module answers. Terms and actions are checked against the hook as a Lua policy's are.
public enum PolicyReply: Sendable, Hashable, Codable {
    /// The module has nothing to say.
    case abstain
    /// Hooks that decide: yes, with these terms.
    case allow(terms: [String: JSONValue])
    /// Hooks that decide: no. The reason is a-z, 0-9 and _, at most 64 signs; the seconds are 1 … 31536000.
    case deny(reason: String, retryAfterSeconds: Int64?)
    /// Hooks that plan: these actions, in this order.
    case plan([PolicyAction])
}

public struct PolicyAction: Sendable, Hashable, Codable {
    public var name: String
    public var fields: [String: JSONValue]
    public init(_ name: String, _ fields: [String: JSONValue] = [:]) {
        self.name = name
        self.fields = fields
    }
}

extension PluginKind {
    public static let policyModule = PluginKind(rawValue: "policy_module")
}
// end of 1.2
