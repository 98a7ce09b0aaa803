import HookEngine
import PluginKit

/// A plugin's policy module as the engine asks it: values translated, the plugin's answers taken like any other input from outside.
struct GuardedPolicyModule: Sendable {
    let manifest: PluginManifest
    /// SHA-256 of the library.
    let digest: String
    let module: any PolicyModule
    let gate: WorkGate

    var asked: HookModule {
        HookModule(id: manifest.id, build: String(digest.prefix(12)), hooks: Set(manifest.hooks)) { question in
            guard gate.enter() else { throw ModuleGone() }
            defer { gate.leave() }
            return try Self.reply(
                module.answer(
                    PolicyQuestion(
                        hook: question.hook, input: Self.members(question.input), tenant: question.tenant?.description,
                        tier: question.tier, seed: question.seed)))
        }
    }

    /// A plugin that should answer and is not at work: its hooks fail until it is, or until its folder is taken away.
    static func unfit(_ manifest: PluginManifest, _ reason: String) -> HookModule {
        HookModule(
            id: manifest.id, build: "none", hooks: Set(manifest.hooks), unfit: "the plugin was refused: \(reason)",
            answer: { _ in .abstain })
    }

    /// While the server stops, what the module would have said is not to be left out.
    static func stopping(_ module: HookModule) -> HookModule {
        HookModule(id: module.id, build: module.build, hooks: module.hooks, unfit: "the server is stopping", answer: { _ in .abstain })
    }

    // MARK: Values

    private static let mostMembers = 64

    private static func members(_ value: HookValue) -> [String: JSONValue] { json(value).object ?? [:] }

    private static func json(_ value: HookValue) -> JSONValue {
        switch value {
        case .null: .null
        case .bool(let flag): .bool(flag)
        case .int(let number): .int(number)
        case .string(let text): .string(text)
        case .list(let items): .array(items.map(json))
        case .object(let members): .object(Dictionary(members.map { ($0.0, json($0.1)) }, uniquingKeysWith: { first, _ in first }))
        }
    }

    private static func reply(_ reply: PolicyReply) throws -> ModuleReply {
        switch reply {
        case .abstain: return .abstain
        case .allow(let terms): return .allow(terms: try fields(terms))
        case .deny(let reason, let seconds): return .deny(reason: reason, retryAfterSeconds: seconds)
        case .plan(let actions):
            guard actions.count <= mostMembers else { throw PluginRefusal("a plan has more than \(mostMembers) actions") }
            return .plan(try actions.map { PlannedAction($0.name, .object(try fields($0.fields))) })
        @unknown default: throw PluginRefusal("the answer is of a kind that this server does not know")
        }
    }

    /// In the order of their names: what is recorded must not depend on how a dictionary lies in memory.
    private static func fields(_ members: [String: JSONValue]) throws -> [(String, HookValue)] {
        guard members.count <= mostMembers else { throw PluginRefusal("an answer has more than \(mostMembers) members") }
        return try members.sorted { $0.key < $1.key }.map { ($0.key, try value($0.value, depth: 1)) }
    }

    private static func value(_ value: JSONValue, depth: Int) throws -> HookValue {
        guard depth <= 8 else { throw PluginRefusal("an answer is more than 8 levels deep") }
        switch value {
        case .null: return .null
        case .bool(let flag): return .bool(flag)
        case .int(let number): return .int(number)
        case .double: throw PluginRefusal("an answer holds a number with a fraction; hooks take whole numbers")
        case .string(let text):
            guard text.utf8.count <= 4_096, !text.utf8.contains(0) else { throw PluginRefusal("an answer holds a text that is too long") }
            return .string(text)
        case .array(let items):
            guard items.count <= 1_000 else { throw PluginRefusal("an answer holds a list of more than 1000 items") }
            return .list(try items.map { try Self.value($0, depth: depth + 1) })
        case .object(let members):
            guard members.count <= mostMembers else { throw PluginRefusal("an answer has more than \(mostMembers) members") }
            return .object(try members.sorted { $0.key < $1.key }.map { ($0.key, try Self.value($0.value, depth: depth + 1)) })
        }
    }
}
