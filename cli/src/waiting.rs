//! Waiting for the fleet, with something to look at.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use npanel_client::{Client, Waited};
use npanel_model::OperationId;
use npanel_sdk_types::{Condition, ConditionStatus, Operation, OperationStatus};

use crate::{failure::Failure, output::printable};

/// Waits for an operation. On a terminal, standard error shows what the nodes say meanwhile.
pub(crate) async fn wait(client: &Client, id: OperationId, timeout: Duration) -> Result<Operation, Failure> {
    // Draws nothing where standard error is not a terminal.
    let spinner = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner.set_message("waiting for the fleet");
    let waited = client.wait_for(id, timeout, |operation| spinner.set_message(summary(operation))).await;
    spinner.finish_and_clear();
    match waited? {
        Waited::Ended(operation) => Ok(operation),
        Waited::TimedOut(operation) => Err(Failure::TimedOut(format!(
            "not done after {} s, and going on: {} (operation {id})",
            timeout.as_secs(),
            summary(&operation)
        ))),
    }
}

/// An operation in one line: what still keeps it.
fn summary(operation: &Operation) -> String {
    let open: Vec<String> = operation
        .conditions
        .iter()
        .filter(|condition| condition.status != ConditionStatus::True)
        .map(told)
        .collect();
    let status = match operation.status {
        OperationStatus::Failed => "failing, tried again",
        other => other.as_str(),
    };
    let progress = operation.progress;
    let how_far = format!("{status}, {} % ({} of {})", progress.percent(), progress.done, progress.total);
    if open.is_empty() {
        format!("{} {how_far}", operation.action)
    } else {
        format!("{} {how_far}: {}", operation.action, open.join("; "))
    }
}

/// What a node says about an object, in one line.
pub(crate) fn told(condition: &Condition) -> String {
    let reason = if condition.reason.is_empty() { "pending" } else { &condition.reason };
    let object = condition.object_kind.as_deref().map_or_else(String::new, |kind| format!("{kind} on "));
    let text = if condition.message.is_empty() {
        format!("{object}node {}: {reason}", condition.node_id)
    } else {
        format!("{object}node {}: {reason} ({})", condition.node_id, condition.message)
    };
    printable(&text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_an_operation_is_said() {
        let json = r#"{"id":"0190a5d2-0000-7000-8000-000000000001","action":"domain.create",
            "tenant_id":"0190a5d2-0000-7000-8000-000000000002","object_id":"x","object_kind":"domain","request_id":null,"status":"failed",
            "progress":{"done":1,"total":3},"conditions":[{"type":"Converged","status":"false","reason":"CheckerRefused","message":"line\n2",
            "node_id":"0190a5d2-0000-7000-8000-000000000003","observed_generation":1,"since":"2026-01-01T00:00:00Z"}],
            "created_at":"2026-01-01T00:00:00Z","finished_at":null}"#;
        let operation: Operation = serde_json::from_str(json).expect("an operation");
        assert_eq!(
            summary(&operation),
            "domain.create failing, tried again, 33 % (1 of 3): \
             node 0190a5d2-0000-7000-8000-000000000003: CheckerRefused (line 2)"
        );
    }
}
