-- The keys that secrets are sealed by, while they are changed and after.
--
-- What is sealed begins with its format: 1, by the key that has no name, which came first; 2, then the eight bytes of its
-- key's name. The columns called sealer hold that name, empty for the first key.

CREATE TABLE cluster_keys (
    name             BLOB PRIMARY KEY,
    -- From 1 upward, in the order in which they were offered.
    version          INTEGER NOT NULL UNIQUE,
    -- "offered" until a majority of the controllers has it, "current", "former" until nothing needs it, "destroyed";
    -- "dropped" if another was offered before a majority had it.
    state            TEXT NOT NULL,
    -- The log index of its offer; 0 for the first.
    offered_index    INTEGER NOT NULL,
    created_millis   INTEGER NOT NULL,
    -- When another became the current one.
    former_millis    INTEGER,
    -- When it was destroyed or dropped.
    ended_millis     INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO cluster_keys (name, version, state, offered_index, created_millis)
    SELECT x'', 1, 'current', 0, t.created_millis FROM cluster c JOIN tenants t ON t.id = c.root_tenant_id;

-- Which controllers have a cluster key on disk. The first one every controller has.
CREATE TABLE cluster_key_holders (
    name           BLOB NOT NULL,
    controller_id  INTEGER NOT NULL,
    PRIMARY KEY (name, controller_id)
) STRICT, WITHOUT ROWID;

-- A tenant's data key: wrapped_data_key is the one that seals now.
ALTER TABLE tenants ADD COLUMN data_key_name BLOB NOT NULL DEFAULT x'';
ALTER TABLE tenants ADD COLUMN data_key_version INTEGER NOT NULL DEFAULT 1;
-- The log index at which it was made, and when; 0 and NULL for the tenant's first, which is as old as the tenant.
ALTER TABLE tenants ADD COLUMN data_key_index INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN data_key_millis INTEGER;
ALTER TABLE tenants ADD COLUMN sealer BLOB GENERATED ALWAYS AS
    (CASE WHEN substr(wrapped_data_key, 1, 1) = x'02' THEN substr(wrapped_data_key, 2, 8) ELSE x'' END) VIRTUAL;
CREATE INDEX tenants_by_data_key ON tenants (data_key_index);
CREATE INDEX tenants_by_sealer ON tenants (sealer);

-- Data keys that seal nothing new, until nothing is sealed by them.
CREATE TABLE former_data_keys (
    tenant_id         BLOB NOT NULL,
    name              BLOB NOT NULL,
    wrapped_data_key  BLOB NOT NULL,
    -- When it was replaced.
    since_millis      INTEGER NOT NULL,
    sealer            BLOB GENERATED ALWAYS AS
        (CASE WHEN substr(wrapped_data_key, 1, 1) = x'02' THEN substr(wrapped_data_key, 2, 8) ELSE x'' END) VIRTUAL,
    PRIMARY KEY (tenant_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX former_data_keys_by_sealer ON former_data_keys (sealer);

ALTER TABLE database_users ADD COLUMN sealer BLOB GENERATED ALWAYS AS
    (CASE WHEN substr(sealed_password_hash, 1, 1) = x'02' THEN substr(sealed_password_hash, 2, 8) ELSE x'' END) VIRTUAL;
CREATE INDEX database_users_by_sealer ON database_users (tenant_id, sealer);
ALTER TABLE webhooks ADD COLUMN sealer BLOB GENERATED ALWAYS AS
    (CASE WHEN substr(sealed_secret, 1, 1) = x'02' THEN substr(sealed_secret, 2, 8) ELSE x'' END) VIRTUAL;
CREATE INDEX webhooks_by_sealer ON webhooks (tenant_id, sealer);
ALTER TABLE authorities ADD COLUMN sealer BLOB GENERATED ALWAYS AS
    (CASE WHEN substr(sealed_key, 1, 1) = x'02' THEN substr(sealed_key, 2, 8) ELSE x'' END) VIRTUAL;
ALTER TABLE audit_key ADD COLUMN sealer BLOB GENERATED ALWAYS AS
    (CASE WHEN substr(sealed_key, 1, 1) = x'02' THEN substr(sealed_key, 2, 8) ELSE x'' END) VIRTUAL;

-- The rotation that is under way, or the last one.
CREATE TABLE secret_rotation (
    only_row         INTEGER PRIMARY KEY CHECK (only_row = 1),
    operation_id     BLOB NOT NULL,
    -- Whether the cluster key is changed.
    cluster_key      INTEGER NOT NULL,
    -- Whether data keys are changed: those of this tenant, or of all.
    data_keys        INTEGER NOT NULL,
    tenant_id        BLOB,
    -- The log index of its beginning: keys that are older are changed.
    begun_index      INTEGER NOT NULL,
    begun_millis     INTEGER NOT NULL,
    finished_millis  INTEGER,
    -- What was to be made or sealed anew when it began, and how much was.
    total            INTEGER NOT NULL,
    done             INTEGER NOT NULL
) STRICT;
