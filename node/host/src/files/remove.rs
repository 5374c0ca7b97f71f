//! Removing a tree that a tenant has filled.

use nix::{
    dir::{Dir, Type},
    errno::Errno,
    fcntl::{AtFlags, OFlag, OpenHow, RenameFlags, ResolveFlag, openat2, renameat2},
    sys::stat::fstatat,
    unistd::{UnlinkatFlags, unlinkat},
};
use std::{ffi::CString, os::fd::OwnedFd};

use super::{Directory, FileError, Kind, directory::checked};

/// How deep directories are entered before they are moved up to the top: a handle is held per level, and a
/// tenant can nest as deep as it likes.
const MAX_DEPTH: usize = 32;

impl Directory {
    /// Removes `name` and everything in it, without following a link or leaving it. Answers whether it was
    /// there. Nobody may be writing in it any more; if someone does, it fails and can be repeated.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn remove_tree(&self, name: &str) -> Result<bool, FileError> {
        let failed = |errno| self.failed("remove", name, errno);
        let plain = CString::new(checked(name)?).map_err(|_| FileError::Name(name.to_owned()))?;
        match self.kind(name)? {
            None => return Ok(false),
            Some(Kind::Directory) => {}
            Some(_) => return self.remove_file(name),
        }
        let mut top = enter(&self.handle, &plain).map_err(failed)?;
        let mut moved = 0_u64;
        // Directories that were too deep come to the top and are removed in the next round.
        loop {
            let before = moved;
            empty(&mut top, None, 0, &mut moved).map_err(failed)?;
            if moved == before {
                break;
            }
        }
        unlinkat(&self.handle, plain.as_c_str(), UnlinkatFlags::RemoveDir).map_err(failed)?;
        Ok(true)
    }
}

fn enter<Fd: std::os::fd::AsFd>(parent: Fd, name: &CString) -> nix::Result<Dir> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let resolve =
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV;
    let handle: OwnedFd = openat2(parent, name.as_c_str(), OpenHow::new().flags(flags).resolve(resolve))?;
    Dir::from_fd(handle)
}

/// Empties a directory. `top` is the uppermost one, none if this is it.
fn empty(directory: &mut Dir, top: Option<&Dir>, depth: usize, moved: &mut u64) -> nix::Result<()> {
    let entries = directory
        .iter()
        .map(|entry| entry.map(|entry| (entry.file_name().to_owned(), entry.file_type())))
        .collect::<nix::Result<Vec<_>>>()?;
    for (name, kind) in entries {
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if !is_directory(directory, &name, kind)? {
            unlinkat(&*directory, name.as_c_str(), UnlinkatFlags::NoRemoveDir)?;
        } else if let Some(top) = top.filter(|_| depth >= MAX_DEPTH) {
            lift(directory, &name, top, moved)?;
        } else {
            let mut inner = enter(&*directory, &name)?;
            empty(&mut inner, Some(top.unwrap_or(directory)), depth + 1, moved)?;
            drop(inner);
            unlinkat(&*directory, name.as_c_str(), UnlinkatFlags::RemoveDir)?;
        }
    }
    Ok(())
}

fn is_directory(parent: &Dir, name: &CString, kind: Option<Type>) -> nix::Result<bool> {
    match kind {
        Some(kind) => Ok(kind == Type::Directory),
        None => {
            Ok(Kind::of(&fstatat(parent, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?) == Kind::Directory)
        }
    }
}

/// Moves a directory up to the top, under a name that is free there.
fn lift(parent: &Dir, name: &CString, top: &Dir, moved: &mut u64) -> nix::Result<()> {
    loop {
        *moved += 1;
        let lifted = format!(".lifted-{moved}");
        let flags = RenameFlags::RENAME_NOREPLACE;
        match renameat2(parent, name.as_c_str(), top, lifted.as_str(), flags) {
            Err(Errno::EEXIST) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_removed_not_followed() {
        let place = tempfile::tempdir().expect("a directory");
        let precious = place.path().join("precious");
        std::fs::create_dir(&precious).expect("a directory");
        std::fs::write(precious.join("file"), "x").expect("a file");
        let home = place.path().join("home");
        std::fs::create_dir_all(home.join("web/site")).expect("directories");
        symlink(&precious, home.join("web/site/link")).expect("a link");
        symlink(precious.join("file"), home.join("f")).expect("a link");
        let directory = Directory::open(place.path()).expect("a handle");
        assert!(directory.remove_tree("home").expect("removed"));
        assert!(!directory.remove_tree("home").expect("gone already"));
        assert!(precious.join("file").exists());
    }

    #[test]
    fn a_link_in_place_of_the_tree_is_removed_itself() {
        let place = tempfile::tempdir().expect("a directory");
        let precious = place.path().join("precious");
        std::fs::create_dir(&precious).expect("a directory");
        symlink(&precious, place.path().join("home")).expect("a link");
        let directory = Directory::open(place.path()).expect("a handle");
        assert!(directory.remove_tree("home").expect("removed"));
        assert!(precious.exists());
    }

    #[test]
    fn any_depth_is_removed() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(place.path()).expect("a handle");
        let attributes = |directory: &Directory| {
            let stat = nix::sys::stat::fstat(&directory.handle).expect("a look");
            crate::Attributes::new(crate::Owner { uid: stat.st_uid, gid: stat.st_gid }, 0o700)
        };
        let own = attributes(&directory);
        let (mut inner, _) = directory.ensure("home", own).expect("made");
        for _ in 0..MAX_DEPTH * 6 {
            inner = inner.ensure("d", own).expect("made").0;
        }
        drop(inner);
        assert!(directory.remove_tree("home").expect("removed"));
        assert_eq!(directory.names().expect("names"), Vec::<String>::new());
    }
}
