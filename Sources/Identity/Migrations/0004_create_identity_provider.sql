-- Sign-in through identity providers: what tenants set up, flows under way, whom an assertion signs in. Names and secrets are sealed.

CREATE TABLE identity_connection_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    connection_id BLOB NOT NULL CHECK (length(connection_id) = 16),
    plugin TEXT NOT NULL CHECK (length(plugin) BETWEEN 1 AND 40),
    label TEXT NOT NULL CHECK (length(label) BETWEEN 1 AND 80),
    state TEXT NOT NULL CHECK (state IN ('draft', 'tested', 'enabled', 'disabled')),
    -- Settings by the plugin's fields; secrets apart.
    settings_box BLOB NOT NULL,
    secrets_box BLOB NOT NULL,
    -- Whether somebody who is no member becomes one, and as what.
    admits INTEGER NOT NULL CHECK (admits IN (0, 1)),
    default_role TEXT NOT NULL CHECK (default_role IN ('admin', 'developer', 'viewer')),
    -- A JSON list of {group, role}; the first that fits counts.
    role_map TEXT NOT NULL CHECK (length(role_map) BETWEEN 2 AND 20000),
    -- Grows with every change of settings or secrets: a test proves the version that it ran under.
    version INTEGER NOT NULL CHECK (version >= 1),
    tested_version INTEGER,
    tested_at INTEGER CHECK ((tested_at IS NULL) = (tested_version IS NULL)),
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, connection_id),
    CHECK (state IN ('draft', 'disabled') OR tested_version = version)
) STRICT, WITHOUT ROWID;

CREATE TABLE identity_domain_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    domain TEXT NOT NULL CHECK (length(domain) BETWEEN 3 AND 253),
    -- What the TXT record must say.
    challenge TEXT NOT NULL CHECK (length(challenge) BETWEEN 20 AND 100),
    verified_at INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, domain)
) STRICT, WITHOUT ROWID;

-- The one connection through which members must come; owners may always come as before.
CREATE TABLE sso_rule_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    connection_id BLOB NOT NULL CHECK (length(connection_id) = 16),
    required_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES identity_connection_all (tenant_id, connection_id)
) STRICT, WITHOUT ROWID;

-- Which tenant proved a domain: one at a time. Kernel table, as mail_directory is.
CREATE TABLE domain_directory (
    domain TEXT NOT NULL,
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    PRIMARY KEY (domain)
) STRICT, WITHOUT ROWID;

-- Whose connection it is: browsers come with its id alone.
CREATE TABLE connection_directory (
    connection_id BLOB NOT NULL CHECK (length(connection_id) = 16),
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    PRIMARY KEY (connection_id)
) STRICT, WITHOUT ROWID;

-- A browser that is away at a provider, by the digest of the state that it must bring back.
CREATE TABLE sign_in_flow (
    state_digest BLOB NOT NULL CHECK (length(state_digest) = 32),
    browser_digest BLOB NOT NULL CHECK (length(browser_digest) = 32),
    box BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    PRIMARY KEY (state_digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_flow_expiry ON sign_in_flow (expires_at);

-- Whom a provider's subject signs in, by a digest of provider, connection, issuer and subject.
CREATE TABLE identity_link (
    link_digest BLOB NOT NULL CHECK (length(link_digest) = 32),
    user_id BLOB NOT NULL REFERENCES user_account (user_id),
    link_id BLOB NOT NULL CHECK (length(link_id) = 16),
    plugin TEXT NOT NULL,
    -- An offered connection's id, or a tenant's in hex.
    connection TEXT NOT NULL,
    label TEXT NOT NULL CHECK (length(label) BETWEEN 1 AND 80),
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    PRIMARY KEY (link_digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_link_of_user ON identity_link (user_id, created_at);

-- A link that waits for the account's owner to follow a mail.
CREATE TABLE pending_link (
    token_digest BLOB NOT NULL CHECK (length(token_digest) = 32),
    link_digest BLOB NOT NULL CHECK (length(link_digest) = 32),
    user_id BLOB NOT NULL REFERENCES user_account (user_id),
    plugin TEXT NOT NULL,
    connection TEXT NOT NULL,
    label TEXT NOT NULL CHECK (length(label) BETWEEN 1 AND 80),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    PRIMARY KEY (token_digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_link_of_user ON pending_link (user_id, created_at);
CREATE INDEX pending_link_expiry ON pending_link (expires_at);

-- Sign-in from the command line (RFC 8628). Codes as digests; what the approving session was proved by goes over to the new one.
CREATE TABLE device_grant (
    device_digest BLOB NOT NULL CHECK (length(device_digest) = 32),
    code_digest BLOB NOT NULL CHECK (length(code_digest) = 32),
    label TEXT NOT NULL CHECK (length(label) <= 200),
    state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'spent')),
    interval_seconds INTEGER NOT NULL CHECK (interval_seconds BETWEEN 1 AND 600),
    polled_at INTEGER,
    session_id BLOB CHECK (length(session_id) = 16),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (device_digest),
    UNIQUE (code_digest),
    CHECK ((state IN ('approved', 'spent')) = (session_id IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX device_grant_expiry ON device_grant (expires_at);
