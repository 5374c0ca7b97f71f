//! How one object stands.

use std::sync::Arc;

use npanel_ledger::Entry;
use tokio::time::Instant;

use super::{due::Lane, graph::Obstacle};

/// One object, or the base, on its way.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) entry: Arc<Entry>,
    pub(crate) course: Course,
}

/// What has become of the newest generation, and what happens next.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) standing: Standing,
    pub(crate) place: Place,
    /// Whether it was ever good, at any generation: a later failure takes nothing away from those that need it.
    pub(crate) in_place: bool,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// Every attempt of this run of the daemon, so that no two have one operation id.
    pub(crate) attempts: u64,
    /// Times in a row that it was put right after drift, and when last.
    pub(crate) repairs: Option<(u32, Instant)>,
    /// Since when it could have run, for the time spent waiting.
    pub(crate) since: Instant,
}

/// What has become of the newest generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not carried out since the daemon started or the generation came.
    Open,
    /// Carried out.
    Good,
    /// Its last attempt failed.
    Bad,
}

/// What happens next. A subject is in exactly one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing.
    Idle,
    /// It runs at this time, or when there is room.
    Queued(Lane, Instant),
    /// It waits for another to move, and is then as urgent as it was.
    Blocked(Lane, Obstacle),
    /// It runs.
    Running,
}

impl Course {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            standing: Standing::Open,
            place: Place::Idle,
            in_place: false,
            failures: 0,
            attempts: 0,
            repairs: None,
            since: now,
        }
    }

    /// A new generation has come.
    pub(crate) fn begin_again(&mut self, now: Instant) {
        self.standing = Standing::Open;
        self.failures = 0;
        self.since = now;
    }
}
