//! The writer thread: the only one that changes the database.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use npanel_audit::Frontier;
use npanel_proto::command::{Envelope, Outcome};
use rusqlite::{Connection, OptionalExtension, config::DbConfig};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    Applied, Foresight, LogPosition, LogRecord, RecordPayload, StoreError,
    apply::{Batch, Stopped, Undoing},
    audit, bug, durable, foresight, level,
    logins::Logins,
    memory::Memory,
    open,
    write_back::{Broken, Rest, WriteBack},
};

/// Jobs waiting for the writer. Whoever has more waits until there is room.
const QUEUE: usize = 16;

/// So many records at most share a transaction, beside the batch that goes beyond it: what a transaction costs by itself is little
/// then.
const GROUP: usize = 512;

/// How often a full disk is tried again.
const FULL_DISK_RETRY: Duration = Duration::from_secs(1);

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

enum Job {
    Apply(Batched),
    Foresee(Box<Envelope>, Reply<Foresight>),
    Move(PathBuf, Reply<()>),
    Rest(Rest),
    End,
}

impl From<Broken> for Job {
    fn from(Broken: Broken) -> Self {
        Self::End
    }
}

impl From<Rest> for Job {
    fn from(rest: Rest) -> Self {
        Self::Rest(rest)
    }
}

/// Records to apply in one transaction, and who hears what came of them.
struct Batched {
    records: Vec<LogRecord>,
    answer: Answer,
}

enum Answer {
    Together(Reply<Vec<Outcome>>),
    Each(Vec<oneshot::Sender<Outcome>>),
}

/// What comes of a record, as soon as that can be read; an error if it never does.
pub type Pending = oneshot::Receiver<Outcome>;

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
        let logins = Arc::new(Logins::default());
        let desk = Desk::at(connection, Arc::clone(&logins), most)?;
        let (applied_sender, applied) = watch::channel(desk.now.clone());
        let (jobs, queue) = mpsc::channel(QUEUE);
        let write_back = WriteBack::start(path, jobs.downgrade())?;
        let wrote = write_back.clone();
        let told = Told { applied: applied_sender, level: level_sender };
        std::thread::Builder::new()
            .name("state-writer".to_owned())
            .spawn(move || run(desk, queue, &told, &wrote))?;
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
        self.ask(|reply| Job::Apply(Batched { records, answer: Answer::Together(reply) })).await
    }

    pub(crate) async fn submit(&self, records: Vec<LogRecord>) -> Result<Vec<Pending>, StoreError> {
        let (each, pending) = records.iter().map(|_| oneshot::channel()).unzip();
        let job = Job::Apply(Batched { records, answer: Answer::Each(each) });
        self.jobs.send(job).await.map_err(|_| StoreError::Stopped)?;
        Ok(pending)
    }

    /// Returns once all that was submitted before is done.
    pub(crate) async fn settle(&self) -> Result<(), StoreError> {
        self.apply(Vec::new()).await.map(drop)
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

    /// Takes no more jobs, and leaves the database as it is.
    pub(crate) async fn end(&self) {
        self.write_back.end();
        // One that has ended already is as good.
        let _ = self.jobs.send(Job::End).await;
    }

    /// Whether the disk has failed, so that nothing is known of what is on it.
    pub(crate) fn is_broken(&self) -> bool {
        self.write_back.is_broken()
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
    fn tell(&self, desk: &Desk) -> Result<(), StoreError> {
        let level = desk.memory.borrow_mut().level(&desk.connection)?;
        // First: whoever sees the new position asks by the level that goes with it.
        self.level.send_if_modified(|known| std::mem::replace(known, level) != level);
        self.applied.send_replace(desk.now.clone());
        Ok(())
    }
}

/// What the thread works on.
struct Desk {
    connection: Connection,
    /// Where the database is in the log.
    now: Applied,
    tree: Frontier,
    memory: RefCell<Memory>,
    logins: Arc<Logins>,
    /// The feature level that it goes up to.
    most: u32,
}

// An asker that has gone away does not need its answer; what it asked for is done all the same.
fn run(mut desk: Desk, mut queue: mpsc::Receiver<Job>, told: &Told, write_back: &WriteBack) {
    let mut next = None;
    while let Some(job) = next.take().or_else(|| queue.blocking_recv()) {
        match job {
            Job::Apply(first) => {
                let (records, answers);
                (records, answers, next) = gather(first, &mut queue);
                let outcomes = desk.apply_when_there_is_space(&records, || {
                    std::thread::sleep(FULL_DISK_RETRY);
                    !queue.is_closed()
                });
                desk.logins.settle();
                // Before anyone hears of an outcome: who does reads it.
                match outcomes.and_then(|outcomes| told.tell(&desk).map(|()| outcomes)) {
                    Ok(outcomes) => {
                        tell(answers, outcomes);
                        write_back.wrote();
                    }
                    Err(error) => {
                        // Whether the batch is in the database is unknown: never write after that.
                        tracing::error!(%error, cause = ?std::error::Error::source(&error), "the log cannot be applied any further");
                        write_back.end();
                        durable::leave_as_it_is(&desk.connection);
                        return tell_of(error, answers);
                    }
                }
            }
            Job::Foresee(envelope, reply) => {
                let Desk { connection, now, tree, logins, most, .. } = &mut desk;
                let foresight = foresight::of(connection, tree, logins, *most, now.position, &envelope);
                let _ = reply.send(foresight);
            }
            Job::Move(path, reply) => {
                let moved = open::writer(&path).and_then(|next| {
                    let next = Desk::at(next, Arc::clone(&desk.logins), desk.most)?;
                    // What is left in the old one's write-ahead log is of no use to anyone.
                    desk.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
                    desk = next;
                    desk.logins.forget();
                    told.tell(&desk)
                });
                let _ = reply.send(moved);
            }
            Job::Rest(rest) => rest.until_over(),
            Job::End => return durable::leave_as_it_is(&desk.connection),
        }
    }
}

/// Adds the batches that wait behind this one. Returns the first job that is none, too.
fn gather(
    first: Batched,
    queue: &mut mpsc::Receiver<Job>,
) -> (Vec<LogRecord>, Vec<(usize, Answer)>, Option<Job>) {
    let mut records = first.records;
    let mut answers = vec![(records.len(), first.answer)];
    while records.len() < GROUP {
        match queue.try_recv() {
            Ok(Job::Apply(batched)) => {
                answers.push((batched.records.len(), batched.answer));
                records.extend(batched.records);
            }
            Ok(other) => return (records, answers, Some(other)),
            Err(_) => break,
        }
    }
    (records, answers, None)
}

fn tell(answers: Vec<(usize, Answer)>, outcomes: Vec<Outcome>) {
    let mut outcomes = outcomes.into_iter();
    for (records, answer) in answers {
        let outcomes = outcomes.by_ref().take(records);
        match answer {
            Answer::Together(reply) => drop(reply.send(Ok(outcomes.collect()))),
            Answer::Each(each) => each.into_iter().zip(outcomes).for_each(|(reply, outcome)| {
                // As above: nobody has to listen.
                let _ = reply.send(outcome);
            }),
        }
    }
}

/// Tells one why nothing comes of what it asked for. The others are told that the writer has stopped.
fn tell_of(error: StoreError, answers: Vec<(usize, Answer)>) {
    let together = answers.into_iter().find_map(|(_, answer)| match answer {
        Answer::Together(reply) => Some(reply),
        Answer::Each(_) => None,
    });
    if let Some(reply) = together {
        let _ = reply.send(Err(error));
    }
}

impl Desk {
    fn at(connection: Connection, logins: Arc<Logins>, most: u32) -> Result<Self, StoreError> {
        let (now, tree) = (read_applied(&connection)?, audit::frontier(&connection)?);
        Ok(Self { connection, now, tree, memory: RefCell::default(), logins, most })
    }

    /// Applies a batch. While the disk is full it waits: of the batch nothing is in the database, and it is tried again for as
    /// long as `pause` says so. What is committed is in the log, so nothing is lost meanwhile; readers go on.
    fn apply_when_there_is_space(
        &mut self,
        records: &[LogRecord],
        mut pause: impl FnMut() -> bool,
    ) -> Result<Vec<Outcome>, StoreError> {
        let mut is_told = false;
        loop {
            match self.apply(records) {
                Err(error) if is_for_want_of_space(&error) => {
                    // The database has taken the batch back. If it has not, nothing is known.
                    if read_applied(&self.connection)? != self.now {
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

    /// Applies a batch: at first as if no command were refused once it has changed something.
    fn apply(&mut self, records: &[LogRecord]) -> Result<Vec<Outcome>, StoreError> {
        let applied = match self.try_to_apply(records, Undoing::WithBatch) {
            Err(Stopped::Changed) => self.try_to_apply(records, Undoing::BySavepoint),
            applied => applied,
        };
        applied.map_err(|stopped| match stopped {
            Stopped::Broken(error) => error,
            Stopped::Changed => unreachable!("by a savepoint every change is taken back"),
        })
    }

    /// If it fails, the database is taken back to where it was, and so is all that is known of it.
    fn try_to_apply(&mut self, records: &[LogRecord], undoing: Undoing) -> Result<Vec<Outcome>, Stopped> {
        if let Some(last) = records.last().filter(|_| bug::is_in("state::position_apart")) {
            set_position(&self.connection, last.position)?;
            crash()?;
        }
        let mut tree = self.tree.clone();
        let done = self.connection.transaction().map_err(Stopped::from).and_then(|transaction| {
            let (memory, logins, most) = (&self.memory, &*self.logins, self.most);
            let batch = Batch { db: &transaction, memory, logins, undoing, most };
            let outcomes = apply_batch(&batch, &mut tree, records)?;
            crash()?;
            transaction.commit()?;
            Ok(outcomes)
        });
        match &done {
            Ok(_) => {
                self.tree = tree;
                self.now.follow(records);
            }
            Err(_) => self.memory = RefCell::default(),
        }
        done
    }
}

impl Applied {
    fn follow(&mut self, records: &[LogRecord]) {
        for record in records {
            self.position = Some(record.position);
            if let RecordPayload::Membership(bytes) = &record.payload {
                self.membership.clone_from(bytes);
            }
        }
    }
}

fn is_for_want_of_space(error: &StoreError) -> bool {
    let StoreError::Database(rusqlite::Error::SqliteFailure(failure, _)) = error else { return false };
    failure.code == rusqlite::ErrorCode::DiskFull
}

fn apply_batch(
    batch: &Batch<'_>,
    tree: &mut Frontier,
    records: &[LogRecord],
) -> Result<Vec<Outcome>, Stopped> {
    let mut outcomes = Vec::with_capacity(records.len());
    for record in records {
        if matches!(record.payload, RecordPayload::Membership(_)) {
            // Its row is where a membership goes.
            set_position(batch.db, record.position)?;
        }
        outcomes.push(batch.apply(tree, record)?);
    }
    batch.memory.borrow_mut().write_clock(batch.db)?;
    // In the batch's transaction: what is applied and how far are one.
    if let Some(last) = records.last() {
        set_position(batch.db, last.position)?;
    }
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
        let connection = open::writer(&path).expect("opened");
        let mut desk = Desk::at(connection, Arc::default(), crate::FEATURE_LEVEL).expect("a desk");
        desk.apply_when_there_is_space(&[blank(1)], || false).expect("there is space");
        let pages: i64 =
            desk.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("a number");
        let allow = |connection: &Connection, pages: i64| {
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).expect("set");
        };
        allow(&desk.connection, pages + 2);
        let mut tries = 0;
        let full = desk.apply_when_there_is_space(&[blank(2), large(3)], || {
            tries += 1;
            tries < 3
        });
        assert!(full.as_ref().is_err_and(is_for_want_of_space), "{full:?}");
        assert_eq!(tries, 3, "it was tried again while it was to be");
        let place =
            |desk: &Desk| read_applied(&desk.connection).expect("a place").position.map(|at| at.index);
        assert_eq!(place(&desk), Some(1), "nothing of it is there");
        allow(&desk.connection, pages + 1000);
        let applied = desk.apply_when_there_is_space(&[blank(2), large(3)], || false);
        assert_eq!(applied.expect("space").len(), 2);
        assert_eq!(place(&desk), Some(3));
    }
}
