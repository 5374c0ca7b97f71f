//! Whether this controller still belongs to the cluster. One that was removed learns it from its own state, or, if it was
//! away when that was decided, from the refusal of any other that it calls.

use std::{sync::Arc, time::Duration};

use npanel_model::ControllerId;
use npanel_state::{QueryError, Reader};
use openraft::ServerState;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tonic::{Code, Status, metadata::MetadataValue};

use crate::types::Raft;

/// Says in a refusal that its reason is a removal, which is for ever.
const REMOVED: &str = "npanel-removed";

/// How often the state is asked while it changes all the time.
const GRAIN: Duration = Duration::from_millis(500);

/// How long a leader that was removed may take to hand the cluster over: it takes itself out of the members first.
const HANDOVER: Duration = Duration::from_secs(10);

/// What a controller that was removed is answered.
pub fn refused_as_removed() -> Status {
    let mut refusal = Status::permission_denied("the caller was removed from the cluster");
    refusal.metadata_mut().insert(REMOVED, MetadataValue::from_static("1"));
    refusal
}

fn is_removal(status: &Status) -> bool {
    status.code() == Code::PermissionDenied && status.metadata().contains_key(REMOVED)
}

/// Becomes `true` once, and stays so.
#[derive(Debug)]
pub(crate) struct Belonging {
    removed: watch::Sender<bool>,
}

impl Belonging {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { removed: watch::Sender::new(false) })
    }

    pub(crate) fn removed(&self) -> watch::Receiver<bool> {
        self.removed.subscribe()
    }

    /// Takes note of how another controller refused a call.
    pub(crate) fn note(&self, status: &Status) {
        if is_removal(status) {
            self.leave("another controller refuses it as removed");
        }
    }

    fn leave(&self, how: &str) {
        if !self.removed.send_replace(true) {
            tracing::error!(how, "this controller was removed from the cluster");
        }
    }

    /// Watches the state, until it says so or ends.
    pub(crate) async fn follow(
        self: Arc<Self>,
        raft: Raft,
        state: Reader,
        mut applied: watch::Receiver<u64>,
    ) {
        let own = ControllerId(raft.metrics().borrow().id);
        loop {
            applied.borrow_and_update();
            match is_gone(&state, own).await {
                Ok(true) => {
                    hand_over(&raft).await;
                    self.leave("its own state says so");
                    return;
                }
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "the controllers cannot be read from the state"),
            }
            sleep(GRAIN).await;
            if applied.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Whether this id was given, and is nobody's any more. A state that is behind does not know of it yet.
async fn is_gone(state: &Reader, own: ControllerId) -> Result<bool, QueryError> {
    // In this order: one that is enrolled in between is not taken for one that is gone.
    if state.next_controller_id().await? <= own {
        return Ok(false);
    }
    Ok(state.controllers().await?.iter().all(|controller| controller.id != own))
}

async fn hand_over(raft: &Raft) {
    let mut metrics = raft.metrics();
    let followed = metrics.wait_for(|now| now.state != ServerState::Leader);
    if timeout(HANDOVER, followed).await.is_err() {
        tracing::warn!("no other controller has taken over from this one");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_refusal_of_one_that_was_removed_is_taken_for_it() {
        let belonging = Belonging::new();
        belonging.note(&Status::permission_denied("only controllers of the cluster may call this"));
        belonging.note(&Status::unavailable("away"));
        assert!(!*belonging.removed().borrow());
        belonging.note(&refused_as_removed());
        assert!(*belonging.removed().borrow());
    }
}
