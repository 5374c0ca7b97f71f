//! How far the fleet is in doing what was asked.

use npanel_model::{Generation, NodeId, OperationId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// Where an object stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nodes are at work on it.
    Converging,
    /// Every node that carries it has done what was last asked.
    Ready,
    /// A node could not do it; the conditions say why. It is tried again.
    Failed,
    /// It is being removed.
    Deleting,
}

impl Status {
    /// The name as it is in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Converging => "converging",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
        }
    }
}

/// What was asked of the fleet last, and what its nodes have said about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Convergence {
    /// The version of what is asked for: one more with each change.
    #[schema(value_type = schema::Generation)]
    pub generation: Generation,
    /// The version that every node which carries the object has reported on; `null` before.
    #[schema(value_type = Option<schema::Generation>)]
    pub observed_generation: Option<Generation>,
    /// Where the object stands.
    pub status: Status,
    /// What each node says.
    pub conditions: Vec<Condition>,
    /// The operation of the last write.
    #[schema(value_type = schema::OperationId)]
    pub operation_id: OperationId,
}

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum ConditionType {
    /// Whether the node has done what was asked.
    Converged,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// The node has not said yet.
    Unknown,
}

/// One node's word about an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// A stable word for programs, in `CamelCase`.
    #[schema(example = "CheckerRefused")]
    pub reason: String,
    /// The same for people; may be empty.
    #[schema(example = "nginx: [emerg] host not found in upstream")]
    pub message: String,
    /// The node that says it.
    #[schema(value_type = schema::NodeId)]
    pub node_id: NodeId,
    /// The version that it is about.
    #[schema(value_type = schema::Generation)]
    pub observed_generation: Generation,
    /// Since when it has been so.
    #[schema(value_type = schema::Timestamp)]
    pub since: Timestamp,
    /// How long the node's stages took, where they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    /// The kind of object, where conditions of several are together: `account`, `domain`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "domain")]
    pub object_kind: Option<String>,
}

/// How long one stage took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stage {
    /// The stage.
    #[schema(example = "check")]
    pub name: String,
    /// How long it took.
    pub microseconds: u64,
}
