-- What became of each mail. Its name is the first part of its Message-ID; the address is nowhere but as a keyed digest.
CREATE TABLE mail_delivery (
    mail TEXT NOT NULL CHECK (length(mail) = 32),
    -- Of a user, or of an invitation.
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    template TEXT NOT NULL CHECK (length(template) BETWEEN 1 AND 100),
    address_digest BLOB NOT NULL CHECK (length(address_digest) = 32),
    fate TEXT NOT NULL CHECK (fate IN (
        'sending', 'waiting', 'unknown', 'sent', 'refused', 'suppressed',
        'accepted', 'deferred', 'delivered', 'unsubscribed', 'dropped', 'bounced', 'complained')),
    code TEXT NOT NULL CHECK (length(code) <= 60),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (mail)
) STRICT, WITHOUT ROWID;
CREATE INDEX mail_delivery_by_user ON mail_delivery (user_id, changed_at);
CREATE INDEX mail_delivery_by_time ON mail_delivery (changed_at);

-- What a channel told already: the same fact comes again.
CREATE TABLE mail_report (
    channel TEXT NOT NULL CHECK (length(channel) BETWEEN 1 AND 40),
    report TEXT NOT NULL CHECK (length(report) BETWEEN 1 AND 200),
    received_at INTEGER NOT NULL,
    PRIMARY KEY (channel, report)
) STRICT, WITHOUT ROWID;
CREATE INDEX mail_report_by_time ON mail_report (received_at);

-- Addresses that take no mail: nothing is sent there until staff lifts it, the person has another address, or it is long ago.
CREATE TABLE mail_suppression (
    address_digest BLOB NOT NULL CHECK (length(address_digest) = 32),
    suppression_id BLOB NOT NULL CHECK (length(suppression_id) = 16),
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    cause TEXT NOT NULL CHECK (cause IN ('bounced', 'dropped', 'complained', 'refused')),
    code TEXT NOT NULL CHECK (length(code) <= 60),
    since INTEGER NOT NULL,
    PRIMARY KEY (address_digest)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX mail_suppression_by_id ON mail_suppression (suppression_id);
CREATE INDEX mail_suppression_by_user ON mail_suppression (user_id);
CREATE INDEX mail_suppression_by_time ON mail_suppression (since);
