-- What each comparison with a provider found and mended. No tenant's: it walks through all of them.
CREATE TABLE billing_reconciliation (
    id BLOB NOT NULL CHECK (length(id) = 16),
    provider TEXT NOT NULL CHECK (length(provider) BETWEEN 1 AND 64),
    status TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed')),
    since_at INTEGER NOT NULL,
    -- Counts and findings, as JSON.
    report TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    PRIMARY KEY (id),
    CHECK ((finished_at IS NULL) = (status = 'running'))
) STRICT;

CREATE INDEX billing_reconciliation_by_time ON billing_reconciliation (started_at, id);
