import Vocabulary

/// The payment plugins in service; implemented by Composition over the plugin host.
package protocol PaymentProviders: Sendable {
    /// Nil: there is none of this name, or it is not in service.
    func provider(_ name: String) async -> (any PaymentProvider)?
    /// True for a plugin that is there but did not start (its secret is missing, …): the provider may deliver again later.
    func isRefused(_ name: String) async -> Bool
    /// Who is asked when a checkout names nobody.
    var defaultName: String { get }
}

extension PaymentProviders {
    package func isRefused(_ name: String) async -> Bool { false }

    /// The provider in service, or the problem that says why there is none.
    func inService(_ name: String) async throws(Problem) -> any PaymentProvider {
        if let provider = await provider(name) { return provider }
        if await isRefused(name) { throw BillingProblems.providerUnavailable.retry(afterSeconds: 60) }
        throw BillingProblems.providerUnknown
    }
}
