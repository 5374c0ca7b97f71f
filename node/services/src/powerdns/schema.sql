-- What PowerDNS 4.7's generic SQLite backend asks for (its manual, "Generic SQLite 3 Backend": tables, columns
-- and the queries over them).
PRAGMA journal_mode = WAL;

CREATE TABLE domains (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL COLLATE NOCASE UNIQUE,
    type TEXT NOT NULL,
    master TEXT,
    last_check INTEGER,
    notified_serial INTEGER,
    account TEXT,
    options TEXT,
    catalog TEXT
);
CREATE INDEX domains_by_catalog ON domains (catalog);

CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    domain_id INTEGER REFERENCES domains (id) ON DELETE CASCADE ON UPDATE CASCADE,
    name TEXT,
    type TEXT,
    content TEXT,
    ttl INTEGER,
    prio INTEGER,
    disabled INTEGER NOT NULL DEFAULT 0,
    ordername TEXT,
    auth INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX records_by_name ON records (name, type);
CREATE INDEX records_by_domain ON records (domain_id);
CREATE INDEX records_by_order ON records (domain_id, ordername);

CREATE TABLE supermasters (
    ip TEXT NOT NULL,
    nameserver TEXT NOT NULL COLLATE NOCASE,
    account TEXT NOT NULL,
    PRIMARY KEY (ip, nameserver)
);

CREATE TABLE comments (
    id INTEGER PRIMARY KEY,
    domain_id INTEGER NOT NULL REFERENCES domains (id) ON DELETE CASCADE ON UPDATE CASCADE,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    modified_at INTEGER NOT NULL,
    account TEXT,
    comment TEXT NOT NULL
);
CREATE INDEX comments_by_name ON comments (domain_id, name, type);

CREATE TABLE domainmetadata (
    id INTEGER PRIMARY KEY,
    domain_id INTEGER NOT NULL REFERENCES domains (id) ON DELETE CASCADE ON UPDATE CASCADE,
    kind TEXT COLLATE NOCASE,
    content TEXT
);
CREATE INDEX domainmetadata_by_domain ON domainmetadata (domain_id);

CREATE TABLE cryptokeys (
    id INTEGER PRIMARY KEY,
    domain_id INTEGER NOT NULL REFERENCES domains (id) ON DELETE CASCADE ON UPDATE CASCADE,
    flags INTEGER NOT NULL,
    active INTEGER,
    published INTEGER DEFAULT 1,
    content TEXT
);
CREATE INDEX cryptokeys_by_domain ON cryptokeys (domain_id);

CREATE TABLE tsigkeys (
    id INTEGER PRIMARY KEY,
    name TEXT COLLATE NOCASE,
    algorithm TEXT COLLATE NOCASE,
    secret TEXT
);
CREATE UNIQUE INDEX tsigkeys_by_name ON tsigkeys (name, algorithm);
