-- A keyed digest of the key's last four signs, by which staff finds the licence of somebody who names them; of keys from before it is filled by
-- the daily round.
ALTER TABLE license_key_directory ADD COLUMN tail BLOB CHECK (tail IS NULL OR length(tail) = 32);
CREATE INDEX license_key_by_tail ON license_key_directory (tail, license_id);
-- For the list across tenants.
CREATE INDEX license_key_by_license ON license_key_directory (license_id);
