//! What the leader last heard of each node. In memory only: a new leader hears it anew within a heartbeat.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use npanel_model::{Megabytes, NodeCondition, NodeConditionKind, NodeId, Timestamp};
use npanel_placement::Heard;
use npanel_proto::node;
use tokio::sync::watch;

/// A node that was silent for so long is not given anything new: five heartbeats.
pub(crate) const SILENCE: Duration = Duration::from_secs(10);

/// What a node has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Disk space.
    pub disk_total: Megabytes,
    /// Of which is free.
    pub disk_free: Megabytes,
    /// Memory.
    pub memory_total: Megabytes,
    /// Of which is free.
    pub memory_free: Megabytes,
}

impl From<node::Capacity> for Capacity {
    fn from(wire: node::Capacity) -> Self {
        Self {
            disk_total: Megabytes(wire.disk_total_mb),
            disk_free: Megabytes(wire.disk_free_mb),
            memory_total: Megabytes(wire.memory_total_mb),
            memory_free: Megabytes(wire.memory_free_mb),
        }
    }
}

/// What a node last said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// What it has.
    pub capacity: Capacity,
    /// Managed services that do not run, by unit name.
    pub failed_services: Vec<String>,
}

/// How a node is, as the leader knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It answers.
    Online(Seen),
    /// It did, while this leader leads, and does not now.
    Lost(Seen),
    /// This controller does not lead, or has not heard of it yet.
    Unknown,
}

#[derive(Debug, Clone)]
enum Entry {
    Answering(Seen),
    Lost(Seen),
}

#[derive(Debug, Default)]
struct Table {
    leading_since: Option<Instant>,
    nodes: HashMap<NodeId, Entry>,
    conditions: HashMap<NodeId, Vec<NodeCondition>>,
    /// Whether everything was forgotten, and of whom was heard or not any more, since the last look at the news.
    is_reset: bool,
    news: HashSet<NodeId>,
}

/// What changed since the last look.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Whether everything was forgotten before the rest.
    pub(crate) is_reset: bool,
    /// What each of these last said; `None`: it is lost.
    pub(crate) nodes: Vec<(NodeId, Option<Heard>)>,
}

impl Table {
    fn heard(&self, node: NodeId) -> Option<Heard> {
        match self.nodes.get(&node) {
            Some(Entry::Answering(seen)) => {
                let conditions = self.conditions.get(&node).map(Vec::as_slice).unwrap_or_default();
                let has_leftovers = conditions.iter().any(|one| one.kind == NodeConditionKind::Leftovers);
                Some(Heard { at: seen.at, disk_free: seen.capacity.disk_free, has_leftovers })
            }
            Some(Entry::Lost(_)) | None => None,
        }
    }
}

/// What the leader last heard of each node. Cheap to clone; every clone is the same table.
#[derive(Debug, Clone)]
pub struct Liveness {
    table: Arc<RwLock<Table>>,
    changed: Arc<watch::Sender<()>>,
}

impl Default for Liveness {
    fn default() -> Self {
        Self { table: Arc::default(), changed: Arc::new(watch::Sender::new(())) }
    }
}

impl Liveness {
    /// How the node is now.
    pub fn presence(&self, node: NodeId) -> Presence {
        self.presence_at(node, Timestamp::now())
    }

    fn presence_at(&self, node: NodeId, now: Timestamp) -> Presence {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        match table.nodes.get(&node) {
            None => Presence::Unknown,
            Some(Entry::Answering(seen)) if now.since(seen.at) < SILENCE => Presence::Online(seen.clone()),
            Some(Entry::Answering(seen) | Entry::Lost(seen)) => Presence::Lost(seen.clone()),
        }
    }

    /// How long this controller has been leading; zero if it does not, or its loops have not begun.
    pub(crate) fn leading_for(&self) -> Duration {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.leading_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// What changed since the last call. There is one follower: placement.
    pub(crate) fn news(&self) -> News {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let heard = std::mem::take(&mut table.news);
        let nodes = heard.into_iter().map(|node| (node, table.heard(node))).collect();
        News { is_reset: std::mem::take(&mut table.is_reset), nodes }
    }

    /// What the node last said, if it is not lost since.
    pub(crate) fn last_heard(&self, node: NodeId) -> Option<Heard> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).heard(node)
    }

    /// Moves whenever something was heard.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Begins, knowing nothing, or ends with `None`.
    pub(crate) fn reset(&self, leading_since: Option<Instant>) {
        self.write(|table| *table = Table { leading_since, is_reset: true, ..Table::default() });
    }

    /// What the node last said is wrong with it; nothing if it was not heard.
    pub fn conditions(&self, node: NodeId) -> Vec<NodeCondition> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.conditions.get(&node).cloned().unwrap_or_default()
    }

    /// What a node says that it has leftovers is to be known before it counts as answering: see
    /// [`Liveness::heard`].
    pub(crate) fn heard_conditions(&self, node: NodeId, conditions: Vec<NodeCondition>) {
        self.write(|table| {
            table.conditions.insert(node, conditions);
            table.news.insert(node);
        });
    }

    /// The node answered. Without a capacity, it still has what it last said.
    pub(crate) fn heard(&self, node: NodeId, capacity: Option<Capacity>, failed_services: Vec<String>) {
        self.heard_at(Timestamp::now(), node, capacity, failed_services);
    }

    fn heard_at(
        &self,
        at: Timestamp,
        node: NodeId,
        capacity: Option<Capacity>,
        failed_services: Vec<String>,
    ) {
        self.write(|table| {
            let before =
                table.nodes.get(&node).map(|(Entry::Answering(seen) | Entry::Lost(seen))| seen.capacity);
            let capacity = capacity.or(before).unwrap_or_default();
            table.nodes.insert(node, Entry::Answering(Seen { at, capacity, failed_services }));
            table.news.insert(node);
        });
    }

    pub(crate) fn lost(&self, node: NodeId) {
        self.write(|table| {
            if let Some(entry) = table.nodes.get_mut(&node) {
                let (Entry::Answering(seen) | Entry::Lost(seen)) = &*entry;
                *entry = Entry::Lost(seen.clone());
                table.news.insert(node);
            }
        });
    }

    /// Every change is one call on the table, so a panic elsewhere leaves it whole.
    fn write(&self, change: impl FnOnce(&mut Table)) {
        change(&mut self.table.write().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(at: Timestamp) -> Seen {
        Seen { at, capacity: Capacity::default(), failed_services: Vec::new() }
    }

    #[test]
    fn a_silent_node_is_lost_after_five_heartbeats() {
        let (liveness, node, now) = (Liveness::default(), NodeId::generate(), Timestamp::now());
        assert_eq!(liveness.presence_at(node, now), Presence::Unknown);
        liveness.heard_at(now, node, None, Vec::new());
        let soon = now.plus(SILENCE - Duration::from_millis(1));
        assert_eq!(liveness.presence_at(node, soon), Presence::Online(seen(now)));
        assert_eq!(liveness.presence_at(node, now.plus(SILENCE)), Presence::Lost(seen(now)));
    }

    #[test]
    fn a_node_whose_connection_ended_is_lost_at_once() {
        let (liveness, node, now) = (Liveness::default(), NodeId::generate(), Timestamp::now());
        liveness.heard_at(now, node, None, Vec::new());
        liveness.lost(node);
        assert_eq!(liveness.presence_at(node, now), Presence::Lost(seen(now)));
        liveness.heard_at(now, node, None, Vec::new());
        assert_eq!(liveness.presence_at(node, now), Presence::Online(seen(now)));
    }

    #[test]
    fn a_heartbeat_without_a_capacity_leaves_the_last_one() {
        let (liveness, node) = (Liveness::default(), NodeId::generate());
        let capacity = Capacity { disk_free: Megabytes(7), ..Capacity::default() };
        liveness.heard(node, Some(capacity), Vec::new());
        liveness.heard(node, None, vec!["nginx.service".into()]);
        let Presence::Online(seen) = liveness.presence(node) else { panic!("not online") };
        assert_eq!((seen.capacity, seen.failed_services.len()), (capacity, 1));
    }

    #[test]
    fn that_a_node_has_leftovers_is_told_to_placement_and_so_is_that_it_has_none() {
        let (liveness, node) = (Liveness::default(), NodeId::generate());
        let leftovers = NodeCondition {
            kind: NodeConditionKind::Leftovers,
            subject: "accounts".to_owned(),
            reason: "NotOfThisNode".to_owned(),
            message: String::new(),
            since: Timestamp::from_millis(1),
        };
        liveness.heard_conditions(node, vec![leftovers]);
        liveness.heard(node, None, Vec::new());
        let told = |news: News| news.nodes[0].1.map(|heard| heard.has_leftovers);
        assert_eq!(told(liveness.news()), Some(true));
        liveness.heard_conditions(node, Vec::new());
        assert_eq!(told(liveness.news()), Some(false));
    }

    #[test]
    fn a_new_leader_knows_nothing() {
        let (liveness, node) = (Liveness::default(), NodeId::generate());
        liveness.heard(node, None, Vec::new());
        liveness.reset(Some(Instant::now()));
        assert_eq!(liveness.presence(node), Presence::Unknown);
    }
}
