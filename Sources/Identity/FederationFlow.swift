import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

extension Federation {
    /// What a browser goes away for.
    enum Purpose: Codable, Sendable, Hashable {
        case signIn
        /// Somebody who is signed in connects the provider with the own account.
        case link(user: UserID)
        /// An administrator tries a connection.
        case test(user: UserID)
    }

    /// What the kernel keeps of a flow, sealed under the digest of its state.
    struct FlowNote: Codable, Sendable {
        var plugin: String
        var connection: String
        var tenant: TenantID?
        var version: Int?
        var purpose: Purpose
        var next: String
        var redirectAddress: String
        var nonce: String
        var verifier: String
        var kept: Data
    }

    /// Where to send the browser, and the cookie that it must come back with.
    package struct Departure: Sendable {
        package let address: String
        /// Non-empty: the browser posts this there.
        package let form: [String: String]
        package let cookie: String
        package let life: Duration
    }

    package func begin(
        offered id: String, next: String?, browser: String?, linking caller: Principal? = nil, _ act: Act
    ) async throws -> Departure {
        if let caller { try await requireOwnProof(caller) }
        let purpose = caller.map { Purpose.link(user: $0.user) } ?? .signIn
        return try await begin(try target(offered: id), purpose, next: next, browser: browser, hint: nil, act)
    }

    package func begin(sso id: ConnectionID, next: String?, browser: String?, hint: String? = nil, _ act: Act) async throws -> Departure {
        let connection = try await connection(id)
        guard connection.state == .enabled else { throw CommonProblems.notFound }
        if try isDirectory(try target(of: connection)) { return typing("/sign-in/directory/\(id)", next: next, browser: browser) }
        return try await begin(try target(of: connection), .signIn, next: next, browser: browser, hint: hint, act)
    }

    /// A session that a tenant's provider opened is no proof of the account beyond that tenant: whoever runs that provider would else
    /// make the whole account its own.
    func requireOwnProof(_ caller: Principal) async throws {
        let factor = try await store.kernelRead(KernelReason("identity.session_provenance")) { db in
            try db.row(FederationTable.provenance, caller.session)?.text(4)
        }
        guard let factor, !factor.hasPrefix("sso:") else { throw FederationProblems.sessionBound }
    }

    func begin(
        _ target: Target, _ purpose: Purpose, next: String?, browser: String?, hint: String?, _ act: Act
    ) async throws -> Departure {
        let provider = try provider(target)
        let (state, nonce, verifier) = (drawn(), drawn(), drawn())
        // One cookie for all tabs of a browser; one that is not ours to the letter is replaced.
        let cookie = browser.flatMap { Base64URL.decode($0)?.count == 32 ? $0 : nil } ?? drawn()
        let redirect = redirectAddress(target)
        let beginning = IdentityBeginning(
            connection: target.connection, redirectAddress: redirect, state: state, nonce: nonce, verifier: verifier, loginHint: hint)
        let departure: IdentityDeparture
        do { departure = try await provider.begin(beginning) } catch { throw await refusal(error, target, act) }
        let note = FlowNote(
            plugin: target.plugin, connection: target.own?.id.description ?? target.connection.id, tenant: target.tenant,
            version: target.own?.version, purpose: purpose, next: inside(next), redirectAddress: redirect, nonce: nonce, verifier: verifier,
            kept: departure.kept)
        let digest = stateDigest(state)
        let box = try vault.sealer.seal([UInt8](try JSONCoding.encode(note)), context: Self.context(digest))
        let life = settings.seconds(FederationSettings.flowSeconds)
        try await store.kernel(KernelReason("identity.begin_flow")) { db in
            try db.run(FederationTable.insertFlow, digest, browserDigest(cookie), box, act.now, act.now + life)
        }
        return Departure(address: departure.address, form: departure.form, cookie: cookie, life: life)
    }

    /// What came of a return.
    package enum Arrival: Sendable {
        case signedIn(PageGrant, next: String)
        /// The person has a second factor.
        case secondFactorDue(token: String, next: String)
        case linked
        /// A mail went to the account's owner.
        case mailed
        case tested(ConnectionID)
        /// The administrator who tries a connection may know why it does not work; `failureReport` opens what is told.
        case testFailed(ConnectionID, report: String)
    }

    /// - Parameters:
    ///   - place: what stands in the address: an offered id or a connection's.
    ///   - parameters: of the query, or for `POST` of the form. The state is called `state`, or `RelayState` in SAML's way.
    ///   - browser: the cookie.
    package func complete(
        _ place: String, parameters: [String: String], method: String = "GET", browser: String?, from device: Device, _ act: Act
    ) async throws -> Arrival {
        guard let state = parameters["state"] ?? parameters["RelayState"], state.utf8.count == 43, let browser,
            let note = try await used(stateDigest(state), browserDigest(browser), act)
        else {
            self.note("A sign-in through a provider was refused.", "state: unknown, used, too old, or another browser's", "-", place, act)
            throw FederationProblems.refused
        }
        let target: Target
        if note.tenant == nil {
            target = try self.target(offered: note.connection)
        } else {
            guard let id = ConnectionID(note.connection) else { throw FederationProblems.refused }
            target = try self.target(of: try await connection(id))
        }
        guard note.connection == place, note.plugin == target.plugin, note.version == target.own?.version else {
            await record("issuer: the answer came for another provider than the one that was asked", target, act)
            throw FederationProblems.refused
        }
        guard parameters.count <= IdentityLimits.maxParameters,
            parameters.values.allSatisfy({ $0.utf8.count <= IdentityLimits.maxFieldBytes })
        else { throw FederationProblems.refused }
        let assertion: IdentityAssertion
        do {
            assertion = try await provider(target).complete(
                IdentityArrival(
                    connection: target.connection, redirectAddress: note.redirectAddress, state: state, nonce: note.nonce,
                    verifier: note.verifier, kept: note.kept, method: method, parameters: parameters))
        } catch {
            let refusal = await refusal(error, target, act)
            if case .test = note.purpose, let own = target.own, let report = try failureReport(error, own.id) {
                return .testFailed(own.id, report: report)
            }
            throw refusal
        }
        switch note.purpose {
        case .test(let user): return .tested(try await keepTest(target, assertion, by: user, act))
        case .link(let user):
            try await link(assertion, target, to: user, act)
            return .linked
        case .signIn:
            switch try await settle(assertion, target, device, act) {
            case .page(let grant): return .signedIn(grant, next: note.next)
            case .secondFactorNeeded(let token): return .secondFactorDue(token: token, next: note.next)
            case .token: throw CommonProblems.internal
            case nil: return .mailed
            }
        }
    }

    private func used(_ state: [UInt8], _ browser: [UInt8], _ act: Act) async throws -> FlowNote? {
        let box = try await store.kernel(KernelReason("identity.use_flow")) { db in
            try db.row(FederationTable.useFlow, state, browser, act.now)?.blob(0)
        }
        guard let box else { return nil }
        return try JSONCoding.decode(FlowNote.self, Data(try vault.sealer.open(box, context: Self.context(state))))
    }

    // MARK: Small things

    /// 32 random bytes as text.
    func drawn() -> String { Base64URL.encode(vault.entropy.bytes(32)) }
    private func stateDigest(_ state: String) -> [UInt8] { vault.sealer.digest(Array(state.utf8), purpose: "identity.flow_state") }
    private func browserDigest(_ cookie: String) -> [UInt8] { vault.sealer.digest(Array(cookie.utf8), purpose: "identity.flow_browser") }
    private static func context(_ state: [UInt8]) -> String { "identity.flow:\(Hex.encode(state.prefix(16)))" }

    /// Where the person goes on: a path of our own, or an origin that the operator listed. Anything else leads to `/start`.
    func inside(_ next: String?) -> String {
        guard let next, next.utf8.count <= 500, next.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != 92 }) else { return "/start" }
        if next.hasPrefix("/"), !next.hasPrefix("//") { return next }
        let listed = settings[FederationSettings.returnAddresses].split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        guard let origin = WebOrigin(next, allowingQuery: true), listed.contains(where: { WebOrigin($0) == origin }) else {
            return "/start"
        }
        return next
    }
}
