-- Ledger time, in microseconds: one row, advanced by ticks of monotonic clocks only.
CREATE TABLE seat_ledger_time (
    id INTEGER NOT NULL CHECK (id = 1),
    reading INTEGER NOT NULL CHECK (reading >= 0),
    PRIMARY KEY (id)
) STRICT;

-- One row for each seat of a licence. The key lets two leases never share a seat, and none lies beyond the ceiling it was granted under.
CREATE TABLE seat_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    license_id BLOB NOT NULL CHECK (length(license_id) = 16),
    slot INTEGER NOT NULL CHECK (slot BETWEEN 1 AND ceiling),
    -- Seats and overdraft when the seat was last taken.
    ceiling INTEGER NOT NULL,
    -- The lease; all null while the seat holds nobody.
    session_id BLOB CHECK (length(session_id) = 16),
    device BLOB CHECK (length(device) = 32),
    user_id BLOB CHECK (length(user_id) = 16),
    epoch INTEGER NOT NULL CHECK (epoch >= 0),
    ttl INTEGER NOT NULL CHECK (ttl >= 0),
    -- In ledger time; 0 while the seat holds nobody.
    expires_at INTEGER NOT NULL CHECK (expires_at >= 0),
    resurrected INTEGER NOT NULL CHECK (resurrected IN (0, 1)),
    acquired_at INTEGER,
    beat_at INTEGER,
    hostname_box BLOB,
    os TEXT,
    version TEXT,
    PRIMARY KEY (tenant_id, license_id, slot),
    UNIQUE (tenant_id, session_id),
    UNIQUE (tenant_id, license_id, device),
    CHECK ((session_id IS NULL) = (device IS NULL)),
    CHECK ((session_id IS NULL) = (user_id IS NULL)),
    CHECK ((session_id IS NULL) = (acquired_at IS NULL)),
    CHECK ((session_id IS NULL) = (expires_at = 0))
) STRICT, WITHOUT ROWID;

-- Lives that are over, for 90 days.
CREATE TABLE seat_history_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    session_id BLOB NOT NULL CHECK (length(session_id) = 16),
    license_id BLOB NOT NULL CHECK (length(license_id) = 16),
    device BLOB NOT NULL CHECK (length(device) = 32),
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    epoch INTEGER NOT NULL,
    acquired_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    end_reason TEXT NOT NULL CHECK (
        end_reason IN ('released', 'forced', 'expired', 'superseded', 'license_suspended', 'license_expired', 'license_revoked')),
    note TEXT,
    PRIMARY KEY (tenant_id, session_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX seat_history_by_device ON seat_history_all (tenant_id, license_id, device, epoch);
CREATE INDEX seat_history_by_end ON seat_history_all (tenant_id, ended_at);

-- Heartbeats of a tenant within one second, until they are journalled as one entry.
CREATE TABLE seat_beat_tally_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    second INTEGER NOT NULL,
    beats INTEGER NOT NULL CHECK (beats > 0),
    PRIMARY KEY (tenant_id, second)
) STRICT, WITHOUT ROWID;
