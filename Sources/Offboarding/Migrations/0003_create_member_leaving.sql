-- A single member who left while the tenant stays: what is kept of the member's workstation, until when, and whether owners may open it.
CREATE TABLE member_leaving_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    leaving_id BLOB NOT NULL CHECK (length(leaving_id) = 16),
    membership_id BLOB NOT NULL CHECK (length(membership_id) = 16),
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    role TEXT NOT NULL CHECK (length(role) BETWEEN 1 AND 64),
    -- left, removed, over, erased
    cause TEXT NOT NULL CHECK (length(cause) BETWEEN 1 AND 32),
    -- ended, leaving, kept, purging, over, returned
    state TEXT NOT NULL CHECK (length(state) BETWEEN 1 AND 32),
    ended_at INTEGER NOT NULL,
    -- Null where there is no workstation to keep.
    kept_until INTEGER,
    is_handed_over INTEGER NOT NULL CHECK (is_handed_over IN (0, 1)),
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, leaving_id),
    CHECK (kept_until IS NOT NULL OR state NOT IN ('kept', 'purging')),
    CHECK (kept_until IS NOT NULL OR is_handed_over = 0)
) STRICT, WITHOUT ROWID;
-- A member leaves once at a time.
CREATE UNIQUE INDEX member_leaving_open ON member_leaving_all (tenant_id, user_id) WHERE state IN ('ended', 'leaving', 'kept', 'purging');

-- What is to be done, in order, and when each was.
CREATE TABLE member_leaving_step_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    leaving_id BLOB NOT NULL CHECK (length(leaving_id) = 16),
    place INTEGER NOT NULL CHECK (place >= 0),
    phase TEXT NOT NULL CHECK (length(phase) BETWEEN 1 AND 32),
    step TEXT NOT NULL CHECK (length(step) BETWEEN 1 AND 64),
    done_at INTEGER,
    -- JSON: what stays and why.
    remainders TEXT NOT NULL CHECK (length(remainders) BETWEEN 2 AND 100000),
    PRIMARY KEY (tenant_id, leaving_id, place),
    FOREIGN KEY (tenant_id, leaving_id) REFERENCES member_leaving_all (tenant_id, leaving_id)
) STRICT, WITHOUT ROWID;
