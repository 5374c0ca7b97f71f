//! What keeps an object from its next step.

use npanel_ledger::{Content, Entry, Intent, Name, ObjectKey, Progress, Removal};
use npanel_model::{AccountId, NodeRole};

use super::{
    due::Lane,
    graph::Obstacle,
    planner::{Now, Planner},
    track::{Place, Standing},
};
use crate::{backoff, operation_id::Subject, report::State};

impl Planner {
    /// Puts the object aside if it has to wait for another, or for a person.
    pub(super) fn has_to_wait(&mut self, key: ObjectKey, entry: &Entry, lane: Lane, now: Now) -> bool {
        if self.is_held(key, entry, now) {
            self.hold(key, now);
            return true;
        }
        let Some(obstacle) = self.obstacle(key, entry) else { return false };
        self.block(key, obstacle, lane, now);
        true
    }

    fn obstacle(&self, key: ObjectKey, entry: &Entry) -> Option<Obstacle> {
        let role = role(key);
        if !self.bases.get(&role).is_some_and(|base| base.course.in_place) {
            return Some(Obstacle::Base(role));
        }
        match &entry.content {
            Content::Wanted(intent) => self.leaving(key, entry).or_else(|| self.prerequisite(intent)),
            Content::Going(Removal { progress: Progress::Asked, .. }) => {
                self.leaving(key, entry).or_else(|| self.part_still_to_go(key))
            }
            Content::Going(_) => None,
        }
    }

    /// Another object that bears the name and goes first: any, if this one is wanted; of two that go, the one
    /// with the lower key, so that they do not wait for each other.
    fn leaving(&self, key: ObjectKey, entry: &Entry) -> Option<Obstacle> {
        let name = entry.bears()?;
        let goes_first = |other: &ObjectKey| {
            *other != key
                && (*other < key || !entry.is_tombstone())
                && self.tracks.get(other).is_some_and(|track| track.entry.is_tombstone())
        };
        self.graph.bearers(&name).find(goes_first).map(Obstacle::Leaving)
    }

    fn prerequisite(&self, intent: &Intent) -> Option<Obstacle> {
        match intent {
            Intent::DatabaseUser(user) => user.grants.iter().find_map(|grant| {
                let name = Name::Database(grant.database.clone());
                let missing = |key: &ObjectKey| self.is_wanted(*key) && !self.is_in_place(*key);
                self.graph.bearers(&name).find(missing).map(Obstacle::Database)
            }),
            _ => self.account_missing(intent),
        }
    }

    fn account_missing(&self, intent: &Intent) -> Option<Obstacle> {
        let account = ObjectKey::Account(intent.account()?);
        (!self.is_in_place(account)).then_some(Obstacle::Account(account))
    }

    fn is_wanted(&self, key: ObjectKey) -> bool {
        self.tracks.get(&key).is_some_and(|track| !track.entry.is_tombstone())
    }

    fn is_in_place(&self, key: ObjectKey) -> bool {
        self.is_wanted(key) && self.course(Subject::Object(key)).in_place
    }

    /// An account goes after those of its parts that go.
    fn part_still_to_go(&self, key: ObjectKey) -> Option<Obstacle> {
        let ObjectKey::Account(account) = key else { return None };
        let going = |part: &ObjectKey| {
            self.tracks.get(part).is_some_and(|track| {
                let to_go = track.entry.is_tombstone() && !track.entry.is_removed();
                to_go || track.course.place == Place::Running
            })
        };
        self.graph.parts_of(account).find(going).map(Obstacle::Part)
    }

    fn block(&mut self, key: ObjectKey, obstacle: Obstacle, lane: Lane, now: Now) {
        let subject = obstacle.subject();
        // A wait of a moment is no news; one for something that fails or is missing is.
        if self.is_stuck(subject) && self.course(Subject::Object(key)).standing == Standing::Open {
            let state = State::Pending { reason: obstacle.reason(), message: obstacle.message() };
            self.tell(key, state, Vec::new(), now);
        }
        if lane == Lane::Fresh {
            self.hurry(subject);
        }
        self.graph.block(key, &obstacle);
        self.course_mut(Subject::Object(key)).place = Place::Blocked(lane, obstacle);
    }

    fn is_stuck(&self, subject: Subject) -> bool {
        self.known_course(subject).is_none_or(|course| course.standing == Standing::Bad)
    }

    /// Someone waits now for what was only routine. It becomes urgent, but not due before its time.
    pub(super) fn hurry(&mut self, subject: Subject) {
        match self.known_course(subject).map(|course| &course.place) {
            Some(&Place::Queued(Lane::Routine, at)) => self.queue(subject, Lane::Fresh, at),
            Some(Place::Blocked(Lane::Routine, obstacle)) => {
                let (obstacle, beyond) = (obstacle.clone(), obstacle.subject());
                self.course_mut(subject).place = Place::Blocked(Lane::Fresh, obstacle);
                self.hurry(beyond);
            }
            _ => {}
        }
    }
}

/// The guard against many deletions.
impl Planner {
    fn is_held(&mut self, key: ObjectKey, entry: &Entry, now: Now) -> bool {
        let asked = matches!(&entry.content, Content::Going(Removal { progress: Progress::Asked, .. }));
        asked
            && account_of(key, entry)
                .is_some_and(|account| self.census.holds(ObjectKey::Account(account), now.wall))
    }

    /// It is looked at again now and then, for the deletions that count grow old.
    fn hold(&mut self, key: ObjectKey, now: Now) {
        self.held.insert(key);
        self.queue(Subject::Object(key), Lane::Routine, now.instant + backoff::LONGEST);
        let message = "many accounts are to be deleted at once: release the deletions on the node, or \
                       withdraw them";
        let state = State::Pending { reason: "DeletionsHeld", message: message.to_owned() };
        self.tell(key, state, Vec::new(), now);
    }
}

/// Whose shared configuration an object needs.
pub(crate) fn role(key: ObjectKey) -> NodeRole {
    match key {
        ObjectKey::Account(_) | ObjectKey::Site(_) | ObjectKey::CronTable(_) => NodeRole::Web,
        ObjectKey::Database(_) | ObjectKey::DatabaseUser(_) => NodeRole::Database,
        ObjectKey::Zone(_) => NodeRole::Dns,
    }
}

/// What belongs to an account goes with it, or stays with it.
fn account_of(key: ObjectKey, entry: &Entry) -> Option<AccountId> {
    match key {
        ObjectKey::Account(id) => Some(id),
        _ => entry.intent().and_then(Intent::account),
    }
}
