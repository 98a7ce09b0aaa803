-- What is known of a licence's seats as a whole. Only told, never decided by: capacity is what the rows of the seats say.
CREATE TABLE seat_pool_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    license_id BLOB NOT NULL CHECK (length(license_id) = 16),
    -- The highest seat that has a row.
    highest INTEGER NOT NULL CHECK (highest >= 0),
    -- Rows that hold a lease, expired or not.
    occupied INTEGER NOT NULL CHECK (occupied BETWEEN 0 AND highest),
    -- Rows in the queue, and reservations.
    waiting INTEGER NOT NULL CHECK (waiting >= 0),
    reserved INTEGER NOT NULL CHECK (reserved >= 0),
    -- The number of the last receipt.
    sequence INTEGER NOT NULL CHECK (sequence >= 0),
    PRIMARY KEY (tenant_id, license_id)
) STRICT, WITHOUT ROWID;
INSERT INTO seat_pool_all (tenant_id, license_id, highest, occupied, waiting, reserved, sequence)
SELECT tenant_id, license_id, max(slot), count(session_id), 0, 0, 0 FROM seat_all GROUP BY tenant_id, license_id;

-- When the holder gave the seat back, while it lingers for its device.
ALTER TABLE seat_all ADD COLUMN released_at INTEGER;
-- Microseconds for which the seat lingers after its release.
ALTER TABLE seat_all ADD COLUMN linger INTEGER CHECK (linger >= 0);
-- Ledger time before which a released seat is not given to another device.
ALTER TABLE seat_all ADD COLUMN hold_until INTEGER;
-- Until when a borrowed seat is used without the network, by the wall clock.
ALTER TABLE seat_all ADD COLUMN borrowed_until INTEGER;
-- The reservation against which the lease counts.
ALTER TABLE seat_all ADD COLUMN reservation_id BLOB CHECK (length(reservation_id) = 16);
CREATE INDEX seat_by_expiry ON seat_all (tenant_id, license_id, expires_at, slot);
CREATE INDEX seat_by_user ON seat_all (tenant_id, user_id, acquired_at, device) WHERE user_id IS NOT NULL;
CREATE INDEX seat_by_borrow ON seat_all (tenant_id, license_id, borrowed_until) WHERE borrowed_until IS NOT NULL;
CREATE INDEX seat_by_reservation ON seat_all (tenant_id, license_id, reservation_id, expires_at) WHERE reservation_id IS NOT NULL;

-- Until when a seat that was borrowed and returned early is valid on its device, and the number of the receipt of a life's end.
ALTER TABLE seat_history_all ADD COLUMN borrowed_until INTEGER;
ALTER TABLE seat_history_all ADD COLUMN sequence INTEGER;
CREATE INDEX seat_history_by_user ON seat_history_all (tenant_id, user_id, acquired_at, device);
CREATE INDEX seat_history_by_borrow ON seat_history_all (tenant_id, license_id, device, borrowed_until) WHERE borrowed_until IS NOT NULL;

-- Seats of a licence that are kept for some of the tenant's users.
CREATE TABLE seat_reservation_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    reservation_id BLOB NOT NULL CHECK (length(reservation_id) = 16),
    license_id BLOB NOT NULL CHECK (length(license_id) = 16),
    name TEXT NOT NULL,
    seats INTEGER NOT NULL CHECK (seats BETWEEN 1 AND 10000000),
    PRIMARY KEY (tenant_id, reservation_id),
    UNIQUE (tenant_id, license_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE seat_reservation_member_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    reservation_id BLOB NOT NULL CHECK (length(reservation_id) = 16),
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    PRIMARY KEY (tenant_id, reservation_id, user_id),
    FOREIGN KEY (tenant_id, reservation_id) REFERENCES seat_reservation_all (tenant_id, reservation_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Who waits for a seat, in the order of since and ticket. Whoever was not seen for the claim time-out counts no more.
CREATE TABLE seat_wait_all (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    license_id BLOB NOT NULL CHECK (length(license_id) = 16),
    device BLOB NOT NULL CHECK (length(device) = 32),
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    ticket BLOB NOT NULL CHECK (length(ticket) = 16),
    -- Ledger time.
    since INTEGER NOT NULL CHECK (since >= 0),
    seen INTEGER NOT NULL CHECK (seen >= since),
    PRIMARY KEY (tenant_id, license_id, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX seat_wait_by_turn ON seat_wait_all (tenant_id, license_id, since, ticket);
