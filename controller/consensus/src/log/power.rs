//! A loss of power for tests that stop members in one process: what was written to the log and not synced is lost.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Of a file, by its number, the places that are not on disk.
type Unsynced = HashMap<u64, Vec<(u64, usize)>>;

static UNSYNCED: Mutex<Option<Unsynced>> = Mutex::new(None);

fn unsynced() -> MutexGuard<'static, Option<Unsynced>> {
    UNSYNCED.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn written(file: &fs::File, offset: u64, length: usize) -> io::Result<()> {
    let number = file.metadata()?.ino();
    unsynced().get_or_insert_default().entry(number).or_default().push((offset, length));
    Ok(())
}

pub(super) fn synced(file: &fs::File) -> io::Result<()> {
    let number = file.metadata()?.ino();
    drop(unsynced().get_or_insert_default().remove(&number));
    Ok(())
}

/// Takes from the files in a log's directory, which nobody has open, what was not synced: there are zeros again, as before it was
/// written.
///
/// # Errors
/// If the files cannot be written.
pub fn lose_power(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let file = fs::File::options().write(true).open(entry?.path())?;
        let lost = unsynced().get_or_insert_default().remove(&file.metadata()?.ino());
        for (offset, length) in lost.into_iter().flatten() {
            file.write_all_at(&vec![0; length], offset)?;
        }
    }
    Ok(())
}
