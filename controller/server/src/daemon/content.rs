//! What a controller's state came to, read beside the daemon.

use npanel_state::Store;

use super::files::Files;
use crate::config::Config;

/// The state's content at one place in the log.
#[derive(Debug)]
pub struct Content {
    /// The index of the last entry that is applied in it; 0 before the first.
    pub index: u64,
    /// SHA-256 in hexadecimal.
    pub hash: String,
}

/// Reads all of the state. Blocks, some ten seconds for a million accounts.
///
/// # Errors
/// If this machine has no state.
pub fn content(config: &Config) -> anyhow::Result<Content> {
    let found = Store::content_hash_in(&Files::of(&config.data_directory).state())?;
    let index = found.position.map_or(0, |position| position.index);
    Ok(Content { index, hash: found.hash.iter().map(|byte| format!("{byte:02x}")).collect() })
}
