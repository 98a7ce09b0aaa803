import Store

/// Every statement about sessions and withdrawn tokens. Kernel scope.
enum SessionTable {
    static let insert = SQL(
        "identity.insert_session",
        """
        INSERT INTO auth_session
            (session_id, user_id, tenant_id, kind, status, generation, secret_digest, previous_digest, rotated_at, expires_at, device_box,
             address_box, factor, assertion, provider_key, decision_id, created_at, last_used_at, revoked_at, revoked_because)
        VALUES ($1, $2, $3, $4, 'active', 0, $5, NULL, NULL, $6, $7, $8, $9, $10, $11, $12, $13, $13, NULL, NULL)
        """)
    static let chain = SQL(
        "identity.session_chain",
        """
        SELECT user_id, tenant_id, status, generation, secret_digest, previous_digest, rotated_at, expires_at FROM auth_session
        WHERE session_id = $1 AND kind = 'token'
        """)
    static let rotate = SQL(
        "identity.rotate_session",
        """
        UPDATE auth_session SET generation = $2, secret_digest = $3, previous_digest = $4, rotated_at = $5, last_used_at = $5
        WHERE session_id = $1 AND status = 'active' AND generation = $2 - 1 RETURNING session_id
        """)
    static let standing = SQL(
        "identity.session_standing",
        """
        SELECT s.user_id, s.tenant_id, s.kind, s.status, s.secret_digest, s.expires_at, s.last_used_at, s.factor, f.proved_at, f.is_demanded,
            s.created_at
        FROM auth_session s LEFT JOIN session_factor f ON f.session_id = s.session_id WHERE s.session_id = $1
        """)
    static let listed = SQL(
        "identity.sessions_of_user",
        """
        SELECT session_id, tenant_id, kind, factor, device_box, address_box, created_at, last_used_at, expires_at FROM auth_session
        WHERE user_id = $1 AND status = 'active' AND expires_at > $2 ORDER BY last_used_at DESC, session_id LIMIT 200
        """)
    static let touch = SQL(
        "identity.touch_session",
        "UPDATE auth_session SET last_used_at = $2 WHERE session_id = $1 AND status = 'active' AND last_used_at < $2 RETURNING session_id")
    static let place = SQL(
        "identity.place_session", "UPDATE auth_session SET tenant_id = $2 WHERE session_id = $1 AND status = 'active' RETURNING session_id")
    static let revoke = SQL(
        "identity.revoke_session",
        """
        UPDATE auth_session SET status = 'revoked', revoked_at = $3, revoked_because = $4
        WHERE session_id = $1 AND user_id = $2 AND status = 'active' RETURNING session_id
        """)
    static let revokeOthers = SQL(
        "identity.revoke_other_sessions",
        """
        UPDATE auth_session SET status = 'revoked', revoked_at = $3, revoked_because = $4
        WHERE user_id = $1 AND status = 'active' AND session_id <> $2 RETURNING session_id
        """)
    static let revokeAll = SQL(
        "identity.revoke_all_sessions",
        """
        UPDATE auth_session SET status = 'revoked', revoked_at = $2, revoked_because = $3
        WHERE user_id = $1 AND status = 'active' RETURNING session_id
        """)
    /// Some of all that are open.
    static let endSome = SQL(
        "identity.end_some_sessions",
        """
        UPDATE auth_session SET status = 'revoked', revoked_at = $1, revoked_because = $2
        WHERE session_id IN (SELECT session_id FROM auth_session WHERE status = 'active' LIMIT $3) RETURNING session_id
        """)
    /// Those that speak for one tenant, ended ones too.
    static let ofTenant = SQL(
        "identity.sessions_of_user_for_tenant",
        """
        SELECT session_id, status, expires_at, revoked_at FROM auth_session
        WHERE user_id = $1 AND tenant_id = $2 ORDER BY session_id DESC LIMIT 1000
        """)
    static let sweep = SQL(
        "identity.sweep_sessions",
        """
        DELETE FROM auth_session WHERE session_id IN (
            SELECT session_id FROM auth_session WHERE created_at < $1 AND (expires_at < $1 OR revoked_at < $1)
                AND \(TenantKeep.unheld("auth_session")) LIMIT $2)
        RETURNING session_id
        """)

    static let withdrawToken = SQL("identity.withdraw_token", "INSERT INTO revoked_token (token_id, expires_at) VALUES ($1, $2)")
    static let withdrawn = SQL("identity.withdrawn_token", "SELECT expires_at FROM revoked_token WHERE token_id = $1")
    static let sweepTokens = SQL(
        "identity.sweep_tokens",
        """
        DELETE FROM revoked_token WHERE token_id IN (SELECT token_id FROM revoked_token WHERE expires_at < $1 LIMIT $2)
        RETURNING token_id
        """)
}
