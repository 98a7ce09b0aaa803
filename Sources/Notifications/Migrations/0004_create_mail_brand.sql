-- How a tenant's mails look; where there is no row, as the platform's.
CREATE TABLE mail_brand_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    -- #rrggbb
    accent TEXT NOT NULL CHECK (length(accent) = 7),
    footer TEXT NOT NULL CHECK (length(footer) <= 300),
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id)
) STRICT, WITHOUT ROWID;
