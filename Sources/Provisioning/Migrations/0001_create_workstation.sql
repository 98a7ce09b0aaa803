-- What is set up for a tenant: one row from its first purchase on.
CREATE TABLE provision_home_all (
    tenant_id BLOB NOT NULL PRIMARY KEY CHECK (length(tenant_id) = 16),
    -- The tier for which a plan was carried out; NULL before the first.
    tier TEXT CHECK (length(tier) BETWEEN 1 AND 64),
    -- A licence gives access now.
    is_live INTEGER NOT NULL CHECK (is_live IN (0, 1)),
    -- The tenant leaves: whatever the licence says.
    is_closed INTEGER NOT NULL CHECK (is_closed IN (0, 1)),
    namespace TEXT CHECK (length(namespace) BETWEEN 1 AND 63),
    disk_bytes INTEGER CHECK (disk_bytes >= 0),
    -- JSON: what each member's workstation is like; NULL: there are none.
    size TEXT CHECK (length(size) BETWEEN 2 AND 500),
    key_id BLOB CHECK (length(key_id) = 16),
    key_owner BLOB CHECK (length(key_owner) = 16),
    -- The first key itself, sealed for its owner, until it was shown.
    key_box BLOB,
    version INTEGER NOT NULL CHECK (version >= 1),
    CHECK (key_box IS NULL OR key_id IS NOT NULL),
    CHECK ((key_id IS NULL) = (key_owner IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE provision_plan_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    plan_id BLOB NOT NULL CHECK (length(plan_id) = 16),
    cause TEXT NOT NULL CHECK (cause IN ('purchased', 'changed', 'restored')),
    tier TEXT NOT NULL CHECK (length(tier) BETWEEN 1 AND 64),
    state TEXT NOT NULL CHECK (state IN ('running', 'undoing', 'done', 'failed')),
    decision BLOB NOT NULL CHECK (length(decision) = 16),
    note TEXT NOT NULL CHECK (length(note) <= 500),
    -- What it takes back should a step fail, as JSON: the home before it.
    before TEXT NOT NULL CHECK (length(before) BETWEEN 2 AND 2000),
    created_at INTEGER NOT NULL,
    finished_at INTEGER CHECK ((finished_at IS NULL) = (state IN ('running', 'undoing'))),
    PRIMARY KEY (tenant_id, plan_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX provision_plan_by_state ON provision_plan_all (tenant_id, state, plan_id);

CREATE TABLE provision_step_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    plan_id BLOB NOT NULL CHECK (length(plan_id) = 16),
    number INTEGER NOT NULL CHECK (number BETWEEN 1 AND 32),
    action TEXT NOT NULL CHECK (length(action) BETWEEN 1 AND 64),
    -- JSON, as the plan gave them.
    fields TEXT NOT NULL CHECK (length(fields) BETWEEN 2 AND 4000),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'failed', 'undone')),
    at INTEGER CHECK ((at IS NULL) = (state = 'waiting')),
    PRIMARY KEY (tenant_id, plan_id, number),
    FOREIGN KEY (tenant_id, plan_id) REFERENCES provision_plan_all (tenant_id, plan_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- One a member, for as long as the tenant is there: who comes back gets the same row again.
CREATE TABLE workstation_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    workstation_id BLOB NOT NULL CHECK (length(workstation_id) = 16),
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    state TEXT NOT NULL CHECK (
        state IN ('requested', 'provisioning', 'running', 'stopped', 'resizing', 'suspended', 'deleting', 'deleted', 'failed')),
    wish TEXT NOT NULL CHECK (wish IN ('running', 'stopped', 'suspended', 'gone')),
    -- JSON: what it should be like, and what it is like; NULL: nothing was ever finished.
    size TEXT NOT NULL CHECK (length(size) BETWEEN 2 AND 500),
    made TEXT CHECK (length(made) BETWEEN 2 AND 500),
    work TEXT CHECK (work IN ('create', 'start', 'stop', 'resize', 'suspend', 'restore', 'delete', 'undo')),
    began_at INTEGER CHECK ((began_at IS NULL) = (work IS NULL)),
    -- Steps of the work that are done.
    step INTEGER NOT NULL CHECK (step BETWEEN 0 AND 32),
    attempt INTEGER NOT NULL CHECK (attempt >= 0),
    -- Nobody knows what became of the last call.
    is_unknown INTEGER NOT NULL CHECK (is_unknown IN (0, 1)),
    next_at INTEGER,
    note TEXT NOT NULL CHECK (length(note) <= 500),
    address TEXT CHECK (length(address) BETWEEN 1 AND 2000),
    credential TEXT CHECK (length(credential) BETWEEN 1 AND 500),
    active_at INTEGER NOT NULL,
    -- Which job is the next: an older one does nothing.
    turn INTEGER NOT NULL CHECK (turn >= 1),
    busy_until INTEGER NOT NULL,
    busy_by BLOB CHECK (length(busy_by) = 16),
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, workstation_id),
    UNIQUE (tenant_id, user_id)
) STRICT, WITHOUT ROWID;

-- The steps that are done of the work at hand, or of the last.
CREATE TABLE workstation_step_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    workstation_id BLOB NOT NULL CHECK (length(workstation_id) = 16),
    number INTEGER NOT NULL CHECK (number BETWEEN 1 AND 32),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 1024),
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, workstation_id, number),
    FOREIGN KEY (tenant_id, workstation_id) REFERENCES workstation_all (tenant_id, workstation_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
