-- What placement goes by.

-- "spread" or "bin_pack".
ALTER TABLE cluster ADD COLUMN placement_strategy TEXT NOT NULL DEFAULT 'spread';

ALTER TABLE plans ADD COLUMN memory_mb INTEGER NOT NULL DEFAULT 0;
-- NULL: the cluster's.
ALTER TABLE plans ADD COLUMN placement_strategy TEXT;
-- "preferred" or "required".
ALTER TABLE plans ADD COLUMN anti_affinity TEXT NOT NULL DEFAULT 'preferred';
-- Where its accounts may be: NULL and [] are anywhere. Only the platform says so.
ALTER TABLE plans ADD COLUMN pool TEXT;
ALTER TABLE plans ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';

-- What an operator says of a node.
ALTER TABLE nodes ADD COLUMN schedulable INTEGER NOT NULL DEFAULT 1;
ALTER TABLE nodes ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
-- Empty: what the node says itself.
ALTER TABLE nodes ADD COLUMN availability_zone TEXT NOT NULL DEFAULT '';
-- NULL: unlimited.
ALTER TABLE nodes ADD COLUMN account_slots INTEGER;
ALTER TABLE nodes ADD COLUMN disk_overcommit_percent INTEGER NOT NULL DEFAULT 100;
ALTER TABLE nodes ADD COLUMN memory_overcommit_percent INTEGER NOT NULL DEFAULT 100;
-- What it says of itself. 0 and empty: it has not.
ALTER TABLE nodes ADD COLUMN own_labels TEXT NOT NULL DEFAULT '[]';
ALTER TABLE nodes ADD COLUMN own_availability_zone TEXT NOT NULL DEFAULT '';
ALTER TABLE nodes ADD COLUMN disk_mb INTEGER NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN memory_mb INTEGER NOT NULL DEFAULT 0;
-- The roles that its system cannot fill: a JSON array of [role, what is missing].
ALTER TABLE nodes ADD COLUMN missing TEXT NOT NULL DEFAULT '[]';

-- What an assignment reserves on its node until it is gone: the account's whole share, once per account and node.
ALTER TABLE assignments ADD COLUMN accounts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE assignments ADD COLUMN disk_mb INTEGER NOT NULL DEFAULT 0;
ALTER TABLE assignments ADD COLUMN memory_mb INTEGER NOT NULL DEFAULT 0;
UPDATE assignments SET accounts = 1, disk_mb =
    (SELECT p.disk_mb FROM accounts a JOIN plans p ON p.id = a.plan_id WHERE a.id = assignments.account_id)
    WHERE NOT EXISTS (SELECT 1 FROM assignments other WHERE other.account_id = assignments.account_id
                      AND other.node_id = assignments.node_id AND other.id < assignments.id);

-- The sums of that, kept by whoever writes assignments, and when they or the node last changed (a log index). A row
-- outlives its node, so that whoever follows hears of the end.
CREATE TABLE node_capacity (
    node_id        BLOB PRIMARY KEY,
    changed_index  INTEGER NOT NULL,
    web            INTEGER NOT NULL,
    database       INTEGER NOT NULL,
    zones          INTEGER NOT NULL,
    accounts       INTEGER NOT NULL,
    disk_mb        INTEGER NOT NULL,
    memory_mb      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX node_capacity_changed ON node_capacity (changed_index);
INSERT INTO node_capacity SELECT id, 0,
    (SELECT count(*) FROM assignments a WHERE a.node_id = nodes.id AND a.part = 'web'),
    (SELECT count(*) FROM assignments a WHERE a.node_id = nodes.id AND a.part = 'database'),
    (SELECT count(*) FROM zone_assignments z WHERE z.node_id = nodes.id),
    (SELECT coalesce(sum(accounts), 0) FROM assignments a WHERE a.node_id = nodes.id),
    (SELECT coalesce(sum(disk_mb), 0) FROM assignments a WHERE a.node_id = nodes.id),
    (SELECT coalesce(sum(memory_mb), 0) FROM assignments a WHERE a.node_id = nodes.id)
    FROM nodes;

-- How many accounts of a tenant are on a node.
CREATE TABLE node_tenants (
    tenant_id  BLOB NOT NULL,
    node_id    BLOB NOT NULL,
    accounts   INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, node_id)
) STRICT, WITHOUT ROWID;
INSERT INTO node_tenants SELECT tenant_id, node_id, sum(accounts) FROM assignments
    GROUP BY tenant_id, node_id HAVING sum(accounts) > 0;
