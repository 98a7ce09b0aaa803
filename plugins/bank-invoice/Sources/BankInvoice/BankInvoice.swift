import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(BankInvoice()) }

struct BankInvoice: Plugin {
    let id = "bank-invoice"

    func validate(_ settings: PluginSettings) throws { _ = try Terms(settings) }

    func make(_ context: PluginContext) async throws -> any PluginInstance {
        let given = context.secrets.list("BANK_INVOICE_WEBHOOK_SECRET").filter { !$0.trimmingCharacters(in: .whitespaces).isEmpty }
        let secrets = given.isEmpty ? [try await Self.ownSecret("webhook-secret", context.space)] : given
        let desk = context.secrets.list("BANK_INVOICE_DESK_SECRET").map { $0.trimmingCharacters(in: .whitespaces) }
        guard !desk.isEmpty, desk.allSatisfy({ $0.utf8.count >= 24 }) else {
            throw PluginRefusal("BANK_INVOICE_DESK_SECRET needs at least 24 characters: who has it moves money's meaning.")
        }
        let seed = try await Self.ownSecret("link-secret", context.space)
        return try Instance(context, webhookSecrets: secrets, deskSecrets: desk, seed: seed)
    }

    /// Made once and kept; of two processes that make one at the same time, the first decides.
    private static func ownSecret(_ name: String, _ space: any PluginSpace) async throws -> String {
        if let kept = try await space.get(name) { return String(decoding: kept, as: UTF8.self) }
        var generator = SystemRandomNumberGenerator()
        let made = PluginDigest.hex((0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
        if try await space.replace(name, expecting: nil, with: Data(made.utf8)) { return made }
        guard let kept = try await space.get(name) else { throw PluginRefusal("The plugin's own secrets could not be kept.") }
        return String(decoding: kept, as: UTF8.self)
    }
}

struct Instance: PluginInstance {
    let provider: BankProvider
    let shownPages: BankPages
    let courier: Courier
    let cashier: Cashier
    var paymentProvider: (any PaymentProvider)? { provider }
    var pages: (any PluginPages)? { shownPages }

    init(_ context: PluginContext, webhookSecrets: [String], deskSecrets: [String], seed: String) throws {
        let terms = try Terms(context.settings)
        let signature = try WebhookSignature(secrets: webhookSecrets)
        let ledger = Ledger(space: context.space, pace: Pace(terms))
        let courier = Courier(context: context, ledger: ledger, signature: signature, taxation: terms.taxation)
        let call: @Sendable (String) async -> Void = { await courier.call($0) }
        let shop = Shop(ledger: ledger, terms: terms, clock: context.clock, site: context.site, seed: seed, call: call)
        cashier = Cashier(
            ledger: ledger, register: Register(space: context.space, terms: terms), terms: terms, clock: context.clock, call: call)
        provider = BankProvider(shop: shop, office: Office(shop: shop, cashier: cashier), signature: signature)
        shownPages = BankPages(
            shop: shop, cashier: cashier, desk: DeskKey(secrets: deskSecrets, clock: context.clock), log: context.log, call: call)
        self.courier = courier
    }

    func start() async throws {
        try await cashier.register.open()
        try await courier.open(cashier)
    }
    func drain() async { await courier.close() }
    func stop() async { await courier.close() }
}
