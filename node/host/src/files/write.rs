//! Files written whole: staged beside their place, made durable, and renamed.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, openat2, renameat},
    sys::stat::Mode,
    unistd::symlinkat,
};

use super::{Attributes, Directory, FileError, Kind, directory::checked};

impl Directory {
    /// The contents of an ordinary file; none if it is not there. `limit` bounds what is read.
    ///
    /// # Errors
    /// If it is no ordinary file, or longer than the limit.
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
        checked(name)?;
        // Not blocking: it could be a pipe.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let handle = match self.open_beneath(name, flags) {
            Ok(handle) => handle,
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(self.failed("open", name, errno)),
        };
        let failed = |source| self.io_failed("read", name, source);
        let file = File::from(handle);
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() || metadata.len() > limit {
            return Err(FileError::Unexpected {
                path: self.path.join(name),
                expected: format!("a file of at most {limit} bytes"),
                found: format!("of the type {:?} with {} bytes", metadata.file_type(), metadata.len()),
            });
        }
        let mut contents = Vec::new();
        file.take(limit).read_to_end(&mut contents).map_err(failed)?;
        Ok(Some(contents))
    }

    /// Whether a file has exactly these contents and attributes.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn holds(&self, name: &str, contents: &[u8], attributes: Attributes) -> Result<bool, FileError> {
        match self.stat(name)? {
            Some(stat) if Kind::of(&stat) == Kind::File && attributes.are_of(&stat) => {
                let length = contents.len() as u64;
                let same_length = u64::try_from(stat.st_size).is_ok_and(|size| size == length);
                Ok(same_length && self.read(name, length)?.is_some_and(|found| found == contents))
            }
            _ => Ok(false),
        }
    }

    /// The name under which a file waits beside its place.
    pub fn staged_name(name: &str) -> String {
        format!(".{name}.new")
    }

    /// Writes a file beside its place, durable, under a name that [`Directory::commit`] then puts into place.
    /// Answers the staged name.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn stage(&self, name: &str, contents: &[u8], attributes: Attributes) -> Result<String, FileError> {
        let staged = Self::staged_name(checked(name)?);
        self.remove_file(&staged)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let how = OpenHow::new()
            .flags(flags)
            .mode(Mode::S_IRUSR | Mode::S_IWUSR)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
        let handle = openat2(&self.handle, staged.as_str(), how)
            .map_err(|errno| self.failed("make", &staged, errno))?;
        let mut file = File::from(handle);
        file.write_all(contents).map_err(|error| self.io_failed("write", &staged, error))?;
        attributes.apply(&file).map_err(|errno| self.failed("set up", &staged, errno))?;
        file.sync_all().map_err(|error| self.io_failed("sync", &staged, error))?;
        Ok(staged)
    }

    /// Renames a staged file into place and makes that durable.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn commit(&self, staged: &str, name: &str) -> Result<(), FileError> {
        self.put(staged, name)?;
        self.sync()
    }

    /// Renames a staged file into place; [`Directory::sync`] must follow, once for several files.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn put(&self, staged: &str, name: &str) -> Result<(), FileError> {
        renameat(&self.handle, checked(staged)?, &self.handle, checked(name)?)
            .map_err(|errno| self.failed("replace", name, errno))
    }

    /// A file with exactly these contents and attributes; answers whether it had to be written. Not durable
    /// before [`Directory::sync`].
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write(&self, name: &str, contents: &[u8], attributes: Attributes) -> Result<bool, FileError> {
        if self.holds(name, contents, attributes)? {
            return Ok(false);
        }
        let staged = self.stage(name, contents, attributes)?;
        self.put(&staged, name)?;
        Ok(true)
    }

    /// A link to `target`; answers whether it had to be made. Replaces another link in one step, and nothing
    /// but a link. Not durable before [`Directory::sync`].
    ///
    /// # Errors
    /// If something that is no link is in the place.
    pub fn link(&self, name: &str, target: impl AsRef<Path>) -> Result<bool, FileError> {
        let target = target.as_ref();
        match self.kind(name)? {
            None => {}
            Some(Kind::Link) if self.link_target(name)?.as_deref() == Some(target) => return Ok(false),
            Some(Kind::Link) => {}
            Some(kind) => {
                return Err(FileError::Unexpected {
                    path: self.path.join(name),
                    expected: "a link".to_owned(),
                    found: format!("a {kind:?}").to_lowercase(),
                });
            }
        }
        let staged = Self::staged_name(checked(name)?);
        self.remove_file(&staged)?;
        symlinkat(target, &self.handle, staged.as_str())
            .map_err(|errno| self.failed("link", &staged, errno))?;
        self.put(&staged, name)?;
        Ok(true)
    }

    fn io_failed(&self, action: &'static str, name: &str, source: io::Error) -> FileError {
        FileError::System { action, path: self.path.join(name), source }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::files::Owner;

    fn own(mode: u32) -> Attributes {
        let owner = Owner { uid: nix::unistd::geteuid().as_raw(), gid: nix::unistd::getegid().as_raw() };
        Attributes::new(owner, mode)
    }

    #[test]
    fn a_file_is_written_only_when_it_differs() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(place.path()).expect("a handle");
        assert!(directory.write("a", b"one", own(0o640)).expect("written"));
        assert!(!directory.write("a", b"one", own(0o640)).expect("the same"));
        assert!(directory.write("a", b"two", own(0o640)).expect("written"));
        assert!(directory.write("a", b"two", own(0o600)).expect("another mode"));
        assert_eq!(directory.read("a", 10).expect("read").as_deref(), Some(&b"two"[..]));
        let mode = place.path().join("a").metadata().expect("metadata").permissions().mode();
        assert_eq!((mode & 0o7777, directory.names().expect("names").len()), (0o600, 1));
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_replaced_not_followed() {
        let place = tempfile::tempdir().expect("a directory");
        let victim = place.path().join("victim");
        std::fs::write(&victim, "precious").expect("a file");
        symlink(&victim, place.path().join("a")).expect("a link");
        let directory = Directory::open(place.path()).expect("a handle");
        assert!(directory.read("a", 100).is_err());
        directory.write("a", b"new", own(0o600)).expect("written");
        assert_eq!(std::fs::read_to_string(&victim).expect("read"), "precious");
        assert_eq!(directory.kind("a").expect("a look"), Some(Kind::File));
    }

    #[test]
    fn a_link_planted_at_the_staged_name_is_removed() {
        let place = tempfile::tempdir().expect("a directory");
        let victim = place.path().join("victim");
        std::fs::write(&victim, "precious").expect("a file");
        symlink(&victim, place.path().join(".a.new")).expect("a link");
        let directory = Directory::open(place.path()).expect("a handle");
        directory.write("a", b"new", own(0o600)).expect("written");
        assert_eq!(std::fs::read_to_string(&victim).expect("read"), "precious");
    }

    #[test]
    fn a_link_replaces_only_a_link() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(place.path()).expect("a handle");
        assert!(directory.link("l", "/x").expect("made"));
        assert!(!directory.link("l", "/x").expect("there"));
        assert!(directory.link("l", "/y").expect("changed"));
        assert_eq!(directory.link_target("l").expect("read").as_deref(), Some(Path::new("/y")));
        directory.write("f", b"", own(0o600)).expect("written");
        assert!(directory.link("f", "/x").is_err());
    }
}
