//! How far the fleet is, from the state's rows to the wire.

use npanel_sdk_types::{Condition, ConditionStatus, ConditionType, Convergence, Stage, Status};
use npanel_state::ObjectStatus;

pub(crate) fn convergence(row: npanel_state::Convergence) -> Convergence {
    Convergence {
        generation: row.generation,
        observed_generation: row.observed_generation,
        status: status(row.status),
        conditions: row.conditions.into_iter().map(condition).collect(),
        operation_id: row.operation_id,
    }
}

fn status(status: ObjectStatus) -> Status {
    match status {
        ObjectStatus::Converging => Status::Converging,
        ObjectStatus::Ready => Status::Ready,
        ObjectStatus::Failed => Status::Failed,
        ObjectStatus::Deleting => Status::Deleting,
    }
}

pub(crate) fn condition(row: npanel_state::Condition) -> Condition {
    let (status, reason) = match row.state.as_str() {
        "converged" => (ConditionStatus::True, "Converged"),
        "retained" => (ConditionStatus::True, "Retained"),
        "removed" => (ConditionStatus::True, "Removed"),
        "failed" => (ConditionStatus::False, "Failed"),
        _ => (ConditionStatus::Unknown, "Pending"),
    };
    Condition {
        kind: ConditionType::Converged,
        status,
        reason: if row.reason.is_empty() { reason.to_owned() } else { row.reason },
        message: row.message,
        node_id: row.node_id,
        observed_generation: row.observed_generation,
        since: row.since,
        stages: stages(&row.stages),
        object_kind: None,
    }
}

/// The condition of something that an operation still waits for: whatever a node said, it was about something
/// older, unless it failed.
pub(crate) fn open_condition((kind, row): (npanel_state::ObjectKind, npanel_state::Condition)) -> Condition {
    let mut condition = condition(row);
    if condition.status == ConditionStatus::True {
        condition.status = ConditionStatus::Unknown;
        "Pending".clone_into(&mut condition.reason);
    }
    condition.object_kind = Some(kind.noun().to_owned());
    condition
}

fn stages(json: &str) -> Vec<Stage> {
    let stages: Vec<(String, u64)> = serde_json::from_str(json).unwrap_or_default();
    stages.into_iter().map(|(name, microseconds)| Stage { name, microseconds }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_read_where_there_are_any() {
        let expected = Stage { name: "check".into(), microseconds: 12 };
        assert_eq!(stages(r#"[["check", 12]]"#), [expected]);
        assert_eq!(stages(""), []);
    }
}
