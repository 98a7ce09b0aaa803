-- What plugins keep: sealed values in a space of each plugin's own, for the platform ('') or for one tenant (its id).
CREATE TABLE plugin_value (
    plugin TEXT NOT NULL CHECK (length(plugin) BETWEEN 1 AND 64),
    space TEXT NOT NULL,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    box BLOB NOT NULL,
    PRIMARY KEY (plugin, space, name)
) STRICT, WITHOUT ROWID;
