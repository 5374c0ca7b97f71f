//! The thread that writes the log. Jobs are done in the order in which they come; appends that wait share one sync.

use std::{path::Path, sync::Arc, time::Duration};

use openraft::storage::LogFlushed;
use tokio::sync::{mpsc, oneshot};

use super::{
    Shared,
    disk::RealDirectory,
    engine::{Batch, Engine, Failure, SEGMENT_BYTES, Spare, lock},
    recover::Unusable,
    synced::{Synced, Syncing, Waiting},
};
use crate::{
    bug,
    types::{LogId, Types, Vote},
};

/// So many bytes at most share one sync, beside the append that goes beyond it.
const GROUP_BYTES: usize = 1024 * 1024;

/// How often a full disk is tried again.
const FULL_DISK_RETRY: Duration = Duration::from_secs(1);

type Reply = oneshot::Sender<Result<(), Failure>>;

pub(super) enum Job {
    /// With whom to tell when it is on disk, if they wait for that.
    Append(Batch, Option<LogFlushed<Types>>),
    Truncate(u64, Reply),
    Purge(LogId, Reply),
    SaveVote(Vote, Reply),
}

type Queue = mpsc::UnboundedReceiver<Job>;

/// The thread's jobs, and what is to be known of it.
pub(super) struct Started {
    pub(super) jobs: mpsc::UnboundedSender<Job>,
    pub(super) index: Shared,
    pub(super) synced: Synced,
    pub(super) waiting: Waiting,
}

/// Opens the log in a directory and starts its thread, which ends with the last sender.
pub(super) fn start(path: &Path) -> Result<Started, Unusable> {
    let mut engine = Engine::open(RealDirectory::open(path)?, SEGMENT_BYTES, Spare::Ahead)?;
    let index = engine.index();
    let syncing = Syncing::from(lock(&index).last());
    let (synced, waiting) = (syncing.synced(), syncing.waiting());
    // The queue is bounded by what may wait for the disk.
    let (jobs, mut queue) = mpsc::unbounded_channel();
    std::thread::Builder::new().name("raft-log".to_owned()).spawn(move || {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| queue.blocking_recv()) {
            next = run(&mut engine, &syncing, job, &mut queue);
        }
    })?;
    Ok(Started { jobs, index: Arc::clone(&index), synced, waiting })
}

/// Does a job. Returns the next one if it has been taken from the queue already.
fn run(engine: &mut Engine<RealDirectory>, syncing: &Syncing, job: Job, queue: &mut Queue) -> Option<Job> {
    let (done, reply) = match job {
        Job::Append(batch, callback) => return append_group(engine, syncing, (batch, callback), queue),
        Job::Truncate(from, reply) => {
            // Before it is done: from here on, others will have these indices.
            syncing.truncated(from);
            (until_space(queue, || engine.truncate(from)), reply)
        }
        Job::Purge(upto, reply) => {
            let purged = until_space(queue, || engine.purge(upto));
            if purged.is_ok() {
                syncing.purged(upto.index);
            }
            (purged, reply)
        }
        Job::SaveVote(vote, reply) if bug::is_in("log::vote_late") => {
            // With whatever is kept next.
            lock(&engine.index()).kept.vote = Some(vote);
            (Ok(()), reply)
        }
        Job::SaveVote(vote, reply) => (until_space(queue, || engine.save_vote(vote)), reply),
    };
    if let Err(failure) = &done {
        syncing.failed(failure);
    }
    // An asker that has gone away does not need its answer; what it asked for is done all the same.
    let _ = reply.send(done);
    None
}

/// Writes this append and those that wait behind it with one sync. Returns the first job that is not one.
fn append_group(
    engine: &mut Engine<RealDirectory>,
    syncing: &Syncing,
    (batch, callback): (Batch, Option<LogFlushed<Types>>),
    queue: &mut Queue,
) -> Option<Job> {
    let (mut bytes, mut batches, mut callbacks) = (batch.body.len(), vec![batch], vec![callback]);
    let mut other = None;
    while bytes < GROUP_BYTES {
        match queue.try_recv() {
            Ok(Job::Append(batch, callback)) => {
                bytes += batch.body.len();
                batches.push(batch);
                callbacks.push(callback);
            }
            Ok(job) => {
                other = Some(job);
                break;
            }
            Err(_) => break,
        }
    }
    let written = until_space(queue, || engine.append(&batches));
    match &written {
        Ok(()) => syncing.written(batches.iter().filter_map(Batch::last).max(), bytes),
        Err(failure) => syncing.failed(failure),
    }
    for callback in callbacks.into_iter().flatten() {
        callback.log_io_completed(written.clone().map_err(std::io::Error::other));
    }
    other
}

/// Waits while the disk is full: what is not written is not acknowledged, and goes on when there is space again.
fn until_space(queue: &Queue, mut write: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
    let mut is_told = false;
    loop {
        match write() {
            Err(Failure::Full) if !queue.is_closed() => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::error!(
                        "the disk is full: the raft log waits for space, and acknowledges nothing"
                    );
                }
                std::thread::sleep(FULL_DISK_RETRY);
            }
            done => return done,
        }
    }
}
