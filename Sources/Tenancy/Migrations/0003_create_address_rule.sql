-- A tenant that lets its people in from some networks alone.
CREATE TABLE address_rule_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    -- Prefixes, one spelling each, a space between two.
    networks TEXT NOT NULL CHECK (length(networks) BETWEEN 1 AND 8000),
    -- Whether what a licence key alone proves must come from there too.
    covers_license_keys INTEGER NOT NULL CHECK (covers_license_keys IN (0, 1)),
    set_at INTEGER NOT NULL,
    -- Staff suspended it until then; why stands in the journal.
    lifted_until INTEGER,
    PRIMARY KEY (tenant_id)
) STRICT, WITHOUT ROWID;
