import PluginKit
import PluginWire

/// Asked on a thread of its own, which may block.
struct ConfinedFramework: ComplianceFramework {
    let plugin: ConfinedPlugin
    /// As the plugin said when it was made: constant while it runs.
    let about: FrameworkDescription
    func evaluate(_ question: ControlQuestion) throws -> ControlAnswer { try plugin.callBlocking(ToChild.evaluate, question) }
}
