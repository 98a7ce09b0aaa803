-- Why collecting failed last, by the invoice and by the customer: a provider may tell it apart from the invoice, naming only the customer.
CREATE TABLE billing_decline_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    provider TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('invoice', 'customer')),
    object TEXT NOT NULL CHECK (length(object) BETWEEN 1 AND 255),
    reason TEXT NOT NULL CHECK (length(reason) BETWEEN 1 AND 40),
    declined_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, provider, kind, object)
) WITHOUT ROWID, STRICT;
