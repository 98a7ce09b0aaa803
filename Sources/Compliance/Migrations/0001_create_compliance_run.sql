-- What frameworks said of the controls of a tenant, or (tenant_id all zero) of the platform. Only ever added to; what is too old goes with its run.
CREATE TABLE compliance_run_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    run_id BLOB NOT NULL CHECK (length(run_id) = 16),
    framework TEXT NOT NULL CHECK (length(framework) BETWEEN 1 AND 40),
    edition TEXT NOT NULL CHECK (length(edition) <= 200),
    -- Id, version and library's digest of the plugin that answered.
    plugin TEXT NOT NULL CHECK (length(plugin) BETWEEN 1 AND 200),
    cause TEXT NOT NULL CHECK (cause IN ('schedule', 'request')),
    ran_at INTEGER NOT NULL,
    passed INTEGER NOT NULL CHECK (passed >= 0),
    failed INTEGER NOT NULL CHECK (failed >= 0),
    not_evaluated INTEGER NOT NULL CHECK (not_evaluated >= 0),
    -- Of those not evaluated: where the framework itself failed.
    broken INTEGER NOT NULL CHECK (broken BETWEEN 0 AND not_evaluated),
    PRIMARY KEY (tenant_id, run_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX compliance_run_by_framework ON compliance_run_all (tenant_id, framework, run_id);
CREATE INDEX compliance_run_by_time ON compliance_run_all (tenant_id, ran_at);

-- The evidence of a run, as the framework was given it.
CREATE TABLE compliance_evidence_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    run_id BLOB NOT NULL CHECK (length(run_id) = 16),
    kind TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
    document TEXT NOT NULL CHECK (length(document) BETWEEN 2 AND 100000),
    PRIMARY KEY (tenant_id, run_id, kind),
    FOREIGN KEY (tenant_id, run_id) REFERENCES compliance_run_all (tenant_id, run_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE compliance_result_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    run_id BLOB NOT NULL CHECK (length(run_id) = 16),
    -- Its place in the framework.
    place INTEGER NOT NULL CHECK (place >= 0),
    framework TEXT NOT NULL,
    control TEXT NOT NULL CHECK (length(control) BETWEEN 1 AND 32),
    outcome TEXT NOT NULL CHECK (outcome IN ('pass', 'fail', 'not_evaluated')),
    -- Whether the framework said so, or failed to say anything.
    said_by TEXT NOT NULL CHECK (said_by IN ('framework', 'failure')),
    reason TEXT NOT NULL CHECK (length(reason) BETWEEN 1 AND 600),
    -- JSON: {"facts": […], "missing": […]}
    details TEXT NOT NULL CHECK (length(details) BETWEEN 2 AND 100000),
    -- Since when the outcome is what it is.
    since INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, run_id, place),
    UNIQUE (tenant_id, framework, control, run_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES compliance_run_all (tenant_id, run_id) ON DELETE CASCADE,
    CHECK (said_by = 'framework' OR outcome = 'not_evaluated')
) STRICT, WITHOUT ROWID;

-- Who has what role, looked through by an owner or admin.
CREATE TABLE access_review_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    review_id BLOB NOT NULL CHECK (length(review_id) = 16),
    opened_at INTEGER NOT NULL,
    opened_by BLOB NOT NULL CHECK (length(opened_by) = 16),
    signed_off_at INTEGER,
    signed_off_by BLOB CHECK ((signed_off_by IS NULL) = (signed_off_at IS NULL)),
    PRIMARY KEY (tenant_id, review_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE access_review_item_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    review_id BLOB NOT NULL CHECK (length(review_id) = 16),
    membership_id BLOB NOT NULL CHECK (length(membership_id) = 16),
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    -- When the review was opened.
    role TEXT NOT NULL CHECK (length(role) BETWEEN 1 AND 64),
    decision TEXT NOT NULL CHECK (decision IN ('pending', 'confirmed', 'removed', 'gone')),
    decided_at INTEGER CHECK ((decided_at IS NULL) = (decision = 'pending')),
    decided_by BLOB CHECK ((decided_by IS NULL) = (decision = 'pending')),
    PRIMARY KEY (tenant_id, review_id, membership_id),
    FOREIGN KEY (tenant_id, review_id) REFERENCES access_review_all (tenant_id, review_id)
) STRICT, WITHOUT ROWID;
