import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(KubernetesWorkstation()) }

struct KubernetesWorkstation: Plugin {
    let id = "kubernetes-workstation"

    func validate(_ settings: PluginSettings) throws { _ = try ClusterPlan(settings) }

    func make(_ context: PluginContext) async throws -> any PluginInstance {
        let plan = try ClusterPlan(context.settings)
        let token = try context.secrets.one("KUBERNETES_TOKEN")
        guard !token.isEmpty, token.utf8.allSatisfy({ (33...126).contains($0) }) else {
            throw PluginRefusal("KUBERNETES_TOKEN holds what no header can.")
        }
        let client = ClusterClient(
            origin: plan.origin, token: token, http: context.http, secrets: context.secrets,
            timeout: .seconds(try context.settings.integer("timeout_seconds")))
        return Instance(shop: ClusterShop(plan: plan, client: client, space: { context.space(tenant: $0) }))
    }

    private struct Instance: PluginInstance {
        let shop: ClusterShop
        var provisioner: (any Provisioner)? { shop }
    }
}
