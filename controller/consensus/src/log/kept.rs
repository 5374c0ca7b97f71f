//! What is kept beside the entries: the vote, how far the log is purged, and which segment is the newest. A small file of its own,
//! replaced as a whole.

use serde::{Deserialize, Serialize};
use std::io;

use super::{
    disk::{Blocks, Directory},
    frame,
};
use crate::{
    encoding::{from_bytes, to_bytes},
    types::{LogId, Vote},
};

pub(super) const NAME: &str = "kept";
const STAGED: &str = "kept.new";
const MAGIC: [u8; 8] = *b"npankpt1";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) vote: Option<Vote>,
    /// Entries up to here are no longer in the log.
    pub(crate) purged: Option<LogId>,
    /// There are frames in no later segment; 0: in none.
    pub(crate) newest: u64,
}

/// Magic, CRC-32C of the rest, the rest in the consensus library's encoding.
pub(super) fn encode(kept: &Kept) -> Vec<u8> {
    let content = to_bytes(kept);
    let checksum = frame::unsalted(&content).to_le_bytes();
    [MAGIC.as_slice(), &checksum, &content].concat()
}

pub(super) fn decode(bytes: &[u8]) -> Option<Kept> {
    let (checksum, content) = bytes.strip_prefix(&MAGIC)?.split_at_checked(4)?;
    (checksum == frame::unsalted(content).to_le_bytes()).then(|| from_bytes(content).ok()).flatten()
}

/// Replaces what is kept; it is on disk from here on.
pub(super) fn write(directory: &impl Directory, kept: &Kept) -> io::Result<()> {
    let staged = directory.create(STAGED, 0)?;
    staged.write_at(0, &encode(kept))?;
    staged.sync()?;
    // Its name, too: what is renamed must not be what a write that was cut off had left there.
    directory.sync()?;
    directory.rename(STAGED, NAME)?;
    directory.sync()
}
