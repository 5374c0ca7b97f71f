//! The log as it is in memory: where each entry is on disk, and the newest ones themselves.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    sync::Arc,
};

use super::{kept::Kept, segment::Segment};
use crate::{
    encoding::decode_entry,
    types::{Entry, LogId},
};

/// Entries of so many bytes on disk stay in memory. Followers and the state are seldom further behind.
const CACHED_BYTES: usize = 16 * 1024 * 1024;

/// Where an entry is on disk: segment, offset and length of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// An entry in memory.
#[derive(Debug, Clone)]
pub(super) struct Cached {
    pub(super) entry: Entry,
    /// Its length on disk.
    pub(super) length: usize,
}

/// What there is of an entry that is asked for.
pub(super) enum Found<F> {
    Entry(Box<Entry>),
    OnDisk { index: u64, segment: Arc<Segment<F>>, place: Place },
}

impl<F: super::disk::Blocks> Found<F> {
    /// The entry. Blocks on the disk if it is there.
    pub(super) fn read(self) -> std::io::Result<Entry> {
        match self {
            Self::Entry(entry) => Ok(*entry),
            Self::OnDisk { index, segment, place } => {
                let bytes = segment.record(index, place.offset, place.length)?;
                decode_entry(&bytes).map_err(std::io::Error::other)
            }
        }
    }
}

/// Entries `first..` have places as far as they are on disk. The newest are in memory, and all that have no place yet.
#[derive(Debug)]
pub(super) struct Index<F> {
    pub(super) kept: Kept,
    pub(super) segments: BTreeMap<u64, Arc<Segment<F>>>,
    first: u64,
    places: VecDeque<Place>,
    /// Of the entries up to the last one.
    cached: VecDeque<Cached>,
    cached_bytes: usize,
}

impl<F> Index<F> {
    pub(super) fn new(kept: Kept) -> Self {
        let first = kept.purged.map_or(0, |id| id.index + 1);
        let (segments, places, cached) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
        Self { kept, segments, first, places, cached, cached_bytes: 0 }
    }

    /// The indices that are there.
    pub(super) fn range(&self) -> Range<u64> {
        let placed = self.first + self.places.len() as u64;
        let last = self.cached.back().map(|cached| cached.entry.log_id.index);
        self.first..last.map_or(placed, |last| placed.max(last + 1))
    }

    /// Whether an entry of that index can come next.
    pub(super) fn can_follow(&self, index: u64) -> bool {
        let range = self.range();
        // The first entry of all is wherever it is.
        index == range.end || range.is_empty() && self.kept.purged.is_none()
    }

    /// Adds an entry that can follow, and is not on disk yet.
    pub(super) fn push(&mut self, entry: Entry, length: usize) {
        if self.range().is_empty() {
            self.first = entry.log_id.index;
        }
        self.cached_bytes += length;
        self.cached.push_back(Cached { entry, length });
    }

    /// The next entry without a place has one now.
    pub(super) fn place(&mut self, index: u64, place: Place) {
        if self.places.is_empty() {
            self.first = index;
        }
        self.places.push_back(place);
    }

    /// Of an index without entries: the first one will be this.
    pub(super) fn start_at(&mut self, first: u64) {
        self.first = first;
    }

    /// Lets the oldest go that are on disk, when too many are in memory.
    pub(super) fn shrink(&mut self) {
        let placed = self.first + self.places.len() as u64;
        while self.cached_bytes > CACHED_BYTES
            && let Some(oldest) = self.cached.front()
            && oldest.entry.log_id.index < placed
        {
            self.cached_bytes -= oldest.length;
            self.cached.pop_front();
        }
    }

    /// Forgets the entries from an index on.
    pub(super) fn truncate(&mut self, from: u64) {
        self.places.truncate(usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX));
        while let Some(newest) = self.cached.pop_back_if(|cached| cached.entry.log_id.index >= from) {
            self.cached_bytes -= newest.length;
        }
    }

    /// Forgets the entries up to this one.
    pub(super) fn purge(&mut self, upto: LogId) {
        if self.kept.purged.is_some_and(|purged| purged >= upto) {
            return;
        }
        let gone = usize::try_from((upto.index + 1).saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.places.drain(..gone.min(self.places.len()));
        while let Some(oldest) = self.cached.pop_front_if(|cached| cached.entry.log_id.index <= upto.index) {
            self.cached_bytes -= oldest.length;
        }
        self.first = upto.index + 1;
        self.kept.purged = Some(upto);
    }

    /// The oldest segment in which there still is an entry.
    pub(super) fn oldest_needed(&self) -> Option<u64> {
        self.places.front().map(|place| place.segment)
    }

    /// The first entry that is within the last so many, and within the last so many segments.
    pub(super) fn floor(&self, entries: u64, segments: u64) -> u64 {
        let range = self.range();
        let newest = self.places.back().map_or(0, |place| place.segment);
        let beyond = self.places.partition_point(|place| place.segment + segments <= newest);
        (self.first + beyond as u64).max(range.end.saturating_sub(entries))
    }

    /// The last entry that there was, purged or not; 0 if none.
    pub(super) fn last(&self) -> u64 {
        let purged = self.kept.purged.map_or(0, |id| id.index);
        self.range().end.saturating_sub(1).max(purged)
    }

    /// Those of the entries that are there.
    pub(super) fn find(&self, wanted: Range<u64>) -> Vec<Found<F>> {
        let range = self.range();
        let wanted = wanted.start.max(range.start)..wanted.end.min(range.end);
        let cached_first = range.end - self.cached.len() as u64;
        let found = |index: u64| {
            if let Some(at) = index.checked_sub(cached_first) {
                let at = usize::try_from(at).ok()?;
                return self.cached.get(at).map(|cached| Found::Entry(Box::new(cached.entry.clone())));
            }
            let place = *self.places.get(usize::try_from(index - self.first).ok()?)?;
            let segment = Arc::clone(self.segments.get(&place.segment)?);
            Some(Found::OnDisk { index, segment, place })
        };
        wanted.map_while(found).collect()
    }
}
