//! What has become of each object.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use npanel_executor::StageTime;
use npanel_ledger::ObjectKey;
use npanel_model::{Generation, Timestamp};
use npanel_proto::node::{self, ObjectReport, object_report};
use tokio::sync::broadcast;

/// How many changes a watcher may be behind before it has to begin again with everything.
const BEHIND: usize = 4096;

/// The state of one object at one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The object.
    pub key: ObjectKey,
    /// The generation that the state is of.
    pub generation: Generation,
    /// The state.
    pub state: State,
    /// When it was reached.
    pub since: Timestamp,
    /// How long each stage of the last convergence took, in order.
    pub stages: Vec<StageTime>,
}

/// What has become of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not looked at since the daemon started. Watchers are not told: what they heard before stands until
    /// something else turns out.
    Unproven,
    /// Not carried out yet.
    Pending {
        /// What it waits for, as a stable word.
        reason: &'static str,
        /// The same for people.
        message: String,
    },
    /// Carried out and verified.
    Converged,
    /// Not carried out; the last good state stays.
    Failed {
        /// A stable word.
        reason: String,
        /// For people.
        message: String,
    },
    /// Served no longer; the data is kept.
    Retained,
    /// Nothing is left.
    Removed,
}

impl State {
    /// The state in one word, for metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unproven => "unproven",
            Self::Pending { .. } => "pending",
            Self::Converged => "converged",
            Self::Failed { .. } => "failed",
            Self::Retained => "retained",
            Self::Removed => "removed",
        }
    }

    fn to_proto(&self) -> (object_report::State, String, String) {
        match self {
            Self::Unproven => (object_report::State::Pending, "Unproven".to_owned(), String::new()),
            Self::Pending { reason, message } => {
                (object_report::State::Pending, (*reason).to_owned(), message.clone())
            }
            Self::Converged => (object_report::State::Converged, String::new(), String::new()),
            Self::Failed { reason, message } => {
                (object_report::State::Failed, reason.clone(), message.clone())
            }
            Self::Retained => (object_report::State::Retained, String::new(), String::new()),
            Self::Removed => (object_report::State::Removed, String::new(), String::new()),
        }
    }
}

impl From<&Report> for ObjectReport {
    fn from(report: &Report) -> Self {
        let (state, reason, message) = report.state.to_proto();
        let stage = |stage: &StageTime| node::StageTime {
            stage: stage.stage.clone(),
            microseconds: stage.microseconds,
        };
        Self {
            object: Some(report.key.to_proto()),
            generation: report.generation.0,
            state: state as i32,
            reason,
            message,
            time_millis: report.since.as_millis(),
            stages: report.stages.iter().map(stage).collect(),
        }
    }
}

/// The newest report of every object.
#[derive(Debug)]
pub struct Reports {
    newest: Mutex<BTreeMap<ObjectKey, Report>>,
    changes: broadcast::Sender<Report>,
}

impl Default for Reports {
    fn default() -> Self {
        Self { newest: Mutex::default(), changes: broadcast::Sender::new(BEHIND) }
    }
}

/// Everything now, and each change from then on.
#[derive(Debug)]
pub struct Watch {
    /// The newest report of every object of which something is known.
    pub now: Vec<Report>,
    /// What changes after that. A watcher that lags behind asks for everything again.
    pub changes: broadcast::Receiver<Report>,
}

impl Reports {
    fn newest(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, Report>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to watch: no change falls between the two halves of the answer.
    pub fn watch(&self) -> Watch {
        let newest = self.newest();
        let known = newest.values().filter(|report| report.state != State::Unproven);
        Watch { now: known.cloned().collect(), changes: self.changes.subscribe() }
    }

    /// Tells the watchers once more what is known of an object: its controller seems to have missed it.
    pub fn repeat(&self, key: ObjectKey) {
        if let Some(report) = self.newest().get(&key).filter(|report| report.state != State::Unproven) {
            // No receiver is no fault: nobody watches at the moment.
            drop(self.changes.send(report.clone()));
        }
    }

    /// How many objects of each kind are in each state, by their words.
    pub fn counts(&self) -> BTreeMap<(&'static str, &'static str), usize> {
        let mut counts = BTreeMap::new();
        for report in self.newest().values() {
            *counts.entry((report.key.kind_name(), report.state.word())).or_default() += 1;
        }
        counts
    }

    pub(crate) fn publish(&self, report: Report) {
        let mut newest = self.newest();
        // The same again is no news, whenever it is said.
        let known = newest.get(&report.key);
        if known.is_some_and(|known| known.generation == report.generation && known.state == report.state) {
            return;
        }
        newest.insert(report.key, report.clone());
        if report.state != State::Unproven {
            drop(self.changes.send(report));
        }
    }
}
