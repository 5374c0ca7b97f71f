//! How much room there is on a disk.

use std::{io, path::Path};

/// Bytes that this process could still write to the file system of a directory.
///
/// # Errors
/// If it cannot be asked.
pub fn free(directory: &Path) -> io::Result<u64> {
    let found = nix::sys::statvfs::statvfs(directory)?;
    Ok(found.blocks_available().saturating_mul(found.fragment_size()))
}
