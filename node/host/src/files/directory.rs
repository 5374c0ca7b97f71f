//! Directory handles.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, RenameFlags, ResolveFlag, openat2, readlinkat, renameat2},
    sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, mkdirat},
    unistd::{Gid, Uid, UnlinkatFlags, fchown, fsync, unlinkat},
};

use super::FileError;

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl Owner {
    /// root:root.
    pub const ROOT: Owner = Owner { uid: 0, gid: 0 };

    /// root and a group.
    pub fn root_and(gid: u32) -> Self {
        Self { uid: 0, gid }
    }

    /// An account and its own group.
    pub fn account(uid: npanel_model::Uid) -> Self {
        Self { uid: uid.get(), gid: uid.get() }
    }
}

/// Whose a file is, and who may do what with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// Whose it is.
    pub owner: Owner,
    /// The permission bits.
    pub mode: u32,
}

impl Attributes {
    /// An owner and permission bits.
    pub fn new(owner: Owner, mode: u32) -> Self {
        Self { owner, mode }
    }

    pub(super) fn mode(self) -> Mode {
        Mode::from_bits_truncate(self.mode)
    }

    pub(super) fn are_of(self, stat: &FileStat) -> bool {
        stat.st_uid == self.owner.uid && stat.st_gid == self.owner.gid && stat.st_mode & 0o7777 == self.mode
    }

    pub(super) fn apply(self, handle: impl AsFd + Copy) -> nix::Result<()> {
        fchown(handle, Some(Uid::from_raw(self.owner.uid)), Some(Gid::from_raw(self.owner.gid)))?;
        // After the owner: changing it clears the set-group-id bit.
        fchmod(handle, self.mode())
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// An ordinary file.
    File,
    /// A symbolic link.
    Link,
    /// A socket, device, pipe.
    Other,
}

impl Kind {
    pub(super) fn of(stat: &FileStat) -> Self {
        match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFDIR => Self::Directory,
            SFlag::S_IFREG => Self::File,
            SFlag::S_IFLNK => Self::Link,
            _ => Self::Other,
        }
    }
}

/// An open directory. Names given to it are single components: it cannot be led elsewhere.
#[derive(Debug)]
pub struct Directory {
    pub(super) handle: OwnedFd,
    pub(super) path: PathBuf,
}

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

impl Directory {
    /// Opens a directory by its absolute path, which root alone decides (links in it are the
    /// administrator's, and followed).
    ///
    /// # Errors
    /// If it is not there or no directory.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref().to_owned();
        let handle = openat2(AT_FDCWD, &path, OpenHow::new().flags(DIRECTORY))
            .map_err(|errno| FileError::system("open", path.clone(), errno))?;
        Ok(Self { handle, path })
    }

    /// Where it was when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory in this one.
    ///
    /// # Errors
    /// If it is not there, no directory, or a link.
    pub fn descend(&self, name: &str) -> Result<Self, FileError> {
        let handle = self.open_beneath(name, DIRECTORY).map_err(|errno| self.failed("open", name, errno))?;
        Ok(Self { handle, path: self.path.join(checked(name)?) })
    }

    /// A directory in this one with these attributes, made if it is not there. Its contents are left alone.
    /// Also answers whether anything was changed.
    ///
    /// # Errors
    /// If something else is there: a link, a file, or a directory of another owner, which is never taken over.
    pub fn ensure(&self, name: &str, attributes: Attributes) -> Result<(Self, bool), FileError> {
        match mkdirat(&self.handle, checked(name)?, Mode::S_IRWXU) {
            Ok(()) => {
                let made = self.descend(name)?;
                attributes.apply(&made.handle).map_err(|errno| self.failed("set up", name, errno))?;
                return Ok((made, true));
            }
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(self.failed("make", name, errno)),
        }
        let there = self.descend(name)?;
        let stat = fstat(&there.handle).map_err(|errno| self.failed("look at", name, errno))?;
        if stat.st_uid != attributes.owner.uid {
            return Err(FileError::Unexpected {
                path: there.path,
                expected: format!("a directory of the user {}", attributes.owner.uid),
                found: format!("one of the user {}", stat.st_uid),
            });
        }
        let differs = !attributes.are_of(&stat);
        if differs {
            attributes.apply(&there.handle).map_err(|errno| self.failed("set up", name, errno))?;
        }
        Ok((there, differs))
    }

    /// As [`Directory::ensure`], whoever owns what is there: for directories in trees that only root can enter,
    /// where nobody else can have made one.
    ///
    /// # Errors
    /// If something else than a directory is there.
    pub fn own(&self, name: &str, attributes: Attributes) -> Result<(Self, bool), FileError> {
        if let Some(owner) = self.owner(name)?.filter(|owner| *owner != attributes.owner) {
            self.take_back(name, owner.uid, attributes)?;
            return Ok((self.ensure(name, attributes)?.0, true));
        }
        self.ensure(name, attributes)
    }

    /// Gives a directory in this one these attributes if it is the user `from`'s; answers whether it was. For
    /// what can only have been given away by root.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn take_back(&self, name: &str, from: u32, attributes: Attributes) -> Result<bool, FileError> {
        match self.stat(name)? {
            Some(stat) if Kind::of(&stat) == Kind::Directory && stat.st_uid == from => {}
            _ => return Ok(false),
        }
        let there = self.descend(name)?;
        let stat = fstat(&there.handle).map_err(|errno| self.failed("look at", name, errno))?;
        if stat.st_uid == from {
            there.set(attributes)?;
        }
        Ok(stat.st_uid == from)
    }

    /// Gives the directory itself these attributes.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn set(&self, attributes: Attributes) -> Result<(), FileError> {
        attributes.apply(&self.handle).map_err(|errno| FileError::system("set up", self.path.clone(), errno))
    }

    /// What `name` stands for; none if nothing does.
    ///
    /// # Errors
    /// If the system refuses to look.
    pub fn kind(&self, name: &str) -> Result<Option<Kind>, FileError> {
        Ok(self.stat(name)?.as_ref().map(Kind::of))
    }

    /// Whose `name` is; none if it is not there.
    ///
    /// # Errors
    /// If the system refuses to look.
    pub fn owner(&self, name: &str) -> Result<Option<Owner>, FileError> {
        Ok(self.stat(name)?.map(|stat| Owner { uid: stat.st_uid, gid: stat.st_gid }))
    }

    pub(super) fn stat(&self, name: &str) -> Result<Option<FileStat>, FileError> {
        match fstatat(&self.handle, checked(name)?, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(self.failed("look at", name, errno)),
        }
    }

    /// Where the link `name` leads; none if there is none.
    ///
    /// # Errors
    /// If it is no link.
    pub fn link_target(&self, name: &str) -> Result<Option<PathBuf>, FileError> {
        match readlinkat(&self.handle, checked(name)?) {
            Ok(target) => Ok(Some(target.into())),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(self.failed("read the link", name, errno)),
        }
    }

    /// The names in it, in no order. Names that are not UTF-8 are left out: none of ours is such.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn names(&self) -> Result<Vec<String>, FileError> {
        let failed = |errno| FileError::system("list", self.path.clone(), errno);
        let again = openat2(&self.handle, ".", OpenHow::new().flags(DIRECTORY)).map_err(failed)?;
        let mut names = Vec::new();
        for entry in Dir::from_fd(again).map_err(failed)?.iter() {
            match entry.map_err(failed)?.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        Ok(names)
    }

    /// Removes a file or link; answers whether it was there.
    ///
    /// # Errors
    /// If it is a directory, or the system refuses.
    pub fn remove_file(&self, name: &str) -> Result<bool, FileError> {
        match unlinkat(&self.handle, checked(name)?, UnlinkatFlags::NoRemoveDir) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(self.failed("remove", name, errno)),
        }
    }

    /// Moves `name` to `new` in another directory, where nothing may be yet.
    ///
    /// # Errors
    /// If something is there already, or on another file system.
    pub fn move_to(&self, name: &str, other: &Directory, new: &str) -> Result<(), FileError> {
        renameat2(&self.handle, checked(name)?, &other.handle, checked(new)?, RenameFlags::RENAME_NOREPLACE)
            .map_err(|errno| self.failed("move", name, errno))
    }

    /// Makes the names in it durable.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn sync(&self) -> Result<(), FileError> {
        fsync(&self.handle).map_err(|errno| FileError::system("sync", self.path.clone(), errno))
    }

    pub(super) fn open_beneath(&self, name: &str, flags: OFlag) -> nix::Result<OwnedFd> {
        let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
        openat2(&self.handle, name, OpenHow::new().flags(flags).resolve(resolve))
    }

    pub(super) fn failed(&self, action: &'static str, name: &str, errno: Errno) -> FileError {
        FileError::system(action, self.path.join(name), errno)
    }
}

/// A single component, which is not the directory itself or its parent.
pub(super) fn checked(name: &str) -> Result<&str, FileError> {
    if name.is_empty() || matches!(name, "." | "..") || name.contains(['/', '\0']) {
        Err(FileError::Name(name.chars().take(100).collect()))
    } else {
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn own(mode: u32) -> Attributes {
        let owner = Owner { uid: nix::unistd::geteuid().as_raw(), gid: nix::unistd::getegid().as_raw() };
        Attributes::new(owner, mode)
    }

    #[test]
    fn a_link_in_the_place_of_a_directory_is_not_followed() {
        let outside = tempfile::tempdir().expect("a directory");
        let inside = tempfile::tempdir().expect("a directory");
        symlink(outside.path(), inside.path().join("web")).expect("a link");
        let directory = Directory::open(inside.path()).expect("a handle");
        assert!(directory.descend("web").is_err());
        assert!(directory.ensure("web", own(0o755)).is_err());
        assert_eq!(directory.kind("web").expect("a look"), Some(Kind::Link));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(place.path()).expect("a handle");
        for name in ["", ".", "..", "a/b", "/etc", "../x", "a\0b"] {
            assert!(directory.ensure(name, own(0o700)).is_err(), "{name:?}");
            assert!(directory.stat(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_directory_is_made_once_and_mended_when_its_mode_differs() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(place.path()).expect("a handle");
        assert!(directory.ensure("a", own(0o2750)).expect("made").1);
        assert!(!directory.ensure("a", own(0o2750)).expect("there").1);
        assert!(directory.ensure("a", own(0o711)).expect("mended").1);
        let stat = directory.stat("a").expect("a look").expect("there");
        assert_eq!(stat.st_mode & 0o7777, 0o711);
    }

    #[test]
    fn a_move_never_replaces() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(place.path()).expect("a handle");
        directory.ensure("a", own(0o700)).expect("made");
        directory.ensure("b", own(0o700)).expect("made");
        assert!(directory.move_to("a", &directory, "b").is_err());
        directory.move_to("a", &directory, "c").expect("moved");
        assert_eq!(directory.kind("a").expect("a look"), None);
    }
}
