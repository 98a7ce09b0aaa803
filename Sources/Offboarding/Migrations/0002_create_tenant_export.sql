-- A copy of everything that is known of a tenant, for its owners: written front to back in sealed pieces, gone when its time is over.
CREATE TABLE tenant_export_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    export_id BLOB NOT NULL CHECK (length(export_id) = 16),
    cause TEXT NOT NULL CHECK (cause IN ('leaving', 'asked')),
    -- Null where the tenant itself leaves.
    asked_by BLOB CHECK (length(asked_by) = 16),
    state TEXT NOT NULL CHECK (state IN ('making', 'ready', 'over')),
    -- The file store that holds the pieces; empty: they lie in their rows.
    shelf TEXT NOT NULL CHECK (length(shelf) <= 100),
    -- Who writes: an attempt that another one took over from writes nothing any more.
    turn INTEGER NOT NULL CHECK (turn >= 0),
    -- How far it is: rooms that gave everything, pieces, bytes and entries that stand.
    rooms INTEGER NOT NULL CHECK (rooms >= 0),
    pieces INTEGER NOT NULL CHECK (pieces >= 0),
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    entries INTEGER NOT NULL CHECK (entries >= 0),
    asked_at INTEGER NOT NULL,
    made_at INTEGER,
    expires_at INTEGER,
    PRIMARY KEY (tenant_id, export_id),
    CHECK ((made_at IS NULL) = (expires_at IS NULL)),
    CHECK (state <> 'ready' OR made_at IS NOT NULL)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX tenant_export_making ON tenant_export_all (tenant_id, cause) WHERE state = 'making';

-- What is in it, in order.
CREATE TABLE tenant_export_entry_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    export_id BLOB NOT NULL CHECK (length(export_id) = 16),
    number INTEGER NOT NULL CHECK (number >= 0),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 500),
    -- In lower case: some systems know no difference.
    name_key TEXT NOT NULL,
    -- SHA-256 of what it is called where it comes from: known again by whoever goes on.
    source BLOB NOT NULL CHECK (length(source) = 32),
    begins_at INTEGER NOT NULL CHECK (begins_at >= 0),
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    crc INTEGER NOT NULL,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    PRIMARY KEY (tenant_id, export_id, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX tenant_export_entry_source ON tenant_export_entry_all (tenant_id, export_id, source);
CREATE UNIQUE INDEX tenant_export_entry_name ON tenant_export_entry_all (tenant_id, export_id, name_key);

CREATE TABLE tenant_export_piece_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    export_id BLOB NOT NULL CHECK (length(export_id) = 16),
    number INTEGER NOT NULL CHECK (number >= 0),
    begins_at INTEGER NOT NULL CHECK (begins_at >= 0),
    bytes INTEGER NOT NULL CHECK (bytes > 0),
    -- Where it lies in the file store, or the sealed bytes themselves.
    path TEXT CHECK (length(path) <= 200),
    box BLOB CHECK (length(box) <= 2000000),
    PRIMARY KEY (tenant_id, export_id, begins_at),
    CHECK ((path IS NULL) <> (box IS NULL))
) STRICT, WITHOUT ROWID;
