-- Who deactivated an account: whom the person closed it to opens it again by the password, whom staff closed it to only staff does.
CREATE TABLE account_closing (
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    closed_by TEXT NOT NULL CHECK (closed_by IN ('person', 'staff')),
    closed_at INTEGER NOT NULL,
    PRIMARY KEY (user_id),
    FOREIGN KEY (user_id) REFERENCES user_account (user_id)
) STRICT, WITHOUT ROWID;
