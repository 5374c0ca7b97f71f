//! What the state needs of the disk beside SQLite.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use rusqlite::{Connection, ErrorCode, config::DbConfig};

use crate::snapshot::wal_of;

/// A file is read and written again in pieces of so many bytes.
const PIECE: usize = 1024 * 1024;

/// Names in the directory are on disk from here on.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    let here = Path::new(".");
    File::open(if directory.as_os_str().is_empty() { here } else { directory })?.sync_all()
}

/// Whether the disk failed to read, write or sync. It must not be tried again: after a sync that failed, a later one says that all is
/// well, although the disk never took what the first one should have brought there, and is only read from memory.
pub(crate) fn is_of_the_disk(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}

/// Has the connection leave the write-ahead log as it is when it is closed. The database must not be written to while the log that could
/// mend it may not be on disk.
pub(crate) fn leave_as_it_is(connection: &Connection) {
    if let Err(error) = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
        tracing::error!(%error, "the state may be written to once more when it is closed");
    }
}

/// Writes the write-ahead log that an earlier process has left once more, and syncs it: if a sync of it has failed, what is read of it
/// may not be on disk.
///
/// # Errors
/// If it cannot be read or written.
pub(crate) fn write_again(database: &Path) -> io::Result<()> {
    let path = wal_of(database);
    let file = match File::options().read(true).write(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let (mut piece, mut at) = (vec![0; PIECE], 0);
    loop {
        match file.read_at(&mut piece, at)? {
            0 => break,
            read => {
                file.write_all_at(&piece[..read], at)?;
                at += read as u64;
            }
        }
    }
    file.sync_all()?;
    path.parent().map_or(Ok(()), sync_directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_was_left_is_as_it_was_after_it_was_written_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let database = directory.path().join("state-1.db");
        write_again(&database).expect("there is nothing to do");
        let left: Vec<u8> = (0..3 * PIECE + 77).map(|at| (at % 251) as u8).collect();
        std::fs::write(wal_of(&database), &left).expect("written");
        write_again(&database).expect("written again");
        assert_eq!(std::fs::read(wal_of(&database)).expect("read"), left);
    }
}
