-- Routes a key to its licence. Holds a keyed digest of the key and nothing that reads back to one.
CREATE TABLE license_key_directory (
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    license_id BLOB NOT NULL CHECK (length(license_id) = 16),
    PRIMARY KEY (digest),
    UNIQUE (tenant_id, license_id)
) STRICT, WITHOUT ROWID;

-- What billing last said of a subscription, whether or not a licence came of it.
CREATE TABLE license_standing_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    subscription_id BLOB NOT NULL CHECK (length(subscription_id) = 16),
    version INTEGER NOT NULL,
    was_entitled INTEGER NOT NULL CHECK (was_entitled IN (0, 1)),
    -- JSON of the snapshot with this version.
    snapshot TEXT NOT NULL,
    PRIMARY KEY (tenant_id, subscription_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE license_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    license_id BLOB NOT NULL CHECK (length(license_id) = 16),
    -- 'free' or 'subscription:<id>': one licence for each, for ever.
    origin TEXT NOT NULL CHECK (origin = 'free' OR origin LIKE 'subscription:%'),
    tier TEXT NOT NULL CHECK (length(tier) BETWEEN 1 AND 32),
    quantity INTEGER NOT NULL CHECK (quantity >= 0),
    version INTEGER NOT NULL,
    standing TEXT NOT NULL CHECK (standing IN ('active', 'grace', 'suspended', 'cancelled')),
    period_end INTEGER,
    grace_until INTEGER,
    cancels_at INTEGER,
    revoked_at INTEGER,
    -- JSON of what the tier granted when the licence last changed: in force if the tier is gone.
    granted TEXT NOT NULL,
    -- The key, sealed; shown only to who may read licences.
    key_box BLOB NOT NULL,
    issued_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, license_id),
    UNIQUE (tenant_id, origin),
    CHECK (standing <> 'grace' OR grace_until IS NOT NULL),
    CHECK (origin = 'free' OR period_end IS NOT NULL)
) STRICT, WITHOUT ROWID;

-- One row for each device that a licence is bound to. A place is taken once: two devices never share one, and none lies beyond the limit.
CREATE TABLE activation_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    license_id BLOB NOT NULL CHECK (length(license_id) = 16),
    device BLOB NOT NULL CHECK (length(device) = 32),
    activation_id BLOB NOT NULL CHECK (length(activation_id) = 16),
    place INTEGER NOT NULL CHECK (place BETWEEN 1 AND device_limit),
    -- The limit in force when the device was activated.
    device_limit INTEGER NOT NULL,
    machine_name_box BLOB,
    activated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, license_id, device),
    UNIQUE (tenant_id, activation_id),
    UNIQUE (tenant_id, license_id, place),
    FOREIGN KEY (tenant_id, license_id) REFERENCES license_all (tenant_id, license_id)
) STRICT, WITHOUT ROWID;
