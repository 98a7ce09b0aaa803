import Foundation
import PluginKit

/// What the conformance kit must know of one identity provider.
public protocol IdentityProviderSubject: Sendable {
    /// A provider as a server makes it, and the other side as a person uses it. Called for each check.
    func stage() async throws -> IdentityStage
}

/// One provider, its other side, and the ways in which somebody else would cheat.
public struct IdentityStage: Sendable {
    public var provider: any IdentityProvider
    public var connection: IdentityConnection
    /// Another connection of the same kind, at another provider; nil where there is but one.
    public var other: IdentityConnection?
    /// A person signs in there and is sent back: the parameters of the return.
    public var consent: @Sendable (IdentityDeparture, StagePerson) async throws -> [String: String]
    /// The person says no.
    public var decline: @Sendable (IdentityDeparture) async throws -> [String: String]
    /// By name: the next person is sent back with this cheat. Each must be refused as `notBelieved`.
    public var cheats: [(name: String, arm: @Sendable () -> Void)]
    /// The other side does not answer from here on.
    public var cutOff: @Sendable () -> Void
    /// The other side answers nonsense from here on.
    public var babble: @Sendable () -> Void
    /// What stands in no address, error or line of the log.
    public var secrets: [String]
    public var log: @Sendable () -> [String]
    /// How a browser comes back: `GET` with a query, or `POST` with a form.
    public var method = "GET"
    /// Where what a browser carries is packed, as in SAML: everything in it, as the other side unpacks it. The nonce must then be among it, as the
    /// SHA-256 of the verifier must where nothing is packed.
    public var unpacked: (@Sendable (IdentityDeparture) throws -> [String])?

    public init(
        provider: any IdentityProvider, connection: IdentityConnection, other: IdentityConnection? = nil,
        consent: @escaping @Sendable (IdentityDeparture, StagePerson) async throws -> [String: String],
        decline: @escaping @Sendable (IdentityDeparture) async throws -> [String: String],
        cheats: [(name: String, arm: @Sendable () -> Void)], cutOff: @escaping @Sendable () -> Void,
        babble: @escaping @Sendable () -> Void, secrets: [String], log: @escaping @Sendable () -> [String]
    ) {
        self.provider = provider
        self.connection = connection
        self.other = other
        self.consent = consent
        self.decline = decline
        self.cheats = cheats
        self.cutOff = cutOff
        self.babble = babble
        self.secrets = secrets
        self.log = log
    }
}

/// Somebody at the other side.
public struct StagePerson: Sendable, Hashable {
    public var subject: String
    public var address: String
    public var isVerified: Bool
    public init(_ subject: String, _ address: String, isVerified: Bool = true) {
        self.subject = subject
        self.address = address
        self.isVerified = isVerified
    }
    public static let ada = StagePerson("1001", "ada@example.com")
    public static let eve = StagePerson("1002", "ada@example.com", isVerified: false)
}

/// Tries an identity provider the way a hostile browser and a hostile network do. Every provider passes it, shipped or not.
public struct IdentityProviderConformance: Sendable {
    let subject: any IdentityProviderSubject
    public init(_ subject: any IdentityProviderSubject) { self.subject = subject }

    static let redirect = "https://platform.example/api/v1/auth/oauth/conformance/callback"

    /// Runs every check; the order is stable. `stoppingAtFault`: only until one does not hold.
    public func run(stoppingAtFault: Bool = false) async -> [ConformanceFinding] {
        let checks: [(String, @Sendable (IdentityStage) async throws -> [String])] = [
            ("it describes itself within the limits, and the same at each asking", described),
            ("a browser leaves with state, redirect address and a challenge, and without verifier and secrets", departing),
            ("no two departures are alike", distinct),
            ("a person who consents is asserted, the same after a restart", asserted),
            ("two people at once are not taken for one another", concurrent),
            ("a person who declines is told apart from a failure", declined),
            ("an address is verified only if the other side says so", unverified),
            ("an answer serves once", replayed),
            ("an answer of another flow is refused", crossed),
            ("an answer of another provider is refused", mixedUp),
            ("an answer without, with empty, endless or doubled parameters is refused", malformed),
            ("what was kept at the beginning is needed", forgetful),
            ("every cheat is refused as not believed", cheated),
            ("a provider that does not answer is unreachable, not a refusal", cutOff),
            ("a provider that babbles asserts nobody", babbled),
            ("an inspection says who signs, and fails where nobody answers", inspected),
            ("what it publishes about us needs nobody else and holds no secret", published),
            ("no secret stands in an error or in the log", silent),
        ]
        var findings: [ConformanceFinding] = []
        for (name, check) in checks {
            do { findings.append(ConformanceFinding(check: name, faults: try await check(try await subject.stage()))) } catch {
                findings.append(ConformanceFinding(check: name, faults: ["It threw \(error)."]))
            }
            if stoppingAtFault, findings.last?.holds == false { break }
        }
        return findings
    }

    // MARK: One flow

    struct Flow: Sendable {
        var beginning: IdentityBeginning
        var method = "GET"
        var departure: IdentityDeparture
        func arrival(_ parameters: [String: String], at connection: IdentityConnection? = nil) -> IdentityArrival {
            IdentityArrival(
                connection: connection ?? beginning.connection, redirectAddress: beginning.redirectAddress, state: beginning.state,
                nonce: beginning.nonce, verifier: beginning.verifier, kept: departure.kept, method: method, parameters: parameters)
        }
    }

    /// What the kernel draws: the same for the same number.
    private func drawn(_ what: String, _ number: Int) -> String {
        PretendSignatures.base64url(Data(PluginDigest.sha256(Data("\(what)\(number)".utf8))))
    }
    func flow(_ stage: IdentityStage, _ number: Int = 1, at connection: IdentityConnection? = nil) async throws -> Flow {
        let beginning = IdentityBeginning(
            connection: connection ?? stage.connection, redirectAddress: Self.redirect, state: drawn("state", number),
            nonce: drawn("nonce", number), verifier: drawn("verifier", number))
        return Flow(beginning: beginning, method: stage.method, departure: try await stage.provider.begin(beginning))
    }
    /// Nil if it is refused so, else what happened instead.
    func refused(
        _ stage: IdentityStage, _ arrival: IdentityArrival, _ place: String, as isRight: (IdentityProviderError) -> Bool
    ) async -> String? {
        do {
            let assertion = try await stage.provider.complete(arrival)
            return "\(place) made an assertion about \(assertion.subject)."
        } catch let error as IdentityProviderError {
            return isRight(error) ? nil : "\(place) was refused as \(error)."
        } catch {
            return "\(place) threw \(error), which is none of the kit's errors."
        }
    }
    static func isDoubt(_ error: IdentityProviderError) -> Bool { if case .notBelieved = error { true } else { false } }
}
