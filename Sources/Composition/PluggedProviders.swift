import Billing
import PluginHost
import Vocabulary

/// The payment plugins in service, as Billing asks for them.
struct PluggedProviders: PaymentProviders {
    let host: PluginHost
    let chosen: String

    func provider(_ name: String) async -> (any PaymentProvider)? { host.paymentProvider(name) }
    func isRefused(_ name: String) async -> Bool { host.report.refused.contains { $0.id == name } }
    var defaultName: String { chosen.isEmpty ? host.paymentProviders.first ?? "sandbox" : chosen }
}
