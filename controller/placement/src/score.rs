//! Which of the nodes that fit is best.

use std::{cmp::Reverse, fmt};

use npanel_model::{Megabytes, NodeId};

/// How full a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Fullness {
    /// In percent of what it has least of left; nothing if it is limited in nothing.
    pub fill_percent: u64,
    /// How many such things it carries already.
    pub carries: u64,
}

/// How good a node is; less is better. The order of the fields is their priority, and the id comes last, so
/// that no two nodes are equal and the same fleet always gives the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score {
    /// Whether it is another node than the one to be near to.
    pub elsewhere: bool,
    /// Whether it may fail together with a node that was chosen already.
    pub shares_zone: bool,
    /// How full it is, where the fullest is wanted; nothing where the emptiest is.
    pub packed: Reverse<Fullness>,
    /// How many of the tenant's accounts are in its availability zone.
    pub tenant_in_zone: u64,
    /// How many of the tenant's accounts are on it.
    pub tenant_on_node: u64,
    /// How full it is, where the emptiest is wanted; nothing where the fullest is.
    pub spread: Fullness,
    /// Free disk space.
    pub disk_free: Reverse<Megabytes>,
    /// The node.
    pub node: NodeId,
}

impl Score {
    /// Why this score is worse than `best`: the first field in which they differ.
    pub(crate) fn behind(&self, best: &Score) -> String {
        if self.elsewhere != best.elsewhere {
            "is not where the account's other part is".to_owned()
        } else if self.shares_zone != best.shares_zone {
            "is not known to be in another availability zone than the first that was chosen".to_owned()
        } else if self.packed != best.packed {
            compared(&self.packed.0, &best.packed.0)
        } else if self.tenant_in_zone != best.tenant_in_zone {
            let (this, that) = (self.tenant_in_zone, best.tenant_in_zone);
            format!("is in a zone with {this} of the tenant's accounts, the best one in one with {that}")
        } else if self.tenant_on_node != best.tenant_on_node {
            let (this, that) = (self.tenant_on_node, best.tenant_on_node);
            format!("has {this} of the tenant's accounts, the best one {that}")
        } else if self.spread != best.spread {
            compared(&self.spread, &best.spread)
        } else if self.disk_free != best.disk_free {
            format!("has {} free, the best one {}", self.disk_free.0, best.disk_free.0)
        } else {
            "is as good as the best one, which is older in the fleet".to_owned()
        }
    }

    fn fullness(&self) -> Fullness {
        self.packed.0.max(self.spread)
    }
}

fn compared(this: &Fullness, best: &Fullness) -> String {
    if this.fill_percent == best.fill_percent {
        format!("carries {} already, the best one {}", this.carries, best.carries)
    } else {
        format!("is {} % full, the best one {} %", this.fill_percent, best.fill_percent)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fullness { fill_percent, carries } = self.fullness();
        let near = if self.elsewhere { ", away from the other part" } else { "" };
        write!(f, "carries {carries}, {fill_percent} % full, {} free{near}", self.disk_free.0)
    }
}
