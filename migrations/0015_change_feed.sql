-- What the change feed says besides, and how much of it is kept.

-- Rows that are older than this column have 0, and are the first to go.
ALTER TABLE changes ADD COLUMN time_millis INTEGER NOT NULL DEFAULT 0;
-- As the audit writes a principal.
ALTER TABLE changes ADD COLUMN actor TEXT NOT NULL DEFAULT '';

CREATE TABLE change_feed (
    only_row       INTEGER PRIMARY KEY CHECK (only_row = 1),
    -- The rows up to this log index have gone.
    gone_index     INTEGER NOT NULL,
    -- How many rows there are after that, up to and with this log index.
    counted_index  INTEGER NOT NULL,
    counted_rows   INTEGER NOT NULL
) STRICT;
INSERT INTO change_feed VALUES (1, 0, 0, 0);
