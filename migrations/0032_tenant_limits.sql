-- What a tenant and those beneath it may have, besides accounts. NULL: unlimited.
ALTER TABLE tenants ADD COLUMN disk_limit_mb INTEGER;
ALTER TABLE tenants ADD COLUMN bandwidth_limit_mb_per_month INTEGER;
ALTER TABLE tenants ADD COLUMN domain_limit INTEGER;
ALTER TABLE tenants ADD COLUMN mailbox_limit INTEGER;
ALTER TABLE tenants ADD COLUMN database_limit INTEGER;
ALTER TABLE tenants ADD COLUMN api_requests_per_minute INTEGER;

-- What they have, without what is going: what the plans of their accounts promise, and how many of each.
CREATE TABLE tenant_usage (
    tenant_id               BLOB PRIMARY KEY,
    disk_mb                 INTEGER NOT NULL,
    -- Of the accounts whose plans say so much.
    bandwidth_mb_per_month  INTEGER NOT NULL,
    domains                 INTEGER NOT NULL,
    databases               INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO tenant_usage SELECT t.id,
    (SELECT coalesce(sum(p.disk_mb), 0) FROM tenant_tree below JOIN accounts a ON a.tenant_id = below.tenant_id
         JOIN plans p ON p.id = a.plan_id WHERE below.ancestor_id = t.id AND a.deleted_millis IS NULL),
    (SELECT coalesce(sum(p.bandwidth_mb_per_month), 0) FROM tenant_tree below
         JOIN accounts a ON a.tenant_id = below.tenant_id JOIN plans p ON p.id = a.plan_id
     WHERE below.ancestor_id = t.id AND a.deleted_millis IS NULL),
    (SELECT count(*) FROM tenant_tree below JOIN domains d ON d.tenant_id = below.tenant_id
     WHERE below.ancestor_id = t.id AND d.deleted_millis IS NULL),
    (SELECT count(*) FROM tenant_tree below JOIN databases d ON d.tenant_id = below.tenant_id
     WHERE below.ancestor_id = t.id AND d.deleted_millis IS NULL)
    FROM tenants t;
