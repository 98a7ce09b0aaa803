import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(LocalWorkstation()) }

struct LocalWorkstation: Plugin {
    let id = "local-workstation"

    func validate(_ settings: PluginSettings) throws { _ = try LocalPlan(settings) }

    func make(_ context: PluginContext) async throws -> any PluginInstance {
        let plan = try LocalPlan(context.settings)
        let ground = DiskGround(plan)
        return Instance(ground: ground, shop: LocalShop(plan: plan, ground: ground, space: { context.space(tenant: $0) }), log: context.log)
    }

    private struct Instance: PluginInstance {
        let ground: DiskGround
        let shop: LocalShop
        let log: any PluginLog
        var provisioner: (any Provisioner)? { shop }

        func start() async throws {
            // In a child process nothing can be written: it is told at each call, and a server with another provisioner misses nothing.
            do { try ground.attend() } catch { log.warning("No workstation can be made here", ["why": "\(error)"]) }
        }
        func stop() async { ground.leave() }
    }
}
