//! Bootstrap tokens.

use npanel_model::{
    ControllerId, EnrolRole, Network, NodeName, PoolName, Revision, Secret, Timestamp, TokenId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// A new bootstrap token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// What a machine that shows it becomes: `node` or `controller`.
    #[schema(value_type = schema::EnrolRole)]
    pub role: EnrolRole,
    /// How many machines may use it: 1 to 1000.
    #[schema(minimum = 1, maximum = 1000, example = 1)]
    pub uses: u32,
    /// How long it is good for: 60 seconds to 7 days.
    #[schema(minimum = 60, maximum = 604_800, example = 900)]
    pub ttl_seconds: u32,
    /// The pool that nodes which use it go into; `default` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::PoolName>)]
    pub pool: Option<PoolName>,
    /// The only name that a machine may take with it; then it has one use. Any name if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::NodeName>)]
    pub name: Option<NodeName>,
    /// The networks that a machine may come from, at most 32; anywhere if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::Network>, max_items = 32, example = json!(["192.0.2.0/24"]))]
    pub networks: Vec<Network>,
}

/// A bootstrap token. Its secret is stored hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its id.
    #[schema(value_type = schema::TokenId)]
    pub id: TokenId,
    /// What a machine that shows it becomes.
    #[schema(value_type = schema::EnrolRole)]
    pub role: EnrolRole,
    /// How many machines could use it.
    pub uses: u32,
    /// How many machines still can.
    pub uses_left: u32,
    /// The pool that nodes which use it go into.
    #[schema(value_type = schema::PoolName)]
    pub pool: PoolName,
    /// The only name that a machine may take with it; `null`: any.
    #[serde(default)]
    #[schema(value_type = Option<schema::NodeName>)]
    pub name: Option<NodeName>,
    /// The networks that a machine may come from; empty: anywhere.
    #[serde(default)]
    #[schema(value_type = Vec<schema::Network>)]
    pub networks: Vec<Network>,
    /// The controller whose place the one takes that uses it; `null`: it is one more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ControllerId>)]
    pub replaces_id: Option<ControllerId>,
    /// The token itself. Only in the answer to its creation, and not when that is replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password, example = "npt_0190a5d2-7c00-7000-8000-000000000010.shown-once")]
    pub token: Option<Secret>,
    /// When it ends.
    #[schema(value_type = schema::Timestamp)]
    pub expires_at: Timestamp,
    /// When it was made.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with. What nodes report
    /// is no change of it.
    #[schema(value_type = schema::Revision)]
    pub revision: Revision,
}
