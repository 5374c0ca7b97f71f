-- Nodes that are trusted no longer.

-- Since when, as a time and as a place in the log; NULL: it is trusted.
ALTER TABLE nodes ADD COLUMN revoked_millis INTEGER;
ALTER TABLE nodes ADD COLUMN revoked_index INTEGER;
-- By the operator's word; may be empty.
ALTER TABLE nodes ADD COLUMN revoked_reason TEXT NOT NULL DEFAULT '';
