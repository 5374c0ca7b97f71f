//! The Raft log on disk: a directory of segment files, and one small file with the vote and the purge.
//!
//! One thread writes ([`thread`]), so appends complete in order; those that arrive while the disk is busy share the next sync.
//! What a segment is made of is in [`frame`], what is made of a broken one in [`segment`] and [`recover`]: a write that was cut
//! off is cut away, and anything else is refused. What is appended counts before it is on disk, and nothing rests on it until
//! it is: see [`synced`]. Readers take the newest entries from memory and others from the files; they
//! never wait for the thread.

mod disk;
mod engine;
mod frame;
mod index;
mod kept;
#[cfg(feature = "failpoints")]
mod power;
mod recover;
#[cfg(test)]
pub(crate) mod sample;
mod segment;
mod synced;
#[cfg(test)]
mod tests;
mod thread;

use std::{
    fmt::Debug,
    fs::File,
    io,
    ops::{Bound, RangeBounds},
    path::Path,
    sync::{Arc, Mutex},
};

use openraft::{
    AnyError, LogState, OptionalSend, RaftLogReader,
    storage::{LogFlushed, RaftLogStorage},
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    encoding::encode_entry,
    types::{Entry, LogId, StorageError, StorageIoError, Types, Vote},
};
use engine::{Batch, Failure, lock};
use index::{Found, Index};
#[cfg(feature = "failpoints")]
pub use power::lose_power;
pub(crate) use recover::Unusable;
pub(crate) use synced::Synced;
use synced::Waiting;
use thread::{Job, Started};

type Shared = Arc<Mutex<Index<File>>>;

/// A handle to the log; every clone reaches the same one.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    jobs: mpsc::UnboundedSender<Job>,
    index: Shared,
    synced: Synced,
    waiting: Waiting,
}

/// How long the log is. It keeps the log from nobody: whoever has a [`Log`] keeps its directory.
#[derive(Debug)]
pub(crate) struct Extent {
    index: Shared,
}

impl Extent {
    /// The first entry that is within the last so many entries and bytes.
    pub(crate) fn floor(&self, entries: u64, bytes: u64) -> u64 {
        lock(&self.index).floor(entries, bytes / engine::SEGMENT_BYTES)
    }
}

fn write_failed(error: &(impl std::error::Error + 'static)) -> StorageError {
    StorageIoError::write_logs(AnyError::new(error)).into()
}

fn read_failed(error: &(impl std::error::Error + 'static)) -> StorageError {
    StorageIoError::read_logs(AnyError::new(error)).into()
}

impl Log {
    /// Opens the log in a directory, which is made if it is not there. Blocks on the disk.
    pub(crate) fn open(path: &Path) -> Result<Self, Unusable> {
        let Started { jobs, index, synced, waiting } = thread::start(path)?;
        Ok(Self { jobs, index, synced, waiting })
    }

    /// Whether nothing was ever kept in it.
    pub(crate) fn is_new(&self) -> bool {
        let index = lock(&self.index);
        index.kept == kept::Kept::default() && index.range().is_empty()
    }

    /// Before the library has it: whoever led when it ended begins as a follower. Followers may have entries of its term that it had
    /// not on disk yet, and does not know any more: going on in that term it would make others under the same names.
    pub(crate) fn lead_no_more(&self, own: u64) {
        let mut index = lock(&self.index);
        if let Some(vote) = &mut index.kept.vote
            && vote.leader_id.node_id == own
        {
            vote.committed = false;
        }
    }

    /// For whoever asks how long it is.
    pub(crate) fn extent(&self) -> Extent {
        Extent { index: Arc::clone(&self.index) }
    }

    /// How far it is on disk.
    pub(crate) fn synced(&self) -> Synced {
        self.synced.clone()
    }

    async fn ask(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<(), Failure>>) -> Job,
    ) -> Result<(), Failure> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).map_err(|_| Failure::Stopped)?;
        answer.await.map_err(|_| Failure::Stopped)?
    }

    async fn read(&self, range: std::ops::Range<u64>) -> io::Result<Vec<Entry>> {
        let found = lock(&self.index).find(range);
        let read = |found: Vec<Found<File>>| found.into_iter().map(Found::read).collect();
        if found.iter().all(|one| matches!(one, Found::Entry(_))) {
            return read(found);
        }
        tokio::task::spawn_blocking(move || read(found)).await.map_err(io::Error::other)?
    }
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        let start = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(index) => index.saturating_add(1),
            Bound::Excluded(index) => *index,
            Bound::Unbounded => u64::MAX,
        };
        self.read(start..end).await.map_err(|error| read_failed(&error))
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        let (purged, range) = {
            let index = lock(&self.index);
            (index.kept.purged, index.range())
        };
        let newest = range.end.saturating_sub(1)..range.end;
        let last = self.read(newest).await.map_err(|error| read_failed(&error))?;
        let last = last.last().map(|entry| entry.log_id);
        Ok(LogState { last_purged_log_id: purged, last_log_id: last.or(purged) })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        self.ask(|reply| Job::SaveVote(*vote, reply))
            .await
            .map_err(|error| StorageIoError::write_vote(AnyError::new(&error)).into())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(lock(&self.index).kept.vote)
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        if let Some(failure) = self.synced.failure() {
            return Err(write_failed(&failure));
        }
        let encode = |entry: Entry| (encode_entry(&entry), entry);
        let encoded: Vec<(Vec<u8>, Entry)> = entries.into_iter().map(encode).collect();
        // The lock is held until the job is sent: entries are written in the order in which they can be read.
        let mut index = lock(&self.index);
        let purged = index.kept.purged.map(|id| id.index);
        let mut batch = Batch::default();
        for (bytes, entry) in encoded {
            let at = entry.log_id.index;
            if purged.is_some_and(|purged| at <= purged) {
                // It would be let go at once.
                continue;
            }
            if !index.can_follow(at) {
                let gap = format!("entry {at} does not follow what is there, {:?}", index.range());
                return Err(write_failed(&io::Error::other(gap)));
            }
            batch.push(at, &bytes);
            index.push(entry, bytes.len());
        }
        let must_wait = self.waiting.is_too_much_with(batch.body.len());
        let (later, now) = if must_wait { (Some(callback), None) } else { (None, Some(callback)) };
        self.jobs.send(Job::Append(batch, later)).map_err(|_| write_failed(&Failure::Stopped))?;
        if let Some(now) = now {
            now.log_io_completed(Ok(()));
        }
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.ask(|reply| Job::Truncate(log_id.index, reply)).await.map_err(|error| write_failed(&error))
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.ask(|reply| Job::Purge(log_id, reply)).await.map_err(|error| write_failed(&error))
    }
}
