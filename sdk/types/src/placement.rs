//! Why a node was chosen.

use npanel_model::{NodeId, NodeName, Part};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which nodes were chosen for an account's parts, and every node's verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlacementReport {
    /// One choice per part.
    pub parts: Vec<PartPlacement>,
}

/// The choice for one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartPlacement {
    /// The part: `web` or `database`.
    #[schema(value_type = String, example = "web")]
    pub part: Part,
    /// The node chosen; `null` if none could be.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub chosen: Option<NodeId>,
    /// Every node's verdict, best first.
    pub nodes: Vec<NodeVerdict>,
}

/// What was decided about one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeVerdict {
    /// The node.
    #[schema(value_type = String, format = "uuid")]
    pub node_id: NodeId,
    /// Its name.
    #[schema(value_type = String, example = "n1")]
    pub name: NodeName,
    /// What was decided.
    pub verdict: Verdict,
    /// Why, for people.
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
