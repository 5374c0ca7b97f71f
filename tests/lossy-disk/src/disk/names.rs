//! Directories: names as they are looked up, as they are on disk, and the changes in between.

use std::{collections::BTreeMap, ffi::OsString, fmt};

/// A file's or directory's number; none is ever used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(pub(crate) u64);

impl Number {
    pub(crate) const ROOT: Self = Self(1);
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A directory's names.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) now: BTreeMap<OsString, Number>,
    pub(super) on_disk: BTreeMap<OsString, Number>,
}

/// One name in one directory, and what it is from now on; `None`: nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) directory: Number,
    pub(super) name: OsString,
    pub(super) is: Option<Number>,
}

/// A change of names that is on disk wholly or not at all: a rename has two.
#[derive(Debug, Clone)]
pub(super) struct Naming {
    /// Its place in the order of everything that happened to the disk.
    pub(super) at: u64,
    /// For people.
    pub(super) said: String,
    pub(super) entries: Vec<Entry>,
}

impl Naming {
    fn touches(&self, directory: Number) -> bool {
        self.entries.iter().any(|entry| entry.directory == directory)
    }

    fn shares_a_name(&self, other: &Self) -> bool {
        let same = |one: &Entry, two: &Entry| one.directory == two.directory && one.name == two.name;
        self.entries.iter().any(|one| other.entries.iter().any(|two| same(one, two)))
    }
}

/// Takes out what a sync of the directory brings to disk: its own changes, and what came before them to the same names.
pub(super) fn take_synced(unsynced: &mut Vec<Naming>, directory: Number) -> Vec<Naming> {
    let (mut synced, mut left): (Vec<Naming>, Vec<Naming>) = (Vec::new(), Vec::new());
    for naming in std::mem::take(unsynced).into_iter().rev() {
        if naming.touches(directory) || synced.iter().any(|later| later.shares_a_name(&naming)) {
            synced.push(naming);
        } else {
            left.push(naming);
        }
    }
    left.reverse();
    synced.reverse();
    *unsynced = left;
    synced
}
