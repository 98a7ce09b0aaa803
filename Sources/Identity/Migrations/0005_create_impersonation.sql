-- Staff in a member's place. Its session is a row of auth_session with the factor 'impersonation'; whether it still stands is looked up at each use.
CREATE TABLE impersonation (
    session_id BLOB NOT NULL REFERENCES auth_session (session_id) ON DELETE CASCADE,
    staff_id BLOB NOT NULL REFERENCES user_account (user_id),
    staff_session_id BLOB NOT NULL CHECK (length(staff_session_id) = 16),
    user_id BLOB NOT NULL REFERENCES user_account (user_id),
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    -- Shown to the tenant.
    reason TEXT NOT NULL CHECK (length(reason) BETWEEN 10 AND 500),
    -- Whether it goes on while the tenant is suspended.
    survives_suspension INTEGER NOT NULL CHECK (survives_suspension IN (0, 1)),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (session_id),
    CHECK (staff_id <> user_id),
    CHECK (expires_at > created_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX impersonation_of_tenant ON impersonation (tenant_id, session_id);
CREATE INDEX impersonation_of_staff ON impersonation (staff_id, session_id);
