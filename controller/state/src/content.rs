//! The content hash: the same on every replica that is at the same place in the log, however its file came to be.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, types::ValueRef};
use sha2::{Digest, Sha256};

use crate::{LogPosition, StoreError, writer::read_applied};

/// What the state came to at one place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentHash {
    /// The last record that is in it; `None` before the first.
    pub position: Option<LogPosition>,
    /// SHA-256 over every row of every table.
    pub hash: [u8; 32],
}

/// Reads the database in a file as it is at one moment, beside whoever writes it. A million accounts take some ten seconds.
pub(crate) fn hash(path: &Path) -> Result<ContentHash, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    let moment = connection.transaction()?;
    let position = read_applied(&moment)?.position;
    let mut hasher = Sha256::new();
    for table in tables(&moment)? {
        add_table(&moment, &table, &mut hasher)?;
    }
    Ok(ContentHash { position, hash: hasher.finalize().into() })
}

/// All tables but those of SQLite and of the migrations, by name.
fn tables(db: &Connection) -> rusqlite::Result<Vec<String>> {
    db.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> '_sqlx_migrations'
         ORDER BY name",
    )?
    .query_map([], |row| row.get(0))?
    .collect()
}

/// A table's columns by name, and those that its rows are ordered by: its key's, or all if it has none.
fn columns(db: &Connection, table: &str) -> rusqlite::Result<(Vec<String>, Vec<String>)> {
    let mut select = db.prepare("SELECT name, pk FROM pragma_table_info(?1) ORDER BY name")?;
    let columns: Vec<(String, u32)> =
        select.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut key: Vec<&(String, u32)> = columns.iter().filter(|(_, place)| *place > 0).collect();
    key.sort_by_key(|(_, place)| *place);
    let key: Vec<String> = key.into_iter().map(|(name, _)| name.clone()).collect();
    let all: Vec<String> = columns.into_iter().map(|(name, _)| name).collect();
    let order = if key.is_empty() { all.clone() } else { key };
    Ok((all, order))
}

/// Lengths before whatever varies, so that no two contents run together.
fn add_table(db: &Connection, table: &str, hasher: &mut Sha256) -> rusqlite::Result<()> {
    let quoted =
        |names: &[String]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let (all, order) = columns(db, table)?;
    let mut select =
        db.prepare(&format!("SELECT {} FROM \"{table}\" ORDER BY {}", quoted(&all), quoted(&order)))?;
    add_bytes(hasher, b'T', table.as_bytes());
    for column in &all {
        add_bytes(hasher, b'C', column.as_bytes());
    }
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        hasher.update(b"R");
        for column in 0..all.len() {
            match row.get_ref(column)? {
                ValueRef::Null => hasher.update(b"n"),
                ValueRef::Integer(number) => {
                    hasher.update(b"i");
                    hasher.update(number.to_le_bytes());
                }
                ValueRef::Real(number) => {
                    hasher.update(b"f");
                    hasher.update(number.to_bits().to_le_bytes());
                }
                ValueRef::Text(text) => add_bytes(hasher, b't', text),
                ValueRef::Blob(bytes) => add_bytes(hasher, b'b', bytes),
            }
        }
    }
    Ok(())
}

fn add_bytes(hasher: &mut Sha256, kind: u8, bytes: &[u8]) {
    hasher.update([kind]);
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}
