//! Nodes.

use std::net::IpAddr;

use npanel_model::{
    NodeConditionKind, NodeId, NodeName, NodeRole, PhpVersion, PoolName, Revision, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ConditionStatus;

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
}

impl NodeStatus {
    /// The name as it is in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Unreachable => "unreachable",
            Self::NeverSeen => "never_seen",
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
    #[schema(value_type = String, example = "DiskPressure")]
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
    pub message: String,
    /// Since when, by the node's clock.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// A machine that does the hosting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    pub id: NodeId,
    /// Its name, unique in the fleet.
    #[schema(value_type = String, example = "n1")]
    pub name: NodeName,
    /// Whether the controllers reach it.
    pub status: NodeStatus,
    /// Since when the answering controller has seen that status; `null` if it has not been told.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub status_since: Option<Timestamp>,
    /// The pool that it is in.
    #[schema(value_type = String, example = "default")]
    pub pool: PoolName,
    /// What it does: `web`, `database`, `dns`.
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<NodeRole>,
    /// Where its sites are reached; `null` before it has reported.
    #[schema(value_type = Option<String>, example = "192.0.2.10")]
    pub address: Option<IpAddr>,
    /// Its operating system's profile; empty before it has reported.
    #[schema(example = "debian-12")]
    pub os_profile: String,
    /// The PHP versions that it has.
    #[schema(value_type = Vec<String>)]
    pub php_versions: Vec<PhpVersion>,
    /// The version of its daemon; empty before it has reported.
    pub version: String,
    /// What is wrong with it; empty if nothing is.
    #[serde(default)]
    pub conditions: Vec<NodeCondition>,
    /// What is placed on it.
    pub load: NodeLoad,
    /// When its newest certificate ends; `null` if it has none that is good.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub certificate_expires_at: Option<Timestamp>,
    /// When it enrolled.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed, as a place in the fleet's log: what `If-Match` is compared with. What nodes report
    /// is no change of it.
    #[schema(value_type = u64)]
    pub revision: Revision,
}
