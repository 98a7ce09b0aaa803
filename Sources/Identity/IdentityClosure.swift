import Store
import Tenancy
import Vocabulary

extension Identity {
    private static let leaving = KernelReason("identity.end_sessions_of_leaving_tenant")
    private static let forgetting = KernelReason("identity.forget_connections")

    /// Sessions of a tenant that leaves end, but for its owners', which can do nothing but see it through. Its API keys open nothing while
    /// it leaves, and open again if it comes back. A purge takes people along who belong nowhere else.
    package func closure(erasing: @escaping @Sendable (UserID, Act) async throws -> Void) -> RoomClosure {
        RoomClosure(
            "identity", store: store,
            rows: [
                TenantRows("invitation_all", by: "invitation_id"), TenantRows("sso_rule_all", by: "connection_id"),
                TenantRows("factor_rule_all", by: "tenant_id"), TenantRows("domain_directory", by: "domain"),
                TenantRows("connection_directory", by: "connection_id"), TenantRows("identity_domain_all", by: "domain"),
                TenantRows("identity_connection_all", by: "connection_id"), TenantRows("api_key", by: "key_id"),
                TenantRows("impersonation", by: "session_id"), TenantRows("sign_in_step", by: "step_digest"),
                TenantRows("auth_session", by: "session_id"),
            ],
            revoking: { [self] tenant, act in try await endSessions(leaving: tenant, act) },
            clearing: { [self] tenant, act in
                let people = try await tenancy.everybody(of: tenant)
                for person in people where try await belongs(person, onlyTo: tenant) { try await erasing(person, act) }
                try await store.kernel(Self.forgetting, .flushed) { db in
                    for row in try db.rows(ErasureTable.connections, tenant) {
                        let id: ConnectionID = try row.id(0)
                        for name in [id.description, id.description.replacing("-", with: "")] { try db.run(ErasureTable.dropLinks, name) }
                    }
                    for person in people {
                        let others = try tenancy.routes(of: person, in: db).filter { $0 != tenant }
                        if let home = others.first { try db.run(ErasureTable.rehome, person, tenant, home) }
                    }
                }
                standings.forgetAll()
                return []
            })
    }

    private func endSessions(leaving tenant: TenantID, _ act: Act) async throws {
        let owners = Set(try await tenancy.owners(of: tenant))
        for person in try await tenancy.everybody(of: tenant) where !owners.contains(person) {
            try await endSessions(of: person, in: tenant, act)
        }
        standings.forgetAll()
    }

    /// Staff stay: theirs is the platform.
    private func belongs(_ person: UserID, onlyTo tenant: TenantID) async throws -> Bool {
        try await store.kernelRead(Self.forgetting) { db in
            guard let account = try account(person, in: db), account.platformRole == nil else { return false }
            return try tenancy.routes(of: person, in: db).allSatisfy { $0 == tenant }
        }
    }
}

/// Erases a person: rows that prove or say who it was go, what must refer to the person refers to a bare id, and the key under which
/// personal fields were sealed is destroyed, wherever copies of those fields lie.
package struct IdentityErasure: PersonErasure {
    private static let erasing = KernelReason("identity.erase_person")
    let identity: Identity
    package let name = "identity"
    package init(_ identity: Identity) { self.identity = identity }

    package func erase(_ person: UserID, _ act: Act) async throws -> [ClosureRemainder] {
        let noMail = identity.vault.entropy.bytes(32)
        try await identity.change(Self.erasing) { [identity] db in
            guard let account = try identity.account(person, in: db), account.status != .erased else { return Changed(()) }
            let digest = try db.row(ErasureTable.mailDigest, person)?.blob(0) ?? []
            for statement in ErasureTable.ofPerson { try db.run(statement, person) }
            for statement in ErasureTable.ofAddress { try db.run(statement, digest) }
            try identity.tenancy.forgetMail(of: person, in: db, act)
            try db.run(ErasureTable.blank, person, noMail, [UInt8](), act.now)
            try identity.journal("user.erased", "user:\(person)", tenant: account.homeTenant, in: db, act)
            return Changed((), users: [person])
        }
        identity.standings.forgetAll()
        identity.tenancy.forgetAll()
        // After the commit: whoever dies before it finds the fields still readable and begins again.
        try identity.vault.sealer.destroy(person: person)
        return [
            ClosureRemainder(
                what: "the bare id of the account, in memberships that ended, seat history and audit log",
                why: "the audit log is kept as the law and its retention ask; nothing says any more who the id was", until: nil)
        ]
    }
}

/// What goes with a person, and with a tenant's connections. Kernel scope.
enum ErasureTable {
    static let mailDigest = SQL("identity.erased_mail_digest", "SELECT mail_digest FROM user_account WHERE user_id = $1")
    /// Dependants before the sessions and the account that they refer to.
    static let ofPerson = [
        "password_credential", "account_closing", "processing_restriction", "link_token", "known_network", "api_key", "identity_link",
        "pending_link", "impersonation", "totp_factor",
        "totp_enrolment", "recovery_code", "passkey", "sign_in_step", "auth_session",
    ].map { SQL("identity.erase_\($0)", "DELETE FROM \($0) WHERE user_id = $1") }
    static let ofAddress = [
        SQL("identity.erase_login_guard", "DELETE FROM login_guard WHERE account_digest = $1"),
        SQL("identity.erase_login_pressure", "DELETE FROM login_pressure WHERE account_digest = $1"),
        SQL("identity.erase_invitations", "DELETE FROM invitation_all WHERE mail_digest = $1"),
    ]
    /// The row stands for what must refer to it; nobody ever has its address again.
    static let blank = SQL(
        "identity.blank_account",
        """
        UPDATE user_account SET status = 'erased', mail_digest = $2, mail_box = $3, first_name_box = $3, last_name_box = $3,
            platform_role = NULL, chosen_tier = NULL, changed_at = $4
        WHERE user_id = $1
        """)
    static let rehome = SQL(
        "identity.rehome_account", "UPDATE user_account SET home_tenant_id = $3 WHERE user_id = $1 AND home_tenant_id = $2")
    static let connections = SQL(
        "identity.connections_of_leaving_tenant", "SELECT connection_id FROM identity_connection_all WHERE tenant_id = $1")
    static let dropLinks = SQL("identity.drop_links_of_connection", "DELETE FROM identity_link WHERE connection = $1")
}
