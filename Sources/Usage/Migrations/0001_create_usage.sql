-- What each subscription of a tenant was last said to be: its period's end is what quotas reset by.
CREATE TABLE usage_plan_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    subscription_id BLOB NOT NULL CHECK (length(subscription_id) = 16),
    version INTEGER NOT NULL CHECK (version >= 0),
    standing TEXT NOT NULL CHECK (standing IN ('active', 'grace', 'suspended', 'cancelled')),
    anchor_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, subscription_id)
) STRICT, WITHOUT ROWID;

-- What was used of one meter in one period. Periods of a meter never overlap.
CREATE TABLE usage_period_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    meter TEXT NOT NULL CHECK (length(meter) BETWEEN 1 AND 64),
    starts_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL CHECK (ends_at > starts_at),
    used INTEGER NOT NULL CHECK (used >= 0),
    -- The limits that owners were told of, so that each is told once.
    warned_at_limit INTEGER,
    exhausted_at_limit INTEGER,
    PRIMARY KEY (tenant_id, meter, starts_at)
) STRICT, WITHOUT ROWID;

-- Every use that was taken, once by its key. The sum of a period's records is what it says was used.
CREATE TABLE usage_record_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    record_key TEXT NOT NULL CHECK (length(record_key) BETWEEN 1 AND 100),
    meter TEXT NOT NULL,
    starts_at INTEGER NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 1000000000),
    occurred_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, record_key),
    FOREIGN KEY (tenant_id, meter, starts_at) REFERENCES usage_period_all (tenant_id, meter, starts_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_record_by_period ON usage_record_all (tenant_id, meter, starts_at);
CREATE INDEX usage_record_by_time ON usage_record_all (tenant_id, occurred_at);
