//! The tree's nodes as the database keeps them.

use npanel_audit::{Frontier, Hash, Nodes, place_of};
use rusqlite::Connection;

use crate::StoreError;

/// The nodes of the tree in a database.
pub(crate) struct StoredNodes<'a>(pub(crate) &'a Connection);

impl Nodes for StoredNodes<'_> {
    type Error = rusqlite::Error;

    fn node(&self, level: u32, index: u64) -> rusqlite::Result<Hash> {
        let mut statement =
            self.0.prepare_cached("SELECT substr(hashes, ?2, 32) FROM audit WHERE position = ?1")?;
        let begin = u64::from(level) * Hash::LENGTH as u64 + 1;
        let bytes: Vec<u8> = statement.query_row((place_of(level, index), begin), |row| row.get(0))?;
        Hash::from_bytes(&bytes).ok_or(rusqlite::Error::QueryReturnedNoRows)
    }
}

/// What the writer has to know of the tree.
pub(crate) fn frontier(db: &Connection) -> Result<Frontier, StoreError> {
    let size: u64 = db.query_row("SELECT coalesce(max(position) + 1, 0) FROM audit", [], |row| row.get(0))?;
    Frontier::of(&StoredNodes(db), size).map_err(|error| match error {
        rusqlite::Error::QueryReturnedNoRows => StoreError::Audit { size },
        error => error.into(),
    })
}
