import Billing
import PluginHost
import Vocabulary

/// The payment plugins in service, as Billing asks for them.
struct PluggedProviders: PaymentProviders {
    let host: PluginHost
    let chosen: String

    func provider(_ name: String) async -> (any PaymentProvider)? { host.paymentProvider(name) }
    func names() async -> [String] { host.paymentProviders }
    func provider(_ name: String, for tenant: TenantID) async -> (any PaymentProvider)? {
        host.paymentProvider(name, for: tenant.description)
    }
    func isRefused(_ name: String) async -> Bool {
        let report = host.report
        return report.refused.contains { $0.id == name } || report.disabled.contains { $0.id == name }
    }
    /// The one that the operator chose; else Stripe where it is in service, else the first there is.
    var defaultName: String {
        if !chosen.isEmpty { return chosen }
        let names = host.paymentProviders
        // A card before a bank transfer.
        return ["stripe", "paddle"].first(where: names.contains) ?? names.first { $0.hasPrefix("stripe") } ?? names.first ?? "sandbox"
    }
}
