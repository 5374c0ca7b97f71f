//! Point reads: a few connections that only read, each used by one thread at a time.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::QueryError;

/// More than this many at rest serve nobody.
const AT_REST: usize = 8;

/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 64;

/// Connections to one database file, opened as they are needed.
#[derive(Debug)]
pub(crate) struct Points {
    path: PathBuf,
    at_rest: Mutex<Vec<Connection>>,
}

impl Points {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, at_rest: Mutex::default() }
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
        if at_rest.len() < AT_REST {
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
