//! Why a node cannot take something. One filter, one reason.

use std::fmt;

use npanel_model::{Limit, Megabytes, NodeRole, PhpVersion, PoolName};

use crate::{Availability, NodeView, Request, Runtime};

/// The first filter that a node does not pass. Reads as what follows "the node".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It is not for this.
    LacksRole {
        /// The role asked for.
        role: NodeRole,
        /// Those it has.
        has: Vec<NodeRole>,
    },
    /// It is in another pool.
    OtherPool {
        /// The pool asked for.
        pool: PoolName,
        /// The one it is in.
        is_in: PoolName,
    },
    /// The request excludes it.
    Avoided,
    /// It does not have the PHP version.
    LacksPhp {
        /// The version asked for.
        version: PhpVersion,
        /// Those it has.
        has: Vec<PhpVersion>,
    },
    /// It is not connected.
    Unreachable,
    /// It gets nothing new.
    Draining,
    /// It carries as many as it may.
    Full {
        /// What it carries.
        carries: u64,
        /// What it may carry.
        slots: Limit,
    },
    /// Too little free disk space.
    DiskShort {
        /// What is asked for.
        needs: Megabytes,
        /// What is free.
        free: Megabytes,
    },
}

impl Reason {
    /// The first filter that the node does not pass, in this order: what the node is, then how it is now.
    pub(crate) fn against(node: &NodeView, request: &Request) -> Option<Reason> {
        Self::by_nature(node, request).or_else(|| Self::by_condition(node, request))
    }

    fn by_nature(node: &NodeView, request: &Request) -> Option<Reason> {
        if !node.roles.contains(&request.role) {
            return Some(Reason::LacksRole { role: request.role, has: node.roles.clone() });
        }
        if let Some(pool) = request.pool.as_ref().filter(|pool| **pool != node.pool) {
            return Some(Reason::OtherPool { pool: pool.clone(), is_in: node.pool.clone() });
        }
        if request.avoid.contains(&node.id) {
            return Some(Reason::Avoided);
        }
        match &request.runtime {
            Runtime::Php(version) if !node.php_versions.contains(version) => {
                Some(Reason::LacksPhp { version: version.clone(), has: node.php_versions.clone() })
            }
            _ => None,
        }
    }

    fn by_condition(node: &NodeView, request: &Request) -> Option<Reason> {
        match node.availability {
            Availability::Unreachable => Some(Reason::Unreachable),
            Availability::Draining => Some(Reason::Draining),
            Availability::Ready { .. } if !node.slots.allows(node.carries, 1) => {
                Some(Reason::Full { carries: node.carries, slots: node.slots })
            }
            Availability::Ready { disk_free } if disk_free < request.disk => {
                Some(Reason::DiskShort { needs: request.disk, free: disk_free })
            }
            Availability::Ready { .. } => None,
        }
    }
}

fn list(values: &[impl fmt::Display]) -> String {
    if values.is_empty() {
        return "none".to_owned();
    }
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LacksRole { role, has } => write!(f, "does not have the role {role} (has {})", list(has)),
            Self::OtherPool { pool, is_in } => write!(f, "is not in the pool {pool} (is in {is_in})"),
            Self::Avoided => f.write_str("is excluded by the request"),
            Self::LacksPhp { version, has } => write!(f, "does not have PHP {version} (has {})", list(has)),
            Self::Unreachable => f.write_str("is not connected"),
            Self::Draining => f.write_str("is being drained"),
            Self::Full { carries, slots } => write!(f, "is full (carries {carries} of {slots})"),
            Self::DiskShort { needs, free } => {
                write!(f, "has too little disk space (needs {needs}, {free} free)")
            }
        }
    }
}
