//! The disk itself, without FUSE: files and names in memory, each as it is now and as it is on disk.

mod changing;
mod content;
mod loss;
mod names;
mod node;
mod survival;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::PathBuf,
    time::SystemTime,
};

use nix::errno::Errno;

use crate::faults::Faults;
use content::Content;
pub use loss::{Loss, Temper};
pub(crate) use names::Number;
use names::{Names, Naming};
pub(crate) use node::{Attributes, BLOCK};
use node::{Kind, Node};

/// What a disk holds unless it is told to be smaller.
const ROOMY: u64 = 64 * 1024 * 1024 * 1024;

type Done<T> = Result<T, Errno>;

/// What a new file or directory is made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Making {
    pub(crate) is_directory: bool,
    pub(crate) mode: u16,
    pub(crate) owner: (u32, u32),
}

/// Its blocks: all, and those that are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) blocks: u64,
    pub(crate) free: u64,
}

#[derive(Debug)]
pub(crate) struct Disk {
    nodes: BTreeMap<Number, Node>,
    next: u64,
    /// How much has happened: the place of the next change in the order.
    happened: u64,
    unsynced_names: Vec<Naming>,
    blocks: u64,
    pub(crate) faults: Faults,
}

impl Disk {
    /// An empty one.
    pub(crate) fn empty() -> Self {
        let root = Node {
            kind: Kind::Directory(Names::default()),
            mode: 0o755,
            owner: (0, 0),
            modified: SystemTime::now(),
            place: (Number::ROOT, OsString::new()),
            links: 1,
            opens: 0,
        };
        Self {
            nodes: BTreeMap::from([(Number::ROOT, root)]),
            next: Number::ROOT.0 + 1,
            happened: 0,
            unsynced_names: Vec::new(),
            blocks: ROOMY / BLOCK,
            faults: Faults::default(),
        }
    }

    pub(crate) fn space(&self) -> Space {
        let used = self.nodes.values().map(Node::blocks).sum();
        Space { blocks: self.blocks, free: self.blocks.saturating_sub(used) }
    }

    /// Leaves so many bytes free; `None`: as many as anyone could want.
    pub(crate) fn set_free(&mut self, bytes: Option<u64>) {
        let used = self.nodes.values().map(Node::blocks).sum::<u64>();
        self.blocks = bytes.map_or(ROOMY / BLOCK, |bytes| used + bytes / BLOCK);
    }

    pub(crate) fn attributes(&self, number: Number) -> Done<Attributes> {
        self.faults.power()?;
        Ok(self.node(number)?.attributes())
    }

    pub(crate) fn look_up(&self, directory: Number, name: &OsStr) -> Done<Number> {
        self.faults.power()?;
        self.names(directory)?.now.get(name).copied().ok_or(Errno::ENOENT)
    }

    pub(crate) fn list(&self, directory: Number) -> Done<Vec<(OsString, Number)>> {
        self.faults.power()?;
        Ok(self.names(directory)?.now.iter().map(|(name, number)| (name.clone(), *number)).collect())
    }

    pub(crate) fn read(&self, file: Number, offset: u64, length: usize) -> Done<&[u8]> {
        self.faults.power()?;
        Ok(self.content(file)?.read(index(offset)?, length))
    }

    pub(crate) fn open(&mut self, number: Number) -> Done<()> {
        self.faults.power()?;
        self.node_mut(number)?.opens += 1;
        Ok(())
    }

    pub(crate) fn close(&mut self, number: Number) {
        if let Ok(node) = self.node_mut(number) {
            node.opens = node.opens.saturating_sub(1);
        }
    }

    fn node(&self, number: Number) -> Done<&Node> {
        self.nodes.get(&number).ok_or(Errno::ENOENT)
    }

    fn node_mut(&mut self, number: Number) -> Done<&mut Node> {
        self.nodes.get_mut(&number).ok_or(Errno::ENOENT)
    }

    fn names(&self, number: Number) -> Done<&Names> {
        match &self.node(number)?.kind {
            Kind::Directory(names) => Ok(names),
            Kind::File(_) => Err(Errno::ENOTDIR),
        }
    }

    fn names_mut(&mut self, number: Number) -> Done<&mut Names> {
        match &mut self.node_mut(number)?.kind {
            Kind::Directory(names) => Ok(names),
            Kind::File(_) => Err(Errno::ENOTDIR),
        }
    }

    fn content(&self, number: Number) -> Done<&Content> {
        match &self.node(number)?.kind {
            Kind::File(content) => Ok(content),
            Kind::Directory(_) => Err(Errno::EISDIR),
        }
    }

    fn content_mut(&mut self, number: Number) -> Done<&mut Content> {
        match &mut self.node_mut(number)?.kind {
            Kind::File(content) => Ok(content),
            Kind::Directory(_) => Err(Errno::EISDIR),
        }
    }

    fn path_in(&self, directory: Number, name: &OsStr) -> PathBuf {
        self.path(directory).join(name)
    }

    /// From the root of the disk.
    fn path(&self, mut number: Number) -> PathBuf {
        let mut names = Vec::new();
        while number != Number::ROOT
            && let Ok(node) = self.node(number)
        {
            names.push(node.place.1.clone());
            number = node.place.0;
        }
        names.iter().rev().collect()
    }
}

fn index(offset: u64) -> Done<usize> {
    usize::try_from(offset).map_err(|_| Errno::EFBIG)
}
