//! What is to be placed.

use npanel_model::{Megabytes, NodeId, NodeRole, PhpVersion, PoolName};

/// What the thing to be placed runs on, besides its role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runtime {
    /// Nothing that nodes differ in.
    Any,
    /// A PHP version.
    Php(PhpVersion),
}

/// What is to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The role a node needs.
    pub role: NodeRole,
    /// What else it needs.
    pub runtime: Runtime,
    /// How much disk space must be free.
    pub disk: Megabytes,
    /// Only nodes of this pool; `None`: of any.
    pub pool: Option<PoolName>,
    /// Never these nodes.
    pub avoid: Vec<NodeId>,
    /// Rather this node than any other that fits: where the account's other part is.
    pub near: Option<NodeId>,
}

impl Request {
    /// A request for a node with this role and so much free disk space, with no other wish.
    pub fn new(role: NodeRole, disk: Megabytes) -> Self {
        Self { role, runtime: Runtime::Any, disk, pool: None, avoid: Vec::new(), near: None }
    }
}
