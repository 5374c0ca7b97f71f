//! The accounts of a state, by its files.

use std::path::{Path, PathBuf};

use anyhow::Result;
use npanel_model::AccountId;
use rusqlite::{Connection, OpenFlags};

/// The database file of a state.
pub(crate) fn database(state: &Path) -> Result<PathBuf> {
    Ok(state.join(std::fs::read_to_string(state.join("CURRENT"))?.trim()))
}

/// All accounts of a state.
pub(crate) fn all(state: &Path) -> Result<Vec<AccountId>> {
    let db = Connection::open_with_flags(database(state)?, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut select = db.prepare("SELECT id FROM accounts")?;
    let ids: Vec<Vec<u8>> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(ids.iter().map(|id| AccountId::from_bytes(id)).collect::<Result<_, _>>()?)
}
