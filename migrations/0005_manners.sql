-- The log index of an object's last change: what If-Match compares with. What nodes report is no change of it.
ALTER TABLE tenants ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE plans ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE domains ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE databases ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE database_users ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE zones ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE record_sets ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;

-- 1: the PHP version was chosen for this account; 0: it is the plan's, and follows it.
ALTER TABLE accounts ADD COLUMN php_chosen INTEGER NOT NULL DEFAULT 0;

-- Since when it is suspended; NULL: it is not. A domain's own, besides its account's.
ALTER TABLE accounts ADD COLUMN suspended_millis INTEGER;
ALTER TABLE accounts ADD COLUMN suspended_reason TEXT NOT NULL DEFAULT '';
-- As the audit writes a principal.
ALTER TABLE accounts ADD COLUMN suspended_by TEXT NOT NULL DEFAULT '';
-- For which tenant: only that one and those above it may lift it.
ALTER TABLE accounts ADD COLUMN suspended_for BLOB;
ALTER TABLE domains ADD COLUMN suspended_millis INTEGER;
ALTER TABLE domains ADD COLUMN suspended_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE domains ADD COLUMN suspended_by TEXT NOT NULL DEFAULT '';
ALTER TABLE domains ADD COLUMN suspended_for BLOB;

-- When the target was reached (NULL: not yet), and how long each stage took there.
ALTER TABLE operation_targets ADD COLUMN done_millis INTEGER;
ALTER TABLE operation_targets ADD COLUMN stages TEXT NOT NULL DEFAULT '';
CREATE INDEX operation_targets_open ON operation_targets (node_id, kind, object_id) WHERE done_millis IS NULL;
