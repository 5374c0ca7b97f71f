-- What happened on nodes by itself, the newest of it, and what is wrong with nodes now.

CREATE TABLE events (
    -- The order in which they were written down.
    position         INTEGER PRIMARY KEY,
    -- Made by the node, so that one that is told twice is written down once.
    id               BLOB NOT NULL UNIQUE,
    -- The object's tenant; the platform's for the node's own.
    tenant_id        BLOB NOT NULL,
    node_id          BLOB NOT NULL,
    -- The API's noun of the object, such as "domain"; "node" for the node's own.
    object_kind      TEXT NOT NULL,
    object_id        BLOB NOT NULL,
    account_id       BLOB,
    -- By the node's clock.
    time_millis      INTEGER NOT NULL,
    recorded_millis  INTEGER NOT NULL,
    reason           TEXT NOT NULL,
    message          TEXT NOT NULL,
    -- JSON: an array of [what, expected, found].
    differences      TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_tenant ON events (tenant_id, position);
CREATE INDEX events_by_node ON events (node_id, position);
CREATE INDEX events_by_object ON events (object_id, position);
CREATE INDEX events_by_account ON events (account_id, position);
CREATE INDEX events_by_age ON events (recorded_millis);

-- A row for each thing that is wrong with a node, as it last said.
CREATE TABLE node_conditions (
    node_id       BLOB NOT NULL,
    -- "DiskPressure", "ServiceFailed", ...
    kind          TEXT NOT NULL,
    -- Which of several: a file system, a unit, a role; empty if there is one only.
    subject       TEXT NOT NULL,
    reason        TEXT NOT NULL,
    message       TEXT NOT NULL,
    since_millis  INTEGER NOT NULL,
    PRIMARY KEY (node_id, kind, subject)
) STRICT, WITHOUT ROWID;
