//! Writing back: what the writer appended to the write-ahead log is brought into the database by a thread and a connection of
//! their own, so that no command waits for it.
//!
//! A pass takes what is there when it begins. SQLite begins the log anew once all of it is written back and nobody reads from
//! it; while the writer goes on that never is, and every page that is read is looked for in all of the log. So when the log is
//! long and little of it is left, the writer rests while that little is written back. Beside a snapshot, which reads from
//! the log, both wait, and the log grows as far as `snapshot.rs` lets it.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use rusqlite::{Connection, config::DbConfig};
use tokio::sync::mpsc::WeakSender;

use crate::{StoreError, durable, open};

/// When there is something to do, in pages of 4 KiB.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// A pass is worth its two syncs from so many on.
    worth_a_pass: u64,
    /// From so many on the log is begun anew.
    long: u64,
    /// With so many left to write back the writer may rest.
    little: u64,
    /// If that little was written back so quickly: otherwise the disk is busy, and the writer would wait for it.
    quick: Duration,
    /// From so many on it rests however busy the disk is.
    longest: u64,
}

/// 4 MiB, as SQLite has it by itself; 64 MiB, whose index a reader looks through in 16 blocks at most; 1 MiB, which takes
/// what the two syncs take; and 1 GiB, as beside a snapshot.
const BOUNDS: Bounds = Bounds {
    worth_a_pass: 1000,
    long: 16 * 1024,
    little: 256,
    quick: Duration::from_millis(40),
    longest: 256 * 1024,
};

/// Passes in a row that may lead to that. When the writer is faster than these, the next ones follow with its next batch.
const PASSES: u32 = 4;

/// How long after a failure, or a rest that was for nothing, until the next.
const NEXT_TRY: Duration = Duration::from_secs(1);

enum Ask {
    Look,
    Move(PathBuf),
    End,
}

/// The disk has failed: the writer is to end.
pub(crate) struct Broken;

/// The handle to the thread, which ends with the last handle.
#[derive(Debug, Clone)]
pub(crate) struct WriteBack {
    asks: Sender<Ask>,
    /// Whether it will look anyway: one such word waits at most.
    will_look: Arc<AtomicBool>,
    /// Whether the disk has failed.
    is_broken: Arc<AtomicBool>,
}

impl WriteBack {
    /// `writer` is where the writer takes its jobs from: it is asked to rest there.
    pub(crate) fn start<J>(database: &Path, writer: WeakSender<J>) -> Result<Self, StoreError>
    where
        J: From<Rest> + From<Broken> + Send + 'static,
    {
        let connection = open::writing_back(database)?;
        let (asks, queue) = channel();
        let will_look = Arc::new(AtomicBool::new(false));
        let is_broken = Arc::new(AtomicBool::new(false));
        let (told, breaks) = (Arc::clone(&will_look), Arc::clone(&is_broken));
        std::thread::Builder::new().name("state-write-back".to_owned()).spawn(move || {
            if let Err(error) = Thread::new(connection, BOUNDS).run(&queue, &told, || rest(&writer)) {
                breaks.store(true, Ordering::Release);
                tracing::error!(%error, "the state cannot be brought to disk: nothing is written to it any more");
                if let Some(writer) = writer.upgrade() {
                    // One that has ended already is as good.
                    let _ = writer.blocking_send(J::from(Broken));
                }
            }
        })?;
        Ok(Self { asks, will_look, is_broken })
    }

    /// Writes back nothing any more, for the disk has failed.
    pub(crate) fn end(&self) {
        self.is_broken.store(true, Ordering::Release);
        // Gone: so it does already.
        let _ = self.asks.send(Ask::End);
    }

    /// Whether the disk has failed.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire)
    }

    /// Says that something was written. Waits for nothing.
    pub(crate) fn wrote(&self) {
        if !self.will_look.swap(true, Ordering::AcqRel) {
            // Gone: the writer is, too.
            let _ = self.asks.send(Ask::Look);
        }
    }

    /// Goes over to another database, soon.
    pub(crate) fn move_to(&self, database: PathBuf) {
        // Gone: the writer is, too.
        let _ = self.asks.send(Ask::Move(database));
    }
}

/// What the writer is asked to do nothing for.
pub(crate) struct Rest {
    begun: Sender<()>,
    over: Receiver<()>,
}

impl Rest {
    /// Blocks until the rest is over. Its end is that whoever asked for it lets go.
    pub(crate) fn until_over(self) {
        if self.begun.send(()).is_ok() {
            let _ = self.over.recv();
        }
    }
}

/// The writer rests from here on, until this is dropped. `None`: there is no writer any more.
fn rest<J: From<Rest>>(writer: &WeakSender<J>) -> Option<Sender<()>> {
    let (begun, is_begun) = channel();
    let (ends, over) = channel();
    writer.upgrade()?.blocking_send(J::from(Rest { begun, over })).ok()?;
    is_begun.recv().ok()?;
    Some(ends)
}

/// How far the write-ahead log is written back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Log {
    pages: u64,
    written_back: u64,
    /// Whether somebody who reads from it, or writes it back, was in the way.
    is_held: bool,
}

impl Log {
    /// `NOOP` only looks; `PASSIVE` writes back what nobody holds up; `RESTART` also waits for those who read from the log.
    fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Self> {
        // Without a log, and when another connection is at it, there is nothing to do: both are said as -1.
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
            Ok(Self { is_held: row.get(0)?, pages: count(row.get(1)?), written_back: count(row.get(2)?) })
        })
    }

    fn left(self) -> u64 {
        self.pages - self.written_back
    }
}

/// What the thread works with.
struct Thread {
    connection: Connection,
    bounds: Bounds,
    /// The writer is not asked to rest before.
    not_before: Instant,
    /// How long the last pass took.
    last_pass: Duration,
}

impl Thread {
    fn new(connection: Connection, bounds: Bounds) -> Self {
        Self { connection, bounds, not_before: Instant::now(), last_pass: Duration::ZERO }
    }

    /// Runs until the last handle is gone, or the disk fails: SQLite would try again what may not be tried again.
    fn run<R>(
        mut self,
        queue: &Receiver<Ask>,
        will_look: &AtomicBool,
        mut rest: impl FnMut() -> Option<R>,
    ) -> rusqlite::Result<()> {
        while let Ok(ask) = queue.recv() {
            let done = match ask {
                Ask::Look => {
                    will_look.store(false, Ordering::Release);
                    self.look(&mut rest)
                }
                Ask::Move(path) => self.move_to(&path),
                Ask::End => {
                    durable::leave_as_it_is(&self.connection);
                    break;
                }
            };
            if let Err(error) = done {
                if durable::is_of_the_disk(&error) {
                    durable::leave_as_it_is(&self.connection);
                    return Err(error);
                }
                // Nothing is lost: it stays in the log.
                tracing::error!(%error, "the state's write-ahead log cannot be written back; trying again");
                std::thread::sleep(NEXT_TRY);
            }
        }
        Ok(())
    }

    /// What is left of the old database's log is of no use to anyone.
    fn move_to(&mut self, database: &Path) -> rusqlite::Result<()> {
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        self.connection = open::writing_back(database)?;
        Ok(())
    }

    /// Writes back what is worth it, and sees to it that the log is begun anew.
    fn look<R>(&mut self, rest: &mut impl FnMut() -> Option<R>) -> rusqlite::Result<()> {
        let Bounds { worth_a_pass, long, little, quick, longest } = self.bounds;
        let mut log = Log::checkpoint(&self.connection, "NOOP")?;
        for _ in 0..PASSES {
            let worth_it = if log.pages < long { worth_a_pass } else { little };
            if log.left() < worth_it {
                break;
            }
            let (before, begun) = (log, Instant::now());
            log = Log::checkpoint(&self.connection, "PASSIVE")?;
            self.last_pass = begun.elapsed();
            if log.written_back == before.written_back {
                // Somebody reads what was before, such as a snapshot.
                return Ok(());
            }
        }
        let is_quick = self.last_pass <= quick || log.pages >= longest;
        if log.pages >= long && log.left() < little && is_quick && Instant::now() >= self.not_before {
            self.begin_anew(log, rest)?;
        }
        Ok(())
    }

    /// The writer does so with its next batch, once all is written back and nobody reads from the log.
    fn begin_anew<R>(&mut self, log: Log, rest: &mut impl FnMut() -> Option<R>) -> rusqlite::Result<()> {
        let Some(resting) = rest() else { return Ok(()) };
        let begun = Instant::now();
        let ended = Log::checkpoint(&self.connection, "RESTART");
        drop(resting);
        tracing::debug!(pages = log.pages, left = log.left(), took = ?begun.elapsed(), "the writer rested");
        if ended?.is_held {
            self.not_before = Instant::now() + NEXT_TRY;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Bounds =
        Bounds { worth_a_pass: 50, long: 200, little: 50, quick: Duration::MAX, longest: 1000 };

    /// A database with a writer, as the state has it.
    struct World {
        writer: Connection,
        thread: Thread,
        rests: u32,
        path: PathBuf,
        _directory: tempfile::TempDir,
    }

    impl World {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("state-1.db");
            let writer = open::writer(&path).expect("opened");
            writer.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, filling BLOB)").expect("made");
            let thread = Thread::new(open::writing_back(&path).expect("opened"), SMALL);
            Self { writer, thread, rests: 0, path, _directory: directory }
        }

        /// A batch that takes some ten pages.
        fn write(&self) {
            let insert = "INSERT INTO t (filling) VALUES (zeroblob(40000))";
            self.writer.execute(insert, []).expect("written");
        }

        /// Somebody who reads the state as it is now, until they are dropped.
        fn reader(&self) -> Connection {
            let reader = Connection::open(&self.path).expect("opened");
            reader.execute_batch("BEGIN; SELECT count(*) FROM t").expect("read");
            reader
        }

        fn look(&mut self) {
            let rests = &mut self.rests;
            self.thread
                .look(&mut || {
                    *rests += 1;
                    Some(())
                })
                .expect("written back");
        }

        fn log(&self) -> Log {
            Log::checkpoint(&self.writer, "NOOP").expect("a look")
        }
    }

    #[test]
    fn the_writer_itself_never_writes_back() {
        let world = World::new();
        for _ in 0..400 {
            world.write();
        }
        assert!(world.log().pages > 4000, "{:?}", world.log());
        assert_eq!(world.log().written_back, 0);
    }

    #[test]
    fn with_a_writer_that_pauses_the_log_stays_short_and_nobody_is_asked_to_rest() {
        let mut world = World::new();
        for _ in 0..500 {
            world.write();
            world.look();
            assert!(world.log().pages < SMALL.long, "{:?}", world.log());
        }
        assert_eq!(world.rests, 0);
    }

    #[test]
    fn a_long_log_of_which_little_is_left_is_begun_anew_while_the_writer_rests() {
        let mut world = World::new();
        for _ in 0..25 {
            world.write();
        }
        // A writer that goes on has written more before a pass is over: here a reader keeps it from beginning anew.
        let reader = world.reader();
        Log::checkpoint(&world.thread.connection, "PASSIVE").expect("written back");
        world.write();
        drop(reader);
        let log = world.log();
        assert!(log.pages > SMALL.long && (1..SMALL.little).contains(&log.left()), "{log:?}");
        world.look();
        assert_eq!(world.rests, 1);
        world.write();
        assert!(world.log().pages < SMALL.little, "{:?}", world.log());
    }

    #[test]
    fn while_the_disk_is_busy_the_writer_rests_only_for_a_log_that_is_very_long() {
        let mut world = World::new();
        for _ in 0..25 {
            world.write();
        }
        let reader = world.reader();
        world.thread.bounds.quick = Duration::ZERO;
        world.look();
        world.write();
        drop(reader);
        let log = world.log();
        assert!(log.pages > SMALL.long && (1..SMALL.little).contains(&log.left()), "{log:?}");
        world.thread.not_before = Instant::now();
        world.look();
        assert_eq!(world.rests, 0, "it would wait for the disk");
        world.thread.bounds.longest = log.pages;
        world.look();
        assert_eq!(world.rests, 1);
    }

    #[test]
    fn beside_a_reader_nobody_rests_and_afterwards_the_log_is_begun_anew() {
        let mut world = World::new();
        world.write();
        let reader = world.reader();
        for _ in 0..100 {
            world.write();
            world.look();
        }
        assert!(world.log().pages > 1000 && world.log().left() > 900, "{:?}", world.log());
        assert_eq!(world.rests, 0, "it would be for nothing");
        drop(reader);
        world.look();
        world.write();
        assert!(world.log().pages < SMALL.long, "{:?}", world.log());
    }

    #[test]
    fn a_rest_that_was_for_nothing_is_not_asked_for_again_at_once() {
        let mut world = World::new();
        for _ in 0..25 {
            world.write();
        }
        // It reads what is newest: all can be written back, but the log not begun anew.
        let reader = world.reader();
        for _ in 0..10 {
            world.look();
        }
        assert_eq!(world.rests, 1);
        assert_eq!(world.log().left(), 0);
        drop(reader);
    }

    #[test]
    fn the_writer_rests_until_whoever_asked_lets_go() {
        let (jobs, mut queue) = tokio::sync::mpsc::channel::<Rest>(1);
        let asks = jobs.downgrade();
        let asking = std::thread::spawn(move || rest(&asks).expect("there is a writer"));
        let asked = queue.blocking_recv().expect("it is asked");
        let (over, is_over) = channel();
        let writer = std::thread::spawn(move || {
            asked.until_over();
            over.send(()).expect("somebody waits");
        });
        let resting = asking.join().expect("it rests");
        assert!(is_over.try_recv().is_err(), "it rests still");
        drop(resting);
        is_over.recv().expect("it goes on");
        writer.join().expect("no panic");
        drop((jobs, queue));
    }

    #[test]
    fn without_a_writer_nobody_is_waited_for() {
        let (jobs, queue) = tokio::sync::mpsc::channel::<Rest>(1);
        let asks = jobs.downgrade();
        drop(queue);
        assert!(rest(&asks).is_none());
        drop(jobs);
        assert!(rest(&asks).is_none());
    }
}
