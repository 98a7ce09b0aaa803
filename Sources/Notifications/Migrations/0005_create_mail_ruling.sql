-- Mails that on_notify put off: until when. Asked once for each mail to each person.
CREATE TABLE mail_ruling (
    occasion TEXT NOT NULL CHECK (length(occasion) BETWEEN 1 AND 400),
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    due_at INTEGER NOT NULL,
    PRIMARY KEY (occasion, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX mail_ruling_by_time ON mail_ruling (due_at);

-- Mails that a person does not want any more, by template. Only those that neither safety nor the contract asks for.
CREATE TABLE mail_optout (
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    template TEXT NOT NULL CHECK (length(template) BETWEEN 1 AND 64),
    since INTEGER NOT NULL,
    PRIMARY KEY (user_id, template)
) STRICT, WITHOUT ROWID;

-- How many mails a person had since midnight.
CREATE INDEX notification_sent_by_user ON notification_sent (user_id, sent_at);
