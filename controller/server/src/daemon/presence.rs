//! Which nodes are connected to this controller, and since when.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use npanel_model::{NodeId, Timestamp};
use npanel_reconcile::NodeConnections;

use crate::http::{NodePresence, Presence};

/// Follows the connections.
#[derive(Default)]
pub(super) struct Connected {
    nodes: RwLock<HashMap<NodeId, NodePresence>>,
}

impl Connected {
    /// Writes down who comes and goes, until dropped.
    pub(super) async fn follow(self: Arc<Self>, connections: NodeConnections) {
        let mut changes = connections.changes();
        loop {
            changes.borrow_and_update();
            self.compare(&connections);
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn compare(&self, connections: &NodeConnections) {
        let now = Timestamp::now();
        let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        for (node, _) in connections.all() {
            let presence = nodes.entry(node).or_insert(NodePresence::NeverSeen);
            if !matches!(presence, NodePresence::Connected { .. }) {
                *presence = NodePresence::Connected { since: now };
            }
        }
        for (node, presence) in nodes.iter_mut() {
            if matches!(presence, NodePresence::Connected { .. }) && !connections.is_connected(*node) {
                *presence = NodePresence::Lost { since: now };
            }
        }
    }
}

impl Presence for Connected {
    fn of(&self, node: NodeId) -> NodePresence {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        nodes.get(&node).copied().unwrap_or(NodePresence::NeverSeen)
    }
}
