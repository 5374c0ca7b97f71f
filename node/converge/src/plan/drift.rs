//! What was touched by hand is made right again, by the same operation that made it.

use std::collections::BTreeSet;

use npanel_executor::{Difference, Failure, Sweep, Target};
use npanel_ledger::{Content, Intent};
use npanel_model::NodeRole;

use super::{
    due::Lane,
    planner::{Now, Planner},
    track::{Place, Standing},
};
use crate::{Event, backoff, operation_id::Subject};

impl Planner {
    /// A sweep has come back.
    pub(crate) fn swept(&mut self, sweep: &Sweep, now: Now) {
        let before = self.executor.replace(sweep.executor);
        if before.is_some_and(|before| before != sweep.executor) {
            // It remembers nothing of what was made before, so it would not see what is touched.
            self.ensure_all_again(now);
        }
        for subject in self.subjects(&sweep.drifted) {
            self.drifted(subject, now);
        }
    }

    fn subjects(&self, targets: &[Target]) -> Vec<Subject> {
        if targets.is_empty() {
            return Vec::new();
        }
        let targets: BTreeSet<&Target> = targets.iter().collect();
        let bases = self.bases.keys().filter(|role| targets.contains(&Target::Base(**role)));
        let objects = self.tracks.iter().filter(|(_, track)| match &track.entry.content {
            Content::Wanted(intent) => targets.contains(&target(intent)),
            Content::Going(_) => false,
        });
        // The shared configuration first: what an account needs may be missing with it.
        let bases = bases.map(|role| Subject::Base(*role));
        bases.chain(objects.map(|(key, _)| Subject::Object(*key))).collect()
    }

    /// Only what was good and is left alone: all else is on its way already, at its own pace.
    fn drifted(&mut self, subject: Subject, now: Now) {
        let course = self.course(subject);
        let rests =
            course.standing == Standing::Good && matches!(course.place, Place::Queued(Lane::Routine, _));
        if !rests {
            return;
        }
        let wait = match course.repairs {
            Some((times, last)) if now.instant - last < backoff::INSISTENT => {
                backoff::after_failure(&subject.to_string(), times)
            }
            _ => std::time::Duration::ZERO,
        };
        self.queue_in(subject, Lane::Fresh, now, wait);
    }

    fn ensure_all_again(&mut self, now: Now) {
        let bases = self.bases.keys().map(|role| Subject::Base(*role));
        let subjects: Vec<Subject> =
            bases.chain(self.tracks.keys().map(|key| Subject::Object(*key))).collect();
        for subject in subjects {
            if matches!(self.course(subject).place, Place::Queued(Lane::Routine, _)) {
                self.queue_in(subject, Lane::Routine, now, std::time::Duration::ZERO);
            }
        }
    }

    /// Something had drifted, and is as it should be.
    pub(super) fn was_repaired(&mut self, subject: Subject, differed: Vec<Difference>, now: Now) {
        if differed.is_empty() {
            return;
        }
        let course = self.course_mut(subject);
        let times = match course.repairs {
            Some((times, last)) if now.instant - last < backoff::INSISTENT => times + 1,
            _ => 1,
        };
        course.repairs = Some((times, now.instant));
        let message = match differed.len() {
            1 => format!("{}: what was changed by hand was put right", words(subject)),
            count => format!("{}: {count} things that were changed by hand were put right", words(subject)),
        };
        self.tell_event(subject, "DriftRepaired", message, differed, now);
    }

    /// Something was as it should be, and cannot be made so again.
    pub(super) fn could_not_be_repaired(&mut self, subject: Subject, failure: &Failure, now: Now) {
        let message = format!("{}: {}: {}", words(subject), failure.reason, failure.message);
        self.tell_event(subject, "RepairFailed", message, Vec::new(), now);
    }

    fn tell_event(
        &mut self,
        subject: Subject,
        reason: &str,
        message: String,
        differences: Vec<Difference>,
        now: Now,
    ) {
        let object = match subject {
            Subject::Base(_) => None,
            Subject::Object(key) => Some(key),
        };
        self.events.push(Event::new(object, now.wall, reason, message, differences));
    }
}

fn words(subject: Subject) -> String {
    match subject {
        Subject::Base(NodeRole::Web) => "what all sites share".to_owned(),
        Subject::Base(NodeRole::Database) => "what all databases share".to_owned(),
        Subject::Base(NodeRole::Dns) => "what all zones share".to_owned(),
        Subject::Object(key) => key.kind_name().replace('_', " "),
    }
}

/// What the executor calls an object, by what is wanted of it.
pub fn target(intent: &Intent) -> Target {
    match intent {
        Intent::Account(account) => Target::Account(account.uid),
        Intent::Site(site) => Target::Site(site.domain.clone()),
        Intent::Database(database) => Target::Database(database.name.clone()),
        Intent::DatabaseUser(user) => Target::DatabaseUser(user.name.clone()),
        Intent::Zone(zone) => Target::Zone(zone.name.clone()),
        Intent::CronTable(table) => Target::CronTable(table.uid),
    }
}
