-- An invoice, too, says whose a payment is: newer providers tell of the payment apart from the invoice, naming nothing else.
CREATE TABLE payment_route_by_any (
    provider TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('reference', 'session', 'customer', 'subscription', 'invoice', 'payment')),
    object TEXT NOT NULL CHECK (length(object) BETWEEN 1 AND 255),
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    since_at INTEGER NOT NULL,
    PRIMARY KEY (provider, kind, object)
) STRICT, WITHOUT ROWID;

INSERT INTO payment_route_by_any (provider, kind, object, tenant_id, since_at)
SELECT provider, kind, object, tenant_id, since_at FROM payment_route;

DROP TABLE payment_route;
ALTER TABLE payment_route_by_any RENAME TO payment_route;
