import Store

/// Every statement about identity providers. Unsuffixed names run in tenant scope, the rest in kernel scope.
enum FederationTable {
    private static let columns =
        "connection_id, plugin, label, state, settings_box, secrets_box, admits, default_role, role_map, version, tested_version, tested_at, created_at"
    static let insertConnection = SQL(
        "identity.insert_connection",
        """
        INSERT INTO identity_connection
            (tenant_id, connection_id, plugin, label, state, settings_box, secrets_box, admits, default_role, role_map, version,
             tested_version, tested_at, created_at, changed_at)
        VALUES ($1, $2, $3, $4, 'draft', $5, $6, $7, $8, $9, 1, NULL, NULL, $10, $10)
        """)
    static let connections = SQL("identity.connections", "SELECT \(columns) FROM identity_connection ORDER BY connection_id")
    static let connection = SQL("identity.connection", "SELECT \(columns) FROM identity_connection WHERE connection_id = $1")
    static let writeConnection = SQL(
        "identity.write_connection",
        """
        UPDATE identity_connection SET label = $2, state = $3, settings_box = $4, secrets_box = $5, admits = $6, default_role = $7,
            role_map = $8, version = $9, tested_version = $10, tested_at = $11, changed_at = $12
        WHERE connection_id = $1 RETURNING connection_id
        """)
    static let dropConnection = SQL(
        "identity.drop_connection", "DELETE FROM identity_connection WHERE connection_id = $1 RETURNING connection_id")
    /// In kernel scope: by the address that a browser is sent to.
    static let connectionOf = SQL(
        "identity.connection_of", "SELECT \(columns) FROM identity_connection_all WHERE tenant_id = $1 AND connection_id = $2")

    static let routeConnection = SQL(
        "identity.route_connection", "INSERT INTO connection_directory (connection_id, tenant_id) VALUES ($1, $2)")
    static let tenantOfConnection = SQL(
        "identity.tenant_of_connection", "SELECT tenant_id FROM connection_directory WHERE connection_id = $1")
    static let unrouteConnection = SQL(
        "identity.unroute_connection", "DELETE FROM connection_directory WHERE connection_id = $1 RETURNING tenant_id")

    static let insertDomain = SQL(
        "identity.insert_domain",
        "INSERT INTO identity_domain (tenant_id, domain, challenge, verified_at, created_at) VALUES ($1, $2, $3, NULL, $4)")
    static let domains = SQL("identity.domains", "SELECT domain, challenge, verified_at FROM identity_domain ORDER BY domain")
    static let domain = SQL("identity.domain", "SELECT domain, challenge, verified_at FROM identity_domain WHERE domain = $1")
    static let verifyDomain = SQL(
        "identity.verify_domain", "UPDATE identity_domain SET verified_at = $2 WHERE domain = $1 RETURNING domain")
    static let dropDomain = SQL("identity.drop_domain", "DELETE FROM identity_domain WHERE domain = $1 RETURNING domain")
    static let claimDomain = SQL("identity.claim_domain", "INSERT INTO domain_directory (domain, tenant_id) VALUES ($1, $2)")
    static let holderOf = SQL("identity.domain_holder", "SELECT tenant_id FROM domain_directory WHERE domain = $1")
    static let releaseDomain = SQL(
        "identity.release_domain", "DELETE FROM domain_directory WHERE domain = $1 AND tenant_id = $2 RETURNING domain")

    static let requireSSO = SQL(
        "identity.require_sso", "INSERT INTO sso_rule (tenant_id, connection_id, required_at) VALUES ($1, $2, $3)")
    static let releaseSSO = SQL("identity.release_sso", "DELETE FROM sso_rule RETURNING connection_id")
    static let ssoRule = SQL("identity.sso_rule", "SELECT connection_id, required_at FROM sso_rule")
    static let ssoRuleOf = SQL("identity.sso_rule_of", "SELECT connection_id, required_at FROM sso_rule_all WHERE tenant_id = $1")
    /// What an active session of this person in this tenant came by, where that is not `$3`.
    static let otherSessions = SQL(
        "identity.sessions_not_by",
        "SELECT session_id FROM auth_session WHERE user_id = $1 AND status = 'active' AND tenant_id = $2 AND substr(factor, 1, 40) <> $3")
    static let endSession = SQL(
        "identity.end_session_by_id",
        """
        UPDATE auth_session SET status = 'revoked', revoked_at = $2, revoked_because = $3 WHERE session_id = $1 AND status = 'active'
        RETURNING user_id, tenant_id
        """)

    static let insertFlow = SQL(
        "identity.insert_flow",
        "INSERT INTO sign_in_flow (state_digest, browser_digest, box, created_at, expires_at, used_at) VALUES ($1, $2, $3, $4, $5, NULL)")
    /// One step: of two racing returns one gets the row; another browser gets none and uses nothing up.
    static let useFlow = SQL(
        "identity.use_flow",
        """
        UPDATE sign_in_flow SET used_at = $3 WHERE state_digest = $1 AND browser_digest = $2 AND used_at IS NULL AND expires_at > $3
        RETURNING box
        """)
    static let sweepFlows = SQL(
        "identity.sweep_flows",
        """
        DELETE FROM sign_in_flow WHERE state_digest IN (SELECT state_digest FROM sign_in_flow WHERE expires_at < $1 LIMIT $2)
        RETURNING state_digest
        """)

    static let linked = SQL("identity.linked", "SELECT user_id FROM identity_link WHERE link_digest = $1")
    static let insertLink = SQL(
        "identity.insert_identity_link",
        """
        INSERT INTO identity_link (link_digest, user_id, link_id, plugin, connection, label, created_at, last_used_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
        """)
    static let useLink = SQL(
        "identity.use_identity_link", "UPDATE identity_link SET last_used_at = $2 WHERE link_digest = $1 RETURNING user_id")
    static let linksOf = SQL(
        "identity.links_of_user",
        "SELECT link_id, label, created_at, last_used_at FROM identity_link WHERE user_id = $1 ORDER BY created_at LIMIT 100")
    static let dropLink = SQL(
        "identity.drop_identity_link", "DELETE FROM identity_link WHERE user_id = $1 AND link_id = $2 RETURNING label")
    static let insertPending = SQL(
        "identity.insert_pending_link",
        """
        INSERT INTO pending_link (token_digest, link_digest, user_id, plugin, connection, label, created_at, expires_at, used_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL)
        """)
    static let countPending = SQL(
        "identity.count_pending_links", "SELECT count(*) FROM pending_link WHERE user_id = $1 AND created_at > $2")
    static let usePending = SQL(
        "identity.use_pending_link",
        """
        UPDATE pending_link SET used_at = $2 WHERE token_digest = $1 AND used_at IS NULL AND expires_at > $2
        RETURNING link_digest, user_id, plugin, connection, label
        """)
    static let sweepPending = SQL(
        "identity.sweep_pending_links",
        """
        DELETE FROM pending_link WHERE token_digest IN (SELECT token_digest FROM pending_link WHERE expires_at < $1 LIMIT $2)
        RETURNING token_digest
        """)

    static let insertGrant = SQL(
        "identity.insert_device_grant",
        """
        INSERT INTO device_grant
            (device_digest, code_digest, label, state, interval_seconds, polled_at, session_id, created_at, expires_at)
        VALUES ($1, $2, $3, 'pending', $4, NULL, NULL, $5, $6)
        """)
    static let grantByCode = SQL(
        "identity.device_grant_by_code",
        "SELECT label, state, created_at FROM device_grant WHERE code_digest = $1 AND state = 'pending' AND expires_at > $2")
    static let answerGrant = SQL(
        "identity.answer_device_grant",
        """
        UPDATE device_grant SET state = $2, session_id = $3 WHERE code_digest = $1 AND state = 'pending' AND expires_at > $4
        RETURNING label
        """)
    static let grant = SQL(
        "identity.device_grant",
        "SELECT state, interval_seconds, polled_at, session_id, expires_at, label FROM device_grant WHERE device_digest = $1")
    static let pollGrant = SQL(
        "identity.poll_device_grant",
        "UPDATE device_grant SET polled_at = $2, interval_seconds = $3 WHERE device_digest = $1 RETURNING device_digest")
    static let spendGrant = SQL(
        "identity.spend_device_grant",
        "UPDATE device_grant SET state = 'spent' WHERE device_digest = $1 AND state = 'approved' RETURNING session_id")
    static let sweepGrants = SQL(
        "identity.sweep_device_grants",
        """
        DELETE FROM device_grant WHERE device_digest IN (SELECT device_digest FROM device_grant WHERE expires_at < $1 LIMIT $2)
        RETURNING device_digest
        """)

    /// What a session was proved by.
    static let provenance = SQL(
        "identity.session_provenance",
        """
        SELECT user_id, tenant_id, status, expires_at, factor, assertion, provider_key, decision_id FROM auth_session WHERE session_id = $1
        """)
    static let issuedBy = SQL(
        "identity.sessions_issued_by",
        """
        SELECT session_id, user_id, tenant_id, factor, status, created_at, last_used_at, assertion FROM auth_session
        WHERE provider_key = $1 AND created_at >= $2 AND created_at < $3 ORDER BY created_at, session_id LIMIT $4
        """)
    static let deeds = SQL(
        "identity.deeds_of_session",
        """
        SELECT at, action, subject, outcome FROM journal_entry_all
        WHERE tenant_id = $1 AND at >= $2 AND at < $3 AND actor = $4 ORDER BY at, seq LIMIT $5
        """)
}
