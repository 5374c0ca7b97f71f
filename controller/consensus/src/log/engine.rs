//! Writing the log: one owner, one change at a time, each on disk when it returns.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use super::{
    disk::{Blocks, Directory},
    frame::{self, FRAME_HEADER, FrameHeader, Kind, SEGMENT_HEADER, SegmentHeader},
    index::{Index, Place},
    kept::{self, Kept},
    recover::{Active, Unusable, recover},
    segment::{self, Segment},
};
use crate::{
    bug,
    types::{LogId, Vote},
};

/// The next segment's file, made ahead so that no write waits for its zeros.
pub(super) const SPARE: &str = "spare";

/// A segment's size: some ten thousand entries. Purging goes by whole segments.
pub(super) const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;

/// A change is not on disk.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Failure {
    /// Nothing was written: it may be tried again.
    #[error("there is no space left for the raft log")]
    Full,
    /// Whether it is on disk is unknown: never write after that.
    #[error("the raft log cannot be written: {0}")]
    Broken(String),
    #[error("the raft log's thread has stopped")]
    Stopped,
}

fn broken(error: &io::Error) -> Failure {
    Failure::Broken(error.to_string())
}

fn unless_full(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Failure::Full,
        _ => broken(error),
    }
}

/// Entries that wait to be written: the first one's index, and all of them as pushed records.
#[derive(Debug, Default)]
pub(super) struct Batch {
    index: u64,
    pub(super) body: Vec<u8>,
    count: u32,
}

impl Batch {
    /// The last entry's index, if there is one.
    pub(super) fn last(&self) -> Option<u64> {
        (self.count > 0).then(|| self.index + u64::from(self.count) - 1)
    }

    /// Adds an entry, which follows the one that was added before.
    pub(super) fn push(&mut self, index: u64, entry: &[u8]) {
        if self.count == 0 {
            self.index = index;
        }
        frame::push_record(&mut self.body, entry);
        self.count += 1;
    }
}

/// Whether the next segment is made by a thread while this one is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spare {
    Ahead,
    #[cfg_attr(not(test), expect(dead_code, reason = "for file systems that count every step"))]
    WhenNeeded,
}

type Shared<F> = Arc<Mutex<Index<F>>>;

/// The one that writes. What others may see is in the index.
pub(super) struct Engine<D: Directory> {
    directory: D,
    index: Shared<D::File>,
    active: Option<Active<D::File>>,
    sequence: u64,
    segment_bytes: u64,
    spare: Spare,
    being_made: Option<JoinHandle<io::Result<D::File>>>,
    failed: Option<Failure>,
}

pub(super) fn lock<F>(index: &Mutex<Index<F>>) -> MutexGuard<'_, Index<F>> {
    // Every change leaves the index whole.
    index.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make_spare<D: Directory>(directory: &D, size: u64) -> io::Result<D::File> {
    let file = directory.create(SPARE, size)?;
    file.sync()?;
    // Its name, too: it is renamed next, and must not be another file that had the name.
    directory.sync()?;
    Ok(file)
}

impl<D: Directory + Clone> Engine<D> {
    pub(super) fn open(directory: D, segment_bytes: u64, spare: Spare) -> Result<Self, Unusable> {
        let found = recover(&directory)?;
        let (index, active, sequence) = (Arc::new(Mutex::new(found.index)), found.active, found.sequence);
        Ok(Self { directory, index, active, sequence, segment_bytes, spare, being_made: None, failed: None })
    }

    pub(super) fn index(&self) -> Shared<D::File> {
        Arc::clone(&self.index)
    }

    /// Adds entries that follow the last one; one sync for all of them.
    pub(super) fn append(&mut self, batches: &[Batch]) -> Result<(), Failure> {
        let Some(first) = batches.iter().find(|batch| batch.count > 0) else { return Ok(()) };
        let body: Vec<u8> = batches.iter().flat_map(|batch| &batch.body).copied().collect();
        let length = u32::try_from(body.len()).map_err(|error| Failure::Broken(error.to_string()))?;
        let count = batches.iter().map(|batch| batch.count).sum();
        let (kind, sequence, index) = (Kind::Append, self.sequence, first.index);
        self.write(FrameHeader { kind, sequence, index, body: length, count }, &body)
    }

    /// Takes back the entries from an index on.
    pub(super) fn truncate(&mut self, from: u64) -> Result<(), Failure> {
        let (kind, sequence) = (Kind::Truncate, self.sequence);
        self.write(FrameHeader { kind, sequence, index: from, body: 0, count: 0 }, &[])?;
        lock(&self.index).truncate(from);
        Ok(())
    }

    /// Lets the entries up to this one go.
    pub(super) fn purge(&mut self, upto: LogId) -> Result<(), Failure> {
        if lock(&self.index).kept.purged.is_some_and(|purged| purged >= upto) {
            return Ok(());
        }
        self.keep(|kept| kept.purged = Some(upto))?;
        let active = self.active.as_ref().map(|active| active.segment.header.number);
        let gone = {
            let mut index = lock(&self.index);
            index.purge(upto);
            let needed = index.oldest_needed().or(active).unwrap_or(0);
            let later = index.segments.split_off(&needed);
            std::mem::replace(&mut index.segments, later)
        };
        let removed = gone.keys().try_for_each(|number| self.directory.remove(&segment::name(*number)));
        removed.and_then(|()| self.directory.sync()).map_err(|error| self.fail(broken(&error)))
    }

    pub(super) fn save_vote(&mut self, vote: Vote) -> Result<(), Failure> {
        self.keep(|kept| kept.vote = Some(vote))
    }

    fn keep(&mut self, change: impl FnOnce(&mut Kept)) -> Result<(), Failure> {
        self.go_on()?;
        let mut kept = lock(&self.index).kept.clone();
        change(&mut kept);
        kept::write(&self.directory, &kept).map_err(|error| self.fail(unless_full(&error)))?;
        // How far the log is purged is noted with the entries' going.
        let purged = lock(&self.index).kept.purged;
        lock(&self.index).kept = Kept { purged, ..kept };
        Ok(())
    }

    fn go_on(&self) -> Result<(), Failure> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Remembers a failure after which nothing may be written.
    fn fail(&mut self, failure: Failure) -> Failure {
        if matches!(failure, Failure::Broken(_)) {
            self.failed = Some(failure.clone());
        }
        failure
    }

    fn write(&mut self, header: FrameHeader, body: &[u8]) -> Result<(), Failure> {
        self.go_on()?;
        let length = header.length() as u64;
        self.make_room(length)?;
        let written = self.write_frame(&header, body);
        let place = written.map_err(|error| self.fail(broken(&error)))?;
        self.sequence += 1;
        self.note_places(&header, body, place);
        self.make_spare_ahead();
        Ok(())
    }

    /// Writes the frame, and the mark behind it once it is synced. Returns its segment and offset.
    fn write_frame(&mut self, header: &FrameHeader, body: &[u8]) -> io::Result<(u64, u64)> {
        let active = self.active.as_mut().expect("room was made");
        let (file, salt, offset) = (&active.segment.file, active.segment.header.salt, active.end);
        file.write_at(offset, &frame::seal(salt, *header, body))?;
        if !bug::is_in("log::ack_before_sync") {
            file.sync()?;
        }
        active.end += header.length() as u64;
        file.write_at(active.end, &FrameHeader::mark(header.sequence + 1).encode(salt))?;
        Ok((active.segment.header.number, offset))
    }

    fn note_places(&self, header: &FrameHeader, body: &[u8], (segment, frame_at): (u64, u64)) {
        let mut index = lock(&self.index);
        let (mut at, purged) = (0, index.kept.purged.map(|id| id.index));
        for entry in (header.index..).take(header.count as usize) {
            let length = frame::pushed_length(&body[at..]);
            let offset = frame_at + (FRAME_HEADER + at) as u64;
            if purged.is_none_or(|purged| entry > purged) {
                index.place(entry, Place { segment, offset, length });
            }
            at += length as usize;
        }
        index.shrink();
    }

    /// Sees to a segment in which a frame of this length has room, with a mark behind it.
    fn make_room(&mut self, length: u64) -> Result<(), Failure> {
        let has_room = |active: &Active<D::File>| {
            let needed = active.end + length + FRAME_HEADER as u64;
            // A frame that is longer than a segment makes its segment longer.
            needed <= active.segment.header.size || active.end == SEGMENT_HEADER as u64
        };
        if self.active.as_ref().is_some_and(has_room) {
            return Ok(());
        }
        let made = match self.being_made.take() {
            Some(maker) => maker.join().unwrap_or_else(|_| Err(io::Error::other("a panic"))),
            None => make_spare(&self.directory, self.segment_bytes),
        };
        let file = made.map_err(|error| self.fail(unless_full(&error)))?;
        let number = lock(&self.index).kept.newest + 1;
        let salt = fastrand::u64(..);
        let header = SegmentHeader { number, salt, sequence: self.sequence, size: self.segment_bytes };
        self.begin(&header, &file).map_err(|error| self.fail(broken(&error)))?;
        self.keep(|kept| kept.newest = number)?;
        let segment = Arc::new(Segment { header, file });
        lock(&self.index).segments.insert(number, Arc::clone(&segment));
        self.active = Some(Active { segment, end: SEGMENT_HEADER as u64 });
        Ok(())
    }

    fn begin(&self, header: &SegmentHeader, file: &D::File) -> io::Result<()> {
        file.write_at(0, &header.encode())?;
        file.sync()?;
        self.directory.rename(SPARE, &segment::name(header.number))?;
        self.directory.sync()
    }

    fn make_spare_ahead(&mut self) {
        let is_half_full = |active: &Active<D::File>| active.end > active.segment.header.size / 2;
        let is_due = self.being_made.is_none() && self.active.as_ref().is_some_and(is_half_full);
        if self.spare == Spare::Ahead && is_due {
            let (directory, size) = (self.directory.clone(), self.segment_bytes);
            let make = move || make_spare(&directory, size);
            // Without the thread it is made when it is needed.
            self.being_made = std::thread::Builder::new().name("raft-log-spare".to_owned()).spawn(make).ok();
        }
    }
}
