//! The plan: what each object needs next, given how the others stand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use npanel_executor::{Difference, Failure, Operation, StageTime};
use npanel_ledger::{Entry, ObjectKey};
use npanel_model::{Generation, NodeRole, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    due::{Due, Lane},
    graph::Graph,
    track::{Course, Place, Track},
};
use crate::{Event, census::Census, operation_id::Subject, report::Report, step::Step};

/// The time, by the clock that only goes forward and by the calendar's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) wall: Timestamp,
}

/// Something to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) subject: Subject,
    pub(crate) generation: Generation,
    pub(crate) attempt: u64,
    pub(crate) task: Task,
    /// How long it waited for others and for room.
    pub(crate) waited: Duration,
}

/// What a run does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Task {
    /// Carry an operation out.
    Ensure(Operation),
    /// Carry an operation out, if there is one, then note in the ledger that the data is retained.
    Retire(Option<Operation>, Duration),
    /// Carry an operation out, if there is one, then note in the ledger that nothing is left.
    Remove(Option<Operation>),
}

impl Task {
    pub(crate) fn operation(&self) -> Option<&Operation> {
        match self {
            Self::Ensure(operation) => Some(operation),
            Self::Retire(operation, _) | Self::Remove(operation) => operation.as_ref(),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Something was ensured; with what was not as it had been left, and now is again.
    Ensured(Vec<StageTime>, Vec<Difference>),
    /// A step of a removal was taken; with the entry as the ledger has it now, or none if another generation
    /// has come to it meanwhile.
    Noted(Vec<StageTime>, Option<Arc<Entry>>),
    /// It failed.
    Failed(Failure),
}

/// The shared configuration of one role.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) course: Course,
}

/// The plan. See the crate's documentation for what it holds to.
#[derive(Debug)]
pub(crate) struct Planner {
    pub(super) bases: BTreeMap<NodeRole, Base>,
    pub(super) tracks: BTreeMap<ObjectKey, Track>,
    due: Due,
    pub(super) graph: Graph,
    pub(super) census: Census,
    /// Removals that wait for a person.
    pub(super) held: BTreeSet<ObjectKey>,
    /// Deletions accepted until then were released by a person.
    pub(super) released: Timestamp,
    pub(super) news: Vec<Report>,
    pub(super) events: Vec<Event>,
    /// The roles whose shared configuration failed, or is good again, since somebody asked.
    pub(super) bases_moved: Vec<(NodeRole, Option<Failure>)>,
    /// The run of the executor that the last sweep was by.
    pub(super) executor: Option<Uuid>,
}

impl Planner {
    pub(crate) fn new(roles: &[NodeRole], released: Timestamp, now: Now) -> Self {
        let mut planner = Self {
            bases: BTreeMap::new(),
            tracks: BTreeMap::new(),
            due: Due::default(),
            graph: Graph::default(),
            census: Census::default(),
            held: BTreeSet::new(),
            released,
            news: Vec::new(),
            events: Vec::new(),
            bases_moved: Vec::new(),
            executor: None,
        };
        for role in roles {
            planner.bases.insert(*role, Base { course: Course::new(now.instant) });
            planner.queue(Subject::Base(*role), Lane::Fresh, now.instant);
        }
        planner
    }

    /// The reports that have come up since the last call.
    pub(crate) fn news(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.news)
    }

    /// The events since the last call.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// How the shared configuration has fared since the last call.
    pub(crate) fn bases_moved(&mut self) -> Vec<(NodeRole, Option<Failure>)> {
        std::mem::take(&mut self.bases_moved)
    }

    /// How many removals wait for a person.
    pub(crate) fn held_count(&self) -> usize {
        self.held.len()
    }

    /// When something is next due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.next()
    }

    /// What to start next, if anything is due.
    pub(crate) fn start(&mut self, now: Now) -> Option<Run> {
        while let Some((subject, lane)) = self.due.take(now.instant) {
            self.course_mut(subject).place = Place::Idle;
            let next = match subject {
                Subject::Base(role) => {
                    let operation = Operation::EnsureBase { roles: vec![role] };
                    Some((Generation::FIRST, Task::Ensure(operation)))
                }
                Subject::Object(key) => self.next_task(key, lane, now),
            };
            if let Some((generation, task)) = next {
                let course = self.course_mut(subject);
                course.place = Place::Running;
                let waited = now.instant.saturating_duration_since(course.since);
                return Some(Run { subject, generation, attempt: course.attempts, task, waited });
            }
        }
        None
    }

    fn next_task(&mut self, key: ObjectKey, lane: Lane, now: Now) -> Option<(Generation, Task)> {
        let entry = Arc::clone(&self.tracks.get(&key)?.entry);
        let task = match Step::of(&entry, now.wall) {
            Step::Rest => return None,
            Step::WaitUntil(until) => {
                let at = now.instant + until.since(now.wall);
                self.queue(Subject::Object(key), Lane::Fresh, at);
                return None;
            }
            Step::Impossible(error) => {
                self.give_up(key, &error, now);
                return None;
            }
            Step::Ensure(operation) => Task::Ensure(operation),
            Step::Retire { operation, retention } => Task::Retire(operation, retention),
            Step::Remove(operation) => Task::Remove(operation),
        };
        if self.has_to_wait(key, &entry, lane, now) { None } else { Some((entry.generation, task)) }
    }

    /// Moves a subject that does not run to a place in a queue.
    pub(super) fn queue(&mut self, subject: Subject, lane: Lane, at: Instant) {
        let place = std::mem::replace(&mut self.course_mut(subject).place, Place::Queued(lane, at));
        match (place, subject) {
            (Place::Queued(lane, at), _) => self.due.remove(lane, at, subject),
            (Place::Blocked(_, obstacle), Subject::Object(key)) => self.graph.unblock(key, &obstacle),
            _ => {}
        }
        self.due.insert(lane, at, subject);
    }

    /// The same, after a time that is not counted as waiting.
    pub(super) fn queue_in(&mut self, subject: Subject, lane: Lane, now: Now, wait: Duration) {
        self.course_mut(subject).since = now.instant + wait;
        self.queue(subject, lane, now.instant + wait);
    }

    pub(super) fn wake_those_waiting_for(&mut self, subject: Subject, now: Now) {
        for key in self.graph.waiting_for(subject) {
            let waiting = Subject::Object(key);
            if let Place::Blocked(lane, _) = self.course(waiting).place {
                self.queue(waiting, lane, now.instant);
            }
        }
    }

    pub(super) fn course(&self, subject: Subject) -> &Course {
        self.known_course(subject).expect(KNOWN)
    }

    /// None for an object that was never learnt, or a role that the node has not.
    pub(super) fn known_course(&self, subject: Subject) -> Option<&Course> {
        match subject {
            Subject::Base(role) => self.bases.get(&role).map(|base| &base.course),
            Subject::Object(key) => self.tracks.get(&key).map(|track| &track.course),
        }
    }

    pub(super) fn course_mut(&mut self, subject: Subject) -> &mut Course {
        let course = match subject {
            Subject::Base(role) => self.bases.get_mut(&role).map(|base| &mut base.course),
            Subject::Object(key) => self.tracks.get_mut(&key).map(|track| &mut track.course),
        };
        course.expect(KNOWN)
    }
}

/// Why a subject that is queued or runs has a course.
const KNOWN: &str = "only what was learnt is planned, and nothing is forgotten";
