-- Others who say who signs in (OpenID Connect), and whom they know.

CREATE TABLE identity_providers (
    id                BLOB PRIMARY KEY,
    tenant_id         BLOB NOT NULL,
    name              TEXT NOT NULL,
    issuer            TEXT NOT NULL,
    client_id         TEXT NOT NULL,
    -- The client's secret, sealed by the tenant's data key, and when it was set.
    sealed_secret     BLOB NOT NULL,
    secret_millis     INTEGER NOT NULL,
    -- JSON: an array of scopes.
    scopes            TEXT NOT NULL,
    login_claim       TEXT NOT NULL,
    name_claim        TEXT NOT NULL,
    groups_claim      TEXT NOT NULL,
    -- JSON: an array of what groups may do and where; the first that fits counts.
    mappings          TEXT NOT NULL,
    creates_users     INTEGER NOT NULL,
    -- NULL: people sign in by it.
    disabled_millis   INTEGER,
    created_millis    INTEGER NOT NULL,
    revision          INTEGER NOT NULL DEFAULT 0,
    -- As in 0018.
    sealer            BLOB GENERATED ALWAYS AS
        (CASE WHEN substr(sealed_secret, 1, 1) = x'02' THEN substr(sealed_secret, 2, 8) ELSE x'' END) VIRTUAL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX identity_providers_by_name ON identity_providers (tenant_id, name);
CREATE INDEX identity_providers_by_sealer ON identity_providers (tenant_id, sealer);

-- How one of them knows a user; NULL: none does.
ALTER TABLE users ADD COLUMN identity_provider_id BLOB;
ALTER TABLE users ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX users_by_identity ON users (identity_provider_id, subject) WHERE identity_provider_id IS NOT NULL;

-- By which of them a session was begun; NULL: by none.
ALTER TABLE sessions ADD COLUMN identity_provider_id BLOB;
CREATE INDEX sessions_by_provider ON sessions (identity_provider_id) WHERE identity_provider_id IS NOT NULL;

-- What sign-ins were begun with that have come to their end: SHA-256. None is good twice.
CREATE TABLE spent_sign_ins (
    hash              BLOB PRIMARY KEY,
    expires_millis    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_sign_ins_by_end ON spent_sign_ins (expires_millis);
