import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(SAMLIdentity()) }

struct SAMLIdentity: Plugin {
    let id = "saml"

    func validate(_ settings: PluginSettings) throws {
        if settings["metadata_url"] != nil, settings["metadata_file"] != nil {
            throw PluginRefusal("metadata_url or metadata_file, not both.")
        }
        for name in ["metadata_url", "private_origin"] {
            guard let text = settings[name]?.string, let origin = WebOrigin(text) else { continue }
            guard origin.scheme == "https" || origin.isLoopback else {
                throw PluginRefusal("\(name) must be https: whoever changes the metadata on its way signs people in.")
            }
        }
    }

    func make(_ context: PluginContext) async throws -> any PluginInstance { Instance(provider: try SAMLProvider(context)) }
}

struct Instance: PluginInstance {
    let provider: SAMLProvider
    var identityProvider: (any IdentityProvider)? { provider }
}
