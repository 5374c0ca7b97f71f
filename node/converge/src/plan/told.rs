//! What the plan is told, and what it says.

use std::sync::Arc;

use npanel_executor::StageTime;
use npanel_ledger::{Content, Entry, ObjectKey, Progress, Removal};
use npanel_model::Timestamp;

use super::{
    due::Lane,
    planner::{Now, Planner},
    track::{Course, Place, Track},
};
use crate::{
    operation_id::Subject,
    report::{Report, State},
};

impl Planner {
    /// An entry as the ledger has it: at start (as routine) or because it has changed.
    pub(crate) fn learn(&mut self, key: ObjectKey, entry: &Arc<Entry>, lane: Lane, now: Now) {
        if self.tracks.get(&key).is_some_and(|track| track.entry == *entry) {
            // Pushed just as the ledger was read at start.
            if lane == Lane::Fresh {
                self.hurry(Subject::Object(key));
            }
            return;
        }
        self.put(key, entry, lane, Vec::new(), now);
        let subject = Subject::Object(key);
        if self.course(subject).place != Place::Running {
            self.queue(subject, lane, now.instant);
        }
        self.wake_those_waiting_for(subject, now);
        if matches!(key, ObjectKey::Account(_)) {
            self.look_again_at_held(now);
        }
    }

    /// A person releases the deletions that were accepted until `until`.
    pub(crate) fn release_deletions(&mut self, until: Timestamp, now: Now) {
        self.released = self.released.max(until);
        for (key, entry) in self.accounts() {
            self.count(key, &entry);
        }
        self.look_again_at_held(now);
    }

    fn accounts(&self) -> Vec<(ObjectKey, Arc<Entry>)> {
        let is_account = |(key, _): &(&ObjectKey, &Track)| matches!(key, ObjectKey::Account(_));
        let accounts = self.tracks.iter().filter(is_account);
        accounts.map(|(key, track)| (*key, Arc::clone(&track.entry))).collect()
    }

    fn look_again_at_held(&mut self, now: Now) {
        for key in std::mem::take(&mut self.held) {
            self.queue(Subject::Object(key), Lane::Fresh, now.instant);
        }
    }

    /// Replaces an object's entry, and reports how it stands by itself.
    pub(super) fn put(
        &mut self,
        key: ObjectKey,
        entry: &Arc<Entry>,
        lane: Lane,
        stages: Vec<StageTime>,
        now: Now,
    ) {
        self.count(key, entry);
        match self.tracks.get_mut(&key) {
            Some(track) => {
                self.graph.remove(key, &track.entry);
                if track.entry.generation != entry.generation {
                    track.course.begin_again(now.instant);
                }
                track.entry = Arc::clone(entry);
            }
            None => {
                let course = Course::new(now.instant);
                self.tracks.insert(key, Track { entry: Arc::clone(entry), course });
            }
        }
        self.graph.add(key, entry);
        let (state, since) = standing(entry, lane, now.wall);
        self.news.push(Report { key, generation: entry.generation, state, since, stages });
    }

    /// Keeps the census, for the guard against many deletions.
    fn count(&mut self, key: ObjectKey, entry: &Entry) {
        let ObjectKey::Account(_) = key else { return };
        match &entry.content {
            Content::Wanted(_) => self.census.lives(key),
            Content::Going(Removal { of: None, .. }) => self.census.forget(key),
            Content::Going(removal) => match removal.progress {
                Progress::Asked if entry.accepted <= self.released => self.census.forget(key),
                Progress::Asked => self.census.is_asked(key),
                Progress::Retained { since, .. } | Progress::Removed { since } => {
                    self.census.is_carried_out(key, since);
                }
            },
        }
    }

    /// Reports on an object's newest generation.
    pub(super) fn tell(&mut self, key: ObjectKey, state: State, stages: Vec<StageTime>, now: Now) {
        let Some(track) = self.tracks.get(&key) else { return };
        let generation = track.entry.generation;
        self.news.push(Report { key, generation, state, since: now.wall, stages });
    }
}

/// How an entry stands by itself, before anything is done about it.
fn standing(entry: &Entry, lane: Lane, now: Timestamp) -> (State, Timestamp) {
    match &entry.content {
        Content::Going(Removal { progress: Progress::Retained { since, .. }, .. }) => {
            (State::Retained, *since)
        }
        Content::Going(Removal { progress: Progress::Removed { since }, .. }) => (State::Removed, *since),
        Content::Wanted(_) | Content::Going(_) if lane == Lane::Routine => (State::Unproven, now),
        Content::Wanted(_) | Content::Going(_) => {
            (State::Pending { reason: "Accepted", message: String::new() }, now)
        }
    }
}
