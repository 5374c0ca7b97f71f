//! A state's files, while no controller runs on them.

use std::path::Path;

use anyhow::{Context, Result};

/// Has a stopped controller's state be at an earlier time, so that years of growth can follow. What is measured has no other
/// row that no rule wrote.
///
/// # Errors
/// If there is no state in the directory.
pub fn set_clock_back(state: &Path, to_millis: i64) -> Result<()> {
    let current = std::fs::read_to_string(state.join("CURRENT")).context("no state there")?;
    let db = rusqlite::Connection::open(state.join(current.trim()))?;
    db.execute("UPDATE cluster SET clock_millis = ?1", [to_millis])?;
    Ok(())
}
