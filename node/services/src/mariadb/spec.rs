//! What is asked of MariaDB.

use npanel_model::{DatabaseName, Privileges};
use serde::{Deserialize, Serialize};

/// What a database user may do in one database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The database.
    pub database: DatabaseName,
    /// What may be done there.
    pub privileges: Privileges,
}
