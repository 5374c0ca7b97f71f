//! The writer thread: the only one that changes the database.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use npanel_audit::Frontier;
use npanel_proto::command::{Envelope, Outcome};
use rusqlite::{Connection, OptionalExtension, config::DbConfig};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    Applied, Foresight, LogPosition, LogRecord, RecordPayload, StoreError, apply, audit, bug, foresight,
    level,
    logins::Logins,
    open,
    write_back::{Rest, WriteBack},
};

/// Batches waiting for the writer. Raft hands over one at a time; more only when a snapshot is installed.
const QUEUE: usize = 16;

/// How often a full disk is tried again.
const FULL_DISK_RETRY: Duration = Duration::from_secs(1);

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

enum Job {
    Apply(Vec<LogRecord>, Reply<Vec<Outcome>>),
    Foresee(Box<Envelope>, Reply<Foresight>),
    Move(PathBuf, Reply<()>),
    Rest(Rest),
}

impl From<Rest> for Job {
    fn from(rest: Rest) -> Self {
        Self::Rest(rest)
    }
}

/// The handle to the thread, which ends when the last handle is dropped or the database fails.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
    applied: watch::Receiver<Applied>,
    level: watch::Receiver<Option<u32>>,
    logins: Arc<Logins>,
    write_back: WriteBack,
}

/// Whether a controller that goes up to the feature level `most` can go on with the database.
pub(crate) fn require_within(db: &Connection, most: u32) -> Result<Option<u32>, StoreError> {
    match level::read(db)? {
        Some(level) if level > most => Err(StoreError::Beyond { level, most }),
        level => Ok(level),
    }
}

impl Writer {
    /// `most`: the feature level that it goes up to.
    pub(crate) fn start(path: &Path, most: u32) -> Result<Self, StoreError> {
        let connection = open::writer(path)?;
        let (level_sender, level) = watch::channel(require_within(&connection, most)?);
        let tree = audit::frontier(&connection)?;
        let (applied_sender, applied) = watch::channel(read_applied(&connection)?);
        let (jobs, queue) = mpsc::channel(QUEUE);
        let logins = Arc::new(Logins::default());
        let write_back = WriteBack::start(path, jobs.downgrade())?;
        let (of_thread, wrote) = (Arc::clone(&logins), write_back.clone());
        let told = Told { applied: applied_sender, level: level_sender };
        std::thread::Builder::new()
            .name("state-writer".to_owned())
            .spawn(move || run(connection, tree, queue, &told, &of_thread, most, &wrote))?;
        Ok(Self { jobs, applied, level, logins, write_back })
    }

    pub(crate) fn applied(&self) -> watch::Receiver<Applied> {
        self.applied.clone()
    }

    /// The feature level that the cluster is at, followed as it is raised; `None` before there is one.
    pub(crate) fn level(&self) -> watch::Receiver<Option<u32>> {
        self.level.clone()
    }

    /// The keys that were looked up in what is applied.
    pub(crate) fn logins(&self) -> Arc<Logins> {
        Arc::clone(&self.logins)
    }

    pub(crate) async fn apply(&self, records: Vec<LogRecord>) -> Result<Vec<Outcome>, StoreError> {
        self.ask(|reply| Job::Apply(records, reply)).await
    }

    /// On this thread, because only one connection may write, even what is taken back. It costs what applying the
    /// command does.
    pub(crate) async fn foresee(&self, envelope: Envelope) -> Result<Foresight, StoreError> {
        self.ask(|reply| Job::Foresee(Box::new(envelope), reply)).await
    }

    /// Goes on with the database at another path; the old connection is closed.
    pub(crate) async fn move_to(&self, path: PathBuf) -> Result<(), StoreError> {
        self.ask(|reply| Job::Move(path.clone(), reply)).await?;
        self.write_back.move_to(path);
        Ok(())
    }

    async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).await.map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }
}

/// Who follows what the database has come to.
struct Told {
    applied: watch::Sender<Applied>,
    level: watch::Sender<Option<u32>>,
}

impl Told {
    fn tell(&self, connection: &Connection) -> Result<(), StoreError> {
        let (now, level) = (read_applied(connection)?, level::read(connection)?);
        // First: whoever sees the new position asks by the level that goes with it.
        self.level.send_if_modified(|known| std::mem::replace(known, level) != level);
        self.applied.send_replace(now);
        Ok(())
    }
}

// An asker that has gone away does not need its answer; what it asked for is done all the same.
fn run(
    mut connection: Connection,
    mut tree: Frontier,
    mut queue: mpsc::Receiver<Job>,
    told: &Told,
    logins: &Logins,
    most: u32,
    write_back: &WriteBack,
) {
    while let Some(job) = queue.blocking_recv() {
        match job {
            Job::Apply(records, reply) => {
                let outcomes =
                    apply_when_there_is_space(&mut connection, &mut tree, logins, most, &records, || {
                        std::thread::sleep(FULL_DISK_RETRY);
                        !queue.is_closed()
                    });
                let failed = outcomes.is_err();
                logins.settle();
                if let Err(error) = &outcomes {
                    tracing::error!(%error, "the log cannot be applied any further");
                } else if let Err(error) = told.tell(&connection) {
                    tracing::error!(%error, "how far the state is applied cannot be read");
                }
                let _ = reply.send(outcomes);
                write_back.wrote();
                if failed {
                    // Whether the batch is in the database is unknown: never write after that.
                    return;
                }
            }
            Job::Foresee(envelope, reply) => {
                let next = read_applied(&connection).map(|now| now.position);
                let foresight =
                    next.and_then(|now| foresight::of(&mut connection, &tree, logins, most, now, &envelope));
                let _ = reply.send(foresight);
            }
            Job::Move(path, reply) => {
                let moved = open::writer(&path).and_then(|next| {
                    let of_next = audit::frontier(&next)?;
                    // What is left in the old one's write-ahead log is of no use to anyone.
                    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
                    (connection, tree) = (next, of_next);
                    logins.forget();
                    told.tell(&connection)
                });
                let _ = reply.send(moved);
            }
            Job::Rest(rest) => rest.until_over(),
        }
    }
}

/// Applies a batch. While the disk is full it waits: of the batch nothing is in the database, and it is tried again for as long
/// as `pause` says so. What is committed is in the log, so nothing is lost meanwhile; readers go on.
fn apply_when_there_is_space(
    connection: &mut Connection,
    tree: &mut Frontier,
    logins: &Logins,
    most: u32,
    records: &[LogRecord],
    mut pause: impl FnMut() -> bool,
) -> Result<Vec<Outcome>, StoreError> {
    let (before, mut is_told) = (read_applied(connection)?, false);
    loop {
        let of_before = tree.clone();
        match apply_batch(connection, tree, logins, most, records) {
            Err(error) if is_for_want_of_space(&error) => {
                *tree = of_before;
                // The database has taken the batch back. If it has not, nothing is known.
                if read_applied(connection)? != before {
                    return Err(error);
                }
                if !std::mem::replace(&mut is_told, true) {
                    tracing::error!("the disk is full: the state waits for space, and reads go on");
                }
                if !pause() {
                    return Err(error);
                }
            }
            done => return done,
        }
    }
}

fn is_for_want_of_space(error: &StoreError) -> bool {
    let StoreError::Database(rusqlite::Error::SqliteFailure(failure, _)) = error else { return false };
    failure.code == rusqlite::ErrorCode::DiskFull
}

/// After an error nothing may be written any more: then `tree` is not that of the database, either.
fn apply_batch(
    connection: &mut Connection,
    tree: &mut Frontier,
    logins: &Logins,
    most: u32,
    records: &[LogRecord],
) -> Result<Vec<Outcome>, StoreError> {
    if let Some(last) = records.last().filter(|_| bug::is_in("state::position_apart")) {
        set_position(connection, last.position)?;
        crash()?;
    }
    let batch = connection.transaction()?;
    let mut outcomes = Vec::with_capacity(records.len());
    for record in records {
        if matches!(record.payload, RecordPayload::Membership(_)) {
            // Its row is where a membership goes.
            set_position(&batch, record.position)?;
        }
        outcomes.push(apply::record(&batch, tree, logins, most, record)?);
    }
    // In the batch's transaction: what is applied and how far are one.
    if let Some(last) = records.last() {
        set_position(&batch, last.position)?;
    }
    crash()?;
    batch.commit()?;
    Ok(outcomes)
}

/// Where a test has this thread end in the middle of a batch.
fn crash() -> Result<(), StoreError> {
    if bug::is_in("state::crash") { Err(StoreError::Stopped) } else { Ok(()) }
}

fn set_position(db: &Connection, position: LogPosition) -> Result<(), rusqlite::Error> {
    db.prepare_cached(
        "INSERT INTO raft (only_row, applied_term, applied_leader, applied_index, membership) VALUES (1, ?1, ?2, ?3, x'')
         ON CONFLICT (only_row) DO UPDATE SET applied_term = ?1, applied_leader = ?2, applied_index = ?3",
    )?
    .execute((position.term, position.leader, position.index))?;
    Ok(())
}

/// Where the database is in the log.
pub(crate) fn read_applied(db: &Connection) -> Result<Applied, StoreError> {
    let found = db
        .query_row("SELECT applied_term, applied_leader, applied_index, membership FROM raft", [], |row| {
            let position = LogPosition { term: row.get(0)?, leader: row.get(1)?, index: row.get(2)? };
            Ok(Applied { position: Some(position), membership: row.get(3)? })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank(index: u64) -> LogRecord {
        LogRecord { position: LogPosition { term: 1, leader: 1, index }, payload: RecordPayload::Blank }
    }

    /// A membership of so many bytes: what makes a state longer.
    fn large(index: u64) -> LogRecord {
        LogRecord { payload: RecordPayload::Membership(vec![7; 400_000]), ..blank(index) }
    }

    #[tokio::test]
    async fn a_full_disk_is_waited_out_and_the_batch_is_applied_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state-1.db");
        open::migrate(&path).await.expect("made");
        let mut connection = open::writer(&path).expect("opened");
        let mut tree = audit::frontier(&connection).expect("a tree");
        let mut apply =
            |connection: &mut Connection, records: &[LogRecord], pause: &mut dyn FnMut() -> bool| {
                apply_when_there_is_space(
                    connection,
                    &mut tree,
                    &Logins::default(),
                    crate::FEATURE_LEVEL,
                    records,
                    pause,
                )
            };
        apply(&mut connection, &[blank(1)], &mut || false).expect("there is space");
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("a number");
        let allow = |connection: &Connection, pages: i64| {
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).expect("set");
        };
        allow(&connection, pages + 2);
        let mut tries = 0;
        let full = apply(&mut connection, &[blank(2), large(3)], &mut || {
            tries += 1;
            tries < 3
        });
        assert!(full.as_ref().is_err_and(is_for_want_of_space), "{full:?}");
        assert_eq!(tries, 3, "it was tried again while it was to be");
        let place =
            |connection: &Connection| read_applied(connection).expect("a place").position.map(|at| at.index);
        assert_eq!(place(&connection), Some(1), "nothing of it is there");
        allow(&connection, pages + 1000);
        assert_eq!(apply(&mut connection, &[blank(2), large(3)], &mut || false).expect("space").len(), 2);
        assert_eq!(place(&connection), Some(3));
    }
}
