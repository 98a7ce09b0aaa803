-- Who is invited to a tenant. The address is sealed; the link holds tenant, invitation and a secret, of which a keyed digest is kept.
CREATE TABLE invitation_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    invitation_id BLOB NOT NULL CHECK (length(invitation_id) = 16),
    mail_digest BLOB NOT NULL CHECK (length(mail_digest) = 32),
    mail_box BLOB NOT NULL,
    role TEXT NOT NULL CHECK (length(role) BETWEEN 1 AND 64),
    -- Of the membership that it offers.
    scope TEXT,
    ends_at INTEGER,
    status TEXT NOT NULL CHECK (status IN ('pending', 'accepted', 'revoked', 'expired')),
    -- Of the newest link: a resend makes the one before worthless.
    token_digest BLOB NOT NULL CHECK (length(token_digest) = 32),
    sends INTEGER NOT NULL CHECK (sends >= 1),
    sent_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    invited_by BLOB NOT NULL CHECK (length(invited_by) = 16),
    decision_id BLOB,
    created_at INTEGER NOT NULL,
    settled_at INTEGER,
    PRIMARY KEY (tenant_id, invitation_id),
    CHECK ((settled_at IS NULL) = (status = 'pending')),
    CHECK (role <> 'owner' OR (ends_at IS NULL AND scope IS NULL)),
    CHECK (role NOT IN ('contractor', 'auditor') OR ends_at IS NOT NULL)
) STRICT, WITHOUT ROWID;
-- One open invitation for an address.
CREATE UNIQUE INDEX invitation_pending ON invitation_all (tenant_id, mail_digest) WHERE status = 'pending';
CREATE INDEX invitation_by_inviter ON invitation_all (tenant_id, invited_by, status);
