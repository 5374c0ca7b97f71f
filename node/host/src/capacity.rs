//! Free disk and memory.

use std::{io, os::unix::fs::MetadataExt, path::Path};

use nix::sys::statvfs::statvfs;
use npanel_model::Megabytes;

/// Something that there is an amount of, some of it free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: Megabytes,
    /// What can still be had.
    pub free: Megabytes,
}

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
pub enum CapacityError {
    /// The file system cannot be asked.
    #[error("cannot ask for free space: {0}")]
    FileSystem(#[from] nix::errno::Errno),
    /// The kernel's figures cannot be read.
    #[error("cannot read how much there is: {0}")]
    Memory(#[from] io::Error),
    /// A figure is missing.
    #[error("/proc/meminfo has no {0}")]
    Missing(&'static str),
}

const MEGABYTE: u64 = 1024 * 1024;

/// Space on the file system of `path`; free is what unprivileged users may fill.
///
/// # Errors
/// If it cannot be asked.
pub fn space(path: impl AsRef<Path>) -> Result<Space, CapacityError> {
    let stat = statvfs(path.as_ref())?;
    let megabytes = |blocks: u64| Megabytes(blocks.saturating_mul(stat.fragment_size()) / MEGABYTE);
    Ok(Space { total: megabytes(stat.blocks()), free: megabytes(stat.blocks_available()) })
}

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystemSpace {
    /// Which one: two paths with the same are on the same.
    pub device: u64,
    /// Its space.
    pub space: Space,
    /// How many files it may have; 0 if it sets no bound.
    pub inodes: u64,
    /// How many more.
    pub inodes_free: u64,
}

/// The file system that a path is on.
///
/// # Errors
/// If it cannot be asked.
pub fn file_system(path: impl AsRef<Path>) -> Result<FileSystemSpace, CapacityError> {
    let stat = statvfs(path.as_ref())?;
    let device = std::fs::metadata(path.as_ref()).map_err(CapacityError::Memory)?.dev();
    let (inodes, inodes_free) = (stat.files(), stat.files_available());
    Ok(FileSystemSpace { device, space: space(path)?, inodes, inodes_free })
}

/// The machine's memory; free is what can be had without swapping.
///
/// # Errors
/// If the kernel does not tell.
pub fn memory() -> Result<Space, CapacityError> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let figure = |name: &'static str| kilobytes(&text, name).ok_or(CapacityError::Missing(name));
    let megabytes = |kilobytes: u64| Megabytes(kilobytes / 1024);
    Ok(Space { total: megabytes(figure("MemTotal")?), free: megabytes(figure("MemAvailable")?) })
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_some_of_both() {
        for found in [space("/").expect("space"), memory().expect("memory")] {
            assert!(found.total > Megabytes(0) && found.free <= found.total, "{found:?}");
        }
    }

    #[test]
    fn a_figure_is_found_by_its_whole_name() {
        let text = "MemTotalX:  1 kB\nMemTotal:   2048 kB\n";
        assert_eq!(kilobytes(text, "MemTotal"), Some(2048));
        assert_eq!(kilobytes(text, "MemFree"), None);
    }
}
