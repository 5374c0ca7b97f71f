//! The snapshots on disk: the one that is handed on, and one that is being received. A snapshot's name says what it is, so that
//! it is there, with its hash, by one rename.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use npanel_state::Snapshot;

/// One that is being made, of no use until it has its name.
pub(crate) const BUILDING: &str = "building.db";
/// What is about to become the state.
pub(crate) const INSTALLING: &str = "installing.db";
/// A copy that is being made for a backup.
pub(crate) const COPYING: &str = "copying.db";
const CURRENT: &str = "snapshot-";
const RECEIVING: &str = "receiving-";
const ENDING: &str = ".db";

/// The directory.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    directory: PathBuf,
}

/// What distinguishes a snapshot from every other: its place in the log, and its hash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Label {
    term: u64,
    index: u64,
    pub(crate) sha256: [u8; 32],
}

impl Label {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let (term, index) = snapshot.applied.position.map_or((0, 0), |at| (at.term, at.index));
        Self { term, index, sha256: snapshot.sha256 }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (term, index, hash) =
            (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.as_bytes());
        let digits = hash.chunks(2).map(|two| u8::from_str_radix(str::from_utf8(two).ok()?, 16).ok());
        let sha256 = digits.collect::<Option<Vec<u8>>>()?.try_into().ok()?;
        parts.next().is_none().then_some(Self { term, index, sha256 })
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-", self.term, self.index)?;
        self.sha256.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn label(name: &str, prefix: &str) -> Option<Label> {
    Label::parse(name.strip_prefix(prefix)?.strip_suffix(ENDING)?)
}

impl Shelf {
    /// Makes the directory if it is not there, and clears away what a crash left of snapshots that were being made.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        if let Some(parent) = directory.parent() {
            fs::File::open(parent)?.sync_all()?;
        }
        let shelf = Self { directory: directory.to_owned() };
        for name in shelf.names()? {
            let is_kept = label(&name, CURRENT).or_else(|| label(&name, RECEIVING)).is_some();
            if !is_kept {
                fs::remove_file(directory.join(name))?;
            }
        }
        shelf.keep_newest()?;
        Ok(shelf)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let name = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().into_string().ok());
        fs::read_dir(&self.directory)?.filter_map(|entry| name(entry).transpose()).collect()
    }

    /// Where a file is to be made; there is none now.
    pub(crate) fn clear(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.directory.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(path),
        }
    }

    /// The snapshot that is handed on.
    pub(crate) fn current(&self) -> io::Result<Option<(Label, PathBuf)>> {
        let newest = self.names()?.iter().filter_map(|name| label(name, CURRENT)).max();
        Ok(newest.map(|label| {
            let path = self.directory.join(format!("{CURRENT}{label}{ENDING}"));
            (label, path)
        }))
    }

    /// Makes a whole file the one that is handed on. It is on disk under its name from here on, and those before it are gone.
    pub(crate) fn put(&self, file: &Path, label: &Label) -> io::Result<PathBuf> {
        let path = self.directory.join(format!("{CURRENT}{label}{ENDING}"));
        fs::rename(file, &path)?;
        fs::File::open(&self.directory)?.sync_all()?;
        self.keep_newest()?;
        Ok(path)
    }

    fn keep_newest(&self) -> io::Result<()> {
        let Some((newest, _)) = self.current()? else { return Ok(()) };
        for name in self.names()? {
            if label(&name, CURRENT).is_some_and(|label| label < newest) {
                fs::remove_file(self.directory.join(name))?;
            }
        }
        Ok(())
    }

    /// Where a snapshot is received. What there is of others is removed: one is received at a time.
    pub(crate) fn receiving(&self, wanted: &Label) -> io::Result<PathBuf> {
        for name in self.names()? {
            if label(&name, RECEIVING).is_some_and(|label| label != *wanted) {
                fs::remove_file(self.directory.join(name))?;
            }
        }
        Ok(self.directory.join(format!("{RECEIVING}{wanted}{ENDING}")))
    }

    /// Where this very file was received, if it was.
    pub(crate) fn is_received(&self, file: &fs::File, label: &Label) -> io::Result<Option<PathBuf>> {
        let path = self.directory.join(format!("{RECEIVING}{label}{ENDING}"));
        let (open, named) = (file.metadata()?, fs::metadata(&path));
        let is_it = named.is_ok_and(|named| named.ino() == open.ino() && named.dev() == open.dev());
        Ok(is_it.then_some(path))
    }
}
