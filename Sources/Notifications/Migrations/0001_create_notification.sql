-- Mails that went out, so that none goes twice. The key names the occasion; the address is nowhere.
CREATE TABLE notification_sent (
    occasion TEXT NOT NULL CHECK (length(occasion) BETWEEN 1 AND 400),
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    template TEXT NOT NULL,
    sent_at INTEGER NOT NULL,
    PRIMARY KEY (occasion, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX notification_sent_by_time ON notification_sent (sent_at);
