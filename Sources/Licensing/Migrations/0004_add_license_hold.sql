-- Since when staff keeps the licence from being used, whatever is paid; nothing: it does not.
ALTER TABLE license_all ADD COLUMN held_at INTEGER;
