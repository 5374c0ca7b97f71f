//! How much room there is on a disk.

use std::{io, path::Path};

/// A file system's size, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What this process could still write.
    pub free: u64,
}

/// How large the file system of a directory is.
///
/// # Errors
/// If it cannot be asked.
pub fn of(directory: &Path) -> io::Result<Space> {
    let found = nix::sys::statvfs::statvfs(directory)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
    Ok(Space { total: bytes(found.blocks()), free: bytes(found.blocks_available()) })
}

/// Bytes that this process could still write to the file system of a directory.
///
/// # Errors
/// If it cannot be asked.
pub fn free(directory: &Path) -> io::Result<u64> {
    of(directory).map(|space| space.free)
}
