//! The connections that nodes opened to this controller, and on which it calls them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use npanel_model::NodeId;
use tokio::sync::watch;
use tonic::transport::Channel;

/// A node's connection. Calls on the channel fail once it is closed; it is never opened anew from this side.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Tells this connection from the node's earlier and later ones.
    pub number: u64,
    /// For calls to the node.
    pub channel: Channel,
}

#[derive(Debug)]
struct Inner {
    open: Mutex<HashMap<NodeId, Connection>>,
    next: AtomicU64,
    /// Moves with every change.
    changed: watch::Sender<()>,
}

/// Which nodes are connected. Cheap to clone; every clone is the same registry. The newest connection of a node
/// is the one that counts.
#[derive(Debug, Clone)]
pub struct NodeConnections {
    inner: Arc<Inner>,
}

impl Default for NodeConnections {
    fn default() -> Self {
        let inner =
            Inner { open: Mutex::default(), next: AtomicU64::new(1), changed: watch::Sender::new(()) };
        Self { inner: Arc::new(inner) }
    }
}

/// Keeps a connection in the registry until it is dropped, or a newer one takes its place.
#[derive(Debug)]
#[must_use = "the connection is taken out of the registry when this is dropped"]
pub struct Registration {
    connections: NodeConnections,
    node: NodeId,
    number: u64,
}

impl NodeConnections {
    /// Enters a connection. One that the node had before is given up.
    pub fn register(&self, node: NodeId, channel: Channel) -> Registration {
        let number = self.inner.next.fetch_add(1, Ordering::Relaxed);
        self.open().insert(node, Connection { number, channel });
        self.inner.changed.send_replace(());
        Registration { connections: self.clone(), node, number }
    }

    /// The node's connection, if it has one.
    pub fn get(&self, node: NodeId) -> Option<Connection> {
        self.open().get(&node).cloned()
    }

    /// Whether the node is connected to this controller.
    pub fn is_connected(&self, node: NodeId) -> bool {
        self.open().contains_key(&node)
    }

    /// Every connection there is.
    pub fn all(&self) -> Vec<(NodeId, Connection)> {
        self.open().iter().map(|(node, connection)| (*node, connection.clone())).collect()
    }

    /// Moves whenever a connection comes or goes.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.inner.changed.subscribe()
    }

    /// Every change is one call on the map, so a panic elsewhere leaves it whole.
    fn open(&self) -> MutexGuard<'_, HashMap<NodeId, Connection>> {
        self.inner.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registration {
    /// Whether the connection still is the node's newest.
    pub fn is_current(&self) -> bool {
        self.connections.get(self.node).is_some_and(|connection| connection.number == self.number)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        if open.get(&self.node).is_some_and(|connection| connection.number == self.number) {
            open.remove(&self.node);
            drop(open);
            self.connections.inner.changed.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::transport::Endpoint;

    fn channel() -> Channel {
        Endpoint::from_static("http://node.invalid").connect_lazy()
    }

    #[tokio::test]
    async fn the_newest_connection_counts_and_the_older_ones_end_changes_nothing() {
        let connections = NodeConnections::default();
        let node = NodeId::generate();
        let first = connections.register(node, channel());
        let second = connections.register(node, channel());
        assert!(!first.is_current() && second.is_current());
        let number = connections.get(node).expect("a connection").number;
        drop(first);
        assert_eq!(connections.get(node).expect("still there").number, number);
        drop(second);
        assert!(!connections.is_connected(node));
    }

    #[tokio::test]
    async fn coming_and_going_is_told() {
        let connections = NodeConnections::default();
        let mut changes = connections.changes();
        let registration = connections.register(NodeId::generate(), channel());
        assert!(changes.has_changed().expect("the registry lives"));
        changes.mark_unchanged();
        drop(registration);
        assert!(changes.has_changed().expect("the registry lives"));
    }
}
