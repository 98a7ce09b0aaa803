-- What this region has claimed of the shared directory, written before the claim and confirmed with the account: whatever dies in
-- between is found here and given back. Empty where one region is alone.
CREATE TABLE mail_claim (
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    -- Under the directory's key.
    claim_digest BLOB NOT NULL CHECK (length(claim_digest) = 32),
    state TEXT NOT NULL CHECK (state IN ('claiming', 'held', 'releasing')),
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX mail_claim_by_digest ON mail_claim (claim_digest, state);
