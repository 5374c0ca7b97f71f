//! A copy of the state for who takes it elsewhere: an open file without a name, so that nothing of it is left when it is closed.

use std::{
    fs::{self, File},
    path::PathBuf,
};

use crate::{ContentHash, Snapshot, Standing, Store, StoreError};

/// The copy, and what is in it.
#[derive(Debug)]
pub struct StateCopy {
    /// The database.
    pub file: File,
    /// Its place in the log, its length and its hash.
    pub snapshot: Snapshot,
    /// The hash of its content.
    pub content: ContentHash,
    /// Where the cluster stands in it.
    pub standing: Standing,
}

impl StateCopy {
    /// Makes a copy by way of this path, where nothing is afterwards.
    ///
    /// # Errors
    /// If it cannot be made.
    pub async fn make(store: &Store, path: PathBuf) -> Result<Self, StoreError> {
        let made = store.copy_to(path.clone()).await;
        let read = tokio::task::spawn_blocking(move || {
            let copy = made.and_then(|snapshot| {
                Ok(Self {
                    file: File::open(&path)?,
                    snapshot,
                    content: Store::content_hash_of(&path)?,
                    standing: Standing::of_file(&path)?,
                })
            });
            // What there is of one that failed goes, too.
            match fs::remove_file(&path) {
                Err(error) if copy.is_ok() => Err(error.into()),
                _ => copy,
            }
        });
        read.await.map_err(std::io::Error::other)?
    }
}
