-- The directory that all regions share, in a database of its own: where a tenant is, and to which region and account a mail address leads.
-- No name, no address, nothing that says who somebody is. The digests are keyed: without the directory's key they are noise.
CREATE TABLE tenant_region_directory (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    region TEXT NOT NULL CHECK (region IN ('us', 'eu', 'apac')),
    PRIMARY KEY (tenant_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE mail_region_directory (
    mail_digest BLOB NOT NULL CHECK (length(mail_digest) = 32),
    region TEXT NOT NULL CHECK (region IN ('us', 'eu', 'apac')),
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    claimed_at INTEGER NOT NULL,
    PRIMARY KEY (mail_digest)
) STRICT, WITHOUT ROWID;
