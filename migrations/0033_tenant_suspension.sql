-- What kind of reason a suspension has: "billing", "abuse", "limit_exceeded", "other"; empty: none was said.
ALTER TABLE accounts ADD COLUMN suspended_kind TEXT NOT NULL DEFAULT '';
ALTER TABLE domains ADD COLUMN suspended_kind TEXT NOT NULL DEFAULT '';

-- A tenant's own suspension, as an account's. Its accounts, and those of the tenants beneath it, follow.
ALTER TABLE tenants ADD COLUMN suspended_millis INTEGER;
ALTER TABLE tenants ADD COLUMN suspended_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE tenants ADD COLUMN suspended_kind TEXT NOT NULL DEFAULT '';
ALTER TABLE tenants ADD COLUMN suspended_by TEXT NOT NULL DEFAULT '';
ALTER TABLE tenants ADD COLUMN suspended_for BLOB;
-- The operation by which accounts follow, while that goes on.
ALTER TABLE tenants ADD COLUMN followed_by_operation_id BLOB;
CREATE INDEX tenants_followed ON tenants (followed_by_operation_id) WHERE followed_by_operation_id IS NOT NULL;

-- 1: it has followed the suspension of its tenant, or of one above. Beside its own suspension, which nothing of this touches.
ALTER TABLE accounts ADD COLUMN tenant_suspended INTEGER NOT NULL DEFAULT 0;
-- Whether it is not served, for whichever reason.
ALTER TABLE accounts ADD COLUMN is_suspended INTEGER NOT NULL GENERATED ALWAYS AS
    (suspended_millis IS NOT NULL OR tenant_suspended = 1) VIRTUAL;
CREATE INDEX accounts_following_tenant ON accounts (tenant_id, tenant_suspended) WHERE deleted_millis IS NULL;

-- Tenants with each suspended one at or above them.
CREATE VIEW suspended_tenants AS
    SELECT tree.tenant_id AS tenant_id, t.suspended_millis AS suspended_millis, t.suspended_reason AS suspended_reason,
        t.suspended_kind AS suspended_kind, t.suspended_by AS suspended_by
    FROM tenant_tree tree JOIN tenants t ON t.id = tree.ancestor_id
    WHERE t.suspended_millis IS NOT NULL;
