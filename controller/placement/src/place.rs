//! The decision.

use std::fmt;

use npanel_model::{NodeId, NodeName};

use crate::{NodeView, Reason, Request, Score};

/// How many nodes answer for a zone, if there are as many: registries want two name servers (RFC 1034, 4.1).
pub const ZONE_NODES: usize = 2;

/// What was decided about one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is chosen.
    Chosen(Score),
    /// It fits, but a better one was chosen.
    Behind {
        /// Its score.
        score: Score,
        /// The worst score that was chosen.
        chosen: Score,
    },
    /// It cannot take it.
    Filtered(Reason),
}

/// A node and what was decided about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: NodeName,
    /// The verdict.
    pub verdict: Verdict,
}

/// Where something goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// To this node.
    Placed {
        /// The node.
        node: NodeId,
        /// Every node's verdict, best first.
        verdicts: Vec<Judged>,
    },
    /// Nowhere.
    Refused {
        /// Every node's reason.
        verdicts: Vec<Judged>,
    },
}

/// Which nodes answer for a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZonePlacement {
    /// These, [`ZONE_NODES`] of them or as many as there are; at least one.
    Placed {
        /// The nodes, best first.
        nodes: Vec<NodeId>,
        /// Every node's verdict, best first.
        verdicts: Vec<Judged>,
    },
    /// None.
    Refused {
        /// Every node's reason.
        verdicts: Vec<Judged>,
    },
}

/// Chooses a node.
pub fn place(nodes: &[NodeView], request: &Request) -> Placement {
    let (chosen, verdicts) = choose(nodes, request, 1);
    match chosen[..] {
        [node, ..] => Placement::Placed { node, verdicts },
        [] => Placement::Refused { verdicts },
    }
}

/// Chooses the nodes that answer for a zone.
pub fn place_zone(nodes: &[NodeView], request: &Request) -> ZonePlacement {
    let (chosen, verdicts) = choose(nodes, request, ZONE_NODES);
    if chosen.is_empty() {
        ZonePlacement::Refused { verdicts }
    } else {
        ZonePlacement::Placed { nodes: chosen, verdicts }
    }
}

/// The best nodes, at most `count`, and every node's verdict: the chosen, then those behind them by score, then
/// those that do not fit by id.
fn choose(nodes: &[NodeView], request: &Request, count: usize) -> (Vec<NodeId>, Vec<Judged>) {
    let mut fitting: Vec<(Score, &NodeView)> = Vec::new();
    let mut filtered: Vec<(&NodeView, Reason)> = Vec::new();
    for node in nodes {
        match Reason::against(node, request) {
            None => fitting.push((Score::of(node, request), node)),
            Some(reason) => filtered.push((node, reason)),
        }
    }
    fitting.sort_by_key(|(score, _)| *score);
    filtered.sort_by_key(|(node, _)| node.id);

    let chosen: Vec<NodeId> = fitting.iter().take(count).map(|(score, _)| score.node).collect();
    let worst_chosen = fitting.get(chosen.len().saturating_sub(1)).map(|(score, _)| *score);
    let judged = |node: &NodeView, verdict| Judged { node: node.id, name: node.name.clone(), verdict };
    let of_fitting = fitting.iter().map(|(score, node)| match worst_chosen {
        Some(worst) if *score > worst => judged(node, Verdict::Behind { score: *score, chosen: worst }),
        _ => judged(node, Verdict::Chosen(*score)),
    });
    let of_filtered = filtered.iter().map(|(node, reason)| judged(node, Verdict::Filtered(reason.clone())));
    let verdicts = of_fitting.chain(of_filtered).collect();
    (chosen, verdicts)
}

impl Placement {
    /// Every node's verdict, best first.
    pub fn verdicts(&self) -> &[Judged] {
        match self {
            Self::Placed { verdicts, .. } | Self::Refused { verdicts } => verdicts,
        }
    }
}

impl ZonePlacement {
    /// Every node's verdict, best first.
    pub fn verdicts(&self) -> &[Judged] {
        match self {
            Self::Placed { verdicts, .. } | Self::Refused { verdicts } => verdicts,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen(score) => score.fmt(f),
            Self::Behind { score, chosen } => f.write_str(&score.behind(chosen)),
            Self::Filtered(reason) => reason.fmt(f),
        }
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Chosen(score) => write!(f, "{} is chosen ({score})", self.name),
            verdict => write!(f, "{} {verdict}", self.name),
        }
    }
}

fn write_verdicts(f: &mut fmt::Formatter<'_>, verdicts: &[Judged]) -> fmt::Result {
    if verdicts.is_empty() {
        return f.write_str("there are no nodes");
    }
    for (position, judged) in verdicts.iter().enumerate() {
        let separator = if position == 0 { "" } else { "; " };
        write!(f, "{separator}{judged}")?;
    }
    Ok(())
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_verdicts(f, self.verdicts())
    }
}

impl fmt::Display for ZonePlacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_verdicts(f, self.verdicts())
    }
}
