-- Second factors of people, and which sessions proved one. Kernel tables, but for a tenant's rule.

-- The secret of an authenticator app, confirmed by a first code.
CREATE TABLE totp_factor (
    user_id BLOB NOT NULL REFERENCES user_account (user_id),
    secret_box BLOB NOT NULL,
    -- The last 30-second step whose code was taken: it and those before it are spent.
    last_step INTEGER NOT NULL CHECK (last_step >= 0),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id)
) STRICT, WITHOUT ROWID;

-- One that is being set up, in one session.
CREATE TABLE totp_enrolment (
    user_id BLOB NOT NULL REFERENCES user_account (user_id),
    session_id BLOB NOT NULL CHECK (length(session_id) = 16),
    secret_box BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX totp_enrolment_expiry ON totp_enrolment (expires_at);

-- 80 random bits each, as keyed digests.
CREATE TABLE recovery_code (
    code_digest BLOB NOT NULL CHECK (length(code_digest) = 32),
    user_id BLOB NOT NULL REFERENCES user_account (user_id),
    created_at INTEGER NOT NULL,
    used_at INTEGER,
    PRIMARY KEY (code_digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX recovery_code_of_user ON recovery_code (user_id, used_at);

-- Passkeys (WebAuthn). The credential's id is unique among all people.
CREATE TABLE passkey (
    credential_digest BLOB NOT NULL CHECK (length(credential_digest) = 32),
    passkey_id BLOB NOT NULL CHECK (length(passkey_id) = 16),
    user_id BLOB NOT NULL REFERENCES user_account (user_id),
    credential_id BLOB NOT NULL CHECK (length(credential_id) BETWEEN 1 AND 1023),
    algorithm TEXT NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA', 'RS256')),
    -- A JWK.
    public_key TEXT NOT NULL CHECK (length(public_key) BETWEEN 10 AND 4000),
    sign_count INTEGER NOT NULL CHECK (sign_count BETWEEN 0 AND 4294967295),
    -- What the person calls it.
    label_box BLOB NOT NULL,
    -- The counter went back: somebody may hold a copy. It proves nothing any more.
    is_suspect INTEGER NOT NULL CHECK (is_suspect IN (0, 1)),
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    PRIMARY KEY (credential_digest),
    UNIQUE (passkey_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX passkey_of_user ON passkey (user_id, created_at);

-- Challenges that were answered, until they would have run out: each is good for one answer.
CREATE TABLE spent_challenge (
    challenge_digest BLOB NOT NULL CHECK (length(challenge_digest) = 32),
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (challenge_digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_challenge_expiry ON spent_challenge (expires_at);

-- A sign-in whose first step was proved and whose second is due, by the digest of its token.
CREATE TABLE sign_in_step (
    step_digest BLOB NOT NULL CHECK (length(step_digest) = 32),
    user_id BLOB NOT NULL REFERENCES user_account (user_id),
    -- Of a tenant's own provider; else the person's own place is looked up at the end.
    tenant_id BLOB CHECK (length(tenant_id) = 16),
    kind TEXT NOT NULL CHECK (kind IN ('token', 'page')),
    -- The password that was proved; null where none was.
    credential_version INTEGER,
    factor TEXT NOT NULL CHECK (length(factor) BETWEEN 1 AND 50),
    assertion BLOB,
    provider_key TEXT,
    decision_id BLOB,
    at_most_seconds INTEGER,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    PRIMARY KEY (step_digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_step_expiry ON sign_in_step (expires_at);

-- Sessions that proved two factors, and when last; those of which a policy demands it. A session without a row proved one.
CREATE TABLE session_factor (
    session_id BLOB NOT NULL REFERENCES auth_session (session_id) ON DELETE CASCADE,
    proved_at INTEGER,
    is_demanded INTEGER NOT NULL CHECK (is_demanded IN (0, 1)),
    PRIMARY KEY (session_id)
) STRICT, WITHOUT ROWID;

-- A tenant that requires two factors of its members.
CREATE TABLE factor_rule_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    -- Until then a member with one factor is asked, and let on.
    enforced_from INTEGER NOT NULL,
    set_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id)
) STRICT, WITHOUT ROWID;
