-- What a person agreed to, and took back: each a row of its own, never changed, in the order of `sequence`. Kernel: a person agrees with the
-- platform. The rows outlive the person under the bare id: that somebody agreed must be provable (GDPR article 7 (1)).
CREATE TABLE consent_record (
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    purpose TEXT NOT NULL CHECK (length(purpose) BETWEEN 1 AND 40),
    sequence INTEGER NOT NULL CHECK (sequence >= 1),
    -- Of the purpose's words: a new version is agreed to anew.
    version INTEGER NOT NULL CHECK (version >= 1),
    is_given INTEGER NOT NULL CHECK (is_given IN (0, 1)),
    -- By which way it came.
    source TEXT NOT NULL CHECK (source IN ('api', 'erasure')),
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, purpose, sequence)
) STRICT, WITHOUT ROWID;
