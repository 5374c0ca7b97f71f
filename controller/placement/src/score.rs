//! Which of the nodes that fit is best.

use std::{cmp::Reverse, fmt};

use npanel_model::{Megabytes, NodeId};

use crate::{Availability, NodeView, Request};

/// How good a node is; less is better. The order of the fields is their priority, and the id comes last, so
/// that no two nodes are equal and the same fleet always gives the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score {
    /// Whether it is another node than the one to be near to.
    pub elsewhere: bool,
    /// How many such things it carries already.
    pub carries: u64,
    /// Free disk space.
    pub disk_free: Reverse<Megabytes>,
    /// The node.
    pub node: NodeId,
}

impl Score {
    pub(crate) fn of(node: &NodeView, request: &Request) -> Self {
        let disk_free = match node.availability {
            Availability::Ready { disk_free } => disk_free,
            Availability::Draining | Availability::Unreachable => Megabytes(0),
        };
        Self {
            elsewhere: request.near.is_some_and(|near| near != node.id),
            carries: node.carries,
            disk_free: Reverse(disk_free),
            node: node.id,
        }
    }

    /// Why this score is worse than `best`: the first field in which they differ.
    pub(crate) fn behind(&self, best: &Score) -> String {
        if self.elsewhere != best.elsewhere {
            "is not where the account's other part is".to_owned()
        } else if self.carries != best.carries {
            format!("carries {} already, the best one {}", self.carries, best.carries)
        } else if self.disk_free != best.disk_free {
            format!("has {} free, the best one {}", self.disk_free.0, best.disk_free.0)
        } else {
            "is as good as the best one, which is older in the fleet".to_owned()
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let near = if self.elsewhere { ", away from the other part" } else { "" };
        write!(f, "carries {}, {} free{near}", self.carries, self.disk_free.0)
    }
}
