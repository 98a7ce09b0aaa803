import Store
import Vocabulary

/// What the room keeps, and how long.
package enum IdentityRetention {
    private static let sweep = RetentionJob("identity.sweep", every: .hours(1))
    /// Of a row that names its own end.
    private static func end(_ why: String) -> RetentionDuty {
        RetentionDuty(.security, why, from: "the end that it was given", clock: "expires_at", .moment)
    }
    private static func secret(_ name: String, _ summary: String, _ tables: [String], by key: String, _ why: String) -> RetentionKind {
        RetentionKind(
            name, summary, .person, tables: tables, [end(why)], end: .deleted, job: sweep,
            probe: RetentionProbe(tables[0], .ofPlatform, by: key, .digest))
    }

    package static let kinds = people + signIns + tenants

    private static let people = [
        RetentionKind(
            "accounts", "A person's account: sealed name and address, factors, links to providers", .person,
            tables: [
                "user_account", "password_credential", "totp_factor", "recovery_code", "passkey", "identity_link", "account_closing",
                "processing_restriction",
            ], [.lasting(.person, "the person signs in with it; the bare row stays, so that nobody gets its id")], end: .anonymised,
            probe: RetentionProbe("user_account", .ofPlatform, by: "user_id")),
        RetentionKind(
            "sessions", "Sessions that are over: when, from where and why they ended", .tenant,
            tables: ["auth_session", "session_factor", "impersonation"],
            [
                RetentionDuty(
                    .security, "a person and an auditor look back at sign-ins", from: "when it ended, or ran out",
                    clock: "CASE WHEN revoked_at < expires_at THEN revoked_at ELSE expires_at END",
                    .days(IdentitySettings.sessionRetentionDays))
            ], end: .deleted, job: sweep, probe: RetentionProbe("auth_session", .namesTenant, by: "session_id")),
        RetentionKind(
            "known_networks", "Networks from which a person signed in, as keyed hashes", .person, tables: ["known_network"],
            [
                RetentionDuty(
                    .security, "strangers' guesses do not slow the person down there", from: "the last sign-in from it",
                    clock: "proved_at", .days(IdentitySettings.knownNetworkDays))
            ], end: .deleted, job: sweep,
            probe: RetentionProbe("known_network", .ofPlatform, keys: [("user_id", .id), ("network_digest", .digest)])),
    ]

    private static let signIns = [
        RetentionKind(
            "withdrawn_tokens", "Access tokens that were withdrawn before their end", .platform, tables: ["revoked_token"],
            [end("a token that ran out needs no withdrawal")], end: .deleted, job: sweep,
            probe: RetentionProbe("revoked_token", .ofPlatform, by: "token_id")),
        RetentionKind(
            "failed_sign_ins", "Failed sign-ins of an account from a network, as keyed hashes", .platform, tables: ["login_guard"],
            [
                RetentionDuty(
                    .security, "guessing is slowed down and locked out", from: "the last failure", clock: "last_at",
                    .longest(ofSeconds: [IdentitySettings.failureMemorySeconds, IdentitySettings.lockSeconds]))
            ], end: .deleted, job: sweep,
            probe: RetentionProbe("login_guard", .ofPlatform, keys: [("account_digest", .digest), ("network_digest", .digest)])),
        RetentionKind(
            "sign_in_pressure", "How often an account was tried, as a keyed hash", .platform, tables: ["login_pressure"],
            [
                RetentionDuty(
                    .security, "guessing from many places is slowed down", from: "the first try of a row of them", clock: "since",
                    .longest(ofSeconds: [IdentitySettings.failureMemorySeconds, IdentitySettings.lockSeconds]))
            ], end: .deleted, job: sweep, probe: RetentionProbe("login_pressure", .ofPlatform, by: "account_digest", .digest)),
        secret(
            "mailed_links", "Links that were mailed: to verify, to reset", ["link_token"], by: "token_digest", "a link works for a time"),
        secret(
            "sign_in_flows", "A sign-in at another provider that is under way", ["sign_in_flow"], by: "state_digest", "it takes minutes"),
        secret("pending_links", "A provider's account that waits to be linked", ["pending_link"], by: "token_digest", "it takes minutes"),
        secret("device_grants", "A program that waits to be let in by code", ["device_grant"], by: "device_digest", "it takes minutes"),
        secret(
            "spent_challenges", "Challenges of passkeys that were answered", ["spent_challenge"], by: "challenge_digest",
            "none is taken twice"),
        secret("sign_in_steps", "A sign-in that waits for its second factor", ["sign_in_step"], by: "step_digest", "it takes minutes"),
        RetentionKind(
            "factor_enrolments", "A second factor that is being set up", .person, tables: ["totp_enrolment"],
            [end("it takes minutes")], end: .deleted, job: sweep, probe: RetentionProbe("totp_enrolment", .ofPlatform, by: "user_id")),
    ]

    private static let tenants = [
        RetentionKind(
            "invitations", "Who was invited, and what became of it; an address goes with its person", .tenant, tables: ["invitation_all"],
            [.lasting(.tenant, "owners see who was let in by whom")], end: .deleted,
            probe: RetentionProbe("invitation_all", by: "invitation_id")),
        RetentionKind(
            "api_keys", "API keys, by their hash; those that are over too", .tenant, tables: ["api_key"],
            [.lasting(.tenant, "owners see what had access, and until when")], end: .deleted,
            probe: RetentionProbe("api_key", .namesTenant, by: "key_id")),
        RetentionKind(
            "sign_in_rules", "A tenant's own providers, domains and rules of sign-in", .tenant,
            tables: [
                "identity_connection_all", "identity_domain_all", "sso_rule_all", "factor_rule_all", "domain_directory",
                "connection_directory",
            ], [.lasting(.tenant, "its members sign in by them")], end: .deleted,
            probe: RetentionProbe("identity_connection_all", by: "connection_id")),
    ]
}
