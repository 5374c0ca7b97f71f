//! What is wanted of an object, as proven values.

use npanel_model::{
    AccountId, Allotment, CronJob, DatabaseName, DatabaseUserName, DocumentRoot, Fqdn, MysqlPasswordHash,
    PhpVersion, Privileges, RecordData, RecordName, RecordType, Ttl, Uid, Username,
};

/// The whole intent of one object. `Debug` shows no secret: the one there is redacts itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// The web part of an account.
    Account(AccountIntent),
    /// A site.
    Site(SiteIntent),
    /// A database.
    Database(DatabaseIntent),
    /// A database user.
    DatabaseUser(DatabaseUserIntent),
    /// A zone.
    Zone(ZoneIntent),
    /// An account's scheduled jobs.
    CronTable(CronTableIntent),
}

/// A Unix user with a home and PHP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountIntent {
    /// The uid, which is also the gid.
    pub uid: Uid,
    /// The user's name.
    pub username: Username,
    /// The PHP that runs the account's sites.
    pub php: PhpVersion,
    /// Whether nothing of it runs.
    pub suspended: bool,
    /// What its processes may take.
    pub allotment: Allotment,
}

/// A domain served from a directory of an account on the same node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteIntent {
    /// The account.
    pub account: AccountId,
    /// Its uid.
    pub uid: Uid,
    /// Its user name.
    pub username: Username,
    /// The domain.
    pub domain: Fqdn,
    /// The directory, relative to the home.
    pub document_root: DocumentRoot,
    /// Whether it is answered with a suspension page.
    pub suspended: bool,
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseIntent {
    /// Its name.
    pub name: DatabaseName,
}

/// A database user with exactly these grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUserIntent {
    /// Its name.
    pub name: DatabaseUserName,
    /// Its password, hashed. A secret.
    pub password_hash: MysqlPasswordHash,
    /// What it may do, sorted.
    pub grants: Vec<GrantIntent>,
    /// Whether it may not log in.
    pub locked: bool,
}

/// What a database user may do in one database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrantIntent {
    /// The database.
    pub database: DatabaseName,
    /// What may be done there.
    pub privileges: Privileges,
}

/// A zone with exactly these record sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneIntent {
    /// The zone's name.
    pub name: Fqdn,
    /// Who answers for it; the first is the SOA's primary. At least one.
    pub name_servers: Vec<Fqdn>,
    /// The SOA's mailbox, as a domain name.
    pub hostmaster: Fqdn,
    /// Everything else, sorted by name and type, each pair once.
    pub record_sets: Vec<RecordSetIntent>,
}

/// Exactly these scheduled jobs of an account on the same node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronTableIntent {
    /// The account.
    pub account: AccountId,
    /// Its uid.
    pub uid: Uid,
    /// Its user name.
    pub username: Username,
    /// The jobs.
    pub jobs: Vec<CronJob>,
}

/// The records of one name and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSetIntent {
    /// Relative to the zone.
    pub name: RecordName,
    /// The type of every record.
    pub kind: RecordType,
    /// How long resolvers may keep them.
    pub ttl: Ttl,
    /// The records, sorted.
    pub records: Vec<RecordData>,
}

impl Intent {
    /// What of the object may never change while it lives, in words: another value would leave the old thing
    /// behind on the node, owned by nobody.
    pub fn nature(&self) -> String {
        match self {
            Self::Account(account) => format!("uid {}", account.uid),
            Self::Site(site) => format!("domain {}", site.domain),
            Self::Database(database) => format!("name {}", database.name),
            Self::DatabaseUser(user) => format!("name {}", user.name),
            Self::Zone(zone) => format!("name {}", zone.name),
            Self::CronTable(table) => format!("uid {}", table.uid),
        }
    }

    /// The account that the object needs on this node, and goes before; none if it stands by itself.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Site(site) => Some(site.account),
            Self::CronTable(table) => Some(table.account),
            Self::Account(_) | Self::Database(_) | Self::DatabaseUser(_) | Self::Zone(_) => None,
        }
    }
}
