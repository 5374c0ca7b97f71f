//! The bucket for backups.

use npanel_cloud::{Bucket, BucketError};

use super::Archive;

/// Where backups are kept, and what the objects' names begin with.
#[derive(Debug, Clone)]
pub struct BackupStore {
    /// The bucket.
    pub bucket: Bucket,
    /// What the objects' names begin with.
    pub prefix: String,
}

/// Why a backup is not in the bucket.
#[derive(Debug, thiserror::Error)]
pub enum Unkept {
    /// The bucket.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The copy of the state.
    #[error("the backup cannot be read")]
    Io(#[from] std::io::Error),
}

impl BackupStore {
    /// Writes it; the store checks its hash. Returns the object's name.
    pub(crate) async fn put(&self, mut archive: Archive) -> Result<String, Unkept> {
        let name = format!("{}{}", self.prefix, archive.name());
        let length = archive.length();
        let hashed = tokio::task::spawn_blocking(move || archive.sha256().map(|sha256| (archive, sha256)));
        let (archive, sha256) = hashed.await.map_err(std::io::Error::other)??;
        self.bucket.put(&name, length, sha256, archive.stream()).await?;
        Ok(name)
    }
}
