-- The tenant leaves: while this row stands no licence of it works, whatever billing says.
CREATE TABLE license_closure_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    closed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id)
) STRICT, WITHOUT ROWID;
