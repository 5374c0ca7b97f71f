//! A file or a directory.

use std::{ffi::OsString, time::SystemTime};

use super::{
    content::Content,
    names::{Names, Number},
};

/// Space is taken in blocks of so many bytes.
pub(crate) const BLOCK: u64 = 4096;

#[derive(Debug, Clone)]
pub(super) enum Kind {
    File(Content),
    Directory(Names),
}

/// What is known of a file or directory beside its content.
#[derive(Debug, Clone)]
pub(crate) struct Attributes {
    pub(crate) is_directory: bool,
    pub(crate) length: u64,
    pub(crate) mode: u16,
    pub(crate) owner: (u32, u32),
    pub(crate) modified: SystemTime,
    pub(crate) links: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) mode: u16,
    pub(super) owner: (u32, u32),
    pub(super) modified: SystemTime,
    /// Where it is called what, for messages and patterns.
    pub(super) place: (Number, OsString),
    /// How many names it has.
    pub(super) links: u32,
    /// How often it is open.
    pub(super) opens: u32,
}

impl Node {
    pub(super) fn attributes(&self) -> Attributes {
        let (is_directory, length) = match &self.kind {
            Kind::File(content) => (false, content.length() as u64),
            Kind::Directory(_) => (true, BLOCK),
        };
        let (mode, owner, modified, links) = (self.mode, self.owner, self.modified, self.links);
        Attributes { is_directory, length, mode, owner, modified, links }
    }

    /// The space that it takes.
    pub(super) fn blocks(&self) -> u64 {
        let is_there = self.links > 0 || self.opens > 0;
        if is_there { self.attributes().length.div_ceil(BLOCK) } else { 0 }
    }
}
