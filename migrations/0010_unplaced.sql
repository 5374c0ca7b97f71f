-- Parts of accounts, and zones, that no node carries: the one that did is gone for good. A row goes when the part is
-- placed anew, or with its account or zone.
CREATE TABLE unplaced (
    -- The account's, or the zone's.
    owner_id      BLOB NOT NULL,
    -- "web", "database"; "dns" for a zone.
    part          TEXT NOT NULL,
    tenant_id     BLOB NOT NULL,
    -- The node that is gone, for people.
    node_id       BLOB NOT NULL,
    node_name     TEXT NOT NULL,
    since_millis  INTEGER NOT NULL,
    PRIMARY KEY (owner_id, part)
) STRICT, WITHOUT ROWID;
