//! A configuration that is only looked at: written where nothing reads it but a checker, and gone when that has ended.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use npanel_host::{Attributes, Directory, FileError, Owner, blocking};

use crate::ServiceError;

/// Gone after a reboot, whatever happens. Accounts pass through it to what is theirs to read.
const PLACE: (&str, &str) = ("/run", "npanel-foresight");

/// No two of a process have the same name.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A file that is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Aside {
    directory: Directory,
    name: String,
}

impl Aside {
    /// A file that root and this group may read.
    pub(crate) async fn write(text: String, group: u32) -> Result<Self, ServiceError> {
        let write = move || {
            let (directory, _) =
                Directory::open(PLACE.0)?.ensure(PLACE.1, Attributes::new(Owner::ROOT, 0o711))?;
            let aside = Self { directory, name: NEXT.fetch_add(1, Ordering::Relaxed).to_string() };
            let attributes = Attributes::new(Owner::root_and(group), 0o640);
            aside.directory.write(&aside.name, text.as_bytes(), attributes)?;
            Ok(aside)
        };
        blocking(write).await
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Err(error) = self.directory.remove_file(&self.name) {
            tracing::warn!(%error, "a configuration that was only looked at stays");
        }
    }
}

/// Removes what a killed process has left.
///
/// # Errors
/// If it cannot be removed.
pub fn remove_what_was_looked_at() -> Result<(), FileError> {
    if Path::new(PLACE.0).join(PLACE.1).exists() {
        Directory::open(PLACE.0)?.remove_tree(PLACE.1)?;
    }
    Ok(())
}
