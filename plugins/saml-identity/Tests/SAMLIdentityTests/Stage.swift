import Foundation
import PluginKit
import PluginKitTesting
import Synchronization

@testable import SAMLIdentity

/// A whole stage: two providers, one plugin.
struct Stage {
    let home = StandIn("https://login.example.com/saml", .home)
    let other = StandIn("https://login.other.example/saml", .other)
    let bench: PluginBench
    let provider: any IdentityProvider

    static let manifest = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
        .appendingPathComponent("plugin.json")

    /// Nothing is used longer than it was fetched for, so that a provider that is away is noticed.
    static let impatient: [String: JSONValue] = ["metadata_seconds": 60, "metadata_stale_seconds": 0]

    init(_ settings: [String: JSONValue] = impatient, keys: [TestKey] = [.ours]) async throws {
        let (home, other) = (home, other)
        bench = try PluginBench(manifest: Self.manifest, at: moment) { request in
            for place in [home, other] where request.url.hasPrefix(place.origin) { return try place.answer(request) }
            throw OutboundFailure.unsent("no such host")
        }
        let plugin = SAMLIdentity()
        let context = try bench.context(settings: settings, secrets: keys.isEmpty ? [:] : ["SAML_KEY": keys.map(\.pem)])
        try plugin.validate(context.settings)
        guard let made = try await PluginBench.made(plugin, context).identityProvider else { throw PluginRefusal("no provider") }
        provider = made
    }

    func connection(_ place: StandIn, _ more: [String: String] = [:]) -> IdentityConnection {
        var settings = ["preset": "generic", "metadata_url": "\(place.origin)/metadata", "mail_verified_attribute": "mail_verified"]
        settings.merge(more) { $1 }
        return IdentityConnection(id: "c-\(place.entityID)", isOffered: false, settings: settings.filter { !$0.value.isEmpty })
    }
    func begin(
        _ connection: IdentityConnection? = nil, nonce: String = "n-1", isFresh: Bool = false
    ) async throws -> (IdentityBeginning, IdentityDeparture) {
        let beginning = IdentityBeginning(
            connection: connection ?? self.connection(home), redirectAddress: "https://platform.example/api/v1/auth/sso/1/callback",
            state: "s-1",
            nonce: nonce, verifier: "v-1234567890123456789012345678901234567890123", isFresh: isFresh)
        return (beginning, try await provider.begin(beginning))
    }
    func arrival(_ beginning: IdentityBeginning, _ departure: IdentityDeparture, _ parameters: [String: String]) -> IdentityArrival {
        IdentityArrival(
            connection: beginning.connection, redirectAddress: beginning.redirectAddress, state: beginning.state, nonce: beginning.nonce,
            verifier: beginning.verifier, kept: departure.kept, method: "POST", parameters: parameters)
    }
    /// What becomes of Ada with the provider as it is told to be.
    func come(_ person: StagePerson = .ada, _ connection: IdentityConnection? = nil, isFresh: Bool = false) async throws
        -> IdentityAssertion
    {
        let (beginning, departure) = try await begin(connection, isFresh: isFresh)
        return try await provider.complete(arrival(beginning, departure, try home.consent(departure, person)))
    }
    func say(_ change: @escaping @Sendable (inout Said) -> Void) { home.state.withLock { $0.said = change } }
    func mangle(_ change: @escaping @Sendable (String, String) -> String) { home.state.withLock { $0.mangle = change } }
    /// Why it was not believed: doubt and reason. Nil: it was, or it was something else.
    func doubt(_ person: StagePerson = .ada, _ connection: IdentityConnection? = nil, isFresh: Bool = false) async -> (
        doubt: IdentityDoubt, reason: String
    )? {
        do {
            _ = try await come(person, connection, isFresh: isFresh)
            return nil
        } catch IdentityProviderError.notBelieved(let doubt, let reason) { return (doubt, reason) } catch { return nil }
    }
    func misconfigured(_ connection: IdentityConnection? = nil) async -> String? {
        do {
            _ = try await come(.ada, connection)
            return nil
        } catch IdentityProviderError.misconfigured(let reason) { return reason } catch { return nil }
    }
}

struct SAMLSubject: IdentityProviderSubject {
    func stage() async throws -> IdentityStage {
        let stage = try await Stage()
        let (home, clock) = (stage.home, stage.bench.clock)
        // By then what was fetched at the beginning is too old.
        let later = { @Sendable in clock.advance(by: .seconds(61)) }
        var made = IdentityStage(
            provider: stage.provider, connection: stage.connection(home), other: stage.connection(stage.other),
            consent: { try home.consent($0, $1) },
            decline: { departure in
                home.state.withLock { $0.said = { $0.status = "urn:oasis:names:tc:SAML:2.0:status:Responder" } }
                return try home.consent(departure, .ada)
            }, cheats: Cheat.all.map { cheat in (cheat.name, { home.state.withLock { cheat.arm(&$0) } }) },
            cutOff: {
                home.state.withLock { $0.isAway = true }
                later()
            },
            babble: {
                home.state.withLock { $0.babbles = true }
                later()
            }, secrets: [String(TestKey.ours.pem.split(separator: "\n")[3])], log: { stage.bench.log.lines })
        made.method = "POST"
        made.unpacked = { departure in
            let (text, relayState) = try StandIn.request(departure)
            let request = try Document(Data(text.utf8)).root
            return [relayState, request["AssertionConsumerServiceURL"] ?? "", request["ID"] ?? "", text]
        }
        return made
    }
}
