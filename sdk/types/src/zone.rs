//! DNS zones.

use npanel_model::{AccountId, Fqdn, NodeId, Revision, Timestamp, ZoneId, ZoneProvider};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Convergence, schema};

/// A new zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateZone {
    /// The account that it belongs to.
    #[schema(value_type = schema::AccountId)]
    pub account_id: AccountId,
    /// Its name.
    #[schema(value_type = schema::Fqdn)]
    pub name: Fqdn,
}

/// A DNS zone. Its SOA and its own NS records are the fleet's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Zone {
    /// Its id.
    #[schema(value_type = schema::ZoneId)]
    pub id: ZoneId,
    /// The account that it belongs to.
    #[schema(value_type = schema::AccountId)]
    pub account_id: AccountId,
    /// Its name.
    #[schema(value_type = schema::Fqdn)]
    pub name: Fqdn,
    /// Who answers for it: `powerdns` (the fleet's DNS nodes) or `route53`.
    #[schema(value_type = schema::ZoneProvider)]
    pub provider: ZoneProvider,
    /// The names under which they do: what its registrar must be told.
    #[schema(value_type = Vec<schema::Fqdn>, example = json!(["n1.ns.example.net"]))]
    pub name_servers: Vec<Fqdn>,
    /// The nodes that answer for it.
    #[schema(value_type = Vec<schema::NodeId>)]
    pub node_ids: Vec<NodeId>,
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
