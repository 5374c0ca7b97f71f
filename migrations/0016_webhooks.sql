-- Addresses that are told what changes, and how far each was told.
CREATE TABLE webhooks (
    id                    BLOB PRIMARY KEY,
    tenant_id             BLOB NOT NULL,
    url                   TEXT NOT NULL,
    -- JSON: an array of patterns.
    events                TEXT NOT NULL,
    -- Sealed by the tenant's data key.
    sealed_secret         BLOB NOT NULL,
    -- NULL: it is told.
    disabled_millis       INTEGER,
    disabled_reason       TEXT NOT NULL DEFAULT '',
    created_millis        INTEGER NOT NULL,
    revision              INTEGER NOT NULL DEFAULT 0,
    -- The place of the first event that it was not told yet.
    next_index            INTEGER NOT NULL,
    next_position         INTEGER NOT NULL DEFAULT 0,
    -- Since it last could be told.
    failures              INTEGER NOT NULL DEFAULT 0,
    failing_since_millis  INTEGER,
    next_attempt_millis   INTEGER NOT NULL DEFAULT 0,
    last_error            TEXT NOT NULL DEFAULT '',
    -- 0: it was told nothing yet.
    delivered_millis      INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX webhooks_by_tenant ON webhooks (tenant_id);
