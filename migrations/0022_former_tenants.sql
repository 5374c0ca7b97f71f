-- Every deleted tenant with each of those that were above it: they still see its audit, and hear what changed in it. Nobody else
-- reads this. Ids of tenants are not used again, so the rows stay true.
CREATE TABLE former_tenant_tree (
    ancestor_id  BLOB NOT NULL,
    tenant_id    BLOB NOT NULL,
    PRIMARY KEY (ancestor_id, tenant_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX former_tenant_tree_by_tenant ON former_tenant_tree (tenant_id);
