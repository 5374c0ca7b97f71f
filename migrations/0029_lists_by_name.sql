-- Lists in the order of names, for who sees only their own: a page of one ends when it is full, however many there are.
-- Who sees all reads by the names themselves, which have indexes already.

CREATE INDEX accounts_by_tenant_and_username ON accounts (tenant_id, username);
CREATE INDEX domains_by_tenant_and_name ON domains (tenant_id, name);
CREATE INDEX databases_by_tenant_and_name ON databases (tenant_id, name);
