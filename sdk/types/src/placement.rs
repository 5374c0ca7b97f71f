//! Why a node was chosen.

use npanel_model::{AntiAffinity, AvailabilityZone, NodeId, NodeLabel, NodeName, Part, PoolName, Strategy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    change::{at_most, present, present_at_most},
    schema,
};

/// Which nodes an account may be on. Nodes, pools and labels are the platform's to name; an availability zone is for
/// everyone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlacementWish {
    /// This node carries the web part, and the database part too if it has the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::NodeId>)]
    pub node_id: Option<NodeId>,
    /// Only nodes of this pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::PoolName>)]
    pub pool: Option<PoolName>,
    /// Only nodes of this availability zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AvailabilityZone>)]
    pub availability_zone: Option<AvailabilityZone>,
    /// Only nodes with all of these labels.
    #[serde(deserialize_with = "at_most::<100, _, _>", default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::NodeLabel>, max_items = 100, example = json!(["disk=nvme"]))]
    pub labels: Vec<NodeLabel>,
}

/// How a plan's accounts are placed. Only the platform says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanPlacement {
    /// Which of the nodes that fit is best: `spread` or `bin_pack`; `null` or absent: as the cluster says.
    #[serde(default)]
    #[schema(value_type = Option<schema::Strategy>)]
    pub strategy: Option<Strategy>,
    /// Whether a tenant's accounts keep apart: `preferred` (as far as the strategy leaves a choice) or `required` (no
    /// two on one node).
    #[serde(default = "preferred")]
    #[schema(value_type = schema::AntiAffinity, default = "preferred")]
    pub anti_affinity: AntiAffinity,
    /// Only nodes of this pool; `null` or absent: of any.
    #[serde(default)]
    #[schema(value_type = Option<schema::PoolName>)]
    pub pool: Option<PoolName>,
    /// Only nodes with all of these labels.
    #[serde(deserialize_with = "at_most::<100, _, _>", default)]
    #[schema(value_type = Vec<schema::NodeLabel>, max_items = 100, example = json!(["disk=nvme"]))]
    pub labels: Vec<NodeLabel>,
}

/// A change of how a plan's accounts are placed. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePlanPlacement {
    /// Which of the nodes that fit is best: `spread` or `bin_pack`; `null`: as the cluster says.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Strategy>)]
    pub strategy: Option<Option<Strategy>>,
    /// Whether a tenant's accounts keep apart: `preferred` or `required`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::AntiAffinity)]
    pub anti_affinity: Option<AntiAffinity>,
    /// Only nodes of this pool; `null`: of any.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::PoolName>)]
    pub pool: Option<Option<PoolName>>,
    /// Only nodes with all of these labels.
    #[serde(
        default,
        deserialize_with = "present_at_most::<100, _, _>",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Vec<schema::NodeLabel>>, max_items = 100, example = json!(["disk=nvme"]))]
    pub labels: Option<Vec<NodeLabel>>,
}

/// Something that a plan asks for and a node of its account is not: because the plan or the node changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnmetTerm {
    /// The node.
    #[schema(value_type = schema::NodeId)]
    pub node_id: NodeId,
    /// What it is about: `pool`, `label` or `keep_apart`.
    #[schema(example = "pool")]
    pub term: String,
    /// The pool or the label that the plan wants; of `keep_apart`, how many of the tenant's accounts a node may have.
    #[schema(example = "ssd")]
    pub wanted: String,
    /// What the node is or has instead; empty for a label.
    #[schema(example = "default")]
    pub has: String,
}

fn preferred() -> AntiAffinity {
    AntiAffinity::Preferred
}

/// Which nodes were chosen for an account's parts, and every node's verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlacementReport {
    /// One choice per part.
    pub parts: Vec<PartPlacement>,
    /// The choice for the first domain's zone, if one was made with the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZonePlacement>,
}

/// The choice for a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ZonePlacement {
    /// The nodes chosen.
    #[schema(value_type = Vec<schema::NodeId>)]
    pub chosen: Vec<NodeId>,
    /// The nodes' verdicts, best first: every node's in a small fleet, the best ones' in a large one. For
    /// the platform only.
    pub nodes: Vec<NodeVerdict>,
    /// How many nodes are not listed, by what they have in common.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherNodes>,
}

/// The choice for one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartPlacement {
    /// The part: `web` or `database`.
    #[schema(value_type = schema::Part)]
    pub part: Part,
    /// The node chosen; `null` if none could be.
    #[schema(value_type = Option<schema::NodeId>)]
    pub chosen: Option<NodeId>,
    /// The nodes' verdicts, best first: every node's in a small fleet, the best ones' in a large one. For
    /// the platform only.
    pub nodes: Vec<NodeVerdict>,
    /// How many nodes are not listed, by what they have in common.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherNodes>,
}

/// Nodes that are not listed one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OtherNodes {
    /// What was decided.
    pub verdict: Verdict,
    /// Why, as a stable word for programs.
    #[schema(example = "cordoned")]
    pub reason: String,
    /// How many they are.
    pub nodes: u64,
}

/// What was decided about one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeVerdict {
    /// The node.
    #[schema(value_type = schema::NodeId)]
    pub node_id: NodeId,
    /// Its name.
    #[schema(value_type = schema::NodeName)]
    pub name: NodeName,
    /// What was decided.
    pub verdict: Verdict,
    /// Why, for people.
    #[schema(example = "it is the emptiest that fits")]
    pub reason: String,
}

/// What can be decided about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It gets the part.
    Chosen,
    /// It could, but another is better.
    Fits,
    /// It cannot.
    Refused,
}
