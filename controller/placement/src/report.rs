//! A placement as it is kept with the account and shown by the API: the JSON of the wire type
//! `PlacementReport`.

use npanel_model::{NodeId, NodeName, Part};
use serde::Serialize;

use crate::{Decision, Filter, Fleet, Judged, Request, Verdict};

/// Up to so many nodes, every one is in what is kept; of more, the best, and how many fail each filter. It is
/// written to the log with every account, and kept as long as that.
const ALL_UP_TO: usize = 25;

/// The placements of an account's parts, and of its first domain's zone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// One per part.
    pub parts: Vec<PartReport>,
    /// The nodes that answer for the zone, if one was made with the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneReport>,
}

/// The placement of one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartReport {
    /// The part.
    pub part: Part,
    /// The node chosen, if one could be.
    pub chosen: Option<NodeId>,
    /// Every node's verdict.
    #[serde(flatten)]
    pub verdicts: Verdicts,
}

/// The placement of a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ZoneReport {
    /// The nodes chosen.
    pub chosen: Vec<NodeId>,
    /// Every node's verdict.
    #[serde(flatten)]
    pub verdicts: Verdicts,
}

/// What was decided about the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdicts {
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
        Self { part, chosen: decision.node(), verdicts: Verdicts::kept(fleet, request, decision) }
    }

    /// Every node's verdict.
    pub fn whole(part: Part, fleet: &Fleet, request: &Request, decision: &Decision) -> Self {
        Self { part, chosen: decision.node(), verdicts: Verdicts::whole(fleet, request, decision) }
    }
}

impl ZoneReport {
    /// The report that is kept: of a small fleet every node, of a large one the best and a summary.
    pub fn kept(fleet: &Fleet, request: &Request, decision: &Decision) -> Self {
        Self { chosen: decision.nodes().collect(), verdicts: Verdicts::kept(fleet, request, decision) }
    }
}

impl Verdicts {
    fn kept(fleet: &Fleet, request: &Request, decision: &Decision) -> Self {
        if fleet.len() <= ALL_UP_TO {
            return Self::whole(fleet, request, decision);
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
        Self { nodes, others }
    }

    fn whole(fleet: &Fleet, request: &Request, decision: &Decision) -> Self {
        let nodes = fleet.judge(request, decision).iter().map(NodeReport::from).collect();
        Self { nodes, others: Vec::new() }
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
