//! What is to be placed.

use npanel_model::{
    Amounts, AntiAffinity, AvailabilityZone, Megabytes, NodeId, NodeLabel, NodeRole, Overselling, PhpVersion,
    PoolName, Strategy, Timestamp,
};

/// What the thing to be placed runs on, besides its role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runtime {
    /// Nothing that nodes differ in.
    Any,
    /// A PHP version.
    Php(PhpVersion),
}

/// Which nodes it may be at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// This node and no other.
    pub node: Option<NodeId>,
    /// Only nodes of this pool.
    pub pool: Option<PoolName>,
    /// Only nodes of this availability zone.
    pub availability_zone: Option<AvailabilityZone>,
    /// Only nodes with all of these labels.
    pub labels: Vec<NodeLabel>,
}

/// How it keeps apart from what its tenant has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apart {
    /// Whether it must or had better.
    pub anti_affinity: AntiAffinity,
    /// Where the tenant's accounts are, and how many.
    pub tenant_on: Vec<(NodeId, u64)>,
}

impl Default for Apart {
    fn default() -> Self {
        Self { anti_affinity: AntiAffinity::Preferred, tenant_on: Vec::new() }
    }
}

/// What is to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The role a node needs.
    pub role: NodeRole,
    /// What else it needs.
    pub runtime: Runtime,
    /// What it is promised.
    pub amounts: Amounts,
    /// Whether that may be more than is there.
    pub overselling: Overselling,
    /// How much disk space must be free at this moment, whatever is promised.
    pub disk_free: Megabytes,
    /// Which nodes it may be at all.
    pub wish: Wish,
    /// Never these nodes.
    pub avoid: Vec<NodeId>,
    /// Rather this node than any other that fits: where the account's other part is, and with it what the account is
    /// promised, so that this part takes nothing more there.
    pub near: Option<NodeId>,
    /// Which of the nodes that fit is best.
    pub strategy: Strategy,
    /// How it keeps apart from its tenant's others.
    pub apart: Apart,
    /// A node that was last heard before is not connected.
    pub heard_since: Timestamp,
}

impl Request {
    /// A request for a node with this role, with no other wish.
    pub fn new(role: NodeRole, strategy: Strategy, heard_since: Timestamp) -> Self {
        Self {
            role,
            runtime: Runtime::Any,
            amounts: Amounts::default(),
            overselling: Overselling::Forbidden,
            disk_free: Megabytes(0),
            wish: Wish::default(),
            avoid: Vec::new(),
            near: None,
            strategy,
            apart: Apart::default(),
            heard_since,
        }
    }
}
