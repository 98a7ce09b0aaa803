import NIOPosix
import PluginKit
import Webhooks

/// Connects to hosts that tenants name, as `PublicClient` does: looked up once, every address one that everybody can reach, connected to the first.
struct PublicStreams: Sendable {
    /// Of a name, as text. Blocking; runs on threads apart.
    var lookUp: @Sendable (String, Int) throws -> [String] = WebhookClient.resolve

    func connect(_ target: StreamTarget) async throws -> any OutboundStream {
        try await OutboundStreamClient().connect(target, at: try await address(of: target))
    }

    func address(of target: StreamTarget) async throws -> String {
        let lookUp = lookUp
        let found: [String]
        do { found = try await NIOThreadPool.singleton.runIfActive { try lookUp(target.host, target.port) } } catch {
            throw OutboundFailure.unsent("the name cannot be looked up")
        }
        guard let address = found.first, found.allSatisfy({ PublicAddress.isPublic($0) == true }) else {
            throw OutboundFailure.forbidden("The name leads to an address that not everybody can reach.")
        }
        return address
    }
}
