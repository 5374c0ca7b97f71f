-- Plans that change while accounts have them.

-- The operation by which a plan's accounts follow it to another PHP version, while that goes on, and the last account
-- that has.
ALTER TABLE plans ADD COLUMN following_operation_id BLOB;
ALTER TABLE plans ADD COLUMN followed_by BLOB;
CREATE INDEX plans_following ON plans (following_operation_id) WHERE following_operation_id IS NOT NULL;

-- Everything that is said of a node: an operator's word takes the place of its own about the same thing.
ALTER TABLE nodes ADD COLUMN all_labels TEXT NOT NULL DEFAULT '[]';
UPDATE nodes SET all_labels = (SELECT json_group_array(label) FROM (
    SELECT said.value AS label FROM json_each(nodes.labels) said
    UNION ALL
    SELECT own.value FROM json_each(nodes.own_labels) own
    WHERE NOT EXISTS (SELECT 1 FROM json_each(nodes.labels) said
        WHERE substr(said.value, 1, instr(said.value, '=')) = substr(own.value, 1, instr(own.value, '=')))));

-- What of its plan's placement an account's node does not fulfil: because the plan or the node changed. The share that
-- an account reserves stands once per node. Every column has the same affinity in each part, so that SQLite looks at one
-- account where it is asked for one.
CREATE VIEW unmet AS
    SELECT a.id AS account_id, n.id AS node_id, n.name AS node_name, CAST('pool' AS TEXT) AS term, p.pool AS wanted,
        n.pool AS has
    FROM accounts a JOIN plans p ON p.id = a.plan_id
        JOIN assignments s ON s.account_id = a.id AND s.accounts > 0 JOIN nodes n ON n.id = s.node_id
    WHERE a.deleted_millis IS NULL AND p.pool IS NOT NULL AND p.pool != n.pool
    UNION ALL
    SELECT a.id, n.id, n.name, CAST('label' AS TEXT), CAST(label.value AS TEXT), CAST('' AS TEXT)
    FROM accounts a JOIN plans p ON p.id = a.plan_id
        JOIN assignments s ON s.account_id = a.id AND s.accounts > 0 JOIN nodes n ON n.id = s.node_id,
        json_each(p.labels) label
    WHERE a.deleted_millis IS NULL
        AND NOT EXISTS (SELECT 1 FROM json_each(n.all_labels) has WHERE has.value = label.value)
    UNION ALL
    SELECT a.id, n.id, n.name, CAST('keep_apart' AS TEXT), CAST('1' AS TEXT), CAST(t.accounts AS TEXT)
    FROM accounts a JOIN plans p ON p.id = a.plan_id
        JOIN assignments s ON s.account_id = a.id AND s.accounts > 0 JOIN nodes n ON n.id = s.node_id
        JOIN node_tenants t ON t.tenant_id = a.tenant_id AND t.node_id = n.id
    WHERE a.deleted_millis IS NULL AND p.anti_affinity = 'required' AND t.accounts > 1;
