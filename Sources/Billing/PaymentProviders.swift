import Vocabulary

/// The payment plugins in service; implemented by Composition over the plugin host.
package protocol PaymentProviders: Sendable {
    /// Nil: there is none of this name, or it is not in service.
    func provider(_ name: String) async -> (any PaymentProvider)?
    /// Those in service.
    func names() async -> [String]
    /// The same for one tenant's calls, which may go to a new version before others' do.
    func provider(_ name: String, for tenant: TenantID) async -> (any PaymentProvider)?
    /// True for a plugin that is there but is switched off or did not start (its secret is missing, …): the provider may deliver again later.
    func isRefused(_ name: String) async -> Bool
    /// Who is asked when a checkout names nobody.
    var defaultName: String { get }
}

extension PaymentProviders {
    package func provider(_ name: String, for tenant: TenantID) async -> (any PaymentProvider)? { await provider(name) }
    package func isRefused(_ name: String) async -> Bool { false }

    /// The provider in service, or the problem that says why there is none.
    func inService(_ name: String, for tenant: TenantID? = nil) async throws(Problem) -> any PaymentProvider {
        let found = if let tenant { await provider(name, for: tenant) } else { await provider(name) }
        if let found { return found }
        if await isRefused(name) { throw BillingProblems.providerUnavailable.retry(afterSeconds: 60) }
        throw BillingProblems.providerUnknown
    }
}
