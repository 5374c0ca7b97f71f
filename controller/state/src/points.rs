//! Point reads: a few connections that only read, each used by one thread at a time.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::QueryError;

/// So many read at length side by side: more would wait for the processors, each with a connection of its own, and what waits for the disk is
/// little. A connection costs as much to open as many reads.
pub(crate) fn lengthy() -> usize {
    processors().max(4)
}

/// More than this many at rest serve nobody: one for each that reads at length, and for each thread that reads at once.
fn at_rest() -> usize {
    lengthy() + processors()
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 64;

/// Connections to one database file, opened as they are needed.
#[derive(Debug)]
pub(crate) struct Points {
    path: PathBuf,
    most_at_rest: usize,
    at_rest: Mutex<Vec<Connection>>,
}

impl Points {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, most_at_rest: at_rest(), at_rest: Mutex::default() }
    }

    /// Reads by a connection. Blocks.
    pub(crate) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let connection = self.at_rest().pop();
        let connection = connection.map_or_else(|| self.open(), Ok)?;
        let found = read(&connection)?;
        let mut at_rest = self.at_rest();
        if at_rest.len() < self.most_at_rest {
            at_rest.push(connection);
        }
        Ok(found)
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    }

    /// Every change is one call, so a panic elsewhere leaves it whole.
    fn at_rest(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.at_rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
