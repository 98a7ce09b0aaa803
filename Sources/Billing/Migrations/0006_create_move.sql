-- A subscription that goes on at another provider. For everybody to the right it is one: the first of the line.
CREATE TABLE billing_move_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    -- By which it goes on; its subscription is known once the provider tells of it.
    checkout_id BLOB NOT NULL CHECK (length(checkout_id) = 16),
    root_id BLOB NOT NULL CHECK (length(root_id) = 16),
    -- Who holds it until then.
    from_id BLOB NOT NULL CHECK (length(from_id) = 16),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, checkout_id),
    FOREIGN KEY (tenant_id, checkout_id) REFERENCES billing_checkout_all (tenant_id, id),
    FOREIGN KEY (tenant_id, root_id) REFERENCES subscription_all (tenant_id, id),
    FOREIGN KEY (tenant_id, from_id) REFERENCES subscription_all (tenant_id, id)
) WITHOUT ROWID, STRICT;

CREATE INDEX billing_move_by_root ON billing_move_all (tenant_id, root_id);
CREATE INDEX billing_move_by_from ON billing_move_all (tenant_id, from_id);
