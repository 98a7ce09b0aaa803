import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(StripePayments()) }

struct StripePayments: Plugin {
    let id = "stripe"

    func validate(_ settings: PluginSettings) throws {
        guard let base = WebOrigin(try settings.text("api_base")) else { throw PluginRefusal("api_base is not an address.") }
        guard base.scheme == "https" || base.isLoopback else {
            throw PluginRefusal("api_base must be https: the secret key would cross the network in the clear.")
        }
        let version = try settings.text("api_version")
        guard version.utf8.allSatisfy({ (48...57).contains($0) || (97...122).contains($0) || $0 == 45 || $0 == 46 }) else {
            throw PluginRefusal("api_version looks like 2026-10-28.endive.")
        }
    }

    func make(_ context: PluginContext) async throws -> any PluginInstance {
        let key = try context.secrets.one("STRIPE_SECRET_KEY")
        guard key.hasPrefix("sk_") || key.hasPrefix("rk_"), key.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
            throw PluginRefusal("STRIPE_SECRET_KEY is not a secret or restricted key (sk_… or rk_…).")
        }
        let signature = try WebhookSignature(secrets: context.secrets.list("STRIPE_WEBHOOK_SECRET"))
        return Instance(provider: StripeProvider(client: try StripeClient(context, key: key), clock: context.clock, signature: signature))
    }
}

struct Instance: PluginInstance {
    let provider: StripeProvider
    var paymentProvider: (any PaymentProvider)? { provider }
}
