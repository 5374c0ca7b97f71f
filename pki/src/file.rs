//! Writing a file so that a crash leaves the old or the new one, whole.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be {action}", path.display())]
pub struct FileError {
    path: PathBuf,
    action: &'static str,
    #[source]
    source: io::Error,
}

/// Readable for its owner only.
pub(crate) const PRIVATE: u32 = 0o600;
/// Readable for everyone.
pub(crate) const PUBLIC: u32 = 0o644;

/// The file's content, or nothing if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(Zeroizing::new(content))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError { path: path.to_owned(), action: "read", source }),
    }
}

/// Replaces the file. It belongs to whoever its directory belongs to: root may enrol a machine whose daemon
/// runs as another user.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let stage = stage_path(path);
    stage_file(&stage, content, mode)
        .and_then(|()| fs::rename(&stage, path))
        .and_then(|()| sync_directory(path))
        .map_err(|source| FileError { path: path.to_owned(), action: "written", source })
}

fn stage_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", uuid::Uuid::now_v7().simple()));
    path.with_file_name(name)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn stage_file(stage: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(stage)?;
    let (directory, own) = (fs::metadata(directory_of(stage))?, file.metadata()?);
    if directory.uid() != own.uid() {
        fchown(&file, Some(directory.uid()), Some(directory.gid()))?;
    }
    file.write_all(content)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_is_whole_and_leaves_no_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("key.pem");
        assert!(read(&path).expect("no file").is_none());
        replace(&path, b"one", PRIVATE).expect("written");
        replace(&path, b"two", PRIVATE).expect("written");
        assert_eq!(read(&path).expect("read").expect("a file").as_slice(), b"two");
        assert_eq!(fs::metadata(&path).expect("metadata").mode() & 0o777, PRIVATE);
        assert_eq!(fs::read_dir(directory.path()).expect("a listing").count(), 1);
    }
}
