-- The inbox: every verified event of a provider, once, its body sealed because it names people.
CREATE TABLE payment_event (
    id BLOB NOT NULL CHECK (length(id) = 16),
    provider TEXT NOT NULL CHECK (length(provider) BETWEEN 1 AND 64),
    event TEXT NOT NULL CHECK (length(event) BETWEEN 1 AND 255),
    type TEXT NOT NULL CHECK (length(type) BETWEEN 1 AND 255),
    occurred_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    body_box BLOB NOT NULL,
    body_digest BLOB NOT NULL CHECK (length(body_digest) = 32),
    status TEXT NOT NULL CHECK (status IN ('received', 'parked', 'applied', 'ignored', 'refused')),
    tenant_id BLOB CHECK (length(tenant_id) = 16),
    -- Grows each time the event is made due again, and names that job.
    round INTEGER NOT NULL CHECK (round >= 0),
    delivery_count INTEGER NOT NULL CHECK (delivery_count >= 1),
    -- Deliveries that carried this id and another body: the first one is kept.
    altered_count INTEGER NOT NULL CHECK (altered_count >= 0),
    failure_count INTEGER NOT NULL CHECK (failure_count >= 0),
    -- What on_payment answered, once: a retry applies the same.
    plan TEXT,
    reason TEXT,
    settled_at INTEGER,
    PRIMARY KEY (id),
    UNIQUE (provider, event)
) STRICT;

CREATE INDEX payment_event_by_time ON payment_event (received_at, id);
CREATE INDEX payment_event_by_status ON payment_event (status, received_at, id);

-- Whose is a provider's object: a link once known never moves.
CREATE TABLE payment_route (
    provider TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('reference', 'session', 'customer', 'subscription', 'payment')),
    object TEXT NOT NULL CHECK (length(object) BETWEEN 1 AND 255),
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    since_at INTEGER NOT NULL,
    PRIMARY KEY (provider, kind, object)
) STRICT, WITHOUT ROWID;

-- Parked events and the links that they wait for.
CREATE TABLE payment_wait (
    provider TEXT NOT NULL,
    kind TEXT NOT NULL,
    object TEXT NOT NULL,
    event_id BLOB NOT NULL,
    PRIMARY KEY (provider, kind, object, event_id),
    FOREIGN KEY (event_id) REFERENCES payment_event (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX payment_wait_by_event ON payment_wait (event_id);

-- A checkout: the intent is written before the provider is asked, and is what a lost answer is retried by.
CREATE TABLE billing_checkout_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    id BLOB NOT NULL CHECK (length(id) = 16),
    provider TEXT NOT NULL,
    reference TEXT NOT NULL,
    -- Keyed hash of the caller's Idempotency-Key, and of what it was sent for.
    claim BLOB CHECK (length(claim) = 32),
    fingerprint BLOB,
    -- Grows when the provider refused for good: its answer belongs to the key it was asked with.
    attempt INTEGER NOT NULL CHECK (attempt >= 1),
    tier TEXT NOT NULL,
    interval TEXT NOT NULL CHECK (interval IN ('month', 'year')),
    quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 10000),
    unit_amount_minor INTEGER NOT NULL CHECK (unit_amount_minor >= 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    provider_price TEXT,
    trial_days INTEGER NOT NULL CHECK (trial_days BETWEEN 0 AND 365),
    status TEXT NOT NULL CHECK (status IN ('asking', 'open', 'refused')),
    session TEXT,
    url_box BLOB,
    subscription_object TEXT,
    -- What the provider's events told of the session, as JSON.
    facts TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, provider, reference),
    UNIQUE (tenant_id, provider, session),
    UNIQUE (tenant_id, claim),
    CHECK (status <> 'open' OR (session IS NOT NULL AND url_box IS NOT NULL))
) WITHOUT ROWID, STRICT;

CREATE INDEX billing_checkout_by_subscription ON billing_checkout_all (tenant_id, provider, subscription_object);
CREATE INDEX billing_checkout_by_time ON billing_checkout_all (tenant_id, created_at);

-- The mirror of the provider's subscription.
CREATE TABLE subscription_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    id BLOB NOT NULL CHECK (length(id) = 16),
    provider TEXT NOT NULL,
    object TEXT NOT NULL,
    facts TEXT NOT NULL,
    standing TEXT NOT NULL CHECK (standing IN ('pending', 'active', 'grace', 'suspended', 'cancelled')),
    -- What the rooms to the right were told last, and its number.
    told TEXT,
    version INTEGER NOT NULL CHECK (version >= 0),
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, provider, object)
) WITHOUT ROWID, STRICT;

CREATE TABLE billing_invoice_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    id BLOB NOT NULL CHECK (length(id) = 16),
    provider TEXT NOT NULL,
    object TEXT NOT NULL,
    subscription_object TEXT,
    facts TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, provider, object)
) WITHOUT ROWID, STRICT;

CREATE INDEX billing_invoice_by_subscription ON billing_invoice_all (tenant_id, provider, subscription_object);
CREATE INDEX billing_invoice_by_time ON billing_invoice_all (tenant_id, issued_at, id);

-- Refunds and disputes.
CREATE TABLE billing_reversal_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    id BLOB NOT NULL CHECK (length(id) = 16),
    provider TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('refund', 'dispute')),
    object TEXT NOT NULL,
    facts TEXT NOT NULL,
    happened_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, provider, kind, object)
) WITHOUT ROWID, STRICT;

-- Mails already asked for: each thing that happened is told once, however many events announce it.
CREATE TABLE billing_mail_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    mail_key TEXT NOT NULL,
    sent_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, mail_key)
) WITHOUT ROWID, STRICT;
