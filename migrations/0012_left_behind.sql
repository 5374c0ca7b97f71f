-- Accounts that could not follow their plan to another PHP version, for their node has it not (any more): they follow
-- as soon as it has. A row goes when the account has another version, or none of the plan's any more, or goes.
CREATE TABLE left_behind (
    account_id    BLOB PRIMARY KEY,
    tenant_id     BLOB NOT NULL,
    plan_id       BLOB NOT NULL,
    -- What it should have.
    php_version   TEXT NOT NULL,
    -- The plan's change, which waits for it.
    operation_id  BLOB NOT NULL,
    since_millis  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX left_behind_by_plan ON left_behind (plan_id);
CREATE INDEX left_behind_by_operation ON left_behind (operation_id);

-- Those of them that can follow now: their node has the version, or whoever they are placed on will be asked.
CREATE VIEW catching_up AS
    SELECT l.account_id, l.plan_id, l.php_version, l.operation_id FROM left_behind l
    WHERE NOT EXISTS (
        SELECT 1 FROM assignments s JOIN nodes n ON n.id = s.node_id
        WHERE s.account_id = l.account_id AND s.part = 'web' AND s.state = 'active'
            AND NOT EXISTS (SELECT 1 FROM json_each(n.php_versions) has WHERE has.value = l.php_version));
