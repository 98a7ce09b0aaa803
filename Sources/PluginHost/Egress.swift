import Foundation
import PluginKit

/// The way out of one plugin: what its manifest names, what the operator's settings open, its own webhook for `self`; nothing else.
struct Egress: OutboundHTTP {
    let plugin: String
    /// `https` origins of the manifest and origins of settings that open their host.
    let origins: Set<WebOrigin>
    /// Whether the plugin may post to its own webhook, as a provider from outside does.
    let reachesOwnWebhook: Bool
    /// Whether it may reach hosts that tenants name, as far as everybody can reach them.
    let reachesPublic: Bool
    let site: HostSite
    let services: any PluginHostServices

    init(_ manifest: PluginManifest, _ settings: PluginSettings, site: HostSite, services: any PluginHostServices) {
        plugin = manifest.id
        let named = manifest.hosts.filter { $0 != "self" && $0 != PluginManifest.publicHosts }.compactMap { WebOrigin("https://\($0)") }
        let opened = manifest.settings.filter(\.opensHost).compactMap { settings[$0.name]?.string }.compactMap { WebOrigin($0) }
        origins = Set(named + opened)
        reachesOwnWebhook = manifest.hosts.contains("self")
        reachesPublic = manifest.hosts.contains(PluginManifest.publicHosts)
        self.site = site
        self.services = services
    }

    func send(_ request: OutboundRequest) async throws -> OutboundResponse {
        if let fault = fault(in: request) {
            services.log(.warning, "A request of a plugin was not let out.", ["why": fault], plugin: plugin)
            throw OutboundFailure.forbidden(fault)
        }
        do {
            let isNamed = WebOrigin(request.url, allowingQuery: true).map(origins.contains) ?? false
            let answer =
                isNamed || !reachesPublic
                ? try await services.send(request, for: plugin) : try await services.sendPublic(request, for: plugin)
            guard answer.body.count <= request.maxAnswerBytes else { throw OutboundFailure.unanswered("The answer is too large.") }
            return answer
        } catch let failure as OutboundFailure {
            throw failure
        } catch {
            throw OutboundFailure.unanswered("The exchange broke off.")
        }
    }

    /// Nil if the request may leave, else why not.
    func fault(in request: OutboundRequest) -> String? {
        guard OutboundLimits.methods.contains(request.method) else {
            return "The method \(request.method.prefix(20).debugDescription) is not allowed."
        }
        guard request.body.count <= OutboundLimits.maxRequestBytes else {
            return "The body has more than \(OutboundLimits.maxRequestBytes) bytes."
        }
        guard OutboundLimits.timeout.contains(request.timeout) else { return "The time-out lies outside 1 to 60 seconds." }
        guard (0...OutboundLimits.maxAnswerBytes).contains(request.maxAnswerBytes) else { return "Too large an answer is asked for." }
        if let fault = Egress.fault(inHeaders: request.headers) { return fault }
        guard let origin = WebOrigin(request.url, allowingQuery: true) else {
            return "The address is not an absolute http or https address."
        }
        if reachesOwnWebhook, request.url == site.webhookAddress() {
            return request.method == "POST" ? nil : "The own webhook takes POST only."
        }
        if reachesPublic, origin.scheme == "https" { return nil }
        return origins.contains(origin)
            ? nil : "The host \(origin) is not named in plugin.json. Add it to hosts, or let a setting with opens_host name it."
    }

    static let reservedHeaders: Set<String> = [
        "host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "proxy-authorization", "expect",
    ]
    static func fault(inHeaders headers: [String: String]) -> String? {
        guard headers.count <= 64 else { return "There are more than 64 headers." }
        var seen: Set<String> = []
        for (name, value) in headers {
            let lower = name.lowercased()
            let isToken =
                !name.isEmpty && name.utf8.count <= 128
                && name.utf8.allSatisfy {
                    (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45 || $0 == 95
                }
            guard isToken, !reservedHeaders.contains(lower), seen.insert(lower).inserted else {
                return "The header \(name.prefix(40).debugDescription) is not allowed."
            }
            guard value.utf8.count <= 8_192, value.utf8.allSatisfy({ ($0 >= 32 && $0 < 127) || $0 == 9 }) else {
                return "The value of the header \(name) is not allowed."
            }
        }
        return nil
    }
}
