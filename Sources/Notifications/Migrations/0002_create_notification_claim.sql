-- Who is sending which mail right now, so that two deliveries of one occasion do not both send. A claim that is over may be taken.
CREATE TABLE notification_claim (
    occasion TEXT NOT NULL CHECK (length(occasion) BETWEEN 1 AND 400),
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    claimed_until INTEGER NOT NULL,
    PRIMARY KEY (occasion, user_id)
) STRICT, WITHOUT ROWID;
