-- The directory: routes a tenant, a mail address and a user. Holds no personal data.
CREATE TABLE tenant_directory (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    region TEXT NOT NULL CHECK (region IN ('us', 'eu', 'apac')),
    PRIMARY KEY (tenant_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE mail_directory (
    mail_digest BLOB NOT NULL CHECK (length(mail_digest) = 32),
    region TEXT NOT NULL CHECK (region IN ('us', 'eu', 'apac')),
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    PRIMARY KEY (mail_digest),
    UNIQUE (user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE member_directory (
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    PRIMARY KEY (user_id, tenant_id)
) STRICT, WITHOUT ROWID;

-- A tenant names one active owner. The composite foreign key refuses to demote, end or delete that membership
-- before the tenant names another one: the last owner stays, whatever the code does.
CREATE TABLE tenant_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    kind TEXT NOT NULL CHECK (kind IN ('individual', 'organization', 'enterprise')),
    region TEXT NOT NULL CHECK (region IN ('us', 'eu', 'apac')),
    status TEXT NOT NULL CHECK (status IN ('founding', 'active', 'suspended', 'closing', 'purged')),
    name_box BLOB NOT NULL,
    owner_membership_id BLOB,
    owner_role TEXT NOT NULL CHECK (owner_role = 'owner'),
    owner_standing TEXT NOT NULL CHECK (owner_standing = 'active'),
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id),
    FOREIGN KEY (tenant_id, owner_membership_id, owner_role, owner_standing)
        REFERENCES membership_all (tenant_id, membership_id, role, standing),
    CHECK (owner_membership_id IS NOT NULL OR status IN ('founding', 'purged'))
) WITHOUT ROWID, STRICT;

CREATE TABLE membership_all (
    tenant_id BLOB NOT NULL,
    membership_id BLOB NOT NULL CHECK (length(membership_id) = 16),
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    role TEXT NOT NULL CHECK (length(role) BETWEEN 1 AND 64),
    standing TEXT NOT NULL CHECK (standing IN ('active', 'ended')),
    -- JSON list of project ids; null: the whole tenant as far as the role goes.
    scope TEXT,
    ends_at INTEGER,
    -- How it came to be: sign_up, administrator_link, invitation, directory, single_sign_on.
    origin TEXT NOT NULL CHECK (length(origin) BETWEEN 1 AND 64),
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, membership_id),
    UNIQUE (tenant_id, user_id),
    UNIQUE (tenant_id, membership_id, role, standing),
    FOREIGN KEY (tenant_id) REFERENCES tenant_all (tenant_id),
    CHECK (role <> 'owner' OR (ends_at IS NULL AND scope IS NULL)),
    CHECK (role NOT IN ('contractor', 'auditor') OR ends_at IS NOT NULL)
) WITHOUT ROWID, STRICT;
