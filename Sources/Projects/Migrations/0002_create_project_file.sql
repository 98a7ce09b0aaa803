-- A file as people see it: a name in a project, and which object it is now.
CREATE TABLE project_file_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    file_id BLOB NOT NULL CHECK (length(file_id) = 16),
    project_id BLOB NOT NULL CHECK (length(project_id) = 16),
    path TEXT NOT NULL CHECK (length(path) BETWEEN 1 AND 1024),
    -- The path as two files of a project may not share it: folded, look-alikes made one.
    path_key TEXT NOT NULL CHECK (length(path_key) BETWEEN 1 AND 4096),
    object_id BLOB NOT NULL CHECK (length(object_id) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, file_id),
    UNIQUE (tenant_id, project_id, path_key),
    FOREIGN KEY (tenant_id, project_id) REFERENCES project_all (tenant_id, project_id),
    FOREIGN KEY (tenant_id, object_id) REFERENCES project_object_all (tenant_id, object_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX project_file_by_object ON project_file_all (tenant_id, object_id);

-- What lies in a file store, or may: the row is there before the first byte and leaves after the last.
CREATE TABLE project_object_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    object_id BLOB NOT NULL CHECK (length(object_id) = 16),
    project_id BLOB NOT NULL CHECK (length(project_id) = 16),
    -- Of the file that it is a version of; none while it is declared.
    file_id BLOB CHECK (length(file_id) = 16),
    version INTEGER CHECK (version >= 1),
    path TEXT NOT NULL CHECK (length(path) BETWEEN 1 AND 1024),
    path_key TEXT NOT NULL CHECK (length(path_key) BETWEEN 1 AND 4096),
    content_type TEXT NOT NULL CHECK (length(content_type) BETWEEN 3 AND 100),
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    -- SHA-256: HEX, or HEX-PIECES over those of its pieces.
    hash TEXT NOT NULL CHECK (length(hash) BETWEEN 64 AND 72),
    -- Which plugin keeps it, and its own id of an upload in pieces.
    store TEXT NOT NULL CHECK (length(store) BETWEEN 1 AND 100),
    store_upload TEXT CHECK (length(store_upload) BETWEEN 1 AND 1024),
    state TEXT NOT NULL CHECK (state IN ('declared', 'stored', 'dropped')),
    made_by BLOB NOT NULL CHECK (length(made_by) = 16),
    made_at INTEGER NOT NULL,
    -- Declared: when the upload ends. Dropped: when the store is told again.
    due_at INTEGER,
    -- Dropped: how often the store is told still; a writing under way may land after the first time.
    looks INTEGER NOT NULL CHECK (looks BETWEEN 0 AND 2),
    PRIMARY KEY (tenant_id, object_id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES project_all (tenant_id, project_id),
    CHECK ((state = 'stored') = (due_at IS NULL)),
    CHECK (state <> 'stored' OR (file_id IS NOT NULL AND version IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX project_object_by_state ON project_object_all (tenant_id, state, due_at, object_id);
CREATE INDEX project_object_by_project ON project_object_all (tenant_id, project_id, state, object_id);
CREATE INDEX project_object_by_file ON project_object_all (tenant_id, file_id, version);

-- The pieces of a large file: what the store answered, and by what each piece is proved when it is read.
CREATE TABLE project_piece_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    object_id BLOB NOT NULL CHECK (length(object_id) = 16),
    number INTEGER NOT NULL CHECK (number BETWEEN 1 AND 1024),
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    token TEXT NOT NULL CHECK (length(token) <= 256),
    PRIMARY KEY (tenant_id, object_id, number),
    FOREIGN KEY (tenant_id, object_id) REFERENCES project_object_all (tenant_id, object_id)
) STRICT, WITHOUT ROWID;
