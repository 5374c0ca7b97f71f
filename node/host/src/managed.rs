//! What belongs to an object's configuration on this machine, and how it is looked at: wholly, for a preview or
//! to say what differs, or by a glance, for the sweep.

use std::{
    collections::hash_map::DefaultHasher,
    fs::Metadata,
    hash::{Hash, Hasher},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use npanel_model::Uid;

use crate::{Attributes, Directory, FileError, Owner};

/// Something at a path, as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Managed {
    /// Where it is.
    pub path: PathBuf,
    /// What should be there.
    pub should_be: ShouldBe,
}

/// What should be at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShouldBe {
    /// A file with exactly these contents.
    File {
        /// All of them.
        contents: Vec<u8>,
        /// Whose it is.
        attributes: Attributes,
    },
    /// A file whose contents are made on this machine, such as a key.
    Made {
        /// Whose it is.
        attributes: Attributes,
    },
    /// A link.
    Link {
        /// Where it leads.
        target: PathBuf,
    },
    /// A directory; what is in it is not looked at.
    Directory {
        /// Whose it is.
        attributes: Attributes,
    },
    /// A tenant's directory: that it is there and theirs is all that is not theirs to change.
    Tenants {
        /// The account.
        uid: Uid,
    },
    /// A file that a service writes all the time.
    Data {
        /// Whose it is.
        owner: Owner,
    },
    /// A link by which systemd starts something at boot, wherever it leads.
    Enabled,
    /// A socket.
    Socket {
        /// Whose it is.
        owner: Owner,
    },
    /// Nothing.
    Absent,
}

/// How something is not as it should be. Never holds contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differs {
    /// What should be there.
    pub expected: String,
    /// What is there; none if nothing is.
    pub found: Option<String>,
}

/// How something looks at a glance: another print means that it was touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print(u64);

/// How much of a path counts for its print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glance {
    /// All that the file system knows: contents cannot change without it.
    Whole,
    /// Kind, owner and permission bits.
    Frame,
    /// Kind and user.
    Owner,
}

impl Managed {
    /// Something at a path.
    pub fn new(path: impl Into<PathBuf>, should_be: ShouldBe) -> Self {
        Self { path: path.into(), should_be }
    }

    /// A file.
    pub fn file(path: impl Into<PathBuf>, contents: impl Into<Vec<u8>>, attributes: Attributes) -> Self {
        Self::new(path, ShouldBe::File { contents: contents.into(), attributes })
    }

    /// A link.
    pub fn link(path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Self::new(path, ShouldBe::Link { target: target.into() })
    }

    /// A directory.
    pub fn directory(path: impl Into<PathBuf>, attributes: Attributes) -> Self {
        Self::new(path, ShouldBe::Directory { attributes })
    }

    /// How much of it counts at a glance.
    pub fn glance(&self) -> Glance {
        match self.should_be {
            ShouldBe::File { .. }
            | ShouldBe::Made { .. }
            | ShouldBe::Link { .. }
            | ShouldBe::Enabled
            | ShouldBe::Absent
            | ShouldBe::Socket { .. } => Glance::Whole,
            ShouldBe::Directory { .. } => Glance::Frame,
            ShouldBe::Tenants { .. } | ShouldBe::Data { .. } => Glance::Owner,
        }
    }

    /// Looks whether it is as it should be, contents included; none if it is.
    ///
    /// # Errors
    /// If the system refuses to look.
    pub fn differs(&self) -> Result<Option<Differs>, FileError> {
        let expected = self.should_be.words();
        let Some(metadata) = metadata(&self.path)? else {
            if self.should_be == ShouldBe::Absent {
                return Ok(None);
            }
            return Ok(Some(Differs { expected, found: None }));
        };
        let found = self.should_be.is_not(&self.path, &metadata)?;
        Ok(found.map(|found| Differs { expected, found: Some(found) }))
    }
}

impl Glance {
    /// Looks at a path. What cannot be looked at has a print of its own.
    pub fn at(self, path: &Path) -> Print {
        let mut hasher = DefaultHasher::new();
        match path.symlink_metadata() {
            Ok(found) => self.hash(&found, &mut hasher),
            Err(error) => error.raw_os_error().hash(&mut hasher),
        }
        Print(hasher.finish())
    }

    fn hash(self, found: &Metadata, hasher: &mut DefaultHasher) {
        (found.mode() & nix::libc::S_IFMT, found.uid()).hash(hasher);
        if matches!(self, Self::Frame | Self::Whole) {
            (found.mode(), found.gid()).hash(hasher);
        }
        if self == Self::Whole {
            (found.ino(), found.size()).hash(hasher);
            (found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()).hash(hasher);
        }
    }
}

impl ShouldBe {
    fn words(&self) -> String {
        match self {
            Self::File { attributes, .. } | Self::Made { attributes } => {
                format!("a file, {}", attributes_words(*attributes))
            }
            Self::Data { owner } => format!("a file of {}:{}", owner.uid, owner.gid),
            Self::Enabled => "a link".to_owned(),
            Self::Link { target } => format!("a link to {}", target.display()),
            Self::Directory { attributes } => format!("a directory, {}", attributes_words(*attributes)),
            Self::Tenants { uid } => format!("a directory of the user {uid}"),
            Self::Socket { owner } => format!("a socket of {}:{}", owner.uid, owner.gid),
            Self::Absent => "nothing".to_owned(),
        }
    }

    /// What is there instead; none if all is well.
    fn is_not(&self, path: &Path, found: &Metadata) -> Result<Option<String>, FileError> {
        let kind = found.file_type();
        let owner = Owner { uid: found.uid(), gid: found.gid() };
        let attributes = Attributes::new(owner, found.mode() & 0o7777);
        let as_found = || Some(format!("{}, {}", kind_word(found), attributes_words(attributes)));
        Ok(match self {
            Self::File { attributes: wanted, .. } | Self::Made { attributes: wanted }
                if !kind.is_file() || attributes != *wanted =>
            {
                as_found()
            }
            Self::File { contents, attributes } => {
                let same = parent(path)?.holds(name(path), contents, *attributes)?;
                (!same).then(|| "other contents".to_owned())
            }
            Self::Made { .. } => None,
            Self::Link { target } if kind.is_symlink() => {
                let found = parent(path)?.link_target(name(path))?.unwrap_or_default();
                (found != *target).then(|| format!("a link to {}", found.display()))
            }
            Self::Enabled if kind.is_symlink() => None,
            Self::Data { owner: wanted } if kind.is_file() && owner.uid == wanted.uid => None,
            Self::Directory { attributes: wanted } if kind.is_dir() && attributes == *wanted => None,
            Self::Tenants { uid } if kind.is_dir() && owner.uid == uid.get() => None,
            Self::Socket { owner: wanted } if kind.is_socket() && owner == *wanted => None,
            Self::Directory { .. }
            | Self::Link { .. }
            | Self::Enabled
            | Self::Data { .. }
            | Self::Tenants { .. }
            | Self::Socket { .. }
            | Self::Absent => as_found(),
        })
    }
}

fn metadata(path: &Path) -> Result<Option<Metadata>, FileError> {
    match path.symlink_metadata() {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(source) => Err(FileError::System { action: "look at", path: path.to_owned(), source }),
    }
}

fn parent(path: &Path) -> Result<Directory, FileError> {
    Directory::open(path.parent().unwrap_or(Path::new("/")))
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn attributes_words(attributes: Attributes) -> String {
    format!("mode {:04o} of {}:{}", attributes.mode, attributes.owner.uid, attributes.owner.gid)
}

fn kind_word(found: &Metadata) -> &'static str {
    let kind = found.file_type();
    match () {
        () if kind.is_dir() => "a directory",
        () if kind.is_symlink() => "a link",
        () if kind.is_file() => "a file",
        () => "something else",
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;

    fn own(mode: u32) -> Attributes {
        let owner = Owner { uid: nix::unistd::geteuid().as_raw(), gid: nix::unistd::getegid().as_raw() };
        Attributes::new(owner, mode)
    }

    /// A file as it should be, in a place of its own.
    fn file() -> (tempfile::TempDir, Managed) {
        let place = tempfile::tempdir().expect("a directory");
        let managed = Managed::file(place.path().join("a"), "one", own(0o640));
        Directory::open(place.path()).expect("a handle").write("a", b"one", own(0o640)).expect("written");
        (place, managed)
    }

    fn found(managed: &Managed) -> Option<String> {
        managed.differs().expect("a look").map(|differs| differs.found.unwrap_or("nothing".to_owned()))
    }

    #[test]
    fn every_way_of_touching_a_file_shows_at_a_glance() {
        type Touch = fn(&Path);
        let touches: [(&str, Touch); 5] = [
            ("other contents", |path| fs::write(path, "two").expect("written")),
            ("nothing", |path| fs::remove_file(path).expect("removed")),
            ("mode 0666", |path| {
                fs::set_permissions(path, fs::Permissions::from_mode(0o666)).expect("set");
            }),
            ("a link", |path| {
                fs::remove_file(path).expect("removed");
                symlink("/etc/passwd", path).expect("a link");
            }),
            ("a directory", |path| {
                fs::remove_file(path).expect("removed");
                fs::create_dir(path).expect("made");
            }),
        ];
        for (words, touch) in touches {
            let (_place, managed) = file();
            let before = managed.glance().at(&managed.path);
            assert_eq!(found(&managed), None);
            touch(&managed.path);
            assert_ne!(managed.glance().at(&managed.path), before, "{words}");
            assert!(found(&managed).expect("a difference").contains(words), "{words}");
        }
    }

    #[test]
    fn what_should_not_be_there_is_a_difference_when_it_is() {
        let (place, managed) = file();
        let absent = |name: &str| Managed::new(place.path().join(name), ShouldBe::Absent);
        assert_eq!(found(&absent("b")), None);
        assert!(found(&Managed::new(managed.path, ShouldBe::Absent)).is_some());
    }

    #[test]
    fn the_same_length_and_time_hide_no_change() {
        let (_place, managed) = file();
        let before = managed.glance().at(&managed.path);
        let time = managed.path.metadata().expect("metadata").modified().expect("a time");
        fs::write(&managed.path, "eno").expect("written");
        fs::File::options().write(true).open(&managed.path).expect("opened").set_modified(time).expect("set");
        assert_ne!(managed.glance().at(&managed.path), before);
    }

    #[test]
    fn what_a_tenant_does_in_its_directory_is_its_own() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = place.path().join("web");
        fs::create_dir(&directory).expect("made");
        let before = Glance::Owner.at(&directory);
        fs::write(directory.join("index.php"), "mine").expect("written");
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).expect("set");
        assert_eq!(Glance::Owner.at(&directory), before);
        assert_ne!(Glance::Frame.at(&directory), before);
    }

    #[test]
    fn contents_are_never_repeated() {
        let (_place, managed) = file();
        fs::write(&managed.path, "secret").expect("written");
        let differs = managed.differs().expect("a look").expect("a difference");
        assert!(!format!("{differs:?}").contains("secret") && !format!("{differs:?}").contains("one"));
    }
}
