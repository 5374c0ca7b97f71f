//! The fleet as placement sees it.

use npanel_model::{Limit, Megabytes, NodeId, NodeName, NodeRole, PhpVersion, PoolName};

/// Whether a node can be given something now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// Connected to the leader, with this much disk space free at its last heartbeat.
    Ready {
        /// Free space where homes and databases are.
        disk_free: Megabytes,
    },
    /// Keeps what it has and gets nothing new.
    Draining,
    /// Not connected to the leader.
    Unreachable,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// What it is for.
    pub roles: Vec<NodeRole>,
    /// Whether it can be given something now.
    pub availability: Availability,
    /// Its pool.
    pub pool: PoolName,
    /// The PHP versions it has.
    pub php_versions: Vec<PhpVersion>,
    /// How many things of the requested kind it carries.
    pub carries: u64,
    /// How many it may carry.
    pub slots: Limit,
}
