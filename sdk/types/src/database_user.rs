//! Database users.

use npanel_model::{
    AccountId, DatabaseId, DatabaseUserId, DatabaseUserName, Privileges, Revision, Secret, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Convergence, change::at_most, schema};

/// A new database user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDatabaseUser {
    /// The account that it belongs to.
    #[schema(value_type = schema::AccountId)]
    pub account_id: AccountId,
    /// Its own name: 1 to 40 of a-z, 0-9 and `_`. The account's user name and `_` are put before it;
    /// it does not begin with them.
    #[schema(value_type = schema::OwnName)]
    pub name: String,
    /// Its password: 8 to 128 printable ASCII characters. If absent, one is made and shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password, min_length = 8, max_length = 128, pattern = "^[ -~]+$", example = "correct-horse-battery")]
    pub password: Option<Secret>,
    /// What it may do, and where.
    #[serde(deserialize_with = "at_most::<1000, _, _>", default)]
    #[schema(max_items = 1000)]
    pub grants: Vec<Grant>,
}

/// What a database user may do in a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The database; of the same account.
    #[schema(value_type = schema::DatabaseId)]
    pub database_id: DatabaseId,
    /// `all` (everything an application needs) or `read_only`.
    #[schema(value_type = schema::Privileges)]
    pub privileges: Privileges,
}

/// A new password of a database user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPassword {
    /// The password: 8 to 128 printable ASCII characters. If absent, one is made and shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password, min_length = 8, max_length = 128, pattern = "^[ -~]+$", example = "correct-horse-battery")]
    pub password: Option<Secret>,
}

/// All that a database user may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPrivileges {
    /// Exactly these; others are revoked.
    #[serde(deserialize_with = "at_most::<1000, _, _>")]
    #[schema(max_items = 1000)]
    pub grants: Vec<Grant>,
}

/// A database user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatabaseUser {
    /// Its id.
    #[schema(value_type = schema::DatabaseUserId)]
    pub id: DatabaseUserId,
    /// The account that it belongs to.
    #[schema(value_type = schema::AccountId)]
    pub account_id: AccountId,
    /// Its full name, as programs log in with it.
    #[schema(value_type = schema::DatabaseUserName)]
    pub name: DatabaseUserName,
    /// What it may do, and where.
    pub grants: Vec<Grant>,
    /// The password that was made for it. Only in the answer to its creation, and not when that is replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password, example = "shown-once")]
    pub password: Option<Secret>,
    /// When it was made.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with. What nodes report
    /// is no change of it.
    #[schema(value_type = schema::Revision)]
    pub revision: Revision,
    /// How far the fleet is with it.
    #[serde(flatten)]
    pub convergence: Convergence,
}
