//! What follows from how a run ended.

use std::sync::Arc;

use npanel_executor::{Difference, Failure, StageTime};
use npanel_ledger::{Entry, ObjectKey};
use npanel_model::RecordSetError;

use super::{
    due::Lane,
    planner::{Ended, Now, Planner, Run},
    track::{Place, Standing},
};
use crate::{backoff, executor::CALL_STAGE, operation_id::Subject, report::State};

impl Planner {
    /// A run ended.
    pub(crate) fn end(&mut self, run: &Run, ended: Ended, now: Now) {
        let course = self.course_mut(run.subject);
        course.place = Place::Idle;
        if self.is_superseded(run) {
            // Whatever it came to says nothing about the newest generation.
            self.course_mut(run.subject).attempts += 1;
            self.queue(run.subject, Lane::Fresh, now.instant);
        } else {
            match ended {
                Ended::Ensured(stages, differed) => self.ensured(run.subject, stages, differed, now),
                Ended::Noted(stages, entry) => self.noted(run.subject, stages, entry.as_ref(), now),
                Ended::Failed(failure) if failure.stage == CALL_STAGE => self.lost(run.subject, failure, now),
                Ended::Failed(failure) => self.failed(run.subject, failure, now),
            }
        }
        self.wake_those_waiting_for(run.subject, now);
    }

    fn is_superseded(&self, run: &Run) -> bool {
        match run.subject {
            Subject::Base(_) => false,
            Subject::Object(key) => {
                self.tracks.get(&key).is_none_or(|track| track.entry.generation != run.generation)
            }
        }
    }

    fn ensured(&mut self, subject: Subject, stages: Vec<StageTime>, differed: Vec<Difference>, now: Now) {
        let was = self.went_well(subject);
        self.was_repaired(subject, differed, now);
        let wait = backoff::until_routine(&subject.to_string(), self.course(subject).attempts);
        self.queue_in(subject, Lane::Routine, now, wait);
        match subject {
            Subject::Base(role) => {
                if was != Standing::Good {
                    self.bases_moved.push((role, None));
                }
            }
            Subject::Object(_) if was == Standing::Good => {}
            Subject::Object(key) => self.tell(key, State::Converged, stages, now),
        }
    }

    fn noted(&mut self, subject: Subject, stages: Vec<StageTime>, entry: Option<&Arc<Entry>>, now: Now) {
        // With no entry, a newer generation is in the ledger and about to be learnt.
        let (Subject::Object(key), Some(entry)) = (subject, entry) else { return };
        self.went_well(subject);
        self.put(key, entry, Lane::Fresh, stages, now);
        // The next step: the purge, when its time has come; or nothing.
        self.queue_in(subject, Lane::Fresh, now, std::time::Duration::ZERO);
    }

    fn went_well(&mut self, subject: Subject) -> Standing {
        let course = self.course_mut(subject);
        course.failures = 0;
        course.attempts += 1;
        course.in_place = true;
        std::mem::replace(&mut course.standing, Standing::Good)
    }

    /// It is not known whether it was done: the same attempt is delivered again. What was good stays good.
    fn lost(&mut self, subject: Subject, failure: Failure, now: Now) {
        self.queue_in(subject, Lane::Fresh, now, backoff::UNREACHABLE);
        if let Subject::Object(key) = subject
            && self.course(subject).standing == Standing::Open
        {
            let state = State::Pending { reason: "ExecutorUnreachable", message: failure.message };
            self.tell(key, state, Vec::new(), now);
        }
    }

    fn failed(&mut self, subject: Subject, failure: Failure, now: Now) {
        let course = self.course_mut(subject);
        let was = std::mem::replace(&mut course.standing, Standing::Bad);
        course.failures += 1;
        course.attempts += 1;
        let (failures, attempts) = (course.failures, course.attempts);
        let name = subject.to_string();
        if failure.retriable {
            self.queue_in(subject, Lane::Fresh, now, backoff::after_failure(&name, failures));
        } else {
            self.queue_in(subject, Lane::Routine, now, backoff::after_hopeless(&name, attempts));
        }
        if was == Standing::Good {
            self.could_not_be_repaired(subject, &failure, now);
        }
        if let Subject::Base(role) = subject {
            self.bases_moved.push((role, Some(failure.clone())));
        }
        if let Subject::Object(key) = subject {
            let state = State::Failed { reason: failure.reason, message: failure.message };
            self.tell(key, state, Vec::new(), now);
        }
    }

    /// The ledger and the executor have different rules, so the executor cannot even be asked.
    pub(super) fn give_up(&mut self, key: ObjectKey, error: &RecordSetError, now: Now) {
        let failure = Failure {
            reason: "Invalid".to_owned(),
            message: error.to_string(),
            stage: "plan".to_owned(),
            retriable: false,
        };
        self.failed(Subject::Object(key), failure, now);
    }
}
