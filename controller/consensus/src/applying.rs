//! Waiting until this replica has applied an entry. Hundreds of requests wait at once, each for its own entry: each is woken
//! once, and not by every other's.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use npanel_state::{Applied, Store};
use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
};

use crate::types::Raft;

/// The state takes nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped;

/// How far this replica has come, and who waits for what.
#[derive(Debug)]
pub(crate) struct Applying {
    store: watch::Receiver<Applied>,
    index: watch::Sender<u64>,
    /// By the index that is waited for; none once the state has stopped.
    waiting: Mutex<Option<BTreeMap<u64, Vec<oneshot::Sender<()>>>>>,
}

fn index(applied: &Applied) -> u64 {
    applied.position.map_or(0, |position| position.index)
}

impl Applying {
    /// Follows the store until its writer stops. Then this controller takes part no longer: the library has no other word of that.
    pub(crate) fn follow(store: &Store, raft: Raft, tasks: &mut JoinSet<()>) -> Arc<Self> {
        let mut from = store.applied();
        let waiting = Mutex::new(Some(BTreeMap::new()));
        let now = watch::Sender::new(index(&from.borrow()));
        let applying = Arc::new(Self { store: store.applied(), index: now, waiting });
        let followed = Arc::clone(&applying);
        tasks.spawn(async move {
            while from.changed().await.is_ok() {
                let now = index(&from.borrow_and_update());
                followed.reached(now);
            }
            *followed.waiting.lock().unwrap_or_else(PoisonError::into_inner) = None;
            if let Err(error) = raft.shutdown().await {
                tracing::error!(%error, "the consensus library had failed");
            }
        });
        applying
    }

    /// The index, followed as it moves.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.index.subscribe()
    }

    /// The index of the last applied entry.
    pub(crate) fn now(&self) -> u64 {
        index(&self.store.borrow())
    }

    /// Returns once the entry is applied.
    ///
    /// # Errors
    /// If it never will be.
    pub(crate) async fn until(&self, wanted: u64) -> Result<(), Stopped> {
        let reached = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            // Under the lock: whoever comes too late for a wake-up finds the index moved.
            if self.now() >= wanted {
                return Ok(());
            }
            let (wake, reached) = oneshot::channel();
            waiting.as_mut().ok_or(Stopped)?.entry(wanted).or_default().push(wake);
            reached
        };
        reached.await.map_err(|_| Stopped)
    }

    fn reached(&self, now: u64) {
        self.index.send_replace(now);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = waiting.as_mut() {
            let later = waiting.split_off(&(now + 1));
            for wake in std::mem::replace(waiting, later).into_values().flatten() {
                // Who has given up need not be woken.
                let _ = wake.send(());
            }
        }
    }
}
