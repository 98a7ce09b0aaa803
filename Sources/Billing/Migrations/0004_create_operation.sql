-- What was asked of a provider, written before the asking: whoever dies in between leaves the question behind, never an effect that nobody knows of.
CREATE TABLE billing_operation_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    id BLOB NOT NULL CHECK (length(id) = 16),
    provider TEXT NOT NULL CHECK (length(provider) BETWEEN 1 AND 64),
    kind TEXT NOT NULL CHECK (kind IN ('change', 'cancel', 'resume', 'pause', 'refund')),
    -- The subscription or the payment that it is about, by the provider's name.
    object TEXT NOT NULL CHECK (length(object) BETWEEN 1 AND 255),
    -- Keyed hash of the caller's Idempotency-Key, and of what it was sent for.
    claim BLOB CHECK (length(claim) = 32),
    fingerprint BLOB,
    -- All that is asked for, as JSON: a repetition asks for the same.
    wish TEXT NOT NULL CHECK (length(wish) BETWEEN 2 AND 8000),
    -- Grows when the provider refused for good: its answer belongs to the key it was asked with.
    attempt INTEGER NOT NULL CHECK (attempt >= 1),
    status TEXT NOT NULL CHECK (status IN ('asking', 'unknown', 'done', 'refused')),
    -- How often it was looked after since nobody knew.
    tries INTEGER NOT NULL CHECK (tries >= 0),
    -- Why it was refused.
    code TEXT CHECK (length(code) BETWEEN 1 AND 100),
    -- What it made at the provider: a refund's name.
    made TEXT CHECK (length(made) BETWEEN 1 AND 255),
    -- Of a refund.
    amount_minor INTEGER CHECK (amount_minor > 0),
    currency TEXT CHECK (length(currency) = 3),
    -- When it was asked for the first time under the present attempt: how old its key is.
    asked_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    settled_at INTEGER,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, claim),
    CHECK ((settled_at IS NOT NULL) = (status IN ('done', 'refused'))),
    CHECK ((amount_minor IS NOT NULL) = (kind = 'refund') AND (currency IS NOT NULL) = (kind = 'refund'))
) WITHOUT ROWID, STRICT;

-- One thing at a time: while nobody knows what became of one, no other is asked of the same object.
CREATE UNIQUE INDEX billing_operation_open ON billing_operation_all (tenant_id, provider, object) WHERE status IN ('asking', 'unknown');
CREATE INDEX billing_operation_by_object ON billing_operation_all (tenant_id, provider, object, status);
CREATE INDEX billing_operation_by_time ON billing_operation_all (tenant_id, created_at, id);
