//! How far the log is on disk.
//!
//! To the consensus library an append is done as soon as its entries can be read: it waits for each append before it does
//! anything else, so it would bring one entry at a time to disk, and send it to followers only then. Instead, nothing that
//! leaves this replica rests on an entry before that is on disk: neither the answer to a leader that sent it
//! ([`crate::service`]), nor the word to followers that it is committed ([`crate::commits`]), nor what it does to the state
//! ([`crate::machine`]), by which callers are answered. An election's vote needs no such care: it is written behind all appends before
//! it. That this controller led does: see `lead_no_more`.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::watch;

use super::engine::Failure;

/// So many bytes may wait for the disk, before the library has to wait, too.
const MOST_WAITING: usize = 4 * 1024 * 1024;

/// Follows how far the log is on disk.
#[derive(Debug, Clone)]
pub(crate) struct Synced(watch::Receiver<Result<u64, Failure>>);

impl Synced {
    /// The last entry that is on disk with all before it; 0 if nothing more will be.
    pub(crate) fn upto(&self) -> u64 {
        self.0.borrow().as_ref().map_or(0, |upto| *upto)
    }

    /// Why nothing more can be written, if that is so.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.0.borrow().as_ref().err().cloned()
    }

    /// Returns once the entry is on disk with all before it.
    ///
    /// # Errors
    /// If it never will be, as far as this process goes.
    pub(crate) async fn reaches(&self, index: u64) -> Result<(), Failure> {
        let mut upto = self.0.clone();
        let reached = upto.wait_for(|upto| upto.as_ref().map_or(true, |upto| *upto >= index)).await;
        match reached {
            Ok(upto) => upto.as_ref().map(drop).map_err(Failure::clone),
            Err(_) => Err(Failure::Stopped),
        }
    }

    /// For who applies what was never in a log.
    #[cfg(test)]
    pub(crate) fn everything() -> Self {
        Self(watch::channel(Ok(u64::MAX)).1)
    }

    #[cfg(test)]
    pub(crate) fn told_by(sender: &watch::Sender<Result<u64, Failure>>) -> Self {
        Self(sender.subscribe())
    }
}

/// Tells how far the log is on disk. Its last clone is the thread's.
#[derive(Debug)]
pub(super) struct Syncing {
    upto: watch::Sender<Result<u64, Failure>>,
    waiting: Waiting,
}

impl Syncing {
    pub(super) fn from(upto: u64) -> Self {
        Self { upto: watch::Sender::new(Ok(upto)), waiting: Waiting::default() }
    }

    pub(super) fn synced(&self) -> Synced {
        Synced(self.upto.subscribe())
    }

    pub(super) fn waiting(&self) -> Waiting {
        self.waiting.clone()
    }

    /// Entries up to this one were written, in so many bytes.
    pub(super) fn written(&self, last: Option<u64>, bytes: usize) {
        self.waiting.0.fetch_sub(bytes, Ordering::Relaxed);
        self.change(|upto| last.unwrap_or(upto));
    }

    /// The entries from this one on are no more.
    pub(super) fn truncated(&self, from: u64) {
        self.change(|upto| upto.min(from.saturating_sub(1)));
    }

    /// The entries up to this one are no longer needed.
    pub(super) fn purged(&self, last: u64) {
        self.change(|upto| upto.max(last));
    }

    pub(super) fn failed(&self, failure: &Failure) {
        drop(self.upto.send_replace(Err(failure.clone())));
    }

    fn change(&self, change: impl FnOnce(u64) -> u64) {
        self.upto.send_if_modified(|upto| match upto {
            Ok(upto) => {
                let next = change(*upto);
                std::mem::replace(upto, next) != next
            }
            Err(_) => false,
        });
    }
}

/// The bytes that wait for the disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    /// Adds what is appended. Whether that is too much to go on before it is on disk.
    pub(super) fn is_too_much_with(&self, bytes: usize) -> bool {
        self.0.fetch_add(bytes, Ordering::Relaxed) + bytes > MOST_WAITING
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_waits_for_an_entry_goes_on_when_it_is_on_disk_or_never_will_be() {
        let syncing = Syncing::from(4);
        let synced = syncing.synced();
        assert!(synced.reaches(4).now_or_never().is_some_and(|reached| reached.is_ok()));
        assert!(synced.reaches(5).now_or_never().is_none());
        syncing.written(Some(7), 0);
        synced.reaches(5).await.expect("it is on disk");
        syncing.truncated(6);
        assert!(synced.reaches(6).now_or_never().is_none(), "another entry will have this index");
        syncing.purged(9);
        synced.reaches(9).await.expect("a snapshot holds it");
        syncing.failed(&Failure::Broken("EIO".to_owned()));
        syncing.written(Some(10), 0);
        assert!(synced.reaches(9).await.is_err(), "whether anything is on disk is unknown");
        assert_eq!(synced.upto(), 0);
    }

    #[test]
    fn only_so_much_waits_for_the_disk() {
        let syncing = Syncing::from(0);
        let waiting = syncing.waiting();
        assert!(!waiting.is_too_much_with(MOST_WAITING));
        assert!(waiting.is_too_much_with(1));
        syncing.written(Some(1), MOST_WAITING);
        assert!(!waiting.is_too_much_with(1));
    }
}
