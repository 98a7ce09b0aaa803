import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(PaddlePayments()) }

struct PaddlePayments: Plugin {
    let id = "paddle"

    func validate(_ settings: PluginSettings) throws {
        guard let base = WebOrigin(try settings.text("api_base")) else { throw PluginRefusal("api_base is not an address.") }
        guard base.scheme == "https" || base.isLoopback else {
            throw PluginRefusal("api_base must be https: the API key would cross the network in the clear.")
        }
        if let page = settings["checkout_page"]?.string {
            guard let origin = WebOrigin(page, allowingQuery: true), origin.scheme == "https" || origin.isLoopback else {
                throw PluginRefusal("checkout_page must be an https address.")
            }
        }
    }

    func make(_ context: PluginContext) async throws -> any PluginInstance {
        let key = try context.secrets.one("PADDLE_API_KEY")
        guard (20...300).contains(key.utf8.count), key.utf8.allSatisfy({ $0 > 32 && $0 < 127 }), !key.hasPrefix("pdl_ntfset_") else {
            throw PluginRefusal("PADDLE_API_KEY is not an API key (pdl_live_apikey_… or pdl_sdbx_apikey_…).")
        }
        let host = WebOrigin(try context.settings.text("api_base"))?.host
        if key.hasPrefix("pdl_sdbx_"), host == "api.paddle.com" {
            throw PluginRefusal("PADDLE_API_KEY is a sandbox key: set api_base to https://sandbox-api.paddle.com.")
        }
        if key.hasPrefix("pdl_live_"), host == "sandbox-api.paddle.com" {
            throw PluginRefusal("PADDLE_API_KEY is a live key, and api_base is Paddle's sandbox.")
        }
        let signature = try PaddleSignature(secrets: context.secrets.list("PADDLE_WEBHOOK_SECRET"))
        let journal = PaddleJournal(
            space: context.space, clock: context.clock, settling: .seconds(try context.settings.integer("settle_seconds")))
        return Instance(
            provider: PaddleProvider(
                client: try PaddleClient(context, key: key), clock: context.clock, signature: signature, journal: journal,
                checkoutPage: context.settings["checkout_page"]?.string, taxCategory: try context.settings.text("tax_category")),
            journal: journal)
    }
}

struct Instance: PluginInstance {
    let provider: PaddleProvider
    let journal: PaddleJournal
    var paymentProvider: (any PaymentProvider)? { provider }
    func start() async throws { await journal.startForgetting() }
    func stop() async { await journal.stopForgetting() }
}
