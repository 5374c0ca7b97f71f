//! Nodes.

use std::net::IpAddr;

use npanel_model::{
    AvailabilityZone, Limit, Megabytes, NodeConditionKind, NodeId, NodeLabel, NodeName, NodeRole, Overcommit,
    PhpVersion, PoolName, Revision, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ConditionStatus,
    change::{present, present_at_most},
    schema,
};

/// Whether the controllers reach a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    /// It is connected to the controller that answers.
    Ready,
    /// It was here before and is not connected.
    Unreachable,
    /// It has enrolled and never reported.
    NeverSeen,
    /// An operator trusts it no longer.
    Revoked,
}

impl NodeStatus {
    /// The name as it is in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Unreachable => "unreachable",
            Self::NeverSeen => "never_seen",
            Self::Revoked => "revoked",
        }
    }
}

/// What is placed on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeLoad {
    /// Web parts of accounts.
    pub web: u64,
    /// Database parts of accounts.
    pub database: u64,
    /// Zones.
    pub zones: u64,
}

/// Something that is wrong with a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeCondition {
    /// What is wrong.
    #[serde(rename = "type")]
    #[schema(value_type = schema::NodeConditionKind)]
    pub kind: NodeConditionKind,
    /// Whether it is so: `unknown` while the node is not reached.
    pub status: ConditionStatus,
    /// Which of several: a file system (`homes`), a unit, a role; empty if there is one only.
    #[schema(example = "homes")]
    pub subject: String,
    /// A stable word for programs, in `CamelCase`.
    #[schema(example = "SpaceLow")]
    pub reason: String,
    /// The same for people.
    #[schema(example = "/srv has 512 MB left")]
    pub message: String,
    /// Since when, by the node's clock.
    #[schema(value_type = schema::Timestamp)]
    pub since: Timestamp,
}

/// A role that a node's system cannot fill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissingCapability {
    /// The role.
    #[schema(value_type = schema::NodeRole)]
    pub role: NodeRole,
    /// What is missing, for people.
    #[schema(example = "/usr/sbin/pdns_server is not installed")]
    pub reason: String,
}

/// What a node can be promised to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeLimits {
    /// Accounts; `null`: unlimited.
    #[schema(value_type = schema::Limit)]
    pub account_slots: Limit,
    /// The disk space that it has, in units of 2^20 bytes; 0 if it has not told.
    #[schema(value_type = schema::Megabytes)]
    pub disk_mb: Megabytes,
    /// How much of it may be promised, in percent. What is above 100 is for tenants that may oversell.
    #[schema(value_type = schema::Overcommit)]
    pub disk_overcommit_percent: Overcommit,
    /// The memory that it has, in units of 2^20 bytes; 0 if it has not told.
    #[schema(value_type = schema::Megabytes)]
    pub memory_mb: Megabytes,
    /// How much of it may be promised, in percent. What is above 100 is for tenants that may oversell.
    #[schema(value_type = schema::Overcommit)]
    pub memory_overcommit_percent: Overcommit,
}

/// What a node has been promised to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeReserved {
    /// Accounts.
    pub accounts: u64,
    /// Disk space, in units of 2^20 bytes.
    #[schema(value_type = schema::Megabytes)]
    pub disk_mb: Megabytes,
    /// Memory, in units of 2^20 bytes.
    #[schema(value_type = schema::Megabytes)]
    pub memory_mb: Megabytes,
}

/// What is to change of a node. What is absent stays as it is, and nothing that is on it moves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateNode {
    /// The pool that it is in.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::PoolName)]
    pub pool: Option<PoolName>,
    /// All of its labels by an operator's word.
    #[serde(
        default,
        deserialize_with = "present_at_most::<100, _, _>",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Vec<schema::NodeLabel>>, max_items = 100, example = json!(["disk=nvme"]))]
    pub labels: Option<Vec<NodeLabel>>,
    /// Where it stands; `null`: what it says itself.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AvailabilityZone>)]
    pub availability_zone: Option<Option<AvailabilityZone>>,
    /// How many accounts it may have; `null`: any number.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Limit)]
    pub account_slots: Option<Limit>,
    /// How much of its disk space may be promised, in percent.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Overcommit)]
    pub disk_overcommit_percent: Option<Overcommit>,
    /// How much of its memory may be promised, in percent.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Overcommit)]
    pub memory_overcommit_percent: Option<Overcommit>,
    /// Whether it may get anything new. `false` cordons it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool)]
    pub schedulable: Option<bool>,
}

/// A node is to be trusted no longer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeNode {
    /// Why, for people: at most 500 characters in one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(value_type = schema::Reason)]
    pub reason: String,
}

/// That a node is trusted no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeRevocation {
    /// Since when.
    #[schema(value_type = schema::Timestamp)]
    pub at: Timestamp,
    /// By the operator's word; may be empty.
    #[schema(example = "stolen")]
    pub reason: String,
}

/// How a node is, as the leader last heard and the state knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeHealth {
    /// The node.
    pub node: Node,
    /// Whether it answers the leader; `null` if no leader could be asked.
    pub online: Option<bool>,
    /// When the leader last heard of it; `null` if it did not while it leads.
    #[schema(value_type = Option<schema::Timestamp>)]
    pub last_heard_at: Option<Timestamp>,
    /// What it has and what of it is free, as it last said; `null` if it did not.
    pub capacity: Option<NodeCapacity>,
    /// Managed services that do not run, by unit name.
    #[schema(example = json!(["php8.2-fpm.service"]))]
    pub failed_services: Vec<String>,
    /// How many objects it has not done yet, or not tried.
    pub pending: u64,
    /// How many objects it tried and failed to do.
    pub failed: u64,
    /// Some of these, the failed first, 50 at most.
    pub unsettled: Vec<UnsettledObject>,
}

/// What a node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeCapacity {
    /// Disk space, in units of 2^20 bytes.
    #[schema(value_type = schema::Megabytes)]
    pub disk_mb: Megabytes,
    /// Of which is free.
    #[schema(value_type = schema::Megabytes)]
    pub disk_free_mb: Megabytes,
    /// Memory, in units of 2^20 bytes.
    #[schema(value_type = schema::Megabytes)]
    pub memory_mb: Megabytes,
    /// Of which is free.
    #[schema(value_type = schema::Megabytes)]
    pub memory_free_mb: Megabytes,
}

/// An object that is not on its node as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnsettledObject {
    /// `account`, `domain`, ...
    #[schema(example = "domain")]
    pub object_kind: String,
    /// Its id.
    #[schema(value_type = schema::ObjectId)]
    pub object_id: String,
    /// Its name.
    #[schema(example = "example.com")]
    pub name: String,
    /// Whether it is to be removed.
    pub is_removal: bool,
    /// `pending` or `failed`.
    #[schema(example = "failed")]
    pub state: String,
    /// Why, as a stable word for programs; may be empty.
    #[schema(example = "CheckerRefused")]
    pub reason: String,
    /// The same for people; may be empty.
    #[schema(example = "nginx: [emerg] host not found in upstream")]
    pub message: String,
    /// Since when it has been so.
    #[schema(value_type = schema::Timestamp)]
    pub since: Timestamp,
}

/// A machine that does the hosting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Its id.
    #[schema(value_type = schema::NodeId)]
    pub id: NodeId,
    /// Its name, unique in the fleet.
    #[schema(value_type = schema::NodeName)]
    pub name: NodeName,
    /// Whether the controllers reach it.
    pub status: NodeStatus,
    /// Since when the answering controller has seen that status; `null` if it has not been told.
    #[schema(value_type = Option<schema::Timestamp>)]
    pub status_since: Option<Timestamp>,
    /// The pool that it is in.
    #[schema(value_type = schema::PoolName)]
    pub pool: PoolName,
    /// What it does: `web`, `database`, `dns`.
    #[schema(value_type = Vec<schema::NodeRole>)]
    pub roles: Vec<NodeRole>,
    /// Where its sites are reached; `null` before it has reported.
    #[schema(value_type = Option<schema::IpAddr>)]
    pub address: Option<IpAddr>,
    /// Its operating system's profile; empty before it has reported.
    #[schema(example = "debian-12")]
    pub os_profile: String,
    /// The PHP versions that it has.
    #[schema(value_type = Vec<schema::PhpVersion>)]
    pub php_versions: Vec<PhpVersion>,
    /// The version of its daemon; empty before it has reported.
    #[schema(example = "0.1.0")]
    pub version: String,
    /// What is wrong with it; empty if nothing is.
    #[serde(default)]
    pub conditions: Vec<NodeCondition>,
    /// Where it stands: an operator's word, or else its own; `null` if neither says.
    #[schema(value_type = Option<schema::AvailabilityZone>)]
    pub availability_zone: Option<AvailabilityZone>,
    /// Its labels by an operator's word.
    #[schema(value_type = Vec<schema::NodeLabel>, example = json!(["disk=nvme"]))]
    pub labels: Vec<NodeLabel>,
    /// Its labels by its own word; those that an operator says something else of do not count.
    #[schema(value_type = Vec<schema::NodeLabel>)]
    pub own_labels: Vec<NodeLabel>,
    /// Whether it may get anything new; if not, it is cordoned.
    pub schedulable: bool,
    /// That it is trusted no longer; `null`: it is trusted.
    #[serde(default)]
    pub revocation: Option<NodeRevocation>,
    /// The roles that its system cannot fill; nothing is placed there for them.
    pub missing_capabilities: Vec<MissingCapability>,
    /// What it can be promised to hold.
    pub limits: NodeLimits,
    /// What it has been promised to hold, until the last data of each account is gone.
    pub reserved: NodeReserved,
    /// What is placed on it.
    pub load: NodeLoad,
    /// When its newest certificate ends; `null` if it has none that is good.
    #[schema(value_type = Option<schema::Timestamp>)]
    pub certificate_expires_at: Option<Timestamp>,
    /// When it enrolled.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with. What nodes report
    /// is no change of it.
    #[schema(value_type = schema::Revision)]
    pub revision: Revision,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_is_refused_where_it_means_nothing() {
        for field in ["pool", "labels", "disk_overcommit_percent", "memory_overcommit_percent", "schedulable"]
        {
            let change = json!({ (field): null });
            assert!(serde_json::from_value::<UpdateNode>(change).is_err(), "{field}");
        }
        let cleared = serde_json::from_value::<UpdateNode>(json!({"availability_zone": null}));
        assert_eq!(cleared.expect("it says it itself").availability_zone, Some(None));
    }
}
