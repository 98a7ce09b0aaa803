-- How many units a customer wants of a subscription, until the window that the first wish opened is over: one row for each subscription, the latest wish wins.
CREATE TABLE billing_quantity_wish_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    subscription_id BLOB NOT NULL CHECK (length(subscription_id) = 16),
    -- Another for each window.
    id BLOB NOT NULL CHECK (length(id) = 16),
    -- Grows with each change of the row: who read an older one changes nothing.
    revision INTEGER NOT NULL CHECK (revision >= 1),
    provider TEXT NOT NULL CHECK (length(provider) BETWEEN 1 AND 64),
    -- The subscription, by the provider's name.
    object TEXT NOT NULL CHECK (length(object) BETWEEN 1 AND 255),
    quantity INTEGER NOT NULL CHECK (quantity >= 1),
    -- Who wished last, and in what role: policies are asked again when it is carried out.
    wished_by BLOB NOT NULL CHECK (length(wished_by) = 16),
    role TEXT NOT NULL CHECK (length(role) BETWEEN 1 AND 64),
    status TEXT NOT NULL CHECK (status IN ('waiting', 'asked', 'done', 'withdrawn', 'replaced', 'refused')),
    -- By which the provider was asked.
    operation_id BLOB CHECK (length(operation_id) = 16),
    -- How often it was put off.
    tries INTEGER NOT NULL CHECK (tries >= 0),
    -- Why it was refused.
    code TEXT CHECK (length(code) BETWEEN 1 AND 100),
    -- When the first wish of the window came.
    opened_at INTEGER NOT NULL,
    wished_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    settled_at INTEGER,
    PRIMARY KEY (tenant_id, subscription_id),
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, provider, object),
    FOREIGN KEY (tenant_id, subscription_id) REFERENCES subscription_all (tenant_id, id),
    CHECK ((settled_at IS NULL) = (status IN ('waiting', 'asked'))),
    CHECK (status <> 'asked' OR operation_id IS NOT NULL),
    CHECK ((code IS NOT NULL) = (status = 'refused')),
    CHECK (due_at >= opened_at)
) WITHOUT ROWID, STRICT;
