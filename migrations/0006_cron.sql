-- Scheduled jobs of accounts: at most one row an account, whose id it has.
CREATE TABLE cron_tables (
    id              BLOB PRIMARY KEY,
    tenant_id       BLOB NOT NULL,
    account_id      BLOB NOT NULL,
    -- JSON: an array of {schedule, command}.
    jobs            TEXT NOT NULL,
    generation      INTEGER NOT NULL,
    revision        INTEGER NOT NULL DEFAULT 0,
    operation_id    BLOB NOT NULL,
    created_millis  INTEGER NOT NULL,
    deleted_millis  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX cron_tables_by_tenant ON cron_tables (tenant_id);
CREATE INDEX cron_tables_by_account ON cron_tables (account_id);
