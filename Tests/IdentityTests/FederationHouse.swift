import Foundation
import RoomTesting
import Store
import Tenancy
import Vocabulary

@testable import Identity

/// A provider that asserts what a test says.
final class ScriptedProvider: IdentityProvider {
    struct State: Sendable {
        var assertion = IdentityAssertion(
            issuer: "https://login.example.com", subject: "1001", addresses: [IdentityAddress("grace@example.com", isVerified: true)],
            givenName: "Grace", familyName: "Hopper", keyID: "key-1")
        var error: IdentityProviderError?
        var form: [String: String] = [:]
        var document: IdentityDocument?
        var beginnings: [IdentityBeginning] = []
        var arrivals: [IdentityArrival] = []
    }
    private let state = Guarded(State())
    let profile = IdentityDescription(
        capabilities: [.browser, .tenantConnections],
        fields: [
            IdentityField(name: "issuer", label: "Issuer", summary: "Where.", kind: .url),
            IdentityField(name: "client_secret", label: "Secret", summary: "Kept.", kind: .secret),
        ], offered: [OfferedConnection(id: "google", label: "Google"), OfferedConnection(id: "linkedin", label: "LinkedIn")])
    func script(_ change: (inout State) -> Void) { state.with { change(&$0) } }
    var beginnings: [IdentityBeginning] { state.with { $0.beginnings } }
    var arrivals: [IdentityArrival] { state.with { $0.arrivals } }

    func begin(_ beginning: IdentityBeginning) async throws -> IdentityDeparture {
        let form = state.with { state in
            state.beginnings.append(beginning)
            return state.form
        }
        return IdentityDeparture(
            address: "https://login.example.com/authorize?state=\(beginning.state)", form: form, kept: Data("kept".utf8))
    }
    func complete(_ arrival: IdentityArrival) async throws -> IdentityAssertion {
        try state.with { state in
            state.arrivals.append(arrival)
            if let error = state.error { throw error }
            return state.assertion
        }
    }
    func document(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityDocument {
        guard let document = state.with({ $0.document }) else { throw IdentityProviderError.notSupported(.document) }
        return document
    }
    func inspect(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityInspection {
        if let error = state.with({ $0.error }) { throw error }
        return IdentityInspection(issuer: "https://login.example.com", keys: ["key-1"])
    }
}

struct OneProvider: IdentityProviders {
    let provider: ScriptedProvider
    func names() -> [String] { ["oidc"] }
    func provider(_ plugin: String, for tenant: TenantID?) -> (any IdentityProvider)? { plugin == "oidc" ? provider : nil }
}

final class ScriptedResolver: DomainResolver {
    struct Silent: Error {}
    private let records = Guarded<[String: [String]]?>([:])
    func set(_ records: [String: [String]]?) { self.records.with { $0 = records } }
    func texts(of name: String) async throws -> [String] {
        guard let records = records.with({ $0 }) else { throw Silent() }
        return records[name] ?? []
    }
}

/// The house with providers.
struct FederationHouse {
    let house: IdentityHouse
    let provider = ScriptedProvider()
    let resolver = ScriptedResolver()
    let notes = Guarded<[String]>([])
    let federation: Federation

    init(_ settings: Settings = Settings()) async throws {
        house = try await IdentityHouse(settings)
        let notes = notes
        federation = Federation(
            identity: house.identity,
            parts: FederationParts(
                providers: OneProvider(provider: provider), resolver: resolver, origin: { "https://platform.example" },
                note: { message, fields in notes.with { $0.append("\(message) \(fields["reason"] ?? "")") } }))
    }
    var identity: Identity { house.identity }
    var noted: String { notes.with { $0.joined(separator: "\n") } }

    /// A browser goes away and comes back.
    func come(_ offered: String = "google", next: String? = nil) async throws -> Federation.Arrival {
        let departure = try await federation.begin(offered: offered, next: next, browser: nil, house.act())
        return try await arrive(offered, departure)
    }
    func arrive(_ place: String, _ departure: Federation.Departure) async throws -> Federation.Arrival {
        try await federation.complete(
            place, parameters: ["state": state(departure), "code": "c"], browser: departure.cookie, from: Device("test"), house.act())
    }
    func state(_ departure: Federation.Departure) -> String { departure.address.components(separatedBy: "state=").last ?? "" }
    func grant(_ arrival: Federation.Arrival) throws -> PageGrant {
        guard case .signedIn(let grant, _) = arrival else { throw IdentityHouse.Missing(what: "a session, not \(arrival)") }
        return grant
    }
    func principal(_ grant: PageGrant) async throws -> Principal? {
        try await identity.caller(cookie: grant.cookie, now: house.now)?.principal
    }

    /// A connection of Ada's tenant, tested and enabled, over its own proved domain.
    func sso(_ domain: String = "example.com", admits: Bool = true, rules: [TenantConnection.RoleRule] = []) async throws -> (
        owner: Principal, connection: TenantConnection
    ) {
        try await house.member("ada@example.com")
        let owner = try await house.signedIn("ada@example.com").principal
        let held = try await federation.add(domain: domain, to: owner.tenant, house.act(owner))
        resolver.set([held.recordName: [held.challenge]])
        _ = try await federation.verify(domain: domain, of: owner.tenant, house.act(owner))
        let form = ConnectionForm(
            label: "Engines", values: ["issuer": "https://login.example.com", "client_secret": "hush-hush"], admits: admits,
            defaultRole: "developer", roleMap: rules)
        let made = try await federation.create(form, plugin: "oidc", in: owner.tenant, house.act(owner))
        let departure = try await federation.beginTest(made.id, by: owner, browser: nil, house.act(owner))
        guard case .tested = try await arrive(made.id.description, departure) else { throw IdentityHouse.Missing(what: "a test") }
        try await federation.setEnabled(true, made.id, in: owner.tenant, house.act(owner))
        return (owner, try await federation.connection(made.id, of: owner.tenant))
    }
    func comeBySSO(_ connection: TenantConnection) async throws -> Federation.Arrival {
        let departure = try await federation.begin(sso: connection.id, next: nil, browser: nil, house.act())
        return try await arrive(connection.id.description, departure)
    }
}
