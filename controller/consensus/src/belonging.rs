//! Who belongs to the cluster, and whether this controller still does. One that was removed learns it from its own state,
//! or, if it was away when that was decided, from the refusal of any other that it calls.
//!
//! A removal is decided by the state, and the members follow. In between, the one that goes is still a member: taking it
//! out may need its own voice, so it is refused nothing and stays until the others have agreed to go on without it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use npanel_model::ControllerId;
use npanel_state::{QueryError, Store};
use openraft::ServerState;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tonic::{Code, Status, metadata::MetadataValue};

use crate::{machine, types::Raft};

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

/// Who belongs to the cluster, as a replica's state has it.
#[derive(Debug, Clone, Default)]
pub struct Roll {
    present: BTreeSet<ControllerId>,
    /// No controller that this replica has heard of has this id or a higher one.
    next: u64,
    /// The members as they are agreed on, those included that the state does not have any more.
    members: BTreeSet<u64>,
}

impl Roll {
    /// Of those that the state has, the lowest id that was never given, and the members that are agreed on.
    pub fn new(present: BTreeSet<ControllerId>, next: ControllerId, members: BTreeSet<u64>) -> Self {
        Self { present, next: next.0, members }
    }

    pub(crate) async fn read(store: &Store) -> Result<Self, QueryError> {
        // In this order: one that is enrolled in between is then too new, not gone; one that is taken out, not gone yet.
        let members = machine::members(&store.applied().borrow());
        let next = store.reader().next_controller_id().await?;
        let present = store.reader().controllers().await?.into_iter().map(|one| one.id).collect();
        Ok(Self::new(present, next, members))
    }

    /// Whether the state has it.
    pub fn is_present(&self, id: ControllerId) -> bool {
        self.present.contains(&id)
    }

    /// Whether it was removed, and is no member any more. This is for ever: ids are never used again. A controller that
    /// the state does not know *yet* is not gone.
    pub fn is_gone(&self, id: ControllerId) -> bool {
        id.0 < self.next && !self.present.contains(&id) && !self.members.contains(&id.0)
    }
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
    pub(crate) async fn follow(self: Arc<Self>, raft: Raft, store: Store, mut applied: watch::Receiver<u64>) {
        let own = ControllerId(raft.metrics().borrow().id);
        loop {
            applied.borrow_and_update();
            match Roll::read(&store).await.map(|roll| roll.is_gone(own)) {
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
    fn one_that_the_state_has_no_more_is_gone_when_it_is_no_member_any_more() {
        let roll = Roll::new([ControllerId(1)].into(), ControllerId(4), [1, 2].into());
        let gone = |id| roll.is_gone(ControllerId(id));
        assert!(!gone(1) && !gone(2), "still a member, whose voice may be needed");
        assert!(gone(3));
        assert!(!gone(4), "too new for this replica to know");
    }

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
