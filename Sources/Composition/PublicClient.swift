import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Vocabulary
import Webhooks

/// Carries requests to hosts that tenants name. A name is looked up once; every address that it has must be one that everybody can reach, and
/// the connection goes to the first of those: what the name says a moment later changes nothing.
struct PublicClient: Sendable {
    /// Of a name, as text. Blocking; runs on threads apart.
    var lookUp: @Sendable (String, Int) throws -> [String] = WebhookClient.resolve

    func send(_ request: OutboundRequest) async throws -> OutboundResponse {
        guard let place = WebhookAddress(request.url, opens: false) else {
            throw OutboundFailure.forbidden("The address is not one that everybody can reach.")
        }
        let lookUp = lookUp
        let found: [String]
        do { found = try await NIOThreadPool.singleton.runIfActive { try lookUp(place.host, place.port) } } catch {
            throw OutboundFailure.unsent("the name cannot be looked up")
        }
        guard let address = found.first, found.allSatisfy({ PublicAddress.isPublic($0) == true }) else {
            throw OutboundFailure.forbidden("The name leads to an address that not everybody can reach.")
        }
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .seconds(5)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        configuration.decompression = .disabled
        // The client reads the address by another reader than we do: whatever name it sees must lead to the address that was looked at.
        guard let seen = URL(string: request.url)?.host else { throw OutboundFailure.forbidden("The address has no host.") }
        configuration.dnsOverride[place.host] = address
        configuration.dnsOverride[seen.trimmingCharacters(in: CharacterSet(charactersIn: "[]"))] = address
        return try await OutboundClient(configuration).sendOnce(request)
    }
}
