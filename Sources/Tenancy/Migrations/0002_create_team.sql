-- Named groups of memberships inside a tenant.
CREATE TABLE team_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    team_id BLOB NOT NULL CHECK (length(team_id) = 16),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- The name as two teams may not share it: folded.
    name_key TEXT NOT NULL CHECK (length(name_key) BETWEEN 1 AND 400),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, team_id),
    UNIQUE (tenant_id, name_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE team_member_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    team_id BLOB NOT NULL CHECK (length(team_id) = 16),
    membership_id BLOB NOT NULL CHECK (length(membership_id) = 16),
    PRIMARY KEY (tenant_id, team_id, membership_id),
    FOREIGN KEY (tenant_id, team_id) REFERENCES team_all (tenant_id, team_id),
    FOREIGN KEY (tenant_id, membership_id) REFERENCES membership_all (tenant_id, membership_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX team_member_by_member ON team_member_all (tenant_id, membership_id, team_id);
