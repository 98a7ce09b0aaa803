-- A tenant that leaves. The row outlives the tenant: it holds the certificate of its deletion.
CREATE TABLE offboarding_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    offboarding_id BLOB NOT NULL CHECK (length(offboarding_id) = 16),
    state TEXT NOT NULL CHECK (state IN (
        'offered', 'scheduled', 'leaving', 'retained', 'purging', 'purged', 'withdrawn', 'reactivated')),
    reason TEXT NOT NULL CHECK (reason IN ('price', 'missing_feature', 'quality', 'no_need', 'unpaid', 'other')),
    -- What the person wrote, sealed; gone with the purge.
    feedback_box BLOB,
    asked_by BLOB CHECK (length(asked_by) = 16),
    -- JSON: kind, and a discount's basis points.
    offer TEXT CHECK (length(offer) <= 1000),
    has_refused INTEGER NOT NULL CHECK (has_refused IN (0, 1)),
    -- When it was wanted, and when it happens.
    wanted_at INTEGER NOT NULL,
    leaves_at INTEGER NOT NULL,
    retention_days INTEGER NOT NULL CHECK (retention_days BETWEEN 0 AND 3650),
    retained_until INTEGER,
    -- Owners' addresses for the last mail, sealed, from the begin of the purge to its end.
    address_box BLOB,
    -- RFC 8785, exactly what was signed after its prefix.
    certificate TEXT CHECK (length(certificate) <= 1000000),
    certificate_key TEXT,
    certificate_signature BLOB,
    asked_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, offboarding_id),
    CHECK ((certificate IS NULL) = (certificate_signature IS NULL)),
    CHECK ((certificate IS NULL) = (certificate_key IS NULL)),
    CHECK (certificate IS NULL OR state = 'purged'),
    CHECK (state <> 'retained' OR retained_until IS NOT NULL)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX offboarding_open ON offboarding_all (tenant_id)
    WHERE state IN ('offered', 'scheduled', 'leaving', 'retained', 'purging');

-- What is to be done, in order, and when each was.
CREATE TABLE offboarding_step_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    offboarding_id BLOB NOT NULL CHECK (length(offboarding_id) = 16),
    place INTEGER NOT NULL CHECK (place >= 0),
    phase TEXT NOT NULL CHECK (phase IN ('leave', 'restore', 'purge')),
    step TEXT NOT NULL CHECK (length(step) BETWEEN 1 AND 64),
    done_at INTEGER,
    -- JSON: what stays and why.
    remainders TEXT NOT NULL CHECK (length(remainders) BETWEEN 2 AND 100000),
    PRIMARY KEY (tenant_id, offboarding_id, place),
    FOREIGN KEY (tenant_id, offboarding_id) REFERENCES offboarding_all (tenant_id, offboarding_id)
) STRICT, WITHOUT ROWID;

-- Stops every purge of the tenant's data while one stands.
CREATE TABLE legal_hold_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    hold_id BLOB NOT NULL CHECK (length(hold_id) = 16),
    reason TEXT NOT NULL CHECK (length(reason) BETWEEN 10 AND 500),
    placed_by BLOB NOT NULL CHECK (length(placed_by) = 16),
    placed_at INTEGER NOT NULL,
    lifted_by BLOB CHECK ((lifted_by IS NULL) = (lifted_at IS NULL)),
    lifted_at INTEGER,
    PRIMARY KEY (tenant_id, hold_id)
) STRICT, WITHOUT ROWID;

-- The mailed link, by which a person without an account sees how it went.
CREATE TABLE offboarding_link (
    token_digest BLOB NOT NULL CHECK (length(token_digest) = 32),
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    offboarding_id BLOB NOT NULL CHECK (length(offboarding_id) = 16),
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (token_digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX offboarding_link_expiry ON offboarding_link (expires_at);

-- Since when a subscription has entitled to nothing: who has had nothing for long leaves by itself.
CREATE TABLE offboarding_lapse_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    subscription_id BLOB NOT NULL CHECK (length(subscription_id) = 16),
    version INTEGER NOT NULL,
    lapsed_at INTEGER,
    PRIMARY KEY (tenant_id, subscription_id)
) STRICT, WITHOUT ROWID;
