//! The few things that the log asks of a file system. A trait, so that tests can put one under the log that loses at a power
//! failure whatever was not synced.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// One directory, all of the log's.
pub(super) trait Directory: Send + 'static {
    type File: Blocks;

    fn names(&self) -> io::Result<Vec<String>>;

    /// A file of that many zeros, in place of any that has the name. Its zeros are on disk once it is synced.
    fn create(&self, name: &str, size: u64) -> io::Result<Self::File>;

    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// In place of any file that has the name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    fn remove(&self, name: &str) -> io::Result<()>;

    /// Names are on disk from here on.
    fn sync(&self) -> io::Result<()>;
}

/// An open file.
pub(super) trait Blocks: Send + Sync + 'static {
    fn read_all(&self) -> io::Result<Vec<u8>>;

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>>;

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// What was written is on disk from here on.
    fn sync(&self) -> io::Result<()>;
}

/// A directory of the machine, which is nobody else's until the last clone is dropped.
#[derive(Debug, Clone)]
pub(super) struct RealDirectory {
    path: PathBuf,
    _lock: Arc<fs::File>,
}

const LOCK: &str = "lock";

/// How long one who ends may still hold the directory.
const PATIENCE: Duration = Duration::from_secs(10);

impl RealDirectory {
    /// Makes it if it is not there.
    ///
    /// # Errors
    /// If another process holds it, or it cannot be used.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        if let Some(parent) = path.parent() {
            fs::File::open(parent)?.sync_all()?;
        }
        let lock = fs::File::create(path.join(LOCK))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { path: path.to_owned(), _lock: Arc::new(lock) }),
                Err(fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(fs::TryLockError::WouldBlock) => {
                    let held = format!("another controller is running on {}", path.display());
                    return Err(io::Error::new(io::ErrorKind::ResourceBusy, held));
                }
                Err(fs::TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}

/// Zeros are written so much at a time.
const ZEROS: usize = 256 * 1024;

impl Directory for RealDirectory {
    type File = fs::File;

    fn names(&self) -> io::Result<Vec<String>> {
        let name = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().into_string().ok());
        fs::read_dir(&self.path)?.filter_map(|entry| name(entry).transpose()).collect()
    }

    fn create(&self, name: &str, size: u64) -> io::Result<fs::File> {
        let path = self.path.join(name);
        // Another file, if there was one of this name: a rename that the power cut short may have left two names to one.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = fs::File::options().read(true).write(true).create_new(true).open(path)?;
        // Written rather than allocated: a sync then has no extents to convert, and so no journal to write.
        io::copy(&mut io::repeat(0).take(size), &mut io::BufWriter::with_capacity(ZEROS, &file))?;
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<fs::File> {
        fs::File::options().read(true).write(true).open(self.path.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }
}

impl Blocks for fs::File {
    fn read_all(&self) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.metadata()?.len()).map_err(io::Error::other)?;
        Blocks::read_at(self, 0, length)
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        #[cfg(feature = "failpoints")]
        super::power::written(self, offset, bytes.len())?;
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        #[cfg(feature = "failpoints")]
        super::power::synced(self)?;
        self.sync_data()
    }
}
