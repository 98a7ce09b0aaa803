import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(OIDCIdentity()) }

struct OIDCIdentity: Plugin {
    let id = "oidc"

    func validate(_ settings: PluginSettings) throws {
        if settings["issuer"] != nil, settings["client_id"] == nil { throw PluginRefusal("issuer needs client_id.") }
        if settings["okta_client_id"] != nil, settings["okta_issuer"] == nil { throw PluginRefusal("okta_client_id needs okta_issuer.") }
        for name in ["issuer", "okta_issuer", "private_origin"] {
            guard let text = settings[name]?.string, let origin = WebOrigin(text) else { continue }
            guard origin.scheme == "https" || origin.isLoopback else {
                throw PluginRefusal("\(name) must be https: codes and secrets would cross the network in the clear.")
            }
        }
        guard Preset.isDirectory(try settings.text("microsoft_tenant")) else {
            throw PluginRefusal("microsoft_tenant is organizations, common, consumers, or the id of a directory.")
        }
    }

    func make(_ context: PluginContext) async throws -> any PluginInstance { Instance(provider: try OIDCProvider(context)) }
}

struct Instance: PluginInstance {
    let provider: OIDCProvider
    var identityProvider: (any IdentityProvider)? { provider }
}
