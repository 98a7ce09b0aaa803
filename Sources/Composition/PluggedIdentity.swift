import Foundation
import Identity
import PluginHost
import Signing
import Vocabulary

/// The identity plugins in service, as Identity asks for them.
struct PluggedIdentityProviders: IdentityProviders {
    let host: PluginHost
    func names() -> [String] { host.identityProviders }
    func provider(_ plugin: String, for tenant: TenantID?) -> (any IdentityProvider)? {
        host.identityProvider(plugin, for: tenant?.description)
    }
}
