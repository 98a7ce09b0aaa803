-- The processes that serve over this database: each writes its own line every few seconds, and takes it away when it ends.
CREATE TABLE node (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    host TEXT NOT NULL CHECK (length(host) <= 255),
    process INTEGER NOT NULL,
    version TEXT NOT NULL CHECK (length(version) <= 32),
    state TEXT NOT NULL CHECK (state IN ('serving', 'draining')),
    -- Where leases of seats live for it.
    ledger TEXT NOT NULL CHECK (ledger IN ('store', 'redis')),
    -- The set in force there; empty: none.
    policies TEXT NOT NULL CHECK (length(policies) <= 64),
    -- JSON: the plugins at work, each with its version and the beginning of its library's digest.
    plugins TEXT NOT NULL CHECK (length(plugins) <= 65536),
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX node_by_seen ON node (seen_at);
