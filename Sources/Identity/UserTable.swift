import Store

/// Every statement about people, their passwords and their links. Kernel scope.
enum UserTable {
    private static let columns = """
        user_id, mail_box, first_name_box, last_name_box, status, platform_role, home_tenant_id, chosen_tier, verified_at, created_at
        """
    static let insertUser = SQL(
        "identity.insert_user",
        """
        INSERT INTO user_account
            (user_id, region, mail_digest, mail_box, first_name_box, last_name_box, status, platform_role, home_tenant_id, chosen_tier,
             is_pilot, verified_at, decision_id, created_at, changed_at)
        VALUES ($1, $2, $3, $4, $5, $6, 'active', $7, $8, $9, $10, $11, $12, $13, $13)
        """)
    static let user = SQL("identity.user", "SELECT \(columns) FROM user_account WHERE user_id = $1")
    static let platformPeople = SQL(
        "identity.platform_people",
        "SELECT user_id FROM user_account WHERE platform_role IS NOT NULL AND status = 'active' ORDER BY user_id LIMIT 10000")
    static let standing = SQL(
        "identity.user_standing",
        """
        SELECT status, platform_role, home_tenant_id, created_at, (SELECT count(*) FROM totp_factor WHERE user_id = $1)
            + (SELECT count(*) FROM passkey WHERE user_id = $1) FROM user_account WHERE user_id = $1
        """)
    static let pilots = SQL(
        "identity.count_pilots",
        "SELECT count(*) FROM user_account WHERE is_pilot = 1 AND (verified_at IS NOT NULL OR created_at > $1)")
    static let withPlatformRole = SQL(
        "identity.users_with_platform_role",
        "SELECT user_id FROM user_account WHERE platform_role IS NOT NULL AND status = 'active' ORDER BY user_id")
    static let anyAdministrator = SQL(
        "identity.any_administrator", "SELECT 1 FROM user_account WHERE platform_role = 'platform_admin' LIMIT 1")
    static let verify = SQL(
        "identity.verify_user",
        "UPDATE user_account SET verified_at = $2, changed_at = $2 WHERE user_id = $1 AND verified_at IS NULL RETURNING home_tenant_id, chosen_tier"
    )
    static let rename = SQL(
        "identity.rename_user",
        "UPDATE user_account SET first_name_box = $2, last_name_box = $3, changed_at = $4 WHERE user_id = $1 AND status = 'active' RETURNING user_id"
    )
    static let deactivate = SQL(
        "identity.deactivate_user",
        "UPDATE user_account SET status = 'deactivated', changed_at = $2 WHERE user_id = $1 AND status = 'active' RETURNING user_id")

    static let credential = SQL("identity.credential", "SELECT encoded, version FROM password_credential WHERE user_id = $1")
    static let insertCredential = SQL(
        "identity.insert_credential", "INSERT INTO password_credential (user_id, encoded, version, set_at) VALUES ($1, $2, 1, $3)")
    /// Only over the version that was checked.
    static let replaceCredential = SQL(
        "identity.replace_credential",
        "UPDATE password_credential SET encoded = $2, version = version + 1, set_at = $3 WHERE user_id = $1 AND version = $4 RETURNING version"
    )
    /// The same password under today's parameters: not a change, so the version stays.
    static let rehashCredential = SQL(
        "identity.rehash_credential", "UPDATE password_credential SET encoded = $2 WHERE user_id = $1 AND version = $3 RETURNING version")

    static let insertLink = SQL(
        "identity.insert_link",
        "INSERT INTO link_token (token_digest, purpose, user_id, created_at, expires_at, used_at) VALUES ($1, $2, $3, $4, $5, NULL)")
    /// One step: of two racing uses one gets the row.
    static let useLink = SQL(
        "identity.use_link",
        """
        UPDATE link_token SET used_at = $3 WHERE token_digest = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3
        RETURNING user_id
        """)
    static let peekLink = SQL(
        "identity.peek_link",
        "SELECT user_id FROM link_token WHERE token_digest = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3")
    static let countLinks = SQL(
        "identity.count_links", "SELECT count(*) FROM link_token WHERE user_id = $1 AND purpose = $2 AND created_at > $3")
    /// Spends what is still open.
    static let spendLinks = SQL(
        "identity.spend_links", "UPDATE link_token SET used_at = $3 WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL")
    static let dropAdministratorLinks = SQL(
        "identity.drop_administrator_links", "DELETE FROM link_token WHERE purpose = 'first_administrator'")
    static let sweepLinks = SQL(
        "identity.sweep_links",
        """
        DELETE FROM link_token WHERE token_digest IN (SELECT token_digest FROM link_token WHERE expires_at < $1 LIMIT $2)
        RETURNING token_digest
        """)
}
