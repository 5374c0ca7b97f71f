//! The accounts of a state, by its files.

use std::path::{Path, PathBuf};

use anyhow::Result;
use npanel_model::AccountId;
use rusqlite::{Connection, OpenFlags};

/// So many are enough to choose from: each is another page of the database.
pub(crate) const MOST: u64 = 200_000;

/// The database file of a state.
pub(crate) fn database(state: &Path) -> Result<PathBuf> {
    Ok(state.join(std::fs::read_to_string(state.join("CURRENT"))?.trim()))
}

/// At most so many accounts, from all over the state, in no order.
pub(crate) fn some(state: &Path, most: u64) -> Result<Vec<AccountId>> {
    let db = Connection::open_with_flags(database(state)?, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut ids: Vec<Vec<u8>> =
        db.prepare("SELECT id FROM accounts")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    fastrand::Rng::with_seed(5).shuffle(&mut ids);
    ids.truncate(usize::try_from(most)?);
    Ok(ids.iter().map(|id| AccountId::from_bytes(id)).collect::<Result<_, _>>()?)
}
