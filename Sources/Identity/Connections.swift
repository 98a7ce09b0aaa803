import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// What a tenant's administrator does with its identity providers.
extension Federation {
    /// The plugins that a tenant may set up, with what each needs.
    package func kinds(for tenant: TenantID) -> [(plugin: String, fields: [IdentityField])] {
        parts.providers.names().compactMap { name in
            guard let profile = parts.providers.provider(name, for: tenant)?.profile, profile.capabilities.contains(.tenantConnections)
            else {
                return nil
            }
            return (name, profile.fields)
        }
    }
    private func fields(_ plugin: String, _ tenant: TenantID) throws -> [IdentityField] {
        guard let found = kinds(for: tenant).first(where: { $0.plugin == plugin }) else {
            throw CommonProblems.invalid("provider", "is not one that can be set up here")
        }
        return found.fields
    }

    package func connections(of tenant: TenantID) async throws -> [TenantConnection] {
        try await store.tenantRead(tenant) { db in
            try db.rows(FederationTable.connections).map { try TenantConnection($0, tenant) }
        }
    }
    package func connection(_ id: ConnectionID, of tenant: TenantID) async throws -> TenantConnection {
        let found = try await store.tenantRead(tenant) { db in
            try db.row(FederationTable.connection, id).map { try TenantConnection($0, tenant) }
        }
        guard let found else { throw CommonProblems.notFound }
        return found
    }
    /// Settings as somebody may see them; of secrets only the names.
    package func shown(_ connection: TenantConnection) throws -> (settings: [String: String], secrets: [String]) {
        (try connection.settings(vault.sealer), try connection.secrets(vault.sealer).keys.sorted())
    }
    /// What the provider must be told about us.
    package func redirectAddress(of connection: TenantConnection) throws -> String { redirectAddress(try target(of: connection)) }
    /// Where our metadata for it is published; nil where its plugin has none.
    package func documentAddress(of connection: TenantConnection) throws -> String? {
        let profile = parts.providers.provider(connection.plugin, for: connection.tenant)?.profile
        return profile?.capabilities.contains(.document) == true ? "\(parts.origin())/api/v1/auth/sso/\(connection.id)/metadata" : nil
    }

    package func create(_ form: ConnectionForm, plugin: String, in tenant: TenantID, _ act: Act) async throws -> TenantConnection {
        let (settings, secrets) = try form.read(try fields(plugin, tenant), held: [:])
        let id: ConnectionID = vault.entropy.id(act.now)
        let (settingsBox, secretsBox) = (try seal(settings, id, "settings"), try seal(secrets, id, "secrets"))
        let map = String(decoding: try JSONCoding.encode(form.roleMap), as: UTF8.self)
        try await store.kernel(KernelReason("identity.create_connection")) { db in
            try db.run(FederationTable.routeConnection, id, tenant)
            try db.within(tenant) { db in
                guard try db.rows(FederationTable.connections).count < TenantConnection.mostPerTenant else {
                    throw FederationProblems.tooMany
                }
                try db.run(
                    FederationTable.insertConnection, tenant, id, plugin, form.label, settingsBox, secretsBox, form.admits,
                    form.defaultRole,
                    map, act.now)
                try db.journal(
                    JournalEntry("sso.connection_created", subject: "connection:\(id)", details: ["plugin": .string(plugin)]), act)
            }
        }
        return try await connection(id, of: tenant)
    }

    /// What changes whom to believe leads back to a draft, which signs nobody in; roles and name do not.
    package func change(_ id: ConnectionID, _ form: ConnectionForm, in tenant: TenantID, _ act: Act) async throws -> TenantConnection {
        var connection = try await connection(id, of: tenant)
        let held = (settings: try connection.settings(vault.sealer), secrets: try connection.secrets(vault.sealer))
        let (settings, secrets) = try form.read(try fields(connection.plugin, tenant), held: held.secrets)
        let version = connection.version
        if settings != held.settings || secrets != held.secrets {
            connection.settingsBox = try seal(settings, id, "settings")
            connection.secretsBox = try seal(secrets, id, "secrets")
            connection.version += 1
            connection.state = .draft
        }
        connection.label = form.label
        connection.admits = form.admits
        connection.defaultRole = Role(rawValue: form.defaultRole)
        connection.roleMap = form.roleMap
        try await write(connection, expecting: version, "sso.connection_changed", act)
        return try await self.connection(id, of: tenant)
    }

    package func setEnabled(_ isEnabled: Bool, _ id: ConnectionID, in tenant: TenantID, _ act: Act) async throws {
        var connection = try await connection(id, of: tenant)
        if isEnabled, !connection.isTested { throw FederationProblems.untested }
        connection.state = isEnabled ? .enabled : .disabled
        try await write(connection, expecting: connection.version, isEnabled ? "sso.connection_enabled" : "sso.connection_disabled", act)
    }

    package func drop(_ id: ConnectionID, in tenant: TenantID, _ act: Act) async throws {
        try await store.kernel(KernelReason("identity.drop_connection")) { db in
            try db.within(tenant) { db in
                if try db.row(FederationTable.ssoRule)?.id(0) == id { throw FederationProblems.inUse }
                guard try !db.rows(FederationTable.dropConnection, id).isEmpty else { throw CommonProblems.notFound }
                try db.journal(JournalEntry("sso.connection_removed", subject: "connection:\(id)", details: [:]), act)
            }
            _ = try db.rows(FederationTable.unrouteConnection, id)
        }
    }

    /// Nobody's change is lost: one that was made meanwhile is a conflict.
    private func write(_ connection: TenantConnection, expecting version: Int, _ action: String, _ act: Act) async throws {
        let map = String(decoding: try JSONCoding.encode(connection.roleMap), as: UTF8.self)
        try await store.tenant(connection.tenant) { db in
            guard let row = try db.row(FederationTable.connection, connection.id), try row.int(9) == version else {
                throw CommonProblems.notFound
            }
            if connection.state != .enabled, try db.row(FederationTable.ssoRule)?.id(0) == connection.id { throw FederationProblems.inUse }
            try db.run(
                FederationTable.writeConnection, connection.id, connection.label, connection.state.rawValue, connection.settingsBox,
                connection.secretsBox, connection.admits, connection.defaultRole.rawValue, map, connection.version,
                connection.testedVersion, connection.testedAt, act.now)
            try db.journal(JournalEntry(action, subject: "connection:\(connection.id)", details: [:]), act)
        }
    }

    private func seal(_ values: [String: String], _ id: ConnectionID, _ what: String) throws -> [UInt8] {
        try vault.sealer.seal([UInt8](try JSONCoding.encode(values)), context: TenantConnection.context(id, what))
    }

    // MARK: Trying

    /// Asks the provider whether the connection can work, without a person.
    package func inspect(_ id: ConnectionID, in tenant: TenantID, _ act: Act) async throws -> IdentityInspection {
        let target = try target(of: try await connection(id, of: tenant))
        do { return try await provider(target).inspect(target.connection, redirectAddress: redirectAddress(target)) } catch let error
            as IdentityProviderError
        {
            // Whoever sets it up is told, as the one who can mend it; of a network no more than that it did not answer.
            let reason: String =
                switch error {
                case .misconfigured(let text): text
                case .unreachable(let text): "the provider does not answer: \(text)"
                default: "the provider's answer is not believed"
                }
            note("A connection did not work.", reason, target.plugin, id.description, act)
            throw FederationProblems.connectionFaulty.with(["reason": .string(String(reason.prefix(300)))])
        }
    }

    /// Sends the administrator through it; who comes back has tested it.
    package func beginTest(_ id: ConnectionID, by caller: Principal, browser: String?, _ act: Act) async throws -> Departure {
        let target = try target(of: try await connection(id, of: caller.tenant))
        if try isDirectory(target) { return typing("/sso/\(id)/directory", next: nil, browser: browser) }
        return try await begin(target, .test(user: caller.user), next: nil, browser: browser, hint: nil, act)
    }

    /// Why a test did not work, sealed for the page that shows it to whoever may read the connection; nil where there is nothing to say.
    func failureReport(_ error: any Error, _ id: ConnectionID) throws -> String? {
        guard let reason = (error as? IdentityProviderError).map(Self.reason) else { return nil }
        return Base64URL.encode(try vault.sealer.seal(Array(reason.utf8.prefix(500)), context: "identity.test_report:\(id)"))
    }
    package func failure(report: String, of id: ConnectionID) -> String? {
        guard report.utf8.count <= 2_000, let box = Base64URL.decode(report) else { return nil }
        return (try? vault.sealer.open(box, context: "identity.test_report:\(id)")).map { String(decoding: $0, as: UTF8.self) }
    }

    func keepTest(_ target: Target, _ assertion: IdentityAssertion, by user: UserID, _ act: Act) async throws -> ConnectionID {
        guard var connection = target.own else { throw FederationProblems.refused }
        connection.testedVersion = connection.version
        connection.testedAt = act.now
        if connection.state == .draft { connection.state = .tested }
        try await write(connection, expecting: connection.version, "sso.connection_tested", act)
        // Who tests it has come back as somebody: that the provider's person and the administrator are one is what the test showed.
        return connection.id
    }

    // MARK: Requiring

    /// From now on members come through this connection alone. Owners keep every way in, so that a provider that fails locks nobody out for good.
    /// Ends the members' other sessions.
    package func require(_ id: ConnectionID, in tenant: TenantID, _ act: Act) async throws -> Int {
        let connection = try await connection(id, of: tenant)
        guard connection.isTested, connection.state == .enabled else { throw FederationProblems.untested }
        guard try await domains(of: tenant).contains(where: { $0.verifiedAt != nil }) else { throw FederationProblems.domainUnverified }
        return try await identity.change(KernelReason("identity.require_sso")) { db in
            let members = try db.within(tenant) { db in
                _ = try db.rows(FederationTable.releaseSSO)
                try db.run(FederationTable.requireSSO, tenant, id, act.now)
                try db.journal(JournalEntry("sso.required", subject: "connection:\(id)", details: [:]), act)
                return try identity.tenancy.roster(in: db).members.filter { $0.role != .owner }
            }
            var ended: [AuthSessionID] = []
            for member in members {
                for row in try db.rows(FederationTable.otherSessions, member.user, tenant, "sso:\(id)") {
                    let session: AuthSessionID = try row.id(0)
                    guard try !db.rows(FederationTable.endSession, session, act.now, SessionEnd.ssoRequired.rawValue).isEmpty else {
                        continue
                    }
                    try identity.journal(
                        "session.ended", "session:\(session)", .success,
                        ["user": .string(member.user.description), "reason": .string(SessionEnd.ssoRequired.rawValue)], tenant: tenant,
                        in: db,
                        act)
                    ended.append(session)
                }
            }
            return Changed(ended.count, sessions: ended)
        }
    }

    package func release(in tenant: TenantID, _ act: Act) async throws {
        try await store.tenant(tenant) { db in
            guard let row = try db.rows(FederationTable.releaseSSO).first else { return }
            let id: ConnectionID = try row.id(0)
            try db.journal(JournalEntry("sso.not_required", subject: "connection:\(id)", details: [:]), act)
        }
    }

    package func requirement(of tenant: TenantID) async throws -> ConnectionID? {
        try await store.tenantRead(tenant) { db in try db.row(FederationTable.ssoRule)?.id(0) }
    }
}
