import Foundation
import PluginKit

/// A service provider of SAML 2.0: the web browser profile, requests by query or form, answers by form.
struct SAMLProvider: IdentityProvider {
    let profile: IdentityDescription
    private let offered: Party?
    private let keys: OwnKeys
    private let shelf: MetadataShelf
    private let replays: Replays
    private let clock: any PluginClock
    private let leeway: Duration
    private let acceptsCBC: Bool

    static let offeredID = "saml"

    init(_ context: PluginContext) throws {
        offered = Party(context.settings)
        keys = try OwnKeys(context.secrets.list("SAML_KEY"))
        shelf = try MetadataShelf(context)
        replays = Replays(space: context.space)
        clock = context.clock
        leeway = .seconds(try context.settings.integer("leeway_seconds"))
        acceptsCBC = try context.settings.flag("accept_cbc")
        let label = try context.settings.text("label")
        profile = IdentityDescription(
            capabilities: [.browser, .tenantConnections, .document], fields: Party.fields,
            offered: offered == nil ? [] : [OfferedConnection(id: Self.offeredID, label: label)])
    }

    private func party(_ connection: IdentityConnection) throws -> Party {
        guard connection.isOffered else { return try Party(connection) }
        guard let offered, connection.id == Self.offeredID else {
            throw IdentityProviderError.misconfigured("nothing is offered under that name")
        }
        return offered
    }

    /// What `complete` must know of the beginning.
    private struct Kept: Codable {
        var issuer: String
        var request: String
        /// Seconds; nil where any session of the provider will do.
        var freshSince: Int64?
    }

    func begin(_ beginning: IdentityBeginning) async throws -> IdentityDeparture {
        let party = try party(beginning.connection)
        let metadata = try await shelf.read(party)
        let ourselves = Ourselves(party.entityID, redirectAddress: beginning.redirectAddress, keys: keys)
        let now = clock.now()
        let (address, form) = try ourselves.departure(beginning, to: metadata, by: party.binding, at: now)
        let kept = Kept(
            issuer: metadata.entityID, request: Ourselves.requestID(beginning.nonce), freshSince: beginning.isFresh ? now.seconds : nil)
        return IdentityDeparture(address: address, form: form, kept: try JSONEncoder().encode(kept))
    }

    func complete(_ arrival: IdentityArrival) async throws -> IdentityAssertion {
        let party = try party(arrival.connection)
        guard let kept = try? JSONDecoder().decode(Kept.self, from: arrival.kept), kept.request == Ourselves.requestID(arrival.nonce) else {
            throw IdentityProviderError.notBelieved(.binding, reason: "what was kept at the beginning is not there")
        }
        guard arrival.method == "POST" else { throw IdentityProviderError.notBelieved(.type, reason: "the answer did not come by a form") }
        guard arrival.parameters["RelayState"] == arrival.state else {
            throw IdentityProviderError.notBelieved(.binding, reason: "RelayState is not the one that was sent")
        }
        let metadata = try await metadata(for: party)
        guard metadata.entityID == kept.issuer else {
            throw IdentityProviderError.notBelieved(.issuer, reason: "the connection's provider changed since the beginning")
        }
        let ourselves = Ourselves(party.entityID, redirectAddress: arrival.redirectAddress, keys: keys)
        let answer = try Answer(arrival.parameters["SAMLResponse"], metadata)
        let believed = try answer.believed(ourselves, requestID: kept.request, acceptingCBC: acceptsCBC)
        let now = clock.now()
        let rules = AssertionRules(
            issuer: metadata.entityID, ourselves: ourselves, requestID: kept.request, freshSince: kept.freshSince, now: now, leeway: leeway)
        let held = try rules.check(believed.assertion)
        let person = try PersonReading(party, believed.assertion, held)
            .asserted(issuer: metadata.entityID, keyID: believed.certificate.thumbprint)
        try await replays.use(held.id, of: metadata.entityID, until: held.endsAt, now: now)
        return person
    }

    /// What a provider publishes in the middle of a sign-in is no fault of who set the connection up.
    private func metadata(for party: Party) async throws -> ProviderMetadata {
        do { return try await shelf.read(party) } catch IdentityProviderError.misconfigured(let reason) {
            guard case .address = party.source else { throw IdentityProviderError.misconfigured(reason) }
            throw IdentityProviderError.unreachable(reason)
        }
    }

    func inspect(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityInspection {
        let party = try party(connection)
        let metadata = try await shelf.read(party, anew: true)
        var warnings = metadata.warnings
        if metadata.wantsSigned, !keys.canSign {
            warnings.append("The provider wants signed requests, and there is no SAML_KEY to sign them.")
        }
        if case .text = party.source {
            warnings.append("The metadata was pasted: when the provider changes its keys, paste the new one before.")
        }
        if let end = metadata.validUntil, end < clock.now() + .days(30) { warnings.append("The provider's metadata ends \(end.iso8601).") }
        return IdentityInspection(
            issuer: metadata.entityID, keys: metadata.certificates.map(\.thumbprint), warnings: warnings,
            document: Ourselves(party.entityID, redirectAddress: redirectAddress, keys: keys).metadata())
    }

    /// Our metadata. It says nothing that a stranger may not know, and needs nothing of the provider's: whoever sets both sides up begins with ours.
    func document(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityDocument {
        let ourselves = Ourselves(Party.entityID(connection), redirectAddress: redirectAddress, keys: keys)
        return IdentityDocument(mediaType: "application/samlmetadata+xml", text: ourselves.metadata())
    }
}
