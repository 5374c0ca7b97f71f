-- Sign-ins that programs wait for, until somebody confirms or refuses them in a browser (RFC 8628). Nobody's, until then.

CREATE TABLE device_logins (
    id                    BLOB PRIMARY KEY,
    -- SHA-256 of what the program shows, and of what the person types.
    secret_hash           BLOB NOT NULL,
    user_code_hash        BLOB NOT NULL UNIQUE,
    -- The program and where it is, as the person is shown them.
    client                TEXT NOT NULL,
    user_agent            TEXT NOT NULL,
    source_address        TEXT NOT NULL,
    created_millis        INTEGER NOT NULL,
    expires_millis        INTEGER NOT NULL,
    -- NULL: nobody has decided yet.
    decided_millis        INTEGER,
    -- Who has confirmed it; NULL: nobody, or it is refused.
    user_id               BLOB,
    -- The provider that has said who that is; NULL: they have shown a password.
    identity_provider_id  BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX device_logins_by_end ON device_logins (expires_millis);
CREATE INDEX device_logins_by_user ON device_logins (user_id) WHERE user_id IS NOT NULL;
