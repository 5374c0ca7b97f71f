//! Who leads, as the rest of the controller needs to know it.

use std::{sync::Arc, time::Duration};

use npanel_model::ControllerId;
use tokio::{sync::watch, time::timeout};

use crate::{applying::Applying, reading, types::Raft};

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

/// How long that may take before it is looked again whether this controller still leads.
const CONFIRM: Duration = Duration::from_secs(1);

/// How soon a new leader that no majority has confirmed asks again.
const CONFIRM_AGAIN: Duration = Duration::from_millis(50);

/// Publishes leadership until the consensus library stops.
pub(crate) async fn publish(raft: Raft, applying: Arc<Applying>, to: watch::Sender<Leadership>) {
    // Not all metrics: those change with every entry.
    let mut metrics = raft.server_metrics();
    loop {
        let (own, leader, term) = {
            let now = metrics.borrow_and_update();
            (now.id, now.current_leader, now.vote.leader_id().term)
        };
        let own_term = Leadership::Leader { term };
        // A new leader says so only once a majority has confirmed it and everything before it is applied.
        let next = if leader != Some(own) {
            Some(Leadership::Follower { leader: leader.map(ControllerId) })
        } else if *to.borrow() == own_term {
            Some(own_term)
        } else {
            let caught_up = timeout(CONFIRM, reading::is_caught_up(&raft, &applying)).await;
            caught_up.unwrap_or(false).then_some(own_term)
        };
        let Some(next) = next else {
            // Whether anything changed or not: it may be confirmed now.
            if let Ok(Err(_)) = timeout(CONFIRM_AGAIN, metrics.changed()).await {
                return;
            }
            continue;
        };
        to.send_if_modified(|held| std::mem::replace(held, next) != next);
        if metrics.changed().await.is_err() {
            return;
        }
    }
}

/// Publishes which leader the library knows of, until it stops.
pub(crate) async fn publish_leader(raft: Raft, to: watch::Sender<Option<u64>>) {
    let mut metrics = raft.server_metrics();
    loop {
        let leader = metrics.borrow_and_update().current_leader;
        to.send_if_modified(|known| std::mem::replace(known, leader) != leader);
        if metrics.changed().await.is_err() {
            return;
        }
    }
}
