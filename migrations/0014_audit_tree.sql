-- The audit's entries as the leaves of a tree (RFC 9162), the key that vouches for it, and what it has vouched for.

-- Which leaf the entry is, from 0; NULL for one that is older than the tree.
ALTER TABLE audit ADD COLUMN position INTEGER;
-- The tenant that an API key acts for; NULL for machines.
ALTER TABLE audit ADD COLUMN actor_tenant_id BLOB;
-- The noun of the object.
ALTER TABLE audit ADD COLUMN object_kind TEXT NOT NULL DEFAULT '';
-- SHA-256 of the object's canonical form before and after; NULL where it was not there.
ALTER TABLE audit ADD COLUMN before_digest BLOB;
ALTER TABLE audit ADD COLUMN after_digest BLOB;
-- The nodes of the tree that are complete with this leaf, 32 bytes each: its own hash, then those above it.
ALTER TABLE audit ADD COLUMN hashes BLOB NOT NULL DEFAULT x'';
CREATE UNIQUE INDEX audit_by_position ON audit (position);

CREATE TABLE audit_key (
    only_row        INTEGER PRIMARY KEY CHECK (only_row = 1),
    -- Of Ed25519.
    public_key      BLOB NOT NULL,
    -- Its private half, sealed by the cluster key.
    sealed_key      BLOB NOT NULL,
    created_millis  INTEGER NOT NULL
) STRICT;

CREATE TABLE audit_checkpoints (
    serial       INTEGER PRIMARY KEY,
    tree_size    INTEGER NOT NULL UNIQUE,
    time_millis  INTEGER NOT NULL,
    -- The signed note.
    note         TEXT NOT NULL
) STRICT;
