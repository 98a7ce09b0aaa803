-- API keys: found by their shown prefix before any tenant is known, hence kernel; of the secret a keyed digest is kept.
CREATE TABLE api_key (
    key_id BLOB NOT NULL CHECK (length(key_id) = 16),
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    user_id BLOB NOT NULL REFERENCES user_account (user_id),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    prefix TEXT NOT NULL CHECK (length(prefix) = 12),
    secret_digest BLOB NOT NULL CHECK (length(secret_digest) = 32),
    -- The key before the last rotation, and until when it works.
    previous_prefix TEXT CHECK (length(previous_prefix) = 12),
    previous_digest BLOB CHECK (length(previous_digest) = 32),
    previous_until INTEGER,
    -- JSON list of permissions.
    permissions TEXT NOT NULL CHECK (length(permissions) BETWEEN 2 AND 20000),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    rotated_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER,
    revoked_because TEXT,
    PRIMARY KEY (key_id),
    UNIQUE (prefix),
    UNIQUE (previous_prefix),
    CHECK ((previous_prefix IS NULL) = (previous_digest IS NULL)),
    CHECK ((previous_prefix IS NULL) = (previous_until IS NULL)),
    CHECK ((revoked_at IS NULL) = (revoked_because IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX api_key_of_tenant ON api_key (tenant_id, user_id, key_id);
CREATE INDEX api_key_of_user ON api_key (user_id, tenant_id);
