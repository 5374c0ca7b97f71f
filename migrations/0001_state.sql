-- The controller's replicated state. Every replica at the same log index holds the same rows.
--
-- Ids are the sixteen bytes of a UUID. Times are milliseconds since 1970-01-01 UTC, from the leader's clock.
-- tenant_id is on every row that someone owns. JSON columns hold arrays of text. Migrations only ever add.

-- Where the state is in the Raft log. Written in the same transaction as the rows it speaks of.
CREATE TABLE raft (
    only_row        INTEGER PRIMARY KEY CHECK (only_row = 1),
    applied_term    INTEGER NOT NULL,
    applied_leader  INTEGER NOT NULL,
    applied_index   INTEGER NOT NULL,
    -- The consensus library's stored membership, in its own encoding.
    membership      BLOB NOT NULL
) STRICT;

CREATE TABLE cluster (
    only_row            INTEGER PRIMARY KEY CHECK (only_row = 1),
    cluster_id          TEXT NOT NULL,
    root_tenant_id      BLOB NOT NULL,
    -- Raised when the state is restored from a backup; fences nodes against what was.
    epoch               INTEGER NOT NULL,
    feature_level       INTEGER NOT NULL,
    -- The time of the last applied command: time never goes back.
    clock_millis        INTEGER NOT NULL,
    -- uids are given out once and never again.
    next_uid            INTEGER NOT NULL,
    name_server_domain  TEXT NOT NULL,
    retention_seconds   INTEGER NOT NULL
) STRICT;

CREATE TABLE tenants (
    id                BLOB PRIMARY KEY,
    parent_id         BLOB,
    name              TEXT NOT NULL,
    wrapped_data_key  BLOB NOT NULL,
    account_limit     INTEGER,
    may_oversell      INTEGER NOT NULL,
    created_millis    INTEGER NOT NULL,
    UNIQUE (parent_id, name)
) STRICT, WITHOUT ROWID;

-- Every tenant with each of its ancestors, itself included.
CREATE TABLE tenant_tree (
    ancestor_id  BLOB NOT NULL,
    tenant_id    BLOB NOT NULL,
    PRIMARY KEY (ancestor_id, tenant_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tenant_tree_by_tenant ON tenant_tree (tenant_id);

CREATE TABLE api_keys (
    id              BLOB PRIMARY KEY,
    tenant_id       BLOB NOT NULL,
    name            TEXT NOT NULL,
    secret_hash     BLOB NOT NULL,
    actions         TEXT NOT NULL,
    expires_millis  INTEGER,
    created_millis  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_by_tenant ON api_keys (tenant_id);

CREATE TABLE tokens (
    id              BLOB PRIMARY KEY,
    tenant_id       BLOB NOT NULL,
    role            TEXT NOT NULL,
    secret_hash     BLOB NOT NULL,
    uses_allowed    INTEGER NOT NULL,
    uses_left       INTEGER NOT NULL,
    pool            TEXT NOT NULL,
    expires_millis  INTEGER NOT NULL,
    created_millis  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE controllers (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    fleet_address   TEXT NOT NULL,
    created_millis  INTEGER NOT NULL
) STRICT;

CREATE TABLE nodes (
    id              BLOB PRIMARY KEY,
    tenant_id       BLOB NOT NULL,
    name            TEXT NOT NULL UNIQUE,
    pool            TEXT NOT NULL,
    roles           TEXT NOT NULL,
    address         TEXT NOT NULL,
    os_profile      TEXT NOT NULL,
    php_versions    TEXT NOT NULL,
    version         TEXT NOT NULL,
    created_millis  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Every certificate issued to a machine.
CREATE TABLE identities (
    serial            BLOB PRIMARY KEY,
    -- "node/<id>" or "controller/<id>".
    subject           TEXT NOT NULL,
    key_fingerprint   BLOB NOT NULL,
    not_after_millis  INTEGER NOT NULL,
    revoked_millis    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX identities_by_subject ON identities (subject);

CREATE TABLE plans (
    id              BLOB PRIMARY KEY,
    tenant_id       BLOB NOT NULL,
    name            TEXT NOT NULL,
    disk_mb         INTEGER NOT NULL,
    domains         INTEGER,
    databases       INTEGER,
    php_version     TEXT NOT NULL,
    created_millis  INTEGER NOT NULL,
    UNIQUE (tenant_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    id              BLOB PRIMARY KEY,
    tenant_id       BLOB NOT NULL,
    plan_id         BLOB NOT NULL,
    username        TEXT NOT NULL,
    -- 1 while nobody else may have the user name.
    name_held       INTEGER NOT NULL,
    uid             INTEGER NOT NULL UNIQUE,
    contact         TEXT NOT NULL,
    php_version     TEXT NOT NULL,
    generation      INTEGER NOT NULL,
    operation_id    BLOB NOT NULL,
    created_millis  INTEGER NOT NULL,
    deleted_millis  INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX accounts_by_username ON accounts (username) WHERE name_held = 1;
CREATE INDEX accounts_by_tenant ON accounts (tenant_id);
CREATE INDEX accounts_by_plan ON accounts (plan_id);

-- Which node carries which part of an account.
CREATE TABLE assignments (
    id          BLOB PRIMARY KEY,
    tenant_id   BLOB NOT NULL,
    account_id  BLOB NOT NULL,
    part        TEXT NOT NULL,
    node_id     BLOB NOT NULL,
    -- "incoming", "active", "outgoing".
    state       TEXT NOT NULL,
    epoch       INTEGER NOT NULL,
    UNIQUE (account_id, part, node_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX assignments_by_node ON assignments (node_id, part);

CREATE TABLE domains (
    id              BLOB PRIMARY KEY,
    tenant_id       BLOB NOT NULL,
    account_id      BLOB NOT NULL,
    name            TEXT NOT NULL UNIQUE,
    document_root   TEXT NOT NULL,
    generation      INTEGER NOT NULL,
    operation_id    BLOB NOT NULL,
    created_millis  INTEGER NOT NULL,
    deleted_millis  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX domains_by_account ON domains (account_id);
CREATE INDEX domains_by_tenant ON domains (tenant_id);

-- Whose names are whose: a row for each domain and zone at its own name, and one at every name above it (two
-- labels or more), to find whose names a new one would overlap.
CREATE TABLE name_index (
    at          TEXT NOT NULL,
    object_id   BLOB NOT NULL,
    account_id  BLOB NOT NULL,
    -- 1: the object's own name; 0: a name above it.
    own         INTEGER NOT NULL,
    PRIMARY KEY (at, object_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX name_index_by_object ON name_index (object_id);

CREATE TABLE databases (
    id              BLOB PRIMARY KEY,
    tenant_id       BLOB NOT NULL,
    account_id      BLOB NOT NULL,
    name            TEXT NOT NULL UNIQUE,
    generation      INTEGER NOT NULL,
    operation_id    BLOB NOT NULL,
    created_millis  INTEGER NOT NULL,
    deleted_millis  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX databases_by_account ON databases (account_id);
CREATE INDEX databases_by_tenant ON databases (tenant_id);

CREATE TABLE database_users (
    id                    BLOB PRIMARY KEY,
    tenant_id             BLOB NOT NULL,
    account_id            BLOB NOT NULL,
    name                  TEXT NOT NULL UNIQUE,
    sealed_password_hash  BLOB NOT NULL,
    generation            INTEGER NOT NULL,
    operation_id          BLOB NOT NULL,
    created_millis        INTEGER NOT NULL,
    deleted_millis        INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX database_users_by_account ON database_users (account_id);
CREATE INDEX database_users_by_tenant ON database_users (tenant_id);

CREATE TABLE database_grants (
    database_user_id  BLOB NOT NULL,
    database_id       BLOB NOT NULL,
    tenant_id         BLOB NOT NULL,
    privileges        TEXT NOT NULL,
    PRIMARY KEY (database_user_id, database_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX database_grants_by_database ON database_grants (database_id);

CREATE TABLE zones (
    id              BLOB PRIMARY KEY,
    tenant_id       BLOB NOT NULL,
    account_id      BLOB NOT NULL,
    name            TEXT NOT NULL UNIQUE,
    provider        TEXT NOT NULL,
    -- The domain that the zone was made together with, and goes with; NULL if it was asked for by itself.
    domain_id       BLOB,
    generation      INTEGER NOT NULL,
    operation_id    BLOB NOT NULL,
    created_millis  INTEGER NOT NULL,
    deleted_millis  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX zones_by_account ON zones (account_id);
CREATE INDEX zones_by_tenant ON zones (tenant_id);

-- Which nodes answer for a zone of the provider "powerdns".
CREATE TABLE zone_assignments (
    id         BLOB PRIMARY KEY,
    tenant_id  BLOB NOT NULL,
    zone_id    BLOB NOT NULL,
    node_id    BLOB NOT NULL,
    state      TEXT NOT NULL,
    epoch      INTEGER NOT NULL,
    UNIQUE (zone_id, node_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX zone_assignments_by_node ON zone_assignments (node_id);

CREATE TABLE record_sets (
    id              BLOB PRIMARY KEY,
    tenant_id       BLOB NOT NULL,
    account_id      BLOB NOT NULL,
    zone_id         BLOB NOT NULL,
    name            TEXT NOT NULL,
    type            TEXT NOT NULL,
    ttl_seconds     INTEGER NOT NULL,
    records         TEXT NOT NULL,
    -- The domain whose address this is; such a set comes and goes with it.
    domain_id       BLOB,
    operation_id    BLOB NOT NULL,
    created_millis  INTEGER NOT NULL,
    UNIQUE (zone_id, name, type)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_sets_by_tenant ON record_sets (tenant_id);
CREATE INDEX record_sets_by_domain ON record_sets (domain_id) WHERE domain_id IS NOT NULL;

-- What each node should hold, and what it last said of it. Intent and observation side by side.
CREATE TABLE node_objects (
    node_id              BLOB NOT NULL,
    -- "account", "site", "database", "database_user", "zone".
    kind                 TEXT NOT NULL,
    object_id            BLOB NOT NULL,
    tenant_id            BLOB NOT NULL,
    generation           INTEGER NOT NULL,
    -- How long to keep the data of a removed object; NULL while it is wanted.
    tombstone_seconds    INTEGER,
    -- 0: never observed.
    observed_generation  INTEGER NOT NULL,
    -- "pending", "converged", "failed", "retained", "removed".
    observed_state       TEXT NOT NULL,
    reason               TEXT NOT NULL,
    message              TEXT NOT NULL,
    since_millis         INTEGER NOT NULL,
    stages               TEXT NOT NULL,
    -- 1 when the node has done what this row asks (for a tombstone: as far as its retention allows).
    settled              INTEGER NOT NULL,
    -- The log index of the last change of what is wanted here.
    changed_index        INTEGER NOT NULL,
    PRIMARY KEY (node_id, kind, object_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX node_objects_changed ON node_objects (changed_index, node_id);
CREATE INDEX node_objects_changed_on ON node_objects (node_id, changed_index);
CREATE INDEX node_objects_by_object ON node_objects (object_id, kind);
CREATE INDEX node_objects_unsettled ON node_objects (node_id) WHERE settled = 0;

CREATE TABLE operations (
    id                BLOB PRIMARY KEY,
    tenant_id         BLOB NOT NULL,
    action            TEXT NOT NULL,
    object_kind       TEXT NOT NULL,
    object_id         BLOB NOT NULL,
    request_id        BLOB NOT NULL,
    -- JSON: every node's verdict when something was placed; empty otherwise.
    placement_report  TEXT NOT NULL,
    created_millis    INTEGER NOT NULL,
    finished_millis   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX operations_by_tenant ON operations (tenant_id);

-- What an operation waits for: this object on this node, at this generation or later.
CREATE TABLE operation_targets (
    node_id       BLOB NOT NULL,
    kind          TEXT NOT NULL,
    object_id     BLOB NOT NULL,
    generation    INTEGER NOT NULL,
    operation_id  BLOB NOT NULL,
    PRIMARY KEY (node_id, kind, object_id, generation, operation_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX operation_targets_by_operation ON operation_targets (operation_id);

-- The answer to a write that carried an idempotency key.
CREATE TABLE idempotency (
    tenant_id       BLOB NOT NULL,
    key             TEXT NOT NULL,
    request_digest  BLOB NOT NULL,
    outcome         BLOB NOT NULL,
    created_millis  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created_millis);

-- One row per accepted write.
CREATE TABLE audit (
    log_index       INTEGER PRIMARY KEY,
    time_millis     INTEGER NOT NULL,
    tenant_id       BLOB NOT NULL,
    -- "api_key/<id>", "node/<id>", "controller/<id>", "token/<id>".
    principal       TEXT NOT NULL,
    source_address  TEXT NOT NULL,
    request_id      BLOB NOT NULL,
    action          TEXT NOT NULL,
    object_id       BLOB NOT NULL,
    -- SHA-256 of the command as it stands in the log.
    command_digest  BLOB NOT NULL
) STRICT;

-- What changed, in order: the source of the change feed.
CREATE TABLE changes (
    log_index  INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    tenant_id  BLOB NOT NULL,
    kind       TEXT NOT NULL,
    object_id  BLOB NOT NULL,
    -- "created", "changed", "deleted", "observed".
    change     TEXT NOT NULL,
    PRIMARY KEY (log_index, position)
) STRICT, WITHOUT ROWID;
