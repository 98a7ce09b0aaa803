-- What was agreed with one tenant about one tier, as it holds since its last version. Contracts of one tier never overlap.
CREATE TABLE catalog_contract_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    id BLOB NOT NULL CHECK (length(id) = 16),
    tier TEXT NOT NULL CHECK (length(tier) BETWEEN 1 AND 32),
    version INTEGER NOT NULL CHECK (version >= 1),
    -- The fields that take the place of the tier's own, as JSON.
    terms TEXT NOT NULL CHECK (length(terms) BETWEEN 2 AND 16000),
    starts_at INTEGER NOT NULL,
    -- Null: until another version says when. The same as starts_at: it never holds.
    ends_at INTEGER CHECK (ends_at >= starts_at),
    made_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;

-- Every version that there was, and why it was made.
CREATE TABLE catalog_contract_version_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    contract_id BLOB NOT NULL CHECK (length(contract_id) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    terms TEXT NOT NULL CHECK (length(terms) BETWEEN 2 AND 16000),
    starts_at INTEGER NOT NULL,
    ends_at INTEGER CHECK (ends_at >= starts_at),
    reason TEXT NOT NULL CHECK (length(reason) BETWEEN 1 AND 200),
    made_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, contract_id, version),
    FOREIGN KEY (tenant_id, contract_id) REFERENCES catalog_contract_all (tenant_id, id)
) STRICT, WITHOUT ROWID;
