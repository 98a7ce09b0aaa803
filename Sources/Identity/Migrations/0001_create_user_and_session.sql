-- People, how they prove themselves, and their sessions. Kernel tables: a tenant sees memberships only.
-- Mail, names, devices and addresses are sealed under the person's own key; lookups go through keyed digests.

CREATE TABLE user_account (
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    region TEXT NOT NULL CHECK (region IN ('us', 'eu', 'apac')),
    mail_digest BLOB NOT NULL CHECK (length(mail_digest) = 32),
    mail_box BLOB NOT NULL,
    first_name_box BLOB NOT NULL,
    last_name_box BLOB NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'deactivated', 'erased')),
    platform_role TEXT CHECK (platform_role IN ('platform_admin', 'staff')),
    home_tenant_id BLOB NOT NULL CHECK (length(home_tenant_id) = 16),
    chosen_tier TEXT,
    is_pilot INTEGER NOT NULL CHECK (is_pilot IN (0, 1)),
    verified_at INTEGER,
    -- The decision that allowed the sign-up.
    decision_id BLOB,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (user_id),
    UNIQUE (mail_digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_account_pilot ON user_account (created_at) WHERE is_pilot = 1;
CREATE INDEX user_account_platform ON user_account (platform_role) WHERE platform_role IS NOT NULL;

CREATE TABLE password_credential (
    user_id BLOB NOT NULL REFERENCES user_account (user_id),
    -- Argon2id in PHC form over a keyed digest of the password.
    encoded TEXT NOT NULL,
    -- Grows with every change: a check that began under an older version proves nothing.
    version INTEGER NOT NULL CHECK (version >= 1),
    set_at INTEGER NOT NULL,
    PRIMARY KEY (user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE auth_session (
    session_id BLOB NOT NULL CHECK (length(session_id) = 16),
    user_id BLOB NOT NULL REFERENCES user_account (user_id),
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    kind TEXT NOT NULL CHECK (kind IN ('token', 'page')),
    status TEXT NOT NULL CHECK (status IN ('active', 'revoked')),
    generation INTEGER NOT NULL CHECK (generation >= 0),
    secret_digest BLOB NOT NULL CHECK (length(secret_digest) = 32),
    previous_digest BLOB CHECK (length(previous_digest) = 32),
    rotated_at INTEGER,
    -- The absolute cap: no rotation moves it.
    expires_at INTEGER NOT NULL,
    device_box BLOB,
    address_box BLOB,
    -- Provenance: how it was proved, by which assertion, whose key, which decision.
    factor TEXT NOT NULL CHECK (length(factor) BETWEEN 1 AND 64),
    assertion BLOB,
    provider_key TEXT,
    decision_id BLOB,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    revoked_at INTEGER,
    revoked_because TEXT,
    PRIMARY KEY (session_id),
    CHECK ((generation = 0) = (previous_digest IS NULL)),
    CHECK ((generation = 0) = (rotated_at IS NULL)),
    CHECK ((status = 'revoked') = (revoked_at IS NOT NULL)),
    CHECK ((revoked_at IS NULL) = (revoked_because IS NULL)),
    CHECK (kind = 'token' OR generation = 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX auth_session_of_user ON auth_session (user_id, status);
CREATE INDEX auth_session_provenance ON auth_session (provider_key, created_at) WHERE provider_key IS NOT NULL;
CREATE INDEX auth_session_created ON auth_session (created_at);

-- Access tokens withdrawn one by one, until they would have expired.
CREATE TABLE revoked_token (
    token_id BLOB NOT NULL CHECK (length(token_id) = 16),
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (token_id)
) STRICT, WITHOUT ROWID;

-- Single-use links, by the digest of their secret.
CREATE TABLE link_token (
    token_digest BLOB NOT NULL CHECK (length(token_digest) = 32),
    purpose TEXT NOT NULL CHECK (purpose IN ('verify_email', 'reset_password', 'first_administrator')),
    user_id BLOB REFERENCES user_account (user_id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    PRIMARY KEY (token_digest),
    CHECK ((purpose = 'first_administrator') = (user_id IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX link_token_of_user ON link_token (user_id, purpose, created_at);
CREATE INDEX link_token_expiry ON link_token (expires_at);

-- Guesses for one account from one network. An attempt is counted when it begins.
CREATE TABLE login_guard (
    account_digest BLOB NOT NULL CHECK (length(account_digest) = 32),
    network_digest BLOB NOT NULL CHECK (length(network_digest) = 32),
    epoch INTEGER NOT NULL CHECK (epoch >= 0),
    begun INTEGER NOT NULL CHECK (begun >= 0),
    failed INTEGER NOT NULL CHECK (failed >= 0),
    last_at INTEGER NOT NULL,
    locked_until INTEGER,
    is_noticed INTEGER NOT NULL CHECK (is_noticed IN (0, 1)),
    PRIMARY KEY (account_digest, network_digest),
    CHECK (failed <= begun)
) STRICT, WITHOUT ROWID;
CREATE INDEX login_guard_age ON login_guard (last_at);

-- Guesses for one account from everywhere.
CREATE TABLE login_pressure (
    account_digest BLOB NOT NULL CHECK (length(account_digest) = 32),
    begun INTEGER NOT NULL CHECK (begun >= 0),
    since INTEGER NOT NULL,
    next_slot_at INTEGER NOT NULL,
    PRIMARY KEY (account_digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX login_pressure_age ON login_pressure (since);

-- Networks from which a person has proved the account: no stranger's guessing slows these down.
CREATE TABLE known_network (
    user_id BLOB NOT NULL REFERENCES user_account (user_id),
    network_digest BLOB NOT NULL CHECK (length(network_digest) = 32),
    proved_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, network_digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_network_age ON known_network (proved_at);
