//! Snapshots: the state as it was at one moment, in a file of its own, made beside the writer.
//!
//! The copy is read in one transaction of an own connection, so the writer goes on and every page is of the same moment. It is
//! written in small pieces, each on disk before the next, so that the log's syncs do not wait behind a copy's worth of dirty
//! pages. Meanwhile the write-ahead log cannot be written back beyond that moment and grows: the longer it is, the faster the
//! copy goes, and beyond [`largest_wal`] it is given up.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};
use sha2::{Digest, Sha256};

use crate::{Applied, StoreError, hex::hex, writer::read_applied};

/// So many pages of 4 KiB are copied at a time, and are on disk before the next: 4 MiB, which a slow disk takes in 40 ms.
const STEP_PAGES: i32 = 1024;

/// So many bytes are read at a time for the hash.
const HASHED: usize = 1024 * 1024;

/// Up to here the copy rests as long as it works, so that it takes half of what the machine can do at most.
const UNHURRIED_WAL: u64 = 256 * 1024 * 1024;

/// The write-ahead log may always grow so far while a copy is made.
const LEAST_LARGEST_WAL: u64 = 1024 * 1024 * 1024;

/// Space that a snapshot leaves free: the log and the state need it more.
const SPARE_SPACE: u64 = 64 * 1024 * 1024;

/// A snapshot's file, as whoever takes it over can check it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The cluster that it is the state of; empty before there is one.
    pub cluster: String,
    /// The place in the log that it is the state of.
    pub applied: Applied,
    /// The file's length.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

/// Why a file is not taken for the snapshot that it should be.
#[derive(Debug, thiserror::Error)]
pub enum Unsound {
    /// It cannot be read.
    #[error("the snapshot cannot be read")]
    Io(#[from] io::Error),
    /// It was cut off, or there is something behind it.
    #[error("the snapshot is {have} bytes long, but was made with {made}: it is not whole")]
    Length {
        /// As its maker said.
        made: u64,
        /// As it is.
        have: u64,
    },
    /// It was changed on the way.
    #[error("the snapshot's SHA-256 is {have}, but was {made} when it was made: it is damaged")]
    Hash {
        /// As its maker said.
        made: String,
        /// As it is.
        have: String,
    },
    /// It is what it was made as, and no state.
    #[error("the snapshot is not a controller's state ({0})")]
    NoState(#[source] StoreError),
    /// It is of another place in the log.
    #[error("the snapshot holds the log up to {have:?}, but was said to hold it up to {made:?}")]
    Place {
        /// As its maker said.
        made: Option<u64>,
        /// As it is.
        have: Option<u64>,
    },
    /// It is another cluster's.
    #[error("the snapshot is of the cluster {have:?}, and this controller's is {own:?}")]
    Foreign {
        /// This controller's.
        own: String,
        /// The snapshot's.
        have: String,
    },
}

impl Snapshot {
    /// Says what the file of a snapshot is. Blocks: it reads all of it.
    ///
    /// # Errors
    /// If it is not a state, or cannot be read.
    pub fn of_file(path: &Path) -> Result<Self, StoreError> {
        let (cluster, applied) = content(path)?;
        let bytes = fs::metadata(path)?.len();
        Ok(Self { cluster, applied, bytes, sha256: hash(path, Pace::Full)? })
    }

    /// The hash as it is printed.
    #[must_use]
    pub fn sha256_hex(&self) -> String {
        hex(&self.sha256)
    }

    /// Checks that a file is this very snapshot. `own` is the cluster that it is to be taken into; empty: any. Blocks: it
    /// reads all of it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, path: &Path, own: &str) -> Result<(), Unsound> {
        let (made, have) = (self.bytes, fs::metadata(path)?.len());
        if have != made {
            return Err(Unsound::Length { made, have });
        }
        let found = hash(path, Pace::Full)?;
        if found != self.sha256 {
            return Err(Unsound::Hash { made: self.sha256_hex(), have: hex(&found) });
        }
        let (cluster, applied) = content(path).map_err(Unsound::NoState)?;
        if applied != self.applied {
            let index = |applied: &Applied| applied.position.map(|position| position.index);
            return Err(Unsound::Place { made: index(&self.applied), have: index(&applied) });
        }
        if !own.is_empty() && cluster != own {
            return Err(Unsound::Foreign { own: own.to_owned(), have: cluster });
        }
        Ok(())
    }
}

/// The cluster and the place in the log of the state in a file.
fn content(path: &Path) -> Result<(String, Applied), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let state = Connection::open_with_flags(path, flags)?;
    let mut select = state.prepare("SELECT cluster_id FROM cluster")?;
    let cluster = select.query_map([], |row| row.get(0))?.next().transpose()?;
    Ok((cluster.unwrap_or_default(), read_applied(&state)?))
}

/// How much of the machine is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// All that is free.
    Full,
    /// Half: others write to the disk.
    Half,
}

fn hash(path: &Path, pace: Pace) -> io::Result<[u8; 32]> {
    let (mut file, mut hasher) = (File::open(path)?, Sha256::new());
    let mut piece = vec![0; HASHED];
    loop {
        let begun = Instant::now();
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finalize().into()),
            read => hasher.update(&piece[..read]),
        }
        if pace == Pace::Half {
            std::thread::sleep(begun.elapsed());
        }
    }
}

/// The write-ahead log of a database. It is there as long as the writer has the database open.
pub(crate) fn wal_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

/// How long the write-ahead log may get while a copy is made: as long as the database, for a copy that is outrun by so much
/// would be outrun for ever.
fn largest_wal(database: u64) -> u64 {
    database.max(LEAST_LARGEST_WAL)
}

/// Makes the snapshot. The state itself is then on disk as far as the snapshot, for the log will be purged up to there.
pub(crate) fn make(database: &Path, target: &Path) -> Result<Snapshot, StoreError> {
    let needed = length(database) + SPARE_SPACE;
    let directory = target.parent().unwrap_or(Path::new("."));
    let free = crate::space::free(directory)?;
    if free < needed {
        return Err(StoreError::NoSpace { needed, free });
    }
    let source = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // All is read as of here.
    source.execute_batch("BEGIN")?;
    read_applied(&source)?;
    let mut copy = Connection::open(target)?;
    // Until it is whole, it is nothing.
    copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    copy_pages(&source, &mut copy, database, target)?;
    source.execute_batch("ROLLBACK")?;
    // A file by itself: without this it would get a write-ahead log when it is read.
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    copy.close().map_err(|(_, error)| error)?;
    File::open(target)?.sync_all()?;
    // What is not in it any more was written back, and is on disk.
    File::open(wal_of(database))?.sync_all().map_err(StoreError::Unsynced)?;
    let (cluster, applied) = content(target)?;
    Ok(Snapshot { cluster, applied, bytes: length(target), sha256: hash(target, Pace::Half)? })
}

fn copy_pages(
    source: &Connection,
    copy: &mut Connection,
    database: &Path,
    target: &Path,
) -> Result<(), StoreError> {
    let (wal, most) = (wal_of(database), largest_wal(length(database)));
    let (written, log) = (File::open(target)?, File::open(&wal)?);
    let pages = Backup::new(source, copy)?;
    loop {
        let begun = Instant::now();
        let step = pages.step(STEP_PAGES)?;
        written.sync_data()?;
        // What it grows by meanwhile is synced by nobody else, and would go to disk in one burst at the end.
        log.sync_data().map_err(StoreError::Unsynced)?;
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More if length(&wal) > most => {
                return Err(StoreError::Outrun { wal: length(&wal), most });
            }
            StepResult::More if length(&wal) > UNHURRIED_WAL => {}
            StepResult::More => std::thread::sleep(begun.elapsed()),
            // Another process writes back the log.
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}
