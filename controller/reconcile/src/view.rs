//! What one node is wanted to hold and what it said of it, as its session knows it. No I/O.

use std::collections::BTreeMap;

use npanel_model::{Generation, NodeId};
use npanel_proto::{
    command::Observation,
    ledger_digest,
    node::{self, InventoryEntry, ObjectRef, ObjectReport, object_report::State},
};
use npanel_state::{ObjectKind, Observed, WantedObject};

/// An object's kind and id.
pub(crate) type Key = (ObjectKind, Vec<u8>);

pub(crate) fn wire_kind(kind: ObjectKind) -> node::ObjectKind {
    match kind {
        ObjectKind::Account => node::ObjectKind::Account,
        ObjectKind::Site => node::ObjectKind::Site,
        ObjectKind::Database => node::ObjectKind::Database,
        ObjectKind::DatabaseUser => node::ObjectKind::DatabaseUser,
        ObjectKind::Zone => node::ObjectKind::Zone,
        ObjectKind::CronTable => node::ObjectKind::CronTable,
    }
}

pub(crate) fn wire_object(key: &Key) -> ObjectRef {
    ObjectRef { kind: wire_kind(key.0).into(), id: key.1.clone() }
}

/// The key of a reported object, if this controller knows its kind.
pub(crate) fn key_of(object: Option<&ObjectRef>) -> Option<Key> {
    let object = object?;
    let kind = ObjectKind::ALL.iter().copied().find(|kind| object.kind == i32::from(wire_kind(*kind)))?;
    Some((kind, object.id.clone()))
}

/// How a node's ledger differs from what is wanted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// What the ledger lacks, or has otherwise.
    pub(crate) missing: Vec<Key>,
    /// What only the ledger has. It is left alone: absence never deletes.
    pub(crate) unknown: Vec<ObjectRef>,
}

/// The two sides of one node.
#[derive(Debug, Default)]
pub(crate) struct View {
    objects: BTreeMap<Key, WantedObject>,
    /// The state is known up to this log index.
    reaches: u64,
    digest: Option<[u8; 32]>,
}

impl View {
    /// Starts over from everything that is wanted.
    pub(crate) fn load(wanted: Vec<WantedObject>) -> Self {
        let mut view = Self::default();
        view.merge(wanted);
        view
    }

    /// Takes in what changed. Returns which objects these are.
    pub(crate) fn merge(&mut self, changed: Vec<WantedObject>) -> Vec<Key> {
        let mut keys = Vec::with_capacity(changed.len());
        for object in changed {
            let key = (object.kind, object.id.clone());
            self.reaches = self.reaches.max(object.changed_index);
            keys.push(key.clone());
            self.objects.insert(key, object);
        }
        if !keys.is_empty() {
            self.digest = None;
        }
        keys
    }

    /// Up to which log index the state has been taken in.
    pub(crate) fn reaches(&self) -> u64 {
        self.reaches
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&WantedObject> {
        self.objects.get(key)
    }

    /// What the node's ledger should have for a digest.
    pub(crate) fn digest(&mut self) -> [u8; 32] {
        if let Some(digest) = self.digest {
            return digest;
        }
        let entries: Vec<InventoryEntry> = self.objects.iter().map(inventory_entry).collect();
        let digest = ledger_digest(&entries);
        self.digest = Some(digest);
        digest
    }

    /// Compares with a ledger.
    pub(crate) fn difference(&self, ledger: &[InventoryEntry]) -> Difference {
        let mut held: BTreeMap<Key, (u64, bool)> = BTreeMap::new();
        let mut unknown = Vec::new();
        for entry in ledger {
            match key_of(entry.object.as_ref()) {
                Some(key) if self.objects.contains_key(&key) => {
                    held.insert(key, (entry.generation, entry.tombstone));
                }
                _ => unknown.extend(entry.object.clone()),
            }
        }
        let lacks = |(key, object): &(&Key, &WantedObject)| {
            held.get(*key) != Some(&(object.generation.0, object.tombstone_seconds.is_some()))
        };
        let missing = self.objects.iter().filter(lacks).map(|(key, _)| key.clone()).collect();
        Difference { missing, unknown }
    }

    /// Takes in a node's report. Returns what is to be written down: only what is news, and nothing of objects
    /// that are not wanted on this node or not at that generation.
    pub(crate) fn report(&mut self, node: NodeId, report: &ObjectReport) -> Option<Observation> {
        let state = state_name(report)?;
        let key = key_of(report.object.as_ref())?;
        let object = self.objects.get_mut(&key)?;
        let now = Observed {
            generation: Generation(report.generation),
            state: state.to_owned(),
            reason: report.reason.clone(),
            message: report.message.clone(),
        };
        let outdated = now.generation < object.observed.generation || now.generation > object.generation;
        if outdated || now == object.observed {
            return None;
        }
        let gone =
            state == "removed" && now.generation == object.generation && object.tombstone_seconds.is_some();
        object.observed = now;
        if gone {
            self.objects.remove(&key);
            self.digest = None;
        }
        Some(observation(node, &key, state, report))
    }
}

fn inventory_entry((key, object): (&Key, &WantedObject)) -> InventoryEntry {
    InventoryEntry {
        object: Some(wire_object(key)),
        generation: object.generation.0,
        tombstone: object.tombstone_seconds.is_some(),
    }
}

/// Why an object may wait for longer than its turn: worth a place in the log, so that people see it. Other waits
/// pass within a push, and would cost an entry each.
const LASTING: &[&str] = &["DeletionsHeld", "ExecutorUnreachable"];

fn state_name(report: &ObjectReport) -> Option<&'static str> {
    match report.state() {
        State::Converged => Some("converged"),
        State::Failed => Some("failed"),
        State::Retained => Some("retained"),
        State::Removed => Some("removed"),
        State::Pending if LASTING.contains(&report.reason.as_str()) => Some("pending"),
        State::Unspecified | State::Pending => None,
    }
}

fn observation(node: NodeId, key: &Key, state: &str, report: &ObjectReport) -> Observation {
    let stages: Vec<(&str, u64)> =
        report.stages.iter().map(|stage| (stage.stage.as_str(), stage.microseconds)).collect();
    let stages = if stages.is_empty() {
        String::new()
    } else {
        serde_json::to_string(&stages).expect("texts and numbers are valid JSON")
    };
    Observation {
        node_id: node.to_bytes(),
        kind: key.0.as_str().to_owned(),
        object_id: key.1.clone(),
        generation: report.generation,
        state: state.to_owned(),
        reason: report.reason.clone(),
        message: report.message.clone(),
        since_millis: report.time_millis,
        stages,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use npanel_proto::node::StageTime;

    fn wanted(id: u8, generation: u64, tombstone: bool, index: u64) -> WantedObject {
        WantedObject {
            kind: ObjectKind::Site,
            id: vec![id; 16],
            generation: Generation(generation),
            tombstone_seconds: tombstone.then_some(60),
            changed_index: index,
            observed: Observed {
                generation: Generation(0),
                state: "pending".into(),
                reason: String::new(),
                message: String::new(),
            },
        }
    }

    fn entry(id: u8, generation: u64, tombstone: bool) -> InventoryEntry {
        let object = Some(wire_object(&(ObjectKind::Site, vec![id; 16])));
        InventoryEntry { object, generation, tombstone }
    }

    fn report(id: u8, generation: u64, state: State) -> ObjectReport {
        ObjectReport {
            object: Some(wire_object(&(ObjectKind::Site, vec![id; 16]))),
            generation,
            state: state.into(),
            time_millis: 7,
            stages: vec![StageTime { stage: "render".into(), microseconds: 12 }],
            ..ObjectReport::default()
        }
    }

    #[test]
    fn what_the_ledger_lacks_or_has_otherwise_is_pushed() {
        let view = View::load(vec![
            wanted(1, 1, false, 1),
            wanted(2, 2, false, 2),
            wanted(3, 2, true, 3),
            wanted(4, 1, false, 4),
        ]);
        let ledger = [entry(1, 1, false), entry(2, 1, false), entry(3, 1, false), entry(9, 5, false)];
        let difference = view.difference(&ledger);
        let ids: Vec<u8> = difference.missing.iter().map(|(_, id)| id[0]).collect();
        assert_eq!(ids, [2, 3, 4]);
        assert_eq!(difference.unknown, [wire_object(&(ObjectKind::Site, vec![9; 16]))]);
        assert_eq!(view.reaches(), 4);
    }

    #[test]
    fn equal_digests_mean_no_difference() {
        let mut view = View::load(vec![wanted(2, 2, true, 2), wanted(1, 1, false, 1)]);
        let ledger = [entry(1, 1, false), entry(2, 2, true)];
        assert_eq!(view.digest(), ledger_digest(&ledger));
        assert_eq!(view.difference(&ledger), Difference::default());
        view.merge(vec![wanted(1, 2, false, 3)]);
        assert_ne!(view.digest(), ledger_digest(&ledger));
    }

    #[test]
    fn only_news_is_written_down() {
        let node = NodeId::generate();
        let mut view = View::load(vec![wanted(1, 2, false, 1)]);
        assert!(view.report(node, &report(1, 2, State::Pending)).is_none(), "pending says nothing");
        let first = view.report(node, &report(1, 1, State::Converged)).expect("an older generation is news");
        assert_eq!((first.generation, first.state.as_str()), (1, "converged"));
        assert_eq!(first.stages, r#"[["render",12]]"#);
        assert!(view.report(node, &report(1, 1, State::Converged)).is_none(), "said twice");
        assert!(view.report(node, &report(1, 2, State::Failed)).is_some());
        let held = ObjectReport { reason: "DeletionsHeld".into(), ..report(1, 2, State::Pending) };
        assert!(view.report(node, &held).is_some(), "what waits for people is told to people");
        assert!(view.report(node, &report(1, 1, State::Converged)).is_none(), "an older generation again");
        assert!(view.report(node, &report(1, 3, State::Converged)).is_none(), "nobody asked for it");
        assert!(view.report(node, &report(5, 1, State::Converged)).is_none(), "not on this node");
    }

    #[test]
    fn what_is_removed_is_no_longer_expected_in_the_ledger() {
        let node = NodeId::generate();
        let mut view = View::load(vec![wanted(1, 2, true, 1)]);
        assert!(view.report(node, &report(1, 2, State::Retained)).is_some());
        assert_eq!(view.digest(), ledger_digest(&[entry(1, 2, true)]));
        assert!(view.report(node, &report(1, 2, State::Removed)).is_some());
        assert_eq!(view.digest(), ledger_digest(&[]));
    }

    #[test]
    fn a_removal_of_something_wanted_again_is_not_the_end_of_it() {
        let node = NodeId::generate();
        let mut view = View::load(vec![wanted(1, 3, false, 1)]);
        assert!(view.report(node, &report(1, 2, State::Removed)).is_some());
        assert_eq!(view.digest(), ledger_digest(&[entry(1, 3, false)]));
    }
}
