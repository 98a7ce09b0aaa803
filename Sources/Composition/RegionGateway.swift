import HTTPEdge
import Identity
import Tenancy
import Vocabulary

/// Finds the region of a request and takes it there: what the edge asks.
struct RegionGateway: RegionGate {
    let link: RegionLink
    let directory: RegionDirectory
    let now: @Sendable () -> Timestamp
    /// A mail address in its one spelling; nil for what is none.
    let canonical: @Sendable (String) -> String?
    let knowsKey: @Sendable (String) async throws -> Bool

    private var map: RegionMap { link.map }
    var home: Region { map.home }
    func address(of region: Region) -> String { map.places[region]?.url ?? "" }

    func relay(in raw: RawRequest, now: Timestamp) throws(Problem) -> RegionRelay? { try link.relay(in: raw, now: now) }
    func pass(_ raw: RawRequest, _ relay: RegionRelay) async throws(Problem) -> Reply { try await link.pass(raw, relay) }

    func region(ofBearer token: String) -> Region? {
        let said = AccessTokens.claimedRegion(token) ?? RegionMark.region(of: token)
        return said.flatMap { known($0) }
    }
    /// Another one that there is.
    private func known(_ region: Region) -> Region? { region != home && map.places[region] != nil ? region : nil }
    private func leading(_ region: Region?) -> Whereabouts { region.flatMap(known).map { .elsewhere($0) } ?? .here }

    func place(_ clue: RegionClue, _ value: String) async throws -> Whereabouts {
        switch clue {
        case .secret: return leading(RegionMark.region(of: value))
        case .region:
            guard let region = Region(rawValue: value), map.offered.contains(region) else {
                throw CommonProblems.invalid("region", "is not offered: \(map.offered.map(\.rawValue).joined(separator: ", "))")
            }
            return leading(region)
        case .address, .signIn:
            // A known address is looked up too: how long it takes says nothing.
            let mail = canonical(value) ?? value
            do {
                return leading(try await directory.holder(of: mail)?.region ?? map.stand(in: map.digest(ofMail: mail)))
            } catch { return .unknown }
        case .tenant:
            guard let tenant = TenantID(value) else { return .here }
            do { return leading(try await directory.region(of: tenant)) } catch { return .unknown }
        case .licenseKey: return try await region(ofKey: value)
        }
    }

    /// A key names no region: home is looked at first, then the others in order. Where one of them does not say, nobody may call the key unknown.
    private func region(ofKey key: String) async throws -> Whereabouts {
        if try await knowsKey(key) { return .here }
        var silent: Problem?
        for region in Region.allCases where known(region) != nil {
            do { if try await link.knows(key, region, now: now()) { return .elsewhere(region) } } catch { silent = error }
        }
        if let silent { throw silent }
        return .here
    }
}
