import Foundation
import HookEngine
import Signing
import Store
import Tenancy
import Vocabulary

/// The identity providers at work; implemented by Composition over the plugin host.
package protocol IdentityProviders: Sendable {
    /// Ids of the plugins, in order.
    func names() -> [String]
    func provider(_ plugin: String, for tenant: TenantID?) -> (any IdentityProvider)?
}

/// Looks TXT records up. Throws where nobody answers; a name without any has none.
package protocol DomainResolver: Sendable {
    func texts(of name: String) async throws -> [String]
}

/// What signing in through providers needs from outside the room.
package struct FederationParts: Sendable {
    package let providers: any IdentityProviders
    package let resolver: any DomainResolver
    /// Scheme and authority for people's browsers.
    package let origin: @Sendable () -> String
    /// Into the server's log: why somebody was not signed in.
    package let note: @Sendable (String, [String: String]) -> Void
    package init(
        providers: any IdentityProviders, resolver: any DomainResolver, origin: @escaping @Sendable () -> String,
        note: @escaping @Sendable (String, [String: String]) -> Void
    ) {
        self.providers = providers
        self.resolver = resolver
        self.origin = origin
        self.note = note
    }
}

/// Sign-in through identity providers: those that the operator offers to everybody, and those that a tenant sets up for its own people.
///
/// What a tenant's provider says counts within that tenant alone: its sessions hold there only, it vouches only for addresses of domains that
/// the tenant proved, and it never signs in staff.
package struct Federation: Sendable {
    let identity: Identity
    let parts: FederationParts
    package init(identity: Identity, parts: FederationParts) {
        self.identity = identity
        self.parts = parts
    }

    var store: any Store { identity.store }
    var vault: Vault { identity.vault }
    var settings: Settings { identity.settings }

    // MARK: Which provider

    /// One way in that the operator offers.
    package struct Offer: Sendable, Hashable {
        package let plugin: String
        package let id: String
        package let label: String
    }

    /// In the order of the plugins' ids; of two with one name the first counts.
    package func offers() -> [Offer] {
        var seen: Set<String> = []
        return parts.providers.names().flatMap { plugin in
            (parts.providers.provider(plugin, for: nil)?.profile.offered ?? []).map { Offer(plugin: plugin, id: $0.id, label: $0.label) }
        }.filter { seen.insert($0.id).inserted }
    }

    /// Whom a browser is sent to.
    struct Target: Sendable {
        let plugin: String
        let label: String
        let connection: IdentityConnection
        /// Nil for an offered one.
        let own: TenantConnection?
        var tenant: TenantID? { own?.tenant }
        /// As sessions and the session list name it.
        var factor: String { own.map { "sso:\($0.id)" } ?? "oauth:\(connection.id)" }
    }

    func target(offered id: String) throws -> Target {
        guard let offer = offers().first(where: { $0.id == id }) else { throw CommonProblems.notFound }
        return Target(
            plugin: offer.plugin, label: offer.label, connection: IdentityConnection(id: offer.id, isOffered: true), own: nil)
    }

    func target(of connection: TenantConnection) throws -> Target {
        Target(plugin: connection.plugin, label: connection.label, connection: try connection.opened(vault.sealer), own: connection)
    }

    /// By the id in an address; throws `not_found`.
    func connection(_ id: ConnectionID) async throws -> TenantConnection {
        let found = try await store.kernelRead(KernelReason("identity.connection_of")) { db -> TenantConnection? in
            guard let tenant: TenantID = try db.row(FederationTable.tenantOfConnection, id)?.id(0) else { return nil }
            return try db.row(FederationTable.connectionOf, tenant, id).map { try TenantConnection($0, tenant) }
        }
        guard let found else { throw CommonProblems.notFound }
        return found
    }

    func provider(_ target: Target) throws -> any IdentityProvider {
        guard let provider = parts.providers.provider(target.plugin, for: target.tenant) else { throw FederationProblems.unavailable }
        return provider
    }

    /// Our own address for this very connection: no two providers share one, so neither can answer for the other.
    func redirectAddress(_ target: Target) -> String {
        let kind = target.own == nil ? "oauth" : "sso"
        return "\(parts.origin())/api/v1/auth/\(kind)/\(target.own?.id.description ?? target.connection.id)/callback"
    }

    // MARK: What is refused

    /// For the log; the browser learns nothing of it.
    func note(_ what: String, _ reason: String, _ plugin: String, _ connection: String, _ act: Act) {
        parts.note(what, ["reason": reason, "plugin": plugin, "connection": connection, "request": act.requestID])
    }

    /// What a provider's error is to the person; the reason goes to log and journal.
    func refusal(_ error: any Error, _ target: Target, _ act: Act) async -> any Error {
        guard let error = error as? IdentityProviderError else { return error }
        await record(Self.reason(error), target, act)
        switch error {
        case .declined: return FederationProblems.declined
        case .notBelieved, .account: return FederationProblems.refused
        case .misconfigured, .unreachable, .notSupported: return FederationProblems.unavailable
        @unknown default: return FederationProblems.unavailable
        }
    }
    /// For log, journal and the administrator who tries a connection.
    static func reason(_ error: IdentityProviderError) -> String {
        switch error {
        case .declined(let code): "declined: \(code)"
        case .notBelieved(let doubt, let reason): "\(doubt.rawValue): \(reason)"
        case .misconfigured(let reason): "misconfigured: \(reason)"
        case .unreachable(let reason): "unreachable: \(reason)"
        case .account(let state): "account: \(state.rawValue)"
        case .notSupported(let capability): "not supported: \(capability.rawValue)"
        @unknown default: "unknown"
        }
    }

    /// Why this sign-in ended without a session.
    func record(_ reason: String, _ target: Target, _ act: Act) async {
        note("A sign-in through a provider was refused.", reason, target.plugin, target.own?.id.description ?? target.connection.id, act)
        let details: JSONValue = ["reason": .string(reason), "provider": .string(target.factor)]
        try? await store.kernel(KernelReason("identity.federation_refused")) { db in
            try identity.journal(
                "session.federation_refused", "provider:\(target.plugin)", .denied, details, tenant: target.tenant, in: db, act)
        }
    }
}
