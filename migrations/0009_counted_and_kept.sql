-- What is counted rather than counted again, and how long what is over is kept.

-- The settings' last change, for If-Match.
ALTER TABLE cluster ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
-- How long an operation is kept after its end: 30 days.
ALTER TABLE cluster ADD COLUMN operation_retention_seconds INTEGER NOT NULL DEFAULT 2592000;
CREATE INDEX operations_by_end ON operations (finished_millis) WHERE finished_millis IS NOT NULL;

-- Why an account is where it is, longer than the operation that put it there.
CREATE TABLE placement_reports (
    account_id  BLOB PRIMARY KEY,
    tenant_id   BLOB NOT NULL,
    -- JSON: every node's verdict, or the best ones' in a large fleet.
    report      TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO placement_reports SELECT o.object_id, max(o.tenant_id), max(o.placement_report) FROM operations o
    JOIN accounts a ON a.id = o.object_id WHERE o.action = 'account.create' AND o.placement_report != ''
    GROUP BY o.object_id;

-- How many accounts a tenant and those beneath it have, without those that are going.
CREATE TABLE tenant_accounts (
    tenant_id  BLOB PRIMARY KEY,
    accounts   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO tenant_accounts SELECT t.id,
    (SELECT count(*) FROM tenant_tree below JOIN accounts a ON a.tenant_id = below.tenant_id
     WHERE below.ancestor_id = t.id AND a.deleted_millis IS NULL)
    FROM tenants t;
