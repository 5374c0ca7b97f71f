//! The thread that owns the log's file.

use std::{ops::Bound, path::Path};

use openraft::storage::LogFlushed;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::types::Types;

/// How many appends share one fsync at most.
const GROUP: usize = 64;

/// The log's file failed, or its thread is gone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the Raft log's file failed")]
    Database(#[from] rusqlite::Error),
    #[error("the Raft log's thread cannot be started")]
    Thread(#[source] std::io::Error),
    #[error("the Raft log's thread has stopped")]
    Stopped,
}

/// What is kept beside the entries.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kept {
    Vote,
    Purged,
}

impl Kept {
    fn name(self) -> &'static str {
        match self {
            Self::Vote => "vote",
            Self::Purged => "purged",
        }
    }
}

type Reply<T> = oneshot::Sender<Result<T, Failure>>;
type Entries = Vec<(u64, Vec<u8>)>;

pub(crate) enum Job {
    Append(Entries, LogFlushed<Types>),
    Truncate(u64, Reply<()>),
    Purge(u64, Vec<u8>, Reply<()>),
    Keep(Kept, Vec<u8>, Reply<()>),
    Get(Kept, Reply<Option<Vec<u8>>>),
    Read((Bound<u64>, Bound<u64>), Reply<Vec<Vec<u8>>>),
    Last(Reply<Option<Vec<u8>>>),
}

pub(super) fn start(path: &Path) -> Result<mpsc::UnboundedSender<Job>, Failure> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS entries (log_index INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;
         CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;",
    )?;
    // The queue is bounded by what the library has in flight.
    let (jobs, mut queue) = mpsc::unbounded_channel();
    std::thread::Builder::new()
        .name("raft-log".to_owned())
        .spawn(move || {
            let mut next = None;
            while let Some(job) = next.take().or_else(|| queue.blocking_recv()) {
                next = run(&mut connection, job, &mut queue);
            }
        })
        .map_err(Failure::Thread)?;
    Ok(jobs)
}

// An asker that has gone away does not need its answer; what it asked for is done all the same.
fn run(connection: &mut Connection, job: Job, queue: &mut mpsc::UnboundedReceiver<Job>) -> Option<Job> {
    match job {
        Job::Append(entries, callback) => return append_group(connection, entries, callback, queue),
        Job::Truncate(from, reply) => {
            let done = connection.execute("DELETE FROM entries WHERE log_index >= ?1", [from]);
            let _ = reply.send(done.map(drop).map_err(Failure::from));
        }
        Job::Purge(upto, log_id, reply) => {
            let _ = reply.send(purge(connection, upto, &log_id));
        }
        Job::Keep(what, value, reply) => {
            let _ = reply.send(keep(connection, what, &value));
        }
        Job::Get(what, reply) => {
            let found = connection
                .query_row("SELECT value FROM kept WHERE name = ?1", [what.name()], |row| row.get(0))
                .optional();
            let _ = reply.send(found.map_err(Failure::from));
        }
        Job::Read(range, reply) => {
            let _ = reply.send(read(connection, range));
        }
        Job::Last(reply) => {
            let found = connection
                .query_row("SELECT entry FROM entries ORDER BY log_index DESC LIMIT 1", [], |row| row.get(0))
                .optional();
            let _ = reply.send(found.map_err(Failure::from));
        }
    }
    None
}

/// Writes this append and those that wait behind it with one fsync. Returns the first job that is not one.
fn append_group(
    connection: &mut Connection,
    entries: Entries,
    callback: LogFlushed<Types>,
    queue: &mut mpsc::UnboundedReceiver<Job>,
) -> Option<Job> {
    let mut group = vec![entries];
    let mut callbacks = vec![callback];
    let mut other = None;
    while group.len() < GROUP {
        match queue.try_recv() {
            Ok(Job::Append(entries, callback)) => {
                group.push(entries);
                callbacks.push(callback);
            }
            Ok(job) => {
                other = Some(job);
                break;
            }
            Err(_) => break,
        }
    }
    let written = write(connection, &group).map_err(|error| error.to_string());
    for callback in callbacks {
        callback.log_io_completed(written.clone().map_err(std::io::Error::other));
    }
    other
}

fn write(connection: &mut Connection, group: &[Entries]) -> Result<(), rusqlite::Error> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    {
        let mut insert = transaction
            .prepare_cached("INSERT OR REPLACE INTO entries (log_index, entry) VALUES (?1, ?2)")?;
        for (index, entry) in group.iter().flatten() {
            insert.execute((index, entry))?;
        }
    }
    transaction.commit()
}

fn purge(connection: &mut Connection, upto: u64, log_id: &[u8]) -> Result<(), Failure> {
    let transaction = connection.transaction()?;
    keep(&transaction, Kept::Purged, log_id)?;
    transaction.execute("DELETE FROM entries WHERE log_index <= ?1", [upto])?;
    Ok(transaction.commit()?)
}

fn keep(connection: &Connection, what: Kept, value: &[u8]) -> Result<(), Failure> {
    connection.execute(
        "INSERT INTO kept (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (what.name(), value),
    )?;
    Ok(())
}

fn read(connection: &Connection, (from, to): (Bound<u64>, Bound<u64>)) -> Result<Vec<Vec<u8>>, Failure> {
    let first = match from {
        Bound::Included(index) => index,
        Bound::Excluded(index) => index + 1,
        Bound::Unbounded => 0,
    };
    let end = match to {
        Bound::Included(index) => index + 1,
        Bound::Excluded(index) => index,
        Bound::Unbounded => u64::try_from(i64::MAX).unwrap_or(u64::MAX),
    };
    let mut select = connection.prepare_cached(
        "SELECT entry FROM entries WHERE log_index >= ?1 AND log_index < ?2 ORDER BY log_index",
    )?;
    let entries = select.query_map((first, end), |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(entries)
}
