//! What a node holds and the state does not know: objects that were made after a backup from which the state was restored. Nobody
//! touches them; whoever looks at the node is told.

use npanel_model::{NodeCondition, NodeConditionKind, Timestamp};
use npanel_proto::node::ObjectRef;
use uuid::Uuid;

/// So many are named.
const NAMED: usize = 5;

#[derive(Debug, Default)]
pub(crate) struct Strangers {
    found: Option<NodeCondition>,
}

impl Strangers {
    /// What a comparison has found.
    pub(crate) fn note(&mut self, unknown: &[ObjectRef]) {
        if unknown.is_empty() {
            self.found = None;
            return;
        }
        let since = self.found.as_ref().map_or_else(Timestamp::now, |found| found.since);
        let name = |object: &ObjectRef| {
            let kind = object.kind().as_str_name().trim_start_matches("OBJECT_KIND_").to_lowercase();
            Uuid::from_slice(&object.id).map_or(kind.clone(), |id| format!("{kind} {id}"))
        };
        let named: Vec<String> = unknown.iter().take(NAMED).map(name).collect();
        let more = unknown.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        self.found = Some(NodeCondition {
            kind: NodeConditionKind::UnknownObjects,
            subject: String::new(),
            reason: "NotInState".to_owned(),
            message: format!(
                "it holds {} objects that the fleet's state does not know, and leaves them as they are: {}{more}",
                unknown.len(),
                named.join(", ")
            ),
            since,
        });
    }

    /// What is to be said of it. A ledger that is as wanted holds nothing else.
    pub(crate) fn condition(&mut self, is_as_wanted: bool) -> Option<NodeCondition> {
        if is_as_wanted {
            self.found = None;
        }
        self.found.clone()
    }
}

#[cfg(test)]
mod tests {
    use npanel_proto::node::ObjectKind;

    use super::*;

    fn stranger(id: u8) -> ObjectRef {
        ObjectRef { kind: ObjectKind::Site.into(), id: vec![id; 16] }
    }

    #[test]
    fn strangers_are_told_until_they_are_gone() {
        let mut strangers = Strangers::default();
        assert_eq!(strangers.condition(false), None);
        strangers.note(&(0..8).map(stranger).collect::<Vec<_>>());
        let told = strangers.condition(false).expect("a condition");
        let message = told.message.as_str();
        assert!(message.contains("it holds 8 objects") && message.contains("and 3 more"), "{message}");
        assert!(message.contains("site 01010101-0101-0101-0101-010101010101"), "{message}");
        strangers.note(&[stranger(1)]);
        assert_eq!(strangers.condition(false).expect("a condition").since, told.since, "it goes on");
        strangers.note(&[]);
        assert_eq!(strangers.condition(false), None);
        strangers.note(&[stranger(1)]);
        assert_eq!(strangers.condition(true), None, "the ledger is as wanted");
        assert_eq!(strangers.condition(false), None);
    }
}
