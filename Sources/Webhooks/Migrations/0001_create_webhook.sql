-- Where a tenant wants to hear of what happens to it. Secrets are sealed.
CREATE TABLE webhook_endpoint_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    endpoint_id BLOB NOT NULL CHECK (length(endpoint_id) = 16),
    url TEXT NOT NULL CHECK (length(url) BETWEEN 8 AND 2000),
    -- A JSON list: names, 'license.*', '*'.
    events TEXT NOT NULL CHECK (length(events) BETWEEN 2 AND 4000),
    description TEXT NOT NULL CHECK (length(description) <= 500),
    state TEXT NOT NULL CHECK (state IN ('enabled', 'disabled')),
    disabled_reason TEXT CHECK ((disabled_reason IS NULL) = (state = 'enabled')),
    secret_box BLOB NOT NULL,
    -- The secret before it, and until when it signs too.
    previous_box BLOB,
    previous_until INTEGER CHECK ((previous_until IS NULL) = (previous_box IS NULL)),
    -- Since when nothing was delivered though something was tried.
    failing_since INTEGER,
    -- Somebody is sending until then at the latest.
    busy_until INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, endpoint_id)
) STRICT, WITHOUT ROWID;

-- How many messages tell of an object.
CREATE TABLE webhook_object_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    object TEXT NOT NULL CHECK (length(object) BETWEEN 1 AND 200),
    sequence INTEGER NOT NULL CHECK (sequence >= 1),
    PRIMARY KEY (tenant_id, object)
) STRICT, WITHOUT ROWID;

CREATE TABLE webhook_message_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    message_id BLOB NOT NULL CHECK (length(message_id) = 16),
    type TEXT NOT NULL CHECK (length(type) BETWEEN 1 AND 100),
    -- As it is sent, byte for byte.
    body TEXT NOT NULL CHECK (length(body) BETWEEN 2 AND 65536),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_message_by_time ON webhook_message_all (tenant_id, created_at, message_id);

CREATE TABLE webhook_delivery_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    endpoint_id BLOB NOT NULL CHECK (length(endpoint_id) = 16),
    message_id BLOB NOT NULL CHECK (length(message_id) = 16),
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    -- Since it was last begun: a replay begins anew.
    tries INTEGER NOT NULL CHECK (tries >= 0),
    -- In all.
    attempts INTEGER NOT NULL CHECK (attempts >= tries),
    next_at INTEGER CHECK ((next_at IS NOT NULL) = (state = 'pending')),
    PRIMARY KEY (tenant_id, endpoint_id, message_id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoint_all (tenant_id, endpoint_id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, message_id) REFERENCES webhook_message_all (tenant_id, message_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_delivery_by_turn ON webhook_delivery_all (tenant_id, endpoint_id, state, next_at, message_id);
CREATE INDEX webhook_delivery_by_message ON webhook_delivery_all (tenant_id, message_id, endpoint_id);

-- The delivery log.
CREATE TABLE webhook_attempt_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    endpoint_id BLOB NOT NULL CHECK (length(endpoint_id) = 16),
    message_id BLOB NOT NULL CHECK (length(message_id) = 16),
    attempt INTEGER NOT NULL CHECK (attempt >= 1),
    at INTEGER NOT NULL,
    milliseconds INTEGER NOT NULL CHECK (milliseconds >= 0),
    -- Of the answer, where there was one.
    status INTEGER,
    answer TEXT CHECK (length(answer) <= 1000),
    failure TEXT CHECK (length(failure) <= 1000),
    PRIMARY KEY (tenant_id, endpoint_id, message_id, attempt),
    FOREIGN KEY (tenant_id, endpoint_id, message_id)
        REFERENCES webhook_delivery_all (tenant_id, endpoint_id, message_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
