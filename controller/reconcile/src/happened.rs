//! What a node says of itself besides its objects: events, and what is wrong with it.

use std::{collections::HashSet, sync::Mutex, sync::PoisonError};

use npanel_model::{EventId, NodeCondition, NodeConditionKind, NodeId, Timestamp};
use npanel_proto::{
    command::{EventDifference, NodeConditionState, NodeEvent, RecordNodeConditions},
    node::{self, node_condition::Kind},
};

use crate::view::key_of;

/// A node repeats at most so many events when a leader comes: see the daemon's own bound.
pub(crate) const REPEATED: u32 = 512;

/// The events of a node that are written down already, or on their way.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashSet<EventId>>);

impl Known {
    pub(crate) fn of(ids: Vec<EventId>) -> Self {
        Self(Mutex::new(ids.into_iter().collect()))
    }

    /// Whether an event is news; it is none from then on.
    fn is_news(&self, id: EventId) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Long ago, and none of them is repeated any more.
        if known.len() > 8 * REPEATED as usize {
            known.clear();
        }
        known.insert(id)
    }

    /// What is to be written down of an event; nothing if it is no news, or of a kind that is not known here.
    pub(crate) fn take(&self, node: NodeId, event: node::Event) -> Option<NodeEvent> {
        let id = EventId::from_bytes(&event.id).ok()?;
        let (kind, object_id) = match &event.object {
            None => (String::new(), Vec::new()),
            Some(object) => {
                let (kind, id) = key_of(Some(object))?;
                (kind.as_str().to_owned(), id)
            }
        };
        if !self.is_news(id) {
            return None;
        }
        let difference = |one: node::Difference| EventDifference {
            what: one.what,
            expected: one.expected,
            found: one.found,
        };
        Some(NodeEvent {
            event_id: id.to_bytes(),
            node_id: node.to_bytes(),
            kind,
            object_id,
            time_millis: event.time_millis,
            reason: event.reason,
            message: event.message,
            differences: event.differences.into_iter().map(difference).collect(),
        })
    }
}

/// What a heartbeat says is wrong with the node. What a later version's daemon calls otherwise is left out.
pub(crate) fn conditions(wire: &[node::NodeCondition]) -> Vec<NodeCondition> {
    let kind = |kind: Kind| {
        Some(match kind {
            Kind::Unspecified => return None,
            Kind::DiskPressure => NodeConditionKind::DiskPressure,
            Kind::MemoryPressure => NodeConditionKind::MemoryPressure,
            Kind::ServiceFailed => NodeConditionKind::ServiceFailed,
            Kind::ExecutorUnreachable => NodeConditionKind::ExecutorUnreachable,
            Kind::Slow => NodeConditionKind::Slow,
            Kind::LedgerUnwritable => NodeConditionKind::LedgerUnwritable,
            Kind::ClockSkewed => NodeConditionKind::ClockSkewed,
            Kind::DeletionsHeld => NodeConditionKind::DeletionsHeld,
            Kind::ConfigurationFailed => NodeConditionKind::ConfigurationFailed,
            Kind::Leftovers => NodeConditionKind::Leftovers,
        })
    };
    let condition = |one: &node::NodeCondition| {
        Some(NodeCondition {
            kind: kind(one.kind())?,
            subject: one.subject.clone(),
            reason: one.reason.clone(),
            message: one.message.clone(),
            since: Timestamp::from_millis(one.since_millis),
        })
    };
    wire.iter().filter_map(condition).collect()
}

/// Whether two lists of conditions say the same, but for numbers that move all the time.
pub(crate) fn are_the_same(one: &[NodeCondition], other: &[NodeCondition]) -> bool {
    let within = |one: &[NodeCondition], other: &[NodeCondition]| {
        one.iter().all(|condition| other.iter().any(|known| known.is_the_same_as(condition)))
    };
    within(one, other) && within(other, one)
}

/// The command that writes them down.
pub(crate) fn record(node: NodeId, conditions: &[NodeCondition]) -> RecordNodeConditions {
    let state = |condition: &NodeCondition| NodeConditionState {
        kind: condition.kind.as_str().to_owned(),
        subject: condition.subject.clone(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        since_millis: condition.since.as_millis(),
    };
    RecordNodeConditions { node_id: node.to_bytes(), conditions: conditions.iter().map(state).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(subject: &str, message: &str) -> NodeCondition {
        NodeCondition {
            kind: NodeConditionKind::DiskPressure,
            subject: subject.to_owned(),
            reason: "SpaceLow".to_owned(),
            message: message.to_owned(),
            since: Timestamp::from_millis(1),
        }
    }

    #[test]
    fn only_a_transition_is_written_down() {
        let before = [condition("homes", "5 % are free"), condition("logs", "")];
        assert!(are_the_same(&before, &[condition("logs", ""), condition("homes", "4 % are free")]));
        assert!(!are_the_same(&before, &[condition("logs", "")]));
        assert!(!are_the_same(&[], &before));
    }

    #[test]
    fn an_event_that_is_repeated_is_taken_once() {
        let (known, node) = (Known::default(), NodeId::generate());
        let event = node::Event { id: EventId::generate().to_bytes(), ..node::Event::default() };
        assert!(known.take(node, event.clone()).is_some());
        assert!(known.take(node, event).is_none());
        assert!(known.take(node, node::Event::default()).is_none(), "without an id");
    }
}
