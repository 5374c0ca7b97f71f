//! Who leads, as the rest of the controller needs to know it.

use npanel_model::ControllerId;
use tokio::sync::watch;

use crate::types::Raft;

/// Who leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leadership {
    /// This controller, with the state applied up to its own term's beginning.
    Leader {
        /// The Raft term: fences what is told to nodes.
        term: u64,
    },
    /// Another controller, or none that is known.
    Follower {
        /// The leader, if one is known.
        leader: Option<ControllerId>,
    },
}

impl Leadership {
    /// Whether this controller leads.
    pub fn is_leader(self) -> bool {
        matches!(self, Self::Leader { .. })
    }
}

/// Publishes leadership until the consensus library stops.
pub(crate) async fn publish(raft: Raft, to: watch::Sender<Leadership>) {
    let mut metrics = raft.metrics();
    loop {
        let (own, leader, term) = {
            let now = metrics.borrow_and_update();
            (now.id, now.current_leader, now.current_term)
        };
        let next = if leader == Some(own) {
            let held = *to.borrow();
            leading(&raft, held, term).await
        } else {
            Some(Leadership::Follower { leader: leader.map(ControllerId) })
        };
        if let Some(next) = next {
            to.send_if_modified(|held| std::mem::replace(held, next) != next);
        }
        if metrics.changed().await.is_err() {
            return;
        }
    }
}

/// Publishes which leader the library knows of, until it stops.
pub(crate) async fn publish_leader(raft: Raft, to: watch::Sender<Option<u64>>) {
    let mut metrics = raft.metrics();
    loop {
        let leader = metrics.borrow_and_update().current_leader;
        to.send_if_modified(|known| std::mem::replace(known, leader) != leader);
        if metrics.changed().await.is_err() {
            return;
        }
    }
}

/// A new leader says so only once a majority has confirmed it and everything before it is applied.
async fn leading(raft: &Raft, held: Leadership, term: u64) -> Option<Leadership> {
    if held == (Leadership::Leader { term }) {
        return None;
    }
    raft.ensure_linearizable().await.ok().map(|_| Leadership::Leader { term })
}
