//! Opening and preparing the database file.

use std::{path::Path, time::Duration};

use rusqlite::{OpenFlags, config::DbConfig};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

/// A newer version's snapshot has migrations that this one does not know. They only add; whether its content can be gone on with
/// is for the feature level to say.
fn migrations() -> sqlx::migrate::Migrator {
    let mut migrations = sqlx::migrate!("../../migrations");
    migrations.set_ignore_missing(true);
    migrations
}

/// As many as there are cores on a small controller, twice: readers wait for the disk, not for each other.
const READER_CONNECTIONS: u32 = 4;

/// What is left of a write-ahead log that grew beside a snapshot, once all of it is written back: 64 MiB.
const KEPT_WAL: i64 = 64 * 1024 * 1024;

/// What the writer keeps of the database in memory, in KiB: 128 MiB. A command looks at some fifty pages; with a million accounts
/// those that many commands need (the upper levels of the indexes, and the ends of what only grows) are some thousands.
const WRITER_CACHE_KIB: i64 = 128 * 1024;

/// How long who has begun to read the write-ahead log is waited for before that is begun anew, in the way of the writer.
const READERS_END: Duration = Duration::from_millis(10);

/// The state's database cannot be used. Not a refusal: the replica stops.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file cannot be read or written.
    #[error("the state directory cannot be used")]
    Io(#[from] std::io::Error),
    /// The schema cannot be brought up to date.
    #[error("the schema cannot be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A reader cannot be opened.
    #[error("the state database cannot be opened for reading")]
    Open(#[source] sqlx::Error),
    /// The writer's database failed.
    #[error("the state database failed")]
    Database(#[from] rusqlite::Error),
    /// The log holds a command that this version does not know.
    #[error("the log's entry {index} is of a newer version: upgrade this controller")]
    Newer {
        /// The entry.
        index: u64,
    },
    /// The cluster is at a feature level to which this controller does not go.
    #[error(
        "the cluster is at feature level {level}, and this controller goes up to {most}: take its max_feature_level away, or \
         upgrade it (docs/operations/upgrading.md)"
    )]
    Beyond {
        /// The cluster's.
        level: u32,
        /// This controller's.
        most: u32,
    },
    /// The rows of the audit's tree do not fit together.
    #[error(
        "the audit of {size} entries lacks a part of its tree: the state was changed by something other than this \
         controller. Verify a copy of it (npanel audit verify --database), and have another controller replace this one's"
    )]
    Audit {
        /// How many entries there seem to be.
        size: u64,
    },
    /// A snapshot would not fit on the disk.
    #[error("a snapshot takes {needed} bytes, and the disk has {free} left")]
    NoSpace {
        /// With what must be left free.
        needed: u64,
        /// What there is.
        free: u64,
    },
    /// The writer was so fast that a snapshot was given up.
    #[error(
        "a snapshot was given up: the write-ahead log grew to {wal} bytes beside it, and {most} is the most"
    )]
    Outrun {
        /// What it grew to.
        wal: u64,
        /// What it may grow to.
        most: u64,
    },
    /// The disk failed to sync.
    #[error(
        "the state cannot be brought to disk, and what the disk holds of it is not known: this controller takes no part until it is \
         started again"
    )]
    Unsynced(#[source] std::io::Error),
    /// The writer thread has ended.
    #[error("the state's writer has stopped")]
    Stopped,
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
}

/// Makes the file if there is none and brings its schema up to date.
pub(crate) async fn migrate(path: &Path) -> Result<(), StoreError> {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options(path).create_if_missing(true))
        .await
        .map_err(StoreError::Open)?;
    migrations().run(&pool).await?;
    pool.close().await;
    Ok(())
}

pub(crate) async fn readers(path: &Path) -> Result<SqlitePool, StoreError> {
    SqlitePoolOptions::new()
        .max_connections(READER_CONNECTIONS)
        .connect_with(options(path).read_only(true))
        .await
        .map_err(StoreError::Open)
}

/// The one writing connection. `synchronous=NORMAL` is enough in WAL mode: what a power loss takes back is
/// replayed from the Raft log, which is fsynced and only purged below what is durably applied.
pub(crate) fn writer(path: &Path) -> Result<rusqlite::Connection, StoreError> {
    let connection = rusqlite::Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // What is deleted or replaced is overwritten within the pages that are written anyway: what was sealed by an old key is
    // not to be found in a copy of the file.
    connection.pragma_update(None, "secure_delete", "FAST")?;
    connection.pragma_update(None, "journal_size_limit", KEPT_WAL)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // It is written back beside this connection: `write_back.rs`.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // Statements are planned once, not anew for each value that is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Each command's savepoint keeps the pages that it changes: in memory, not in a file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

/// The connection by which the write-ahead log is written back. It holds no transaction.
pub(crate) fn writing_back(path: &Path) -> Result<rusqlite::Connection, rusqlite::Error> {
    let connection = rusqlite::Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // The log is on disk before the database is written, and the database before the log is begun anew.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.busy_timeout(READERS_END)?;
    Ok(connection)
}
