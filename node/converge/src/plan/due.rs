//! What is due, and in which order: what someone waits for before routine.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::operation_id::Subject;

/// How urgent something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// A new intent, a retry, the end of a retention.
    Fresh,
    /// What was converged before and is only ensured again.
    Routine,
}

/// Two queues by time.
#[derive(Debug, Default)]
pub(crate) struct Due {
    fresh: BTreeSet<(Instant, Subject)>,
    routine: BTreeSet<(Instant, Subject)>,
}

impl Due {
    fn lane(&mut self, lane: Lane) -> &mut BTreeSet<(Instant, Subject)> {
        match lane {
            Lane::Fresh => &mut self.fresh,
            Lane::Routine => &mut self.routine,
        }
    }

    pub(crate) fn insert(&mut self, lane: Lane, at: Instant, subject: Subject) {
        self.lane(lane).insert((at, subject));
    }

    pub(crate) fn remove(&mut self, lane: Lane, at: Instant, subject: Subject) {
        self.lane(lane).remove(&(at, subject));
    }

    /// Takes the first that is due.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(Subject, Lane)> {
        for (queue, lane) in [(&mut self.fresh, Lane::Fresh), (&mut self.routine, Lane::Routine)] {
            if queue.first().is_some_and(|(at, _)| *at <= now) {
                return queue.pop_first().map(|(_, subject)| (subject, lane));
            }
        }
        None
    }

    /// When the next thing is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        let first = |lane: &BTreeSet<(Instant, Subject)>| lane.first().map(|(at, _)| *at);
        [first(&self.fresh), first(&self.routine)].into_iter().flatten().min()
    }
}
