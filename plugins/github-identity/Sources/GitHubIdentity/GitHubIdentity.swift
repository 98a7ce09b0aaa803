import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(GitHubIdentity()) }

struct GitHubIdentity: Plugin {
    let id = "github"

    func validate(_ settings: PluginSettings) throws {
        for name in ["web_base", "api_base"] {
            guard let origin = WebOrigin(try settings.text(name)), origin.scheme == "https" || origin.isLoopback else {
                throw PluginRefusal("\(name) must be https: codes and secrets would cross the network in the clear.")
            }
        }
    }

    func make(_ context: PluginContext) async throws -> any PluginInstance { Instance(provider: try GitHubProvider(context)) }
}

struct Instance: PluginInstance {
    let provider: GitHubProvider
    var identityProvider: (any IdentityProvider)? { provider }
}
