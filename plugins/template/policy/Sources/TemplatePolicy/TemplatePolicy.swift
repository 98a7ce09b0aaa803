import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(TemplatePolicy()) }

struct TemplatePolicy: Plugin {
    let id = "template"

    func make(_ context: PluginContext) async throws -> any PluginInstance {
        // What takes long, like reading a large table, belongs here: an answer has 50 ms.
        TemplateInstance(
            module: TemplateModule(
                refused: try TemplateModule.systems(try context.settings.text("refused_os")),
                retryAfterSeconds: Int64(try context.settings.integer("retry_after_seconds"))))
    }
}

struct TemplateInstance: PluginInstance {
    let module: TemplateModule
    var policyModule: (any PolicyModule)? { module }
}

/// Refuses seats to devices of some operating systems. What differs with you is here.
struct TemplateModule: PolicyModule {
    let refused: Set<String>
    let retryAfterSeconds: Int64

    /// A pure function of the question and of what the module holds: no network, no clock, no chance.
    func answer(_ question: PolicyQuestion) throws -> PolicyReply {
        // A hook that is not ours, and a question that lacks what we go by: others decide.
        guard question.hook == "on_seat_request", let system = question.input["device"]?["os"]?.string else { return .abstain }
        guard refused.contains(system) else { return .abstain }
        return .deny(reason: "system_refused", retryAfterSeconds: retryAfterSeconds)
    }

    static func systems(_ text: String) throws -> Set<String> {
        let names = text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        for name in names where name.isEmpty || !name.utf8.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) }) {
            throw PluginRefusal(
                "refused_os holds '\(name)'. Write names of systems in lower-case letters and digits, parted by commas: beos,plan9.")
        }
        return Set(names)
    }
}
