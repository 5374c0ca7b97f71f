-- Certificates that are renewed, authorities that are rotated, and tokens that are bound to a name and a network.

-- The authorities that are trusted, in DER; exactly one of them issues.
CREATE TABLE authorities (
    key_fingerprint    BLOB PRIMARY KEY,
    certificate        BLOB NOT NULL,
    -- The same authority as the one before certified it; empty for the first.
    cross_certificate  BLOB NOT NULL,
    -- Its key, sealed by the cluster key; empty once it does not issue any more.
    sealed_key         BLOB NOT NULL,
    issuing            INTEGER NOT NULL,
    not_after_millis   INTEGER NOT NULL,
    created_millis     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX authorities_issuing ON authorities (issuing) WHERE issuing = 1;

-- The authority that issued a certificate, and where in the log it was issued and revoked: of a machine's
-- certificates the one with the highest index is the newest, whatever the clocks said.
ALTER TABLE identities ADD COLUMN authority BLOB NOT NULL DEFAULT x'';
ALTER TABLE identities ADD COLUMN issued_index INTEGER NOT NULL DEFAULT 0;
ALTER TABLE identities ADD COLUMN revoked_index INTEGER;
CREATE INDEX identities_revoked ON identities (revoked_index) WHERE revoked_index IS NOT NULL;

-- The only name that may be taken with a token (empty: any), and a JSON array of networks (none: anywhere).
ALTER TABLE tokens ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN networks TEXT NOT NULL DEFAULT '[]';
