-- What plans allow besides disk space, domains and databases. NULL: unlimited.
ALTER TABLE plans ADD COLUMN inodes INTEGER;
ALTER TABLE plans ADD COLUMN bandwidth_mb_per_month INTEGER;
ALTER TABLE plans ADD COLUMN subdomains INTEGER;
ALTER TABLE plans ADD COLUMN mailboxes INTEGER;
ALTER TABLE plans ADD COLUMN ftp_users INTEGER;
ALTER TABLE plans ADD COLUMN cron_jobs INTEGER;
ALTER TABLE plans ADD COLUMN cpu_percent INTEGER;
ALTER TABLE plans ADD COLUMN memory_limit_mb INTEGER;
ALTER TABLE plans ADD COLUMN processes INTEGER;
ALTER TABLE plans ADD COLUMN io_mb_per_second INTEGER;
ALTER TABLE plans ADD COLUMN io_operations_per_second INTEGER;
-- JSON: the PHP versions that accounts may choose; none: all that their nodes have.
ALTER TABLE plans ADD COLUMN php_versions TEXT NOT NULL DEFAULT '[]';
-- Until feature level 4 a domain beneath another counted as one of the domains. Those rules write the same here.
UPDATE plans SET subdomains = domains;

-- What its node was told that the account's processes may take (the model's Allotment as text): its plan's, once it has
-- followed. Empty: as much as there is.
ALTER TABLE accounts ADD COLUMN allotment TEXT NOT NULL DEFAULT '';

-- How many accounts of a tenant have a plan, without those that are going.
CREATE TABLE plan_accounts (
    plan_id    BLOB NOT NULL,
    tenant_id  BLOB NOT NULL,
    accounts   INTEGER NOT NULL,
    PRIMARY KEY (plan_id, tenant_id)
) STRICT, WITHOUT ROWID;
INSERT INTO plan_accounts SELECT plan_id, tenant_id, count(*) FROM accounts WHERE deleted_millis IS NULL
    GROUP BY plan_id, tenant_id;

-- Domains beneath another domain of the same account.
CREATE VIEW subdomains AS
    SELECT d.id AS domain_id, d.account_id FROM domains d
    WHERE d.deleted_millis IS NULL AND EXISTS (
        SELECT 1 FROM name_index above
            JOIN name_index own INDEXED BY name_index_own ON own.at = above.at AND own.account_id = d.account_id AND own.own = 1
            JOIN domains up ON up.id = own.object_id AND up.deleted_millis IS NULL
        WHERE above.object_id = d.id AND above.own = 0);

-- Accounts that have more of something than their plan allows, because the plan shrank or they came to another. Every
-- column has the same affinity in each part, so that SQLite looks at one plan or account where it is asked for one.
CREATE VIEW exceeding AS
    SELECT a.id AS account_id, a.plan_id AS plan_id, a.username AS username, CAST('domains' AS TEXT) AS what,
        CAST((SELECT count(*) FROM domains d WHERE d.account_id = a.id AND d.deleted_millis IS NULL)
            - (SELECT count(*) FROM subdomains s WHERE s.account_id = a.id) AS INTEGER) AS used,
        CAST(p.domains AS INTEGER) AS allowed
    FROM accounts a JOIN plans p ON p.id = a.plan_id
    WHERE a.deleted_millis IS NULL AND p.domains <
        (SELECT count(*) FROM domains d WHERE d.account_id = a.id AND d.deleted_millis IS NULL)
            - (SELECT count(*) FROM subdomains s WHERE s.account_id = a.id)
    UNION ALL
    SELECT a.id, a.plan_id, a.username, CAST('subdomains' AS TEXT),
        CAST((SELECT count(*) FROM subdomains s WHERE s.account_id = a.id) AS INTEGER), CAST(p.subdomains AS INTEGER)
    FROM accounts a JOIN plans p ON p.id = a.plan_id
    WHERE a.deleted_millis IS NULL AND p.subdomains <
        (SELECT count(*) FROM subdomains s WHERE s.account_id = a.id)
    UNION ALL
    SELECT a.id, a.plan_id, a.username, CAST('databases' AS TEXT),
        CAST((SELECT count(*) FROM databases d WHERE d.account_id = a.id AND d.deleted_millis IS NULL) AS INTEGER),
        CAST(p.databases AS INTEGER)
    FROM accounts a JOIN plans p ON p.id = a.plan_id
    WHERE a.deleted_millis IS NULL AND p.databases <
        (SELECT count(*) FROM databases d WHERE d.account_id = a.id AND d.deleted_millis IS NULL)
    UNION ALL
    SELECT a.id, a.plan_id, a.username, CAST('cron_jobs' AS TEXT),
        CAST(json_array_length(c.jobs) AS INTEGER), CAST(p.cron_jobs AS INTEGER)
    FROM accounts a JOIN plans p ON p.id = a.plan_id JOIN cron_tables c ON c.id = a.id
    WHERE a.deleted_millis IS NULL AND c.deleted_millis IS NULL AND p.cron_jobs < json_array_length(c.jobs);
