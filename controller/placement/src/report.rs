//! A placement as it is kept with the operation and shown by the API: the JSON of the wire type
//! `PlacementReport`.

use npanel_model::{NodeId, NodeName, Part};
use serde::Serialize;

use crate::{Judged, Placement, Verdict};

/// The placements of an account's parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// One per part.
    pub parts: Vec<PartReport>,
}

/// The placement of one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartReport {
    /// The part.
    pub part: Part,
    /// The node chosen, if one could be.
    pub chosen: Option<NodeId>,
    /// Every node's verdict, best first.
    pub nodes: Vec<NodeReport>,
}

/// What was decided about one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeReport {
    /// The node.
    pub node_id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// `chosen`, `fits` or `refused`.
    pub verdict: &'static str,
    /// Why, for people.
    pub reason: String,
}

impl PartReport {
    /// The report of a part's placement.
    pub fn new(part: Part, placement: &Placement) -> Self {
        let chosen = match placement {
            Placement::Placed { node, .. } => Some(*node),
            Placement::Refused { .. } => None,
        };
        Self { part, chosen, nodes: placement.verdicts().iter().map(NodeReport::from).collect() }
    }
}

impl From<&Judged> for NodeReport {
    fn from(judged: &Judged) -> Self {
        let verdict = match judged.verdict {
            Verdict::Chosen(_) => "chosen",
            Verdict::Behind { .. } => "fits",
            Verdict::Filtered(_) => "refused",
        };
        Self { node_id: judged.node, name: judged.name.clone(), verdict, reason: judged.verdict.to_string() }
    }
}
