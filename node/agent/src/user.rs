//! Becoming the unprivileged user.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use nix::unistd::{Uid, User, chown, geteuid, setgid, setgroups, setuid};

/// Why the unprivileged user could not be become.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// There is none.
    #[error("there is no user {0:?} on this machine")]
    Unknown(String),
    /// The system refused.
    #[error("cannot become the user {user}")]
    Become {
        /// The user.
        user: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A directory cannot be made.
    #[error("cannot make {path}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

/// Makes the data directory, owned by the user, and gives up root for good. From here on, files are made by
/// their owner, so no later step has to follow paths that the user controls with root's power. Does nothing
/// for a caller that is not root.
///
/// To be called before any thread is started.
pub(crate) fn become_user(name: &str, data_directory: &Path) -> Result<(), UserError> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let failed = |source: io::Error| UserError::Become { user: name.to_owned(), source };
    let user = User::from_name(name)
        .map_err(|error| failed(error.into()))?
        .ok_or_else(|| UserError::Unknown(name.to_owned()))?;
    if user.uid == Uid::from_raw(0) {
        return Ok(());
    }
    make_owned(data_directory, &user)
        .map_err(|source| UserError::Directory { path: data_directory.to_owned(), source })?;
    setgroups(&[user.gid])
        .and_then(|()| setgid(user.gid))
        .and_then(|()| setuid(user.uid))
        .map_err(|error| failed(error.into()))
}

/// Only a directory made here is given away: what is there already is somebody's decision.
fn make_owned(directory: &Path, user: &User) -> io::Result<()> {
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => Ok(chown(directory, Some(user.uid), Some(user.gid))?),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes a directory for this user alone, if it is not there.
pub(crate) fn make_private(directory: &Path) -> Result<(), UserError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| UserError::Directory { path: directory.to_owned(), source })
}
