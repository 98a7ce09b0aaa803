-- Which memories of a shared store are believed, and since which loss: one row.
CREATE TABLE seat_memory (
    id INTEGER NOT NULL CHECK (id = 1),
    generation INTEGER NOT NULL CHECK (generation > 0),
    -- Their names, with spaces between.
    memories TEXT NOT NULL,
    PRIMARY KEY (id)
) STRICT;

-- Tenants whose leases' ends stand in the shared store. Another generation than seat_memory's: they stood there and are lost.
CREATE TABLE seat_aboard_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    generation INTEGER NOT NULL CHECK (generation >= 0),
    -- Grows each time that the tenant goes aboard.
    token INTEGER NOT NULL CHECK (token > 0),
    PRIMARY KEY (tenant_id)
) STRICT, WITHOUT ROWID;
