-- A person whose data is kept and used for nothing until it is lifted: the account is closed as well (account_closing says who opens it).
CREATE TABLE processing_restriction (
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    since INTEGER NOT NULL,
    PRIMARY KEY (user_id),
    FOREIGN KEY (user_id) REFERENCES user_account (user_id)
) STRICT, WITHOUT ROWID;
