//! What happens on nodes by itself.

use npanel_model::{AccountId, EventId, NodeId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// Something that happened on a node by itself: what was changed by hand and put right, for instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeEvent {
    /// Its id.
    #[schema(value_type = schema::EventId)]
    pub id: EventId,
    /// When, by the node's clock.
    #[schema(value_type = schema::Timestamp)]
    pub time: Timestamp,
    /// A stable word for programs, in `CamelCase`.
    #[schema(example = "DriftRepaired")]
    pub reason: String,
    /// The same for people.
    #[schema(example = "a file was changed by hand and has been put right")]
    pub message: String,
    /// What was not as it should be.
    pub differences: Vec<EventDifference>,
    /// The kind of object: `account`, `domain`, ...; `node` for the node's own.
    #[schema(example = "domain")]
    pub object_kind: String,
    /// The object.
    #[schema(value_type = schema::ObjectId)]
    pub object_id: String,
    /// The account that the object belongs to; `null` for the node's own.
    #[schema(value_type = Option<schema::AccountId>)]
    pub account_id: Option<AccountId>,
    /// Whose the object is.
    #[schema(value_type = schema::TenantId)]
    pub tenant_id: TenantId,
    /// The node.
    #[schema(value_type = schema::NodeId)]
    pub node_id: NodeId,
}

/// How something was not as it should be. Never what is in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventDifference {
    /// A path, a unit, a database.
    #[schema(example = "/etc/userdb/acme.user")]
    pub what: String,
    /// What should be.
    #[schema(example = "a file, mode 0644 of 0:0")]
    pub expected: String,
    /// What was.
    #[schema(example = "nothing")]
    pub found: String,
}
