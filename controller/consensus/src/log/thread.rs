//! The thread that writes the log. Jobs are done in the order in which they come; appends that wait share one sync.

use std::{path::Path, sync::Arc, time::Duration};

use openraft::storage::LogFlushed;
use tokio::sync::{mpsc, oneshot};

use super::{
    Shared,
    disk::RealDirectory,
    engine::{Batch, Engine, Failure, SEGMENT_BYTES, Spare},
    recover::Unusable,
};
use crate::types::{LogId, Types, Vote};

/// So many bytes at most share one sync, beside the append that goes beyond it.
const GROUP_BYTES: usize = 1024 * 1024;

/// How often a full disk is tried again.
const FULL_DISK_RETRY: Duration = Duration::from_secs(1);

type Reply = oneshot::Sender<Result<(), Failure>>;

pub(super) enum Job {
    Append(Batch, LogFlushed<Types>),
    Truncate(u64, Reply),
    Purge(LogId, Reply),
    SaveVote(Vote, Reply),
}

type Queue = mpsc::UnboundedReceiver<Job>;

/// Opens the log in a directory and starts its thread, which ends with the last sender.
pub(super) fn start(path: &Path) -> Result<(mpsc::UnboundedSender<Job>, Shared), Unusable> {
    let mut engine = Engine::open(RealDirectory::open(path)?, SEGMENT_BYTES, Spare::Ahead)?;
    let index = engine.index();
    // The queue is bounded by what the library has in flight.
    let (jobs, mut queue) = mpsc::unbounded_channel();
    std::thread::Builder::new().name("raft-log".to_owned()).spawn(move || {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| queue.blocking_recv()) {
            next = run(&mut engine, job, &mut queue);
        }
    })?;
    Ok((jobs, Arc::clone(&index)))
}

/// Does a job. Returns the next one if it has been taken from the queue already.
fn run(engine: &mut Engine<RealDirectory>, job: Job, queue: &mut Queue) -> Option<Job> {
    let (done, reply) = match job {
        Job::Append(batch, callback) => return append_group(engine, batch, callback, queue),
        Job::Truncate(from, reply) => (until_space(queue, || engine.truncate(from)), reply),
        Job::Purge(upto, reply) => (until_space(queue, || engine.purge(upto)), reply),
        Job::SaveVote(vote, reply) => (until_space(queue, || engine.save_vote(vote)), reply),
    };
    // An asker that has gone away does not need its answer; what it asked for is done all the same.
    let _ = reply.send(done);
    None
}

/// Writes this append and those that wait behind it with one sync. Returns the first job that is not one.
fn append_group(
    engine: &mut Engine<RealDirectory>,
    batch: Batch,
    callback: LogFlushed<Types>,
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
    for callback in callbacks {
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
