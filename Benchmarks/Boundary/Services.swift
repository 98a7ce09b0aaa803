import Foundation
import PluginHost
import PluginKit

/// What a plugin needs that only answers.
struct QuietServices: PluginHostServices {
    let isolation: String
    private struct Nothing: Error {}

    func secret(_ name: String) throws -> String? { "a secret of the bench" }
    func environment(_ name: String) -> String? { nil }
    func settings(of plugin: String) -> [String: JSONValue] { ["isolation": .string(isolation)] }
    func send(_ request: OutboundRequest, for plugin: String) async throws -> OutboundResponse { throw Nothing() }
    func value(_ key: String, in space: PluginSpaceName) async throws -> Data? { nil }
    func put(_ key: String, _ value: Data, in space: PluginSpaceName, if condition: PutCondition) async throws -> Bool { true }
    func remove(_ key: String, in space: PluginSpaceName) async throws {}
    func keys(prefix: String, after: String?, limit: Int, in space: PluginSpaceName) async throws -> [String] { [] }
    func log(_ level: PluginLogLevel, _ message: String, _ fields: [String: String], plugin: String) {}
    func now() -> Timestamp { Timestamp(seconds: 1_800_000_000) }
    func sleep(for span: Duration) async throws { try await Task.sleep(for: span) }
    func origin() -> String { "https://platform.test" }
    func ownOrigin() -> String { "http://127.0.0.1:8080" }
}

/// The yardstick for a call: the same answer from a type of this program, behind the same protocol.
struct PlainProvider: PaymentProvider {
    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession {
        CheckoutSession(id: "cs_1", url: "https://pay.test/cs_1")
    }
    func openPortal(_ request: PortalRequest) async throws -> PortalSession { PortalSession(url: "https://pay.test/\(request.customer)") }
    func verify(_ delivery: WebhookDelivery) throws -> VerifiedEvent { throw PaymentProviderError.forged("no") }
    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] { [] }
}
