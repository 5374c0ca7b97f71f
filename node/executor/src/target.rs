//! What an operation is about.

use npanel_model::{DatabaseName, DatabaseUserName, Fqdn, NodeRole, Uid};
use serde::{Deserialize, Serialize};

use crate::Operation;

/// Something on this machine that is ensured, and looked after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// What the services of a role share.
    Base(NodeRole),
    /// An account's user, home and PHP.
    Account(Uid),
    /// A site.
    Site(Fqdn),
    /// A database.
    Database(DatabaseName),
    /// A database user.
    DatabaseUser(DatabaseUserName),
    /// A zone.
    Zone(Fqdn),
    /// An account's scheduled jobs.
    CronTable(Uid),
}

impl Operation {
    /// What it ensures; none if it ensures nothing, or the shared parts of several roles at once.
    pub fn ensures(&self) -> Option<Target> {
        Some(match self {
            Self::EnsureBase { roles } => match roles.as_slice() {
                [role] => Target::Base(*role),
                _ => return None,
            },
            Self::EnsureAccount { uid, .. } => Target::Account(*uid),
            Self::EnsureSite { domain, .. } => Target::Site(domain.clone()),
            Self::EnsureDatabase { name } => Target::Database(name.clone()),
            Self::EnsureDatabaseUser { name, .. } => Target::DatabaseUser(name.clone()),
            Self::EnsureZone { zone } => Target::Zone(zone.name.clone()),
            Self::EnsureCronTable { uid, .. } => Target::CronTable(*uid),
            _ => return None,
        })
    }

    /// What it takes away; none if it takes nothing away.
    pub(crate) fn removes(&self) -> Option<Target> {
        Some(match self {
            Self::RetireAccount { uid, .. }
            | Self::PurgeAccount { uid }
            | Self::RestAccount { uid }
            | Self::SetAccountAside { uid, .. } => Target::Account(*uid),
            Self::RemoveSite { domain } => Target::Site(domain.clone()),
            Self::DropDatabase { name } => Target::Database(name.clone()),
            Self::DropDatabaseUser { name } => Target::DatabaseUser(name.clone()),
            Self::RemoveZone { name } => Target::Zone(name.clone()),
            Self::RemoveCronTable { uid } => Target::CronTable(*uid),
            _ => return None,
        })
    }
}
