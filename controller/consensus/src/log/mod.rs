//! The Raft log on disk.
//!
//! A SQLite file of its own in WAL mode with `synchronous=FULL`: a commit is an fsync, and a torn tail is cut
//! when the file is opened. One thread owns it, so appends complete in order; appends that arrive while the
//! disk is busy share the next fsync.

mod thread;

use std::{fmt::Debug, ops::RangeBounds, path::Path};

use openraft::{
    LogState, OptionalSend, RaftLogReader,
    storage::{LogFlushed, RaftLogStorage},
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    encoding::{decode_entry, encode_entry, from_bytes, to_bytes},
    types::{Entry, LogId, StorageError, StorageIoError, Types, Vote},
};
use thread::{Failure, Job, Kept};

/// The log could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the Raft log cannot be opened")]
pub(crate) struct OpenError(#[from] Failure);

/// A handle to the log; every clone reaches the same one.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    jobs: mpsc::UnboundedSender<Job>,
}

fn write_failed(error: &Failure) -> StorageError {
    StorageIoError::write_logs(openraft::AnyError::new(error)).into()
}

fn read_failed(error: &(impl std::error::Error + 'static)) -> StorageError {
    StorageIoError::read_logs(openraft::AnyError::new(error)).into()
}

impl Log {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { jobs: thread::start(path)? })
    }

    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, Failure>>) -> Job,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).map_err(|_| Failure::Stopped)?;
        answer.await.map_err(|_| Failure::Stopped)?
    }

    async fn kept(&self, what: Kept) -> Result<Option<Vec<u8>>, Failure> {
        self.ask(|reply| Job::Get(what, reply)).await
    }
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
        let entries =
            self.ask(|reply| Job::Read(bounds, reply)).await.map_err(|error| read_failed(&error))?;
        entries
            .iter()
            .map(|bytes| decode_entry(bytes))
            .collect::<Result<_, _>>()
            .map_err(|error| read_failed(&error))
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        let purged = self.kept(Kept::Purged).await.map_err(|error| read_failed(&error))?;
        let purged: Option<LogId> =
            purged.map(|bytes| from_bytes(&bytes)).transpose().map_err(|error| read_failed(&error))?;
        let last = self.ask(Job::Last).await.map_err(|error| read_failed(&error))?;
        let last = last.map(|bytes| decode_entry(&bytes)).transpose().map_err(|error| read_failed(&error))?;
        Ok(LogState { last_purged_log_id: purged, last_log_id: last.map(|entry| entry.log_id).or(purged) })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let bytes = to_bytes(vote);
        self.ask(|reply| Job::Keep(Kept::Vote, bytes, reply))
            .await
            .map_err(|error| StorageIoError::write_vote(openraft::AnyError::new(&error)).into())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        let bytes = self.kept(Kept::Vote).await.map_err(|error| read_failed(&error))?;
        bytes.map(|bytes| from_bytes(&bytes)).transpose().map_err(|error| read_failed(&error))
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        // Reads go through the same queue, so the entries are readable from here on.
        let entries = entries.into_iter().map(|entry| (entry.log_id.index, encode_entry(&entry))).collect();
        self.jobs.send(Job::Append(entries, callback)).map_err(|_| write_failed(&Failure::Stopped))
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.ask(|reply| Job::Truncate(log_id.index, reply)).await.map_err(|error| write_failed(&error))
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        let bytes = to_bytes(&log_id);
        self.ask(|reply| Job::Purge(log_id.index, bytes, reply)).await.map_err(|error| write_failed(&error))
    }
}
