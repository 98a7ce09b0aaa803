import Store

/// Every statement about second factors. Kernel scope, but for a tenant's rule.
enum FactorTable {
    static let totp = SQL("identity.totp_factor", "SELECT secret_box, last_step, created_at FROM totp_factor WHERE user_id = $1")
    static let insertTOTP = SQL(
        "identity.insert_totp_factor",
        "INSERT INTO totp_factor (user_id, secret_box, last_step, created_at) VALUES ($1, $2, $3, $4)")
    /// Of two racing codes of one step one gets the row.
    static let spendStep = SQL(
        "identity.spend_totp_step", "UPDATE totp_factor SET last_step = $2 WHERE user_id = $1 AND last_step < $2 RETURNING last_step")
    static let dropTOTP = SQL("identity.drop_totp_factor", "DELETE FROM totp_factor WHERE user_id = $1 RETURNING user_id")
    static let enrol = SQL(
        "identity.enrol_totp",
        """
        INSERT INTO totp_enrolment (user_id, session_id, secret_box, expires_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (user_id) DO UPDATE SET session_id = $2, secret_box = $3, expires_at = $4
        """)
    static let enrolment = SQL(
        "identity.totp_enrolment", "SELECT secret_box FROM totp_enrolment WHERE user_id = $1 AND session_id = $2 AND expires_at > $3")
    static let dropEnrolment = SQL("identity.drop_totp_enrolment", "DELETE FROM totp_enrolment WHERE user_id = $1 RETURNING user_id")

    static let insertCode = SQL(
        "identity.insert_recovery_code", "INSERT INTO recovery_code (code_digest, user_id, created_at, used_at) VALUES ($1, $2, $3, NULL)")
    static let useCode = SQL(
        "identity.use_recovery_code",
        "UPDATE recovery_code SET used_at = $3 WHERE code_digest = $1 AND user_id = $2 AND used_at IS NULL RETURNING user_id")
    static let countCodes = SQL(
        "identity.count_recovery_codes", "SELECT count(*) FROM recovery_code WHERE user_id = $1 AND used_at IS NULL")
    static let dropCodes = SQL("identity.drop_recovery_codes", "DELETE FROM recovery_code WHERE user_id = $1 RETURNING user_id")

    private static let passkey =
        "credential_digest, passkey_id, user_id, credential_id, algorithm, public_key, sign_count, label_box, is_suspect, created_at, last_used_at"
    static let insertPasskey = SQL(
        "identity.insert_passkey", "INSERT INTO passkey (\(passkey)) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, NULL)")
    static let passkeyOf = SQL("identity.passkey", "SELECT \(passkey) FROM passkey WHERE credential_digest = $1")
    static let passkeys = SQL(
        "identity.passkeys_of_user", "SELECT \(passkey) FROM passkey WHERE user_id = $1 ORDER BY created_at LIMIT 100")
    static let usePasskey = SQL(
        "identity.use_passkey",
        "UPDATE passkey SET sign_count = $2, last_used_at = $3 WHERE credential_digest = $1 AND is_suspect = 0 RETURNING user_id")
    static let suspectPasskey = SQL(
        "identity.suspect_passkey", "UPDATE passkey SET is_suspect = 1 WHERE credential_digest = $1 AND is_suspect = 0 RETURNING user_id")
    static let dropPasskey = SQL(
        "identity.drop_passkey", "DELETE FROM passkey WHERE passkey_id = $1 AND user_id = $2 RETURNING passkey_id")
    static let dropPasskeys = SQL("identity.drop_passkeys", "DELETE FROM passkey WHERE user_id = $1 RETURNING passkey_id")

    static let spent = SQL("identity.spent_challenge", "SELECT 1 FROM spent_challenge WHERE challenge_digest = $1")
    static let spend = SQL(
        "identity.spend_challenge", "INSERT INTO spent_challenge (challenge_digest, expires_at) VALUES ($1, $2)")

    static let insertStep = SQL(
        "identity.insert_sign_in_step",
        """
        INSERT INTO sign_in_step (step_digest, user_id, tenant_id, kind, credential_version, factor, assertion, provider_key, decision_id,
            at_most_seconds, created_at, expires_at, used_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, NULL)
        """)
    static let step = SQL(
        "identity.sign_in_step",
        """
        SELECT user_id, tenant_id, kind, credential_version, factor, assertion, provider_key, decision_id, at_most_seconds FROM sign_in_step
        WHERE step_digest = $1 AND used_at IS NULL AND expires_at > $2
        """)
    static let useStep = SQL(
        "identity.use_sign_in_step",
        "UPDATE sign_in_step SET used_at = $2 WHERE step_digest = $1 AND used_at IS NULL RETURNING step_digest")

    static let prove = SQL(
        "identity.prove_session_factor",
        """
        INSERT INTO session_factor (session_id, proved_at, is_demanded) VALUES ($1, $2, 0)
        ON CONFLICT (session_id) DO UPDATE SET proved_at = $2, is_demanded = 0
        """)
    static let demand = SQL(
        "identity.demand_session_factor", "INSERT INTO session_factor (session_id, proved_at, is_demanded) VALUES ($1, NULL, 1)")
    /// What one session proved goes over to another.
    static let inherit = SQL(
        "identity.inherit_session_factor",
        """
        INSERT INTO session_factor (session_id, proved_at, is_demanded)
        SELECT $2, proved_at, is_demanded FROM session_factor WHERE session_id = $1
        """)

    static let rule = SQL("identity.factor_rule", "SELECT enforced_from, set_at FROM factor_rule")
    static let ruleOf = SQL("identity.factor_rule_of", "SELECT enforced_from, set_at FROM factor_rule_all WHERE tenant_id = $1")
    static let insertRule = SQL(
        "identity.insert_factor_rule", "INSERT INTO factor_rule (tenant_id, enforced_from, set_at) VALUES ($1, $2, $3)")
    static let dropRule = SQL("identity.drop_factor_rule", "DELETE FROM factor_rule RETURNING enforced_from")

    /// A passkey under suspicion counts: to be without a second factor, the person must say so.
    static let count = SQL(
        "identity.count_factors",
        "SELECT (SELECT count(*) FROM totp_factor WHERE user_id = $1) + (SELECT count(*) FROM passkey WHERE user_id = $1)")

    private static func sweep(_ name: String, _ table: String, _ key: String) -> SQL {
        SQL(
            "identity.sweep_\(name)",
            "DELETE FROM \(table) WHERE \(key) IN (SELECT \(key) FROM \(table) WHERE expires_at < $1 LIMIT $2) RETURNING \(key)")
    }
    static let sweepChallenges = sweep("challenges", "spent_challenge", "challenge_digest")
    static let sweepSteps = sweep("sign_in_steps", "sign_in_step", "step_digest")
    static let sweepEnrolments = sweep("enrolments", "totp_enrolment", "user_id")
}
