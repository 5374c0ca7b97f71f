//! What is in a file: as it is read, as it is on disk, and the changes in between.

use super::loss::{Draw, Lost};

/// A disk writes so many bytes wholly or not at all.
pub(super) const SECTOR: usize = 512;

/// More than so many unsynced bytes of one file do not wait for a sync: the older half goes to disk by itself, as a kernel does with
/// what is old.
const MOST_UNSYNCED: usize = 32 * 1024 * 1024;

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Resize { length: usize },
}

impl Change {
    fn length(&self) -> usize {
        match self {
            Self::Write { bytes, .. } => bytes.len(),
            Self::Resize { .. } => 0,
        }
    }
}

/// A file's bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    now: Vec<u8>,
    on_disk: Vec<u8>,
    /// Each with its place in the order of everything that happened to the disk.
    unsynced: Vec<(u64, Change)>,
    unsynced_bytes: usize,
}

fn put(bytes: &mut Vec<u8>, offset: usize, piece: &[u8]) {
    let end = offset + piece.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(piece);
}

/// The pieces of a write that go to disk each by itself.
fn sectors(offset: usize, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let (mut at, mut rest) = (offset, bytes);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, later) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
        let here = at;
        at += piece.len();
        rest = later;
        Some((here, piece))
    })
}

impl Content {
    pub(super) fn length(&self) -> usize {
        self.now.len()
    }

    /// What there is of a range.
    pub(super) fn read(&self, offset: usize, length: usize) -> &[u8] {
        let start = offset.min(self.now.len());
        &self.now[start..self.now.len().min(start + length)]
    }

    pub(super) fn write(&mut self, at: u64, offset: usize, bytes: &[u8]) {
        put(&mut self.now, offset, bytes);
        self.change(at, Change::Write { offset, bytes: bytes.to_vec() });
    }

    pub(super) fn resize(&mut self, at: u64, length: usize) {
        self.now.resize(length, 0);
        self.change(at, Change::Resize { length });
    }

    fn change(&mut self, at: u64, change: Change) {
        self.unsynced_bytes += change.length();
        self.unsynced.push((at, change));
        if self.unsynced_bytes > MOST_UNSYNCED {
            let older: Vec<_> = self.unsynced.drain(..self.unsynced.len().div_ceil(2)).collect();
            for (_, change) in older {
                self.unsynced_bytes -= change.length();
                self.settle(&change);
            }
        }
    }

    fn settle(&mut self, change: &Change) {
        match change {
            Change::Write { offset, bytes } => put(&mut self.on_disk, *offset, bytes),
            Change::Resize { length } => self.on_disk.resize(*length, 0),
        }
    }

    /// Everything is on disk, but for what an earlier sync gave up.
    pub(super) fn sync(&mut self) {
        for (_, change) in std::mem::take(&mut self.unsynced) {
            self.settle(&change);
        }
        self.unsynced_bytes = 0;
        self.on_disk.resize(self.now.len(), 0);
    }

    /// A sync that failed: what it should have brought to disk is read from memory from here on, and never written.
    pub(super) fn give_up(&mut self) {
        self.unsynced.clear();
        self.unsynced_bytes = 0;
    }

    /// The file as it is found when the power is back.
    pub(super) fn survivor(mut self, draw: &mut Draw<'_>, lost: &mut Lost) -> Self {
        let longest = self.now.len();
        for (at, change) in std::mem::take(&mut self.unsynced) {
            match &change {
                Change::Resize { .. } if draw.keeps(at) => self.settle(&change),
                Change::Resize { .. } => lost.pieces += 1,
                Change::Write { offset, bytes } => {
                    for (offset, piece) in sectors(*offset, bytes) {
                        if draw.keeps_piece(at) {
                            put(&mut self.on_disk, offset, piece);
                        } else {
                            lost.pieces += 1;
                        }
                    }
                }
            }
        }
        // A length may be on disk before the bytes that it came with.
        if lost.pieces > 0 && self.on_disk.len() < longest && draw.keeps_length() {
            self.on_disk.resize(longest, 0);
        }
        Self::on_disk(self.on_disk)
    }

    fn on_disk(on_disk: Vec<u8>) -> Self {
        Self { now: on_disk.clone(), on_disk, ..Self::default() }
    }
}
