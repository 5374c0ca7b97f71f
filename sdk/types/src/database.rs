//! Databases.

use npanel_model::{AccountId, DatabaseId, DatabaseName, Revision, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Convergence, schema};

/// A new database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDatabase {
    /// The account that it belongs to.
    #[schema(value_type = schema::AccountId)]
    pub account_id: AccountId,
    /// Its own name: 1 to 40 of a-z, 0-9 and `_`. The account's user name and `_` are put before it;
    /// it does not begin with them.
    #[schema(value_type = schema::OwnName)]
    pub name: String,
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Database {
    /// Its id.
    #[schema(value_type = schema::DatabaseId)]
    pub id: DatabaseId,
    /// The account that it belongs to.
    #[schema(value_type = schema::AccountId)]
    pub account_id: AccountId,
    /// Its full name, as programs connect to it.
    #[schema(value_type = schema::DatabaseName)]
    pub name: DatabaseName,
    /// When it was made.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// Until when its data is kept, once it is being deleted; `null` before. Its node counts from when it put the data aside.
    #[serde(default)]
    #[schema(value_type = Option<schema::Timestamp>)]
    pub retained_until: Option<Timestamp>,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with. What nodes report
    /// is no change of it.
    #[schema(value_type = schema::Revision)]
    pub revision: Revision,
    /// How far the fleet is with it.
    #[serde(flatten)]
    pub convergence: Convergence,
}
