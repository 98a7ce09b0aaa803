-- What a tenant uploaded, under the hash of its content: never changed, only added and dropped.
CREATE TABLE tenant_policy_version_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    policy_hash BLOB NOT NULL CHECK (length(policy_hash) = 32),
    -- A JSON object: texts by path.
    files TEXT NOT NULL CHECK (length(files) BETWEEN 2 AND 400000),
    -- A JSON list of the hooks that it answers.
    hooks TEXT NOT NULL CHECK (length(hooks) BETWEEN 2 AND 2000),
    tests INTEGER NOT NULL CHECK (tests >= 0),
    note TEXT NOT NULL CHECK (length(note) <= 500),
    uploaded_at INTEGER NOT NULL,
    uploaded_by BLOB NOT NULL CHECK (length(uploaded_by) = 16),
    PRIMARY KEY (tenant_id, policy_hash)
) STRICT, WITHOUT ROWID;

-- Which of them is in force; none where the hash is NULL. The revision grows with each change.
CREATE TABLE tenant_policy_in_force_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    policy_hash BLOB CHECK (length(policy_hash) = 32),
    revision INTEGER NOT NULL CHECK (revision >= 1),
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id),
    FOREIGN KEY (tenant_id, policy_hash) REFERENCES tenant_policy_version_all (tenant_id, policy_hash)
) STRICT, WITHOUT ROWID;
