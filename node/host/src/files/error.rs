//! What can go wrong with files.

use std::{io, path::PathBuf};

use nix::errno::Errno;

/// Why something could not be done with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("cannot {action} {path}: {source}", path = .path.display())]
    System {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Not the name of something in a directory.
    #[error("not a file name: {0:?}")]
    Name(String),
    /// Something else is in the place: a link, or another owner's.
    #[error("{path} is {found}, not {expected}", path = .path.display())]
    Unexpected {
        /// Where.
        path: PathBuf,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
}

impl FileError {
    pub(super) fn system(action: &'static str, path: PathBuf, errno: Errno) -> Self {
        Self::System { action, path, source: errno.into() }
    }

    /// Whether it failed because the disk or the quota is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::System { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}
