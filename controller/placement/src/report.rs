//! A placement as it is kept with the operation and shown by the API: the JSON of the wire type
//! `PlacementReport`.

use npanel_model::{NodeId, NodeName, Part};
use serde::Serialize;

use crate::{Decision, Filter, Fleet, Judged, Request, Verdict};

/// Up to so many nodes, every one is in what is kept; of more, the best, and how many fail each filter. It is
/// written to the log with every account.
const ALL_UP_TO: usize = 25;

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
    /// The nodes' verdicts, best first.
    pub nodes: Vec<NodeReport>,
    /// The nodes that are not listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OthersReport>,
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

/// Nodes with the same verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OthersReport {
    /// `fits` or `refused`.
    pub verdict: &'static str,
    /// What they have in common, for programs.
    pub reason: &'static str,
    /// How many they are.
    pub nodes: usize,
}

impl PartReport {
    /// The report that is kept: of a small fleet every node, of a large one the best and a summary.
    pub fn kept(part: Part, fleet: &Fleet, request: &Request, decision: &Decision) -> Self {
        if fleet.len() <= ALL_UP_TO {
            return Self::whole(part, fleet, request, decision);
        }
        let nodes: Vec<NodeReport> = fleet.judge_best(decision).iter().map(NodeReport::from).collect();
        let fits = OthersReport {
            verdict: "fits",
            reason: "not_the_best",
            nodes: decision.fitting.saturating_sub(nodes.len()),
        };
        let refused = Filter::ALL.into_iter().map(|filter| OthersReport {
            verdict: "refused",
            reason: filter.code(),
            nodes: decision.refused_by(filter),
        });
        let others = [fits].into_iter().chain(refused).filter(|others| others.nodes > 0).collect();
        Self { part, chosen: decision.node(), nodes, others }
    }

    /// Every node's verdict.
    pub fn whole(part: Part, fleet: &Fleet, request: &Request, decision: &Decision) -> Self {
        let nodes = fleet.judge(request, decision).iter().map(NodeReport::from).collect();
        Self { part, chosen: decision.node(), nodes, others: Vec::new() }
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
