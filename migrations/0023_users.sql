-- People, and what they are signed in by.

CREATE TABLE users (
    id                BLOB PRIMARY KEY,
    tenant_id         BLOB NOT NULL,
    -- An e-mail address in lower case.
    login             TEXT NOT NULL UNIQUE,
    name              TEXT NOT NULL,
    role              TEXT NOT NULL,
    -- JSON: what of the role, by pattern.
    actions           TEXT NOT NULL,
    -- JSON: the ids of the accounts that the user is confined to; NULL: none in particular.
    accounts          TEXT,
    -- In the PHC string format; empty: none.
    password_hash     TEXT NOT NULL,
    password_millis   INTEGER NOT NULL,
    -- Sealed by the tenant's data key; NULL: no authenticator.
    sealed_totp       BLOB,
    -- NULL: the key was offered and not confirmed.
    totp_millis       INTEGER,
    -- Of the last code that was taken: none is taken twice.
    totp_step         INTEGER NOT NULL DEFAULT 0,
    -- JSON: SHA-256 of each recovery code that is left, in hexadecimal.
    recovery_hashes   TEXT NOT NULL DEFAULT '[]',
    -- NULL: may sign in.
    disabled_millis   INTEGER,
    created_millis    INTEGER NOT NULL,
    revision          INTEGER NOT NULL DEFAULT 0,
    -- As in 0018; NULL: nothing is sealed.
    sealer            BLOB GENERATED ALWAYS AS
        (CASE WHEN sealed_totp IS NULL THEN NULL
              WHEN substr(sealed_totp, 1, 1) = x'02' THEN substr(sealed_totp, 2, 8) ELSE x'' END) VIRTUAL
) STRICT, WITHOUT ROWID;
CREATE INDEX users_by_tenant ON users (tenant_id);
CREATE INDEX users_by_sealer ON users (tenant_id, sealer) WHERE sealed_totp IS NOT NULL;

CREATE TABLE sessions (
    id                BLOB PRIMARY KEY,
    -- Of the user or the API key.
    tenant_id         BLOB NOT NULL,
    secret_hash       BLOB NOT NULL,
    -- One of the two.
    user_id           BLOB,
    api_key_id        BLOB,
    -- JSON: what of the rights, by pattern; NULL: all.
    actions           TEXT,
    -- The user who acts as the session's user; NULL: nobody else.
    impersonator_id   BLOB,
    only_looks        INTEGER NOT NULL,
    reason            TEXT NOT NULL,
    source_address    TEXT NOT NULL,
    user_agent        TEXT NOT NULL,
    created_millis    INTEGER NOT NULL,
    expires_millis    INTEGER NOT NULL,
    revision          INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_tenant ON sessions (tenant_id);
CREATE INDEX sessions_by_user ON sessions (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX sessions_by_impersonator ON sessions (impersonator_id) WHERE impersonator_id IS NOT NULL;
CREATE INDEX sessions_by_key ON sessions (api_key_id) WHERE api_key_id IS NOT NULL;
CREATE INDEX sessions_by_end ON sessions (expires_millis);

-- What an API key is confined to: a role, accounts (JSON, ids), networks (JSON).
ALTER TABLE api_keys ADD COLUMN role TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN accounts TEXT;
ALTER TABLE api_keys ADD COLUMN networks TEXT NOT NULL DEFAULT '[]';
-- The secret before the last rotation, and until when it counts.
ALTER TABLE api_keys ADD COLUMN former_secret_hash BLOB NOT NULL DEFAULT x'';
ALTER TABLE api_keys ADD COLUMN former_until_millis INTEGER NOT NULL DEFAULT 0;

-- Whose an operation is; NULL: no single account's.
ALTER TABLE operations ADD COLUMN account_id BLOB;
