-- What a comparison with a provider corrected in one account, for those who pay: never the provider's own words.
CREATE TABLE billing_correction_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    id BLOB NOT NULL CHECK (length(id) = 16),
    -- What was found, so that it is said once.
    finding TEXT NOT NULL CHECK (length(finding) BETWEEN 1 AND 320),
    provider TEXT NOT NULL CHECK (length(provider) BETWEEN 1 AND 64),
    -- Which of the three was not as it should be.
    place TEXT NOT NULL CHECK (place IN ('provider', 'mirror', 'access')),
    kind TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 40),
    what TEXT NOT NULL CHECK (length(what) BETWEEN 1 AND 100),
    done TEXT NOT NULL CHECK (done IN ('corrected', 'staff_looks')),
    subscription_id BLOB CHECK (length(subscription_id) = 16),
    -- What the subscription entitled to, as JSON; NULL: nothing, or it is not about that.
    before_terms TEXT,
    after_terms TEXT,
    changes_access INTEGER NOT NULL CHECK (changes_access IN (0, 1)),
    changes_money INTEGER NOT NULL CHECK (changes_money IN (0, 1)),
    amount_minor INTEGER,
    currency TEXT CHECK (length(currency) = 3),
    found_at INTEGER NOT NULL,
    settled_at INTEGER NOT NULL,
    -- When owners were mailed of it.
    told_at INTEGER,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, finding),
    FOREIGN KEY (tenant_id, subscription_id) REFERENCES subscription_all (tenant_id, id),
    CHECK ((amount_minor IS NULL) = (currency IS NULL)),
    CHECK (done = 'corrected' OR (changes_access = 0 AND changes_money = 0)),
    CHECK (told_at IS NULL OR changes_access = 1 OR changes_money = 1)
) WITHOUT ROWID, STRICT;

CREATE INDEX billing_correction_by_time ON billing_correction_all (tenant_id, settled_at, id);

-- Why a comparison stored an event: whoever applies it knows what it mends.
CREATE TABLE payment_event_finding (
    event_id BLOB NOT NULL CHECK (length(event_id) = 16),
    kind TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 40),
    what TEXT NOT NULL CHECK (length(what) BETWEEN 1 AND 100),
    found_at INTEGER NOT NULL,
    PRIMARY KEY (event_id),
    FOREIGN KEY (event_id) REFERENCES payment_event (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
