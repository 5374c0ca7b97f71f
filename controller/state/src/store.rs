//! The store: one directory with the database that is current, and how it is replaced by a snapshot.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use npanel_proto::command::{Envelope, Outcome};
use tokio::sync::{Mutex, watch};

use crate::{
    ContentHash, FEATURE_LEVEL, Foresight, LogPosition, LogRecord, Reader, Snapshot, StoreError, content,
    durable, open, snapshot, writer,
    writer::{Pending, Writer},
};

/// Names the current database file, so that a replacement takes effect by one rename.
const CURRENT: &str = "CURRENT";

/// The first database of a store.
const FIRST: &str = "state-1.db";

/// How long the files of a replaced state stay: a query that had just begun may be about to open them.
const OLD_IS_KEPT: Duration = Duration::from_secs(5);

/// How far the state is applied, and the membership as of then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The last applied record; `None` before the first.
    pub position: Option<LogPosition>,
    /// The membership in the consensus library's encoding; empty before the first.
    pub membership: Vec<u8>,
}

/// The replicated state on disk. Cloning gives another handle to the same store.
#[derive(Debug, Clone)]
pub struct Store {
    directory: Arc<PathBuf>,
    writer: Writer,
    /// The feature level that it goes up to.
    most: u32,
    reader: Reader,
    /// Held while the current file is being replaced or copied.
    replacing: Arc<Mutex<()>>,
}

impl Store {
    /// Opens the store in `directory`, which is made if it is not there.
    ///
    /// # Errors
    /// If the directory or its database cannot be used.
    pub async fn open(directory: &Path) -> Result<Self, StoreError> {
        Self::open_up_to(directory, FEATURE_LEVEL).await
    }

    /// The same, and it goes up to the feature level `most` only, as a store of an earlier version does.
    ///
    /// # Errors
    /// If the directory or its database cannot be used, or the cluster is beyond that level.
    pub async fn open_up_to(directory: &Path, most: u32) -> Result<Self, StoreError> {
        fs::create_dir_all(directory)?;
        // Its name: what is in it is relied on once the log is purged.
        directory.parent().map_or(Ok(()), durable::sync_directory)?;
        let path = current(directory)?;
        durable::write_again(&path)?;
        open::migrate(&path).await?;
        remove_others(directory, &path)?;
        let writer = Writer::start(&path, most)?;
        Ok(Self {
            directory: Arc::new(directory.to_owned()),
            reader: Reader::new(open::readers(&path).await?, &path, writer.applied(), writer.logins()),
            writer,
            most,
            replacing: Arc::default(),
        })
    }

    /// Queries on the state.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// How far the state is applied, followed as it moves.
    pub fn applied(&self) -> watch::Receiver<Applied> {
        self.writer.applied()
    }

    /// The feature level that the cluster is at, followed as it is raised; `None` before there is one.
    pub fn feature_level(&self) -> watch::Receiver<Option<u32>> {
        self.writer.level()
    }

    /// The feature level that this store goes up to.
    pub fn max_feature_level(&self) -> u32 {
        self.most
    }

    /// Applies records, which must follow the last applied one, in one transaction. One outcome per record.
    ///
    /// # Errors
    /// If the database fails; the store then takes no more records.
    pub async fn apply(&self, records: Vec<LogRecord>) -> Result<Vec<Outcome>, StoreError> {
        self.writer.apply(records).await
    }

    /// Has records applied, which must follow the last ones that were submitted or applied. Returns as soon as that is going to
    /// be: what waits then is applied in one transaction. One promise of an outcome per record.
    ///
    /// # Errors
    /// If the store takes no more records.
    pub async fn submit(&self, records: Vec<LogRecord>) -> Result<Vec<Pending>, StoreError> {
        self.writer.submit(records).await
    }

    /// Returns once all that was submitted before is applied.
    ///
    /// # Errors
    /// If the store takes no more records.
    pub async fn settle(&self) -> Result<(), StoreError> {
        self.writer.settle().await
    }

    /// What a command would come to if it were applied now. Changes nothing.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn foresee(&self, envelope: Envelope) -> Result<Foresight, StoreError> {
        self.writer.foresee(envelope).await
    }

    /// How much of the disk the state takes, beside its write-ahead log.
    ///
    /// # Errors
    /// If its files cannot be looked at.
    pub fn bytes(&self) -> Result<u64, StoreError> {
        Ok(fs::metadata(current(&self.directory)?)?.len())
    }

    /// How far the database in a file, such as a snapshot, is applied.
    ///
    /// # Errors
    /// If it is not a state database.
    pub fn applied_in(path: &Path) -> Result<Applied, StoreError> {
        writer::read_applied(&read_only(path)?)
    }

    /// Makes the store in a new directory of the state in a file, which is moved.
    ///
    /// # Errors
    /// If the file is not a state, or the directory cannot be written.
    pub fn begin(directory: &Path, source: &Path) -> Result<(), StoreError> {
        Self::applied_in(source)?;
        fs::create_dir_all(directory)?;
        let first = directory.join(FIRST);
        fs::rename(source, &first)?;
        fs::File::open(&first)?.sync_all()?;
        set_current(directory, &first)
    }

    /// The hash of the content of a state in a file, such as a snapshot. Blocks as [`Store::content_hash_in`] does.
    ///
    /// # Errors
    /// If it is not a state database.
    pub fn content_hash_of(path: &Path) -> Result<ContentHash, StoreError> {
        content::hash(path)
    }

    /// The content hash, as of one moment.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn content_hash(&self) -> Result<ContentHash, StoreError> {
        let directory = Arc::clone(&self.directory);
        blocking(move || Self::content_hash_in(&directory)).await
    }

    /// The content hash of the store in a directory, whether or not a controller runs on it. Blocks, some ten seconds for a
    /// million accounts.
    ///
    /// # Errors
    /// If there is no store.
    pub fn content_hash_in(directory: &Path) -> Result<ContentHash, StoreError> {
        let name = fs::read_to_string(directory.join(CURRENT))?;
        content::hash(&directory.join(name.trim()))
    }

    /// Makes a snapshot: the state as it is at one moment, in a new file that needs nothing beside it. The writer goes on
    /// meanwhile, and no write waits for it. It is finished even if nobody waits for it any more.
    ///
    /// # Errors
    /// If it cannot be made; what there is of the file is then of no use.
    pub async fn copy_to(&self, target: PathBuf) -> Result<Snapshot, StoreError> {
        let store = self.clone();
        let making = tokio::spawn(async move {
            let _guard = store.replacing.lock().await;
            let source = current(&store.directory)?;
            let made = blocking(move || snapshot::make(&source, &target)).await;
            if let Err(StoreError::Unsynced(_)) = made {
                store.writer.end().await;
            }
            // The log would be purged up to what may not be on disk.
            if store.writer.is_broken() { made.and(Err(StoreError::Stopped)) } else { made }
        });
        making.await.map_err(std::io::Error::other)?
    }

    /// Replaces the state by the database in `source`, which is moved. Readers that are at work finish on the
    /// old one.
    ///
    /// # Errors
    /// If the file is not a state database, or is beyond this store's feature level; the old state then stays.
    pub async fn replace_by(&self, source: &Path) -> Result<Applied, StoreError> {
        let _guard = self.replacing.lock().await;
        writer::require_within(&read_only(source)?, self.most)?;
        open::migrate(source).await?;
        let old = current(&self.directory)?;
        let path = next_path(&self.directory, &old);
        fs::rename(source, &path)?;
        fs::File::open(&path)?.sync_all()?;
        set_current(&self.directory, &path)?;
        // Readers first: whoever sees the new position must also see the rows that go with it.
        self.reader.move_to(open::readers(&path).await?, &path);
        self.writer.move_to(path).await?;
        let directory = Arc::clone(&self.directory);
        tokio::spawn(async move {
            tokio::time::sleep(OLD_IS_KEPT).await;
            // Whatever is current then: there may have been another replacement.
            let removed = current(&directory).and_then(|path| remove_others(&directory, &path));
            if let Err(error) = removed {
                tracing::warn!(%error, "a state that was replaced cannot be removed; it will be at the next start");
            }
        });
        Ok(self.writer.applied().borrow().clone())
    }
}

fn read_only(path: &Path) -> Result<rusqlite::Connection, StoreError> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(rusqlite::Connection::open_with_flags(path, flags)?)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Stopped)?
}

fn current(directory: &Path) -> Result<PathBuf, StoreError> {
    match fs::read_to_string(directory.join(CURRENT)) {
        Ok(name) => Ok(directory.join(name.trim())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let first = directory.join(FIRST);
            set_current(directory, &first)?;
            Ok(first)
        }
        Err(error) => Err(error.into()),
    }
}

fn set_current(directory: &Path, path: &Path) -> Result<(), StoreError> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| std::io::Error::other("no file name"))?;
    let staged = directory.join("CURRENT.new");
    fs::write(&staged, name)?;
    fs::File::open(&staged)?.sync_all()?;
    fs::rename(&staged, directory.join(CURRENT))?;
    Ok(durable::sync_directory(directory)?)
}

fn number(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("state-")?.strip_suffix(".db")?.parse().ok()
}

fn next_path(directory: &Path, old: &Path) -> PathBuf {
    directory.join(format!("state-{}.db", number(old).unwrap_or(0) + 1))
}

/// Removes databases that are no longer current, with their write-ahead logs. Open readers keep theirs until
/// they are done.
fn remove_others(directory: &Path, current: &Path) -> Result<(), StoreError> {
    let keep = current.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let stale = name.to_str().is_some_and(|name| name.starts_with("state-") && !name.starts_with(keep));
        if stale {
            fs::remove_file(entry.path())?;
        }
    }
    // A write-ahead log that comes back would be read into whatever has the name next.
    Ok(durable::sync_directory(directory)?)
}
