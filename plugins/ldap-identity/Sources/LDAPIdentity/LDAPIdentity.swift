import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(LDAPIdentity()) }

struct LDAPIdentity: Plugin {
    let id = "ldap"

    func validate(_ settings: PluginSettings) throws {
        guard try settings.integer("sign_in_seconds") >= settings.integer("timeout_seconds") else {
            throw PluginRefusal("sign_in_seconds, for a whole sign-in, is shorter than timeout_seconds, for one answer.")
        }
    }

    func make(_ context: PluginContext) async throws -> any PluginInstance { Instance(provider: try DirectoryProvider(context)) }
}

struct Instance: PluginInstance {
    let provider: DirectoryProvider
    var identityProvider: (any IdentityProvider)? { provider }
}
