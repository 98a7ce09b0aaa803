-- What a device named of its hardware when it was activated: keyed digests of name and value, none of which reads back to one.
CREATE TABLE activation_part_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    license_id BLOB NOT NULL CHECK (length(license_id) = 16),
    device BLOB NOT NULL CHECK (length(device) = 32),
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    -- How many the device named.
    parts INTEGER NOT NULL CHECK (parts BETWEEN 2 AND 8),
    PRIMARY KEY (tenant_id, license_id, device, digest),
    FOREIGN KEY (tenant_id, license_id, device) REFERENCES activation_all (tenant_id, license_id, device) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX activation_part_by_digest ON activation_part_all (tenant_id, license_id, digest, device, parts);
