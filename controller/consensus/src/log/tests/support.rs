//! A log on a disk of the tests, and what it should hold.

use std::collections::BTreeMap;

use openraft::CommittedLeaderId;

use super::{
    super::{
        engine::{Batch, Engine, Failure, Spare, lock},
        index::Found,
        recover::Unusable,
    },
    lossy_disk::LossyDisk,
};
use crate::types::{LogId, Vote};

/// Small, so that a few frames fill it.
const SEGMENT: u64 = 2048;

pub(super) type TestLog = Engine<LossyDisk>;

pub(super) fn open(disk: &LossyDisk) -> Result<TestLog, Unusable> {
    Engine::open(disk.clone(), SEGMENT, Spare::WhenNeeded)
}

pub(super) fn log_id(index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(1, 1), index)
}

/// What was done to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) vote: Option<Vote>,
    pub(super) purged: Option<u64>,
    pub(super) entries: BTreeMap<u64, Vec<u8>>,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    /// So many entries of so many bytes of this kind.
    Append {
        count: u8,
        size: u16,
        fill: u8,
    },
    /// So many from the end.
    Truncate {
        back: u8,
    },
    /// So many from the start; beyond the end, too, as after a snapshot.
    Purge {
        forward: u8,
    },
    Vote {
        term: u8,
    },
}

impl Model {
    pub(super) fn new() -> Self {
        Self { vote: None, purged: None, entries: BTreeMap::new() }
    }

    fn next(&self) -> u64 {
        let after_purge = self.purged.map_or(0, |purged| purged + 1);
        self.entries.keys().last().map_or(after_purge, |last| last + 1)
    }

    /// The log's answer, with what it should hold if that is a success.
    pub(super) fn change(&self, log: &mut TestLog, change: &Change) -> (Result<(), Failure>, Self) {
        let mut then = self.clone();
        let done = match *change {
            Change::Append { count, size, fill } => {
                let mut batch = Batch::default();
                for at in (self.next()..).take(usize::from(count)) {
                    let entry = vec![fill ^ at.to_le_bytes()[0]; usize::from(size)];
                    batch.push(at, &entry);
                    then.entries.insert(at, entry);
                }
                log.append(&[batch])
            }
            Change::Truncate { back } => {
                let floor = self.purged.map_or(0, |purged| purged + 1);
                let from = self.next().saturating_sub(u64::from(back)).max(floor);
                then.entries.split_off(&from);
                log.truncate(from)
            }
            Change::Purge { forward } => {
                let upto = self.purged.map_or(0, |purged| purged + 1) + u64::from(forward);
                then.entries = then.entries.split_off(&(upto + 1));
                then.purged = Some(upto);
                log.purge(log_id(upto))
            }
            Change::Vote { term } => {
                let vote = Vote::new(u64::from(term), 1);
                then.vote = Some(vote);
                log.save_vote(vote)
            }
        };
        (done, then)
    }
}

/// What a log holds.
pub(super) fn held(log: &TestLog) -> Model {
    let index = log.index();
    let index = lock(&index);
    let read = |found| match found {
        Found::OnDisk { index, segment, place } => {
            (index, segment.record(index, place.offset, place.length).expect("a whole record"))
        }
        Found::Entry(_) => unreachable!("nothing is in memory only"),
    };
    Model {
        vote: index.kept.vote,
        purged: index.kept.purged.map(|id| id.index),
        entries: index.find(0..u64::MAX).into_iter().map(read).collect(),
    }
}
