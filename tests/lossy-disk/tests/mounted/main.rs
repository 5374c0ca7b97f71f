//! The disk under real programs: what the kernel makes of it, and SQLite.

mod files;
mod sqlite;

use npanel_lossy_disk::{LossyDisk, unavailable};

/// A disk at a directory of its own, or nothing, aloud, where this machine has no FUSE.
fn disk(seed: u64) -> Option<(tempfile::TempDir, LossyDisk)> {
    if let Some(why) = unavailable() {
        eprintln!("SKIPPED: no disk can be mounted here: {why}");
        return None;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let disk = LossyDisk::mount(directory.path(), seed).expect("mounted");
    Some((directory, disk))
}
