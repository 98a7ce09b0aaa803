-- What people ask for by the rights that data protection law gives them. Kernel: a person asks the platform, not one of its tenants.
-- The row outlives the person under the bare id: that it was answered, and when, must be provable.
CREATE TABLE data_request (
    request_id BLOB NOT NULL CHECK (length(request_id) = 16),
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    -- The tenant that the person spoke for: its journal tells of the request.
    asked_in BLOB NOT NULL CHECK (length(asked_in) = 16),
    kind TEXT NOT NULL CHECK (kind IN ('access', 'export', 'rectification', 'erasure', 'restriction', 'objection')),
    state TEXT NOT NULL CHECK (state IN ('open', 'waiting', 'overdue', 'done', 'refused', 'withdrawn')),
    -- What the person wrote, and what was answered, sealed under the person's own key.
    note_box BLOB,
    answer_box BLOB,
    -- JSON: the actions that the policy planned.
    plan TEXT NOT NULL CHECK (length(plan) BETWEEN 2 AND 2000),
    -- When the kernel does it by itself; NULL where staff answers.
    act_at INTEGER,
    -- The address for the last mail, sealed, while the person is erased.
    address_box BLOB,
    asked_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    -- What came of it, in a word; of a refusal the rule.
    outcome TEXT CHECK (length(outcome) BETWEEN 1 AND 64),
    -- JSON: what stays, why and until when.
    remainders TEXT NOT NULL CHECK (length(remainders) BETWEEN 2 AND 100000),
    closed_at INTEGER,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (request_id),
    CHECK ((closed_at IS NULL) = (state IN ('open', 'waiting', 'overdue'))),
    CHECK ((outcome IS NULL) = (closed_at IS NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX data_request_one_open ON data_request (user_id, kind) WHERE closed_at IS NULL;
CREATE INDEX data_request_of_user ON data_request (user_id, request_id);
