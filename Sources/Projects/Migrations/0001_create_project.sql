-- What a tenant's projects and files take; one row a tenant, so that a quota is one guarded UPDATE.
CREATE TABLE project_usage_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    projects INTEGER NOT NULL CHECK (projects >= 0),
    stored_bytes INTEGER NOT NULL CHECK (stored_bytes >= 0),
    -- Declared by uploads under way.
    reserved_bytes INTEGER NOT NULL CHECK (reserved_bytes >= 0),
    -- 1: the tenant leaves; no address works and nothing is taken.
    is_closed INTEGER NOT NULL CHECK (is_closed IN (0, 1)),
    PRIMARY KEY (tenant_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE project_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    project_id BLOB NOT NULL CHECK (length(project_id) = 16),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    summary TEXT NOT NULL CHECK (length(summary) <= 1000),
    state TEXT NOT NULL CHECK (state IN ('active', 'archived', 'deleted', 'purging')),
    created_by BLOB NOT NULL CHECK (length(created_by) = 16),
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    -- From when on a deleted project may be purged.
    purge_at INTEGER,
    PRIMARY KEY (tenant_id, project_id),
    CHECK ((state = 'deleted') = (purge_at IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- With whom a project is shared; the target of `everyone` is sixteen zeros.
CREATE TABLE project_share_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    project_id BLOB NOT NULL CHECK (length(project_id) = 16),
    kind TEXT NOT NULL CHECK (kind IN ('everyone', 'team', 'member')),
    target_id BLOB NOT NULL CHECK (length(target_id) = 16),
    level TEXT NOT NULL CHECK (level IN ('read', 'write')),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, project_id, kind, target_id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES project_all (tenant_id, project_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX project_share_by_target ON project_share_all (tenant_id, kind, target_id, project_id);
