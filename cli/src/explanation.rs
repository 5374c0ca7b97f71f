//! Why something is where it is or not as it should be, in words.

use std::collections::BTreeMap;

use npanel_model::NodeId;
use npanel_sdk_types::{
    Account, Condition, ConditionStatus, Convergence, Domain, NodeVerdict, OtherNodes, PlacementReport,
    Status, Suspension, SuspensionOf, UnmetTerm, Verdict,
};
use serde::Serialize;

use crate::{arguments::Format, failure::Failure, output};

/// Prints the object itself, or for people what is said of it.
pub(crate) fn print(
    format: Format,
    object: &impl Serialize,
    lines: impl FnOnce() -> Vec<String>,
) -> Result<(), Failure> {
    match format {
        Format::Json => output::object(format, object),
        Format::Table => lines().iter().try_for_each(|line| output::print(&output::printable(line))),
    }
}

/// Every node's verdict, part by part.
pub(crate) fn of_placement(report: &PlacementReport) -> Vec<String> {
    let parts = report
        .parts
        .iter()
        .flat_map(|part| choice(part.part.as_str(), part.chosen.as_slice(), &part.nodes, &part.others));
    let zone = report.zone.iter().flat_map(|zone| choice("zone", &zone.chosen, &zone.nodes, &zone.others));
    parts.chain(zone).collect()
}

fn choice(what: &str, chosen: &[NodeId], nodes: &[NodeVerdict], others: &[OtherNodes]) -> Vec<String> {
    // Names of nodes, and what was decided about them, are for the platform.
    let name = |id: &NodeId| match nodes.iter().find(|node| node.node_id == *id) {
        Some(node) => node.name.to_string(),
        None => id.to_string(),
    };
    let names: Vec<String> = chosen.iter().map(name).collect();
    let mut lines = match names.as_slice() {
        [] => vec![format!("{what}: no node can take it")],
        names => vec![format!("{what}: {}", names.join(", "))],
    };
    lines.extend(nodes.iter().map(|node| {
        let word = match node.verdict {
            Verdict::Chosen => "chosen",
            Verdict::Fits => "fits",
            Verdict::Refused => "refused",
        };
        format!("  {word:<8} {:<16} {}", node.name.as_str(), node.reason)
    }));
    lines.extend(others.iter().map(|others| format!("  and {} more: {}", others.nodes, others.reason)));
    lines
}

/// Names of nodes, as far as one may know them.
pub(crate) type NodeNames = BTreeMap<NodeId, String>;

/// What an account is besides being as it should or not.
pub(crate) fn of_account(account: &Account, names: &NodeNames) -> Vec<String> {
    let suspension = account.suspension.iter().map(of_suspension);
    suspension.chain(account.placement_unmet.iter().map(|unmet| of_unmet(unmet, names))).collect()
}

/// What a domain is besides being as it should or not.
pub(crate) fn of_domain(domain: &Domain) -> Vec<String> {
    domain.suspension.iter().map(of_suspension).collect()
}

fn of_suspension(suspension: &Suspension) -> String {
    let why = if suspension.reason.is_empty() { String::new() } else { format!(": {}", suspension.reason) };
    let with = if suspension.of == SuspensionOf::Tenant { " with its tenant" } else { "" };
    format!("  suspended{with} since {} by {}{why}", suspension.since, suspension.by)
}

fn of_unmet(unmet: &UnmetTerm, names: &NodeNames) -> String {
    let node = node_name(unmet.node_id, names);
    let UnmetTerm { term, wanted, has, .. } = unmet;
    let has = if has.is_empty() { String::new() } else { format!(" (it has {has})") };
    format!(
        "  {node} is not what its plan wants: {term} {wanted}{has}; it stays there, for accounts are not moved yet"
    )
}

fn node_name(id: NodeId, names: &NodeNames) -> String {
    names.get(&id).cloned().unwrap_or_else(|| id.to_string())
}

/// What keeps an object from being as it should, and what to do about it. `besides`: what else there is to say of it.
pub(crate) fn of_object(
    name: &str,
    besides: Vec<String>,
    convergence: &Convergence,
    names: &NodeNames,
) -> Vec<String> {
    let open: Vec<&Condition> =
        convergence.conditions.iter().filter(|condition| condition.status != ConditionStatus::True).collect();
    let mut lines = vec![match convergence.status {
        Status::Ready if open.is_empty() => format!("{name} is as it should be on every node"),
        Status::Ready => format!("{name} is as it should be, as far as its nodes could say"),
        Status::Converging => format!("{name} is on its way: {} of its nodes have it to do", open.len()),
        Status::Failed => format!("{name} could not be done on every node; it is tried again"),
        Status::Deleting => format!("{name} is being removed"),
    }];
    lines.extend(besides);
    for condition in open {
        let node = node_name(condition.node_id, names);
        lines.push(format!("  on {node}, since {}: {}", condition.since, condition.reason));
        if !condition.message.is_empty() {
            lines.push(format!("    {}", condition.message));
        }
        if condition.observed_generation < convergence.generation {
            let (seen, wanted) = (condition.observed_generation, convergence.generation);
            lines.push(format!("    the node has spoken of version {seen}; {wanted} is wanted"));
        }
        lines.push(format!("    {}", advice(&condition.reason)));
    }
    lines
}

/// What to do about a reason that a node gives.
fn advice(reason: &str) -> &'static str {
    match reason {
        "Unplaced" => {
            "it is placed anew by itself when a node can take it; `npanel explain placement` shows why none can now"
        }
        "NodeRevoked" => "take the node in again, or delete it by force: see `npanel node --help`",
        "Pending" | "WaitsForBase" | "WaitsForAccount" | "WaitsForDatabase" | "WaitsForRemoval" => {
            "nothing to do yet; if it stays so, `npanel node status` shows whether the node is connected"
        }
        "CheckRefused" | "RenderRefused" => {
            "the service's own checker refuses this object; the last good configuration stays in use. Change the object"
        }
        "DeletionsHeld" => "many deletions came at once and wait for a person: see docs/operations/nodes.md",
        "DiskFull" => "make room on the node's disk; it is tried again by itself",
        "ExecutorUnreachable" | "ExecutorTimeout" => {
            "the node's root process does not answer: systemctl status npanel-executor on the node"
        }
        "BaseMissing" | "UnitFailed" | "ProgramFailed" => {
            "a service of the node is not as it should be: `npanel node status` names those that do not run"
        }
        "PhpVersionMissing" => "install that PHP version on the node, or give the account another one",
        "UsernameTaken" | "UidTaken" => {
            "somebody else's user has that name or number on the node; remove it there"
        }
        "UnexpectedFile" => "a file that nPanel did not make is in the way; move it aside on the node",
        "IntentInvalid" | "IntentRefused" | "UnknownKind" => {
            "the node's daemon does not take it: it may be older than the controllers; upgrade it"
        }
        "IntentUnreadable" => "the state cannot be read on the leader; its log says why",
        _ => "it is tried again by itself; the message says what to mend",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "0190a5d2-0000-7000-8000-000000000001";

    #[test]
    fn a_failure_is_told_with_its_node_its_reason_and_what_to_do() {
        let convergence: Convergence = serde_json::from_value(json!({
            "generation": 2, "observed_generation": 1, "status": "failed", "operation_id": ID,
            "conditions": [{"type": "Converged", "status": "false", "reason": "CheckRefused", "message": "line 3",
                "node_id": ID, "observed_generation": 1, "since": "2026-01-01T00:00:00Z"}],
        }))
        .expect("a convergence");
        let names = BTreeMap::from([(ID.parse().expect("an id"), "n1".to_owned())]);
        let text =
            of_object("domain/a.example", vec!["  suspended".to_owned()], &convergence, &names).join("\n");
        for expected in [
            "could not be done",
            "\n  suspended\n",
            "on n1, since 2026",
            "CheckRefused",
            "line 3",
            "2 is wanted",
            "Change the object",
        ] {
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
    }

    #[test]
    fn a_placement_says_of_every_node_why() {
        let report: PlacementReport =
            serde_json::from_value(json!({"parts": [{"part": "web", "chosen": ID, "nodes": [
            {"node_id": ID, "name": "n1", "verdict": "chosen", "reason": "carries 0"}],
            "others": [{"verdict": "refused", "reason": "cordoned", "nodes": 7}]}]}))
            .expect("a report");
        assert_eq!(
            of_placement(&report),
            ["web: n1", "  chosen   n1               carries 0", "  and 7 more: cordoned"]
        );
    }
}
