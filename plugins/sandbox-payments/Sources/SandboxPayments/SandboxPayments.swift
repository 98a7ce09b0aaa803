import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(SandboxPayments()) }

struct SandboxPayments: Plugin {
    let id = "sandbox"

    func make(_ context: PluginContext) async throws -> any PluginInstance {
        let given = context.secrets.list("SANDBOX_WEBHOOK_SECRET").filter { !$0.trimmingCharacters(in: .whitespaces).isEmpty }
        let secrets = given.isEmpty ? [try await Self.ownSecret(context.space)] : given
        return try Instance(context, secrets: secrets)
    }

    /// Made once and kept; of two processes that make one at the same time, the first decides.
    private static func ownSecret(_ space: any PluginSpace) async throws -> String {
        if let kept = try await space.get("webhook-secret") { return String(decoding: kept, as: UTF8.self) }
        var generator = SystemRandomNumberGenerator()
        let made = "whsec_" + PluginDigest.hex((0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
        if try await space.replace("webhook-secret", expecting: nil, with: Data(made.utf8)) { return made }
        guard let kept = try await space.get("webhook-secret") else { throw PluginRefusal("The webhook secret could not be kept.") }
        return String(decoding: kept, as: UTF8.self)
    }
}

struct Instance: PluginInstance {
    let provider: SandboxProvider
    let desk: SandboxPages
    let courier: Courier
    var paymentProvider: (any PaymentProvider)? { provider }
    var pages: (any PluginPages)? { desk }

    init(_ context: PluginContext, secrets: [String]) throws {
        let signature = try WebhookSignature(secrets: secrets)
        let delay = Duration.seconds(try context.settings.integer("delay_seconds"))
        let ledger = Ledger(space: context.space)
        let shop = Shop(
            ledger: ledger, clock: context.clock, site: context.site, isPublicAllowed: try context.settings.flag("allow_public"),
            manner: Manner(rawValue: try context.settings.text("webhooks")) ?? .inOrder, seed: secrets[0])
        courier = Courier(context: context, ledger: ledger, signature: signature)
        provider = SandboxProvider(shop: shop, signature: signature, courier: courier, delay: delay)
        desk = SandboxPages(shop: shop, courier: courier, delay: delay)
    }

    func start() async throws { try await courier.open() }
    func drain() async { await courier.close() }
    func stop() async { await courier.close() }
}
