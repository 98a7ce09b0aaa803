import Foundation
import Vocabulary

/// By what a request tells in which region it is at home, where no bearer token does. A literal of its route.
package enum RegionClue: Sendable, Hashable {
    /// A field of the body whose secret ends in its region.
    case secret(String)
    /// A field with a mail address: of an API's body, or of a page's form.
    case address(String)
    /// The same where somebody signs in: who belongs here comes in also while the directory does not answer.
    case signIn(String)
    /// A field with a licence key, which says nothing of its region.
    case licenseKey(String)
    /// A field in which the caller chooses.
    case region(String)
    /// A query field with the id of a tenant.
    case tenant(String)

    var field: String {
        switch self {
        case .secret(let name), .address(let name), .signIn(let name), .licenseKey(let name), .region(let name), .tenant(let name): name
        }
    }
    /// Whether it is answered from the directory.
    var asksDirectory: Bool {
        switch self {
        case .address, .signIn, .tenant: true
        case .secret, .licenseKey, .region: false
        }
    }
}

package enum Whereabouts: Sendable, Hashable {
    case here
    case elsewhere(Region)
    /// The directory does not answer.
    case unknown
}

/// A request that another region took and passed on, as that region signed it.
package struct RegionRelay: Sendable, Hashable, Codable {
    package let from: Region
    package let to: Region
    /// Of the client, without port.
    package let address: String
    /// Scheme and authority as the client named the region that took it.
    package let origin: String
    package let requestID: String
    package let atSeconds: Int64
    package init(from: Region, to: Region, address: String, origin: String, requestID: String, atSeconds: Int64) {
        self.from = from
        self.to = to
        self.address = address
        self.origin = origin
        self.requestID = requestID
        self.atSeconds = atSeconds
    }
    enum CodingKeys: String, CodingKey {
        case from, to, address, origin
        case requestID = "request_id"
        case atSeconds = "at_seconds"
    }
}

/// Knows the other regions; implemented by Composition where there are some.
package protocol RegionGate: Sendable {
    /// What another region signed; nil for a request that comes from a client. Throws for a forged, stale or misdirected one.
    func relay(in raw: RawRequest, now: Timestamp) throws(Problem) -> RegionRelay?
    /// The other region that an access token or API key says it belongs to. Nothing of it is proved: that region looks.
    func region(ofBearer token: String) -> Region?
    func place(_ clue: RegionClue, _ value: String) async throws -> Whereabouts
    /// Sends a request on, bounded in size and time, and gives the answer. Throws the problem of a region that does not answer.
    func pass(_ raw: RawRequest, _ relay: RegionRelay) async throws(Problem) -> Reply
    /// What browsers call a region: scheme and authority.
    func address(of region: Region) -> String
    var home: Region { get }
}

/// The request belongs to another region: `Edge.reply` takes it there.
struct Elsewhere: Error { let region: Region }

extension RegionProblems {
    /// What a route can answer that may lead into another region.
    static func of(_ route: Route) -> [Problem] {
        let passed = [unavailable, unanswered, tooLong, mismatch, relayRefused]
        switch route.access {
        case .session, .permission, .lease: return passed
        case .operatorOnly: return [relayRefused]
        case .open, .proof, .page:
            guard let clue = route.clue else { return [relayRefused] }
            return passed + (clue.asksDirectory ? [directoryUnavailable] : [])
        }
    }
}

extension Edge {
    /// The other region that the route's clue leads to, if any: then `Elsewhere` is thrown, or a browser is sent there. True where the
    /// directory did not answer and the handler is to look alone.
    func follow(
        _ endpoint: Endpoint, _ raw: RawRequest, json: JSONValue?, query: [String: String], _ exchange: Exchange
    ) async throws -> RegionStep {
        guard let gate = guards.regions, let clue = endpoint.route.clue, let value = try value(clue, endpoint, raw, json, query) else {
            return .here
        }
        switch try await gate.place(clue, value) {
        case .here: return .here
        case .elsewhere(let region):
            guard endpoint.isPage, exchange.relay == nil else { throw Elsewhere(region: region) }
            // A form is filled in again where its answer stays: no cookie of one region is set by another.
            return .browse(.redirect(to: "\(gate.address(of: region))\(endpoint.route.path)?elsewhere=1"))
        case .unknown:
            guard case .signIn = clue else { throw RegionProblems.directoryUnavailable.retry(afterSeconds: 5) }
            return .alone
        }
    }

    private func value(
        _ clue: RegionClue, _ endpoint: Endpoint, _ raw: RawRequest, _ json: JSONValue?, _ query: [String: String]
    ) throws(Problem) -> String? {
        if case .tenant(let name) = clue { return query[name] }
        return endpoint.isPage ? try FormBody(raw.body)[clue.field] : json?[clue.field]?.string
    }

    /// What a signed address of another region leads to: bodies of any size go there themselves, and come from there.
    func sentAway(_ endpoint: Endpoint, _ raw: RawRequest, _ query: [String: String], _ exchange: inout Exchange) async throws -> Reply? {
        guard let gate = guards.regions, exchange.relay == nil, case .tenant(let name)? = endpoint.route.clue, let tenant = query[name]
        else { return nil }
        // The signature is not ours, so it may be anybody's: looking it up counts against its network.
        try await limits.admit(
            .standard, caller: nil, network: exchange.provenance?.address?.network ?? "unknown", now: exchange.now)
        switch try await gate.place(.tenant(name), tenant) {
        case .here: return nil
        case .unknown: throw RegionProblems.directoryUnavailable.retry(afterSeconds: 5)
        case .elsewhere(let region):
            exchange.isPassed = true
            return .redirect(to: gate.address(of: region) + raw.target, status: 307)
        }
    }

    /// Takes a request to its region, once.
    func passOn(_ raw: RawRequest, to region: Region, _ exchange: inout Exchange) async throws(Problem) -> Reply {
        guard let gate = guards.regions, let provenance = exchange.provenance else { throw CommonProblems.internal }
        guard exchange.relay == nil else { throw RegionProblems.mismatch }
        let reply = try await gate.pass(
            raw,
            RegionRelay(
                from: gate.home, to: region, address: provenance.text, origin: provenance.hostOrigin, requestID: exchange.requestID,
                atSeconds: exchange.now.seconds))
        exchange.isPassed = true
        return reply
    }
}

/// What becomes of a request whose route leads somewhere.
enum RegionStep {
    case here
    /// The handler looks, and whom it does not find may be elsewhere.
    case alone
    case browse(Reply)
}
