//! How far the fleet is, from the state's rows to the wire.

use npanel_model::{Generation, Timestamp};
use npanel_sdk_types::{Condition, ConditionStatus, ConditionType, Convergence, Stage, Status};
use npanel_state::{ObjectStatus, OperationTarget, TargetProgress};

pub(crate) fn convergence(row: npanel_state::Convergence) -> Convergence {
    Convergence {
        generation: row.generation,
        observed_generation: row.observed_generation,
        status: status(row.status),
        conditions: row.conditions.into_iter().map(condition).collect(),
        operation_id: row.operation_id,
    }
}

/// A status that is asked for.
pub(crate) fn wanted_status(status: Status) -> ObjectStatus {
    match status {
        Status::Converging => ObjectStatus::Converging,
        Status::Ready => ObjectStatus::Ready,
        Status::Failed => ObjectStatus::Failed,
        Status::Deleting => ObjectStatus::Deleting,
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

fn condition(row: npanel_state::Condition) -> Condition {
    let (is_of_revoked_node, said) = (row.is_of_revoked_node, as_said(row));
    if is_of_revoked_node { of_revoked_node(said) } else { said }
}

/// What a node said before it was revoked is no word about now.
fn of_revoked_node(said: Condition) -> Condition {
    let message = format!("the node is revoked; it last said: {} {}", said.reason, said.message);
    Condition {
        status: ConditionStatus::Unknown,
        reason: "NodeRevoked".to_owned(),
        message: message.trim_end().to_owned(),
        ..said
    }
}

fn as_said(row: npanel_state::Condition) -> Condition {
    let (status, reason) = match row.state.as_str() {
        "converged" => (ConditionStatus::True, "Converged"),
        "retained" => (ConditionStatus::True, "Retained"),
        "removed" => (ConditionStatus::True, "Removed"),
        "failed" | "unplaced" | "behind" => (ConditionStatus::False, "Failed"),
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

/// How a target of an operation stands. Of one that is open, whatever the node said was about something older,
/// unless it failed.
pub(crate) fn target_condition(target: OperationTarget) -> Condition {
    let kind = Some(target.kind.noun().to_owned());
    match target.progress {
        TargetProgress::Done { at, stages: json } => Condition {
            kind: ConditionType::Converged,
            status: ConditionStatus::True,
            reason: "Converged".to_owned(),
            message: String::new(),
            node_id: target.node_id,
            observed_generation: target.generation,
            since: at,
            stages: stages(&json),
            object_kind: kind,
        },
        TargetProgress::Open(Some(row)) if row.observed_generation >= target.generation => {
            Condition { object_kind: kind, ..condition(row) }
        }
        TargetProgress::Open(Some(row)) if row.is_of_revoked_node => {
            Condition { object_kind: kind, ..condition(row) }
        }
        TargetProgress::Open(row) => Condition {
            kind: ConditionType::Converged,
            status: ConditionStatus::Unknown,
            reason: "Pending".to_owned(),
            message: String::new(),
            node_id: target.node_id,
            observed_generation: row.as_ref().map_or(Generation(0), |row| row.observed_generation),
            since: row.map_or(Timestamp::from_millis(0), |row| row.since),
            stages: Vec::new(),
            object_kind: kind,
        },
    }
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
