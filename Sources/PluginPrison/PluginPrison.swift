import Foundation
import PluginHost
import PluginKit

// The server's prison as a library, for a plugin's own tests: `PluginBench.made` loads it like a plugin, and what it makes is the plugin
// under test in a child process, behind the walls and over the wire that a server has.

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(Warder()) }

private struct Warder: Plugin {
    let id = "prison"

    func make(_ context: PluginContext) async throws -> any PluginInstance {
        let variables = ProcessInfo.processInfo.environment
        guard let prison = variables["CODITECT_PRISON"], let library = variables["CODITECT_PRISON_PLUGIN"] else {
            throw PluginRefusal("CODITECT_PRISON and CODITECT_PRISON_PLUGIN name the prison's library and the plugin's.")
        }
        let file = URL(fileURLWithPath: library)
        let manifest = try PluginManifest(json: Data(contentsOf: file.deletingLastPathComponent().appendingPathComponent("plugin.json")))
        let cell = PluginCell(library: file, digest: "", files: PluginCell.files(manifest, context.settings))
        let program = URL(fileURLWithPath: prison).deletingLastPathComponent().appendingPathComponent(PluginPrison.programName)
        // Watched by real time: the clock of the context is the test's to move.
        let plugin = ConfinedPlugin(cell, context: context, clock: RealClock(), prison: PluginPrison(program: program))
        _ = try await plugin.make(context)
        try plugin.open()
        return plugin
    }
}

private struct RealClock: PluginClock {
    func now() -> Timestamp { Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }
    func sleep(for span: Duration) async throws { try await Task.sleep(for: span) }
}
