//! One object for people: who it is, how it stands, where, and what is wrong with it. The JSON has the rest.

use std::collections::BTreeMap;

use npanel_sdk_types::{Condition, ConditionStatus, NodeCondition};
use serde_json::{Map, Value};

use crate::waiting::told;

/// The lines: a name and a value each.
pub(crate) fn summary(value: &Value) -> Vec<(String, String)> {
    let Some(fields) = value.as_object() else { return Vec::new() };
    let mut lines: Vec<_> = fields
        .iter()
        .filter(|(name, _)| !LEFT_TO_JSON.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), shown(name, value)))
        .collect();
    let conditions = conditions(fields);
    let mut said = |name: &str, values: Vec<String>| {
        if !values.is_empty() {
            lines.push((name.to_owned(), values.join("\n")));
        }
    };
    said("nodes", nodes(fields, &conditions));
    said("failed", of_status(&conditions, ConditionStatus::False));
    said("waits_for", of_status(&conditions, ConditionStatus::Unknown));
    said("wrong", wrong(fields));
    lines.sort_by_key(|(name, _)| place(name));
    lines
}

/// What programs want of an object, and what the other lines are made of.
const LEFT_TO_JSON: [&str; 5] =
    ["assignments", "conditions", "generation", "observed_generation", "placement"];

fn conditions(fields: &Map<String, Value>) -> Vec<Condition> {
    let conditions = fields.get("conditions").cloned().unwrap_or_default();
    serde_json::from_value(conditions).unwrap_or_default()
}

/// What is wrong with a node, a line each.
fn wrong(fields: &Map<String, Value>) -> Vec<String> {
    let conditions = fields.get("conditions").cloned().unwrap_or_default();
    let conditions: Vec<NodeCondition> = serde_json::from_value(conditions).unwrap_or_default();
    let line = |one: &NodeCondition| {
        let which = if one.subject.is_empty() { String::new() } else { format!(" ({})", one.subject) };
        let doubt = if one.status == ConditionStatus::Unknown { ", when it was last heard" } else { "" };
        format!("{}{which}: {}: {}, since {}{doubt}", one.kind, one.reason, one.message, one.since)
    };
    conditions.iter().map(line).collect()
}

fn of_status(conditions: &[Condition], status: ConditionStatus) -> Vec<String> {
    conditions.iter().filter(|condition| condition.status == status).map(told).collect()
}

/// Where it is: an account's parts, with the nodes' names if the placement tells them; else the nodes that have a
/// say in it, unless the object names them itself.
fn nodes(fields: &Map<String, Value>, conditions: &[Condition]) -> Vec<String> {
    if let Some(assignments) = fields.get("assignments").and_then(Value::as_array) {
        let names = fields.get("placement").map(node_names).unwrap_or_default();
        return assignments.iter().map(|assignment| assigned(assignment, &names)).collect();
    }
    if fields.contains_key("node_ids") {
        return Vec::new();
    }
    let mut nodes: Vec<_> = conditions.iter().map(|condition| condition.node_id.to_string()).collect();
    nodes.sort();
    nodes.dedup();
    nodes
}

fn assigned(assignment: &Value, names: &BTreeMap<&str, &str>) -> String {
    let field = |name: &str| assignment[name].as_str().unwrap_or_default();
    let node = field("node_id");
    let named = names.get(node).map_or_else(|| node.to_owned(), |name| format!("{name} ({node})"));
    match field("state") {
        "active" => format!("{} on {named}", field("part")),
        state => format!("{} on {named}, {state}", field("part")),
    }
}

fn node_names(placement: &Value) -> BTreeMap<&str, &str> {
    let parts = placement["parts"].as_array().into_iter().flatten();
    let nodes = parts.flat_map(|part| part["nodes"].as_array().into_iter().flatten());
    nodes.filter_map(|node| Some((node["node_id"].as_str()?, node["name"].as_str()?))).collect()
}

/// Who it is comes first, and what is long comes last.
fn place(name: &str) -> usize {
    const FIRST: [&str; 7] = ["id", "name", "username", "action", "type", "status", "uid"];
    const LAST: [&str; 4] = ["nodes", "failed", "waits_for", "wrong"];
    let at = |names: &[&str]| names.iter().position(|known| *known == name);
    at(&FIRST).or_else(|| at(&LAST).map(|last| FIRST.len() + 1 + last)).unwrap_or(FIRST.len())
}

fn shown(name: &str, value: &Value) -> String {
    match (name, value) {
        ("account_limit" | "domains" | "databases", Value::Null) => "unlimited".to_owned(),
        ("expires_at", Value::Null) => "never".to_owned(),
        _ => text_of(value),
    }
}

/// A JSON value for people: lists of objects get a line each.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().map(text_of).collect::<Vec<_>>().join("\n")
        }
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| format!("{name}={}", text_of(value));
            fields.iter().map(field).collect::<Vec<_>>().join(" ")
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NODE: &str = "0190a5d2-0000-7000-8000-000000000003";

    fn lines(value: &Value) -> Vec<String> {
        summary(value).into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn what_is_wrong_with_a_node_is_said() {
        let node = json!({"name": "n1", "conditions": [{"type": "DiskPressure", "status": "true", "subject": "homes",
            "reason": "SpaceLow", "message": "4 of 100 MB are free", "since": "2026-01-01T00:00:00Z"}]});
        let said = lines(&node).join("\n");
        assert!(said.contains("wrong: DiskPressure (homes): SpaceLow: 4 of 100 MB are free"), "{said}");
    }

    fn condition(status: &str, reason: &str) -> Value {
        json!({"type": "Converged", "status": status, "reason": reason, "message": "", "node_id": NODE,
            "observed_generation": 1, "since": "2026-01-01T00:00:00Z",
            "stages": [{"name": "check", "microseconds": 12}]})
    }

    #[test]
    fn an_account_says_where_it_is_and_leaves_the_verdicts_to_json() {
        let account = json!({"uid": 7, "id": "a", "username": "alice", "status": "ready", "generation": 1,
            "conditions": [condition("true", "Converged")],
            "assignments": [{"part": "web", "node_id": NODE, "state": "active", "epoch": 1},
                {"part": "database", "node_id": "x", "state": "incoming", "epoch": 2}],
            "placement": {"parts": [{"part": "web", "chosen": NODE, "nodes": [
                {"node_id": NODE, "name": "n1", "verdict": "chosen", "reason": "it has the most room"}]}]}});
        let nodes = format!("nodes: web on n1 ({NODE})\ndatabase on x, incoming");
        assert_eq!(lines(&account), ["id: a", "username: alice", "status: ready", "uid: 7", &nodes]);
    }

    #[test]
    fn a_failed_conditions_reason_is_said_and_its_stages_are_not() {
        let domain = json!({"id": "d", "name": "example.com", "status": "failed",
            "conditions": [condition("false", "CheckerRefused"), condition("unknown", "")]});
        assert_eq!(
            lines(&domain),
            [
                "id: d",
                "name: example.com",
                "status: failed",
                &format!("nodes: {NODE}"),
                &format!("failed: node {NODE}: CheckerRefused"),
                &format!("waits_for: node {NODE}: pending"),
            ]
        );
    }

    #[test]
    fn who_it_is_comes_first_and_what_is_long_last() {
        let mut names = ["failed", "created_at", "name", "id", "nodes", "tenant_id"];
        names.sort_by_key(|name| place(name));
        assert_eq!(names, ["id", "name", "created_at", "tenant_id", "nodes", "failed"]);
        assert_eq!(shown("domains", &Value::Null), "unlimited");
    }

    #[test]
    fn nested_values_are_readable() {
        let value = json!([{"node_id": "n", "state": "active"}, {"node_id": "m", "state": null}]);
        assert_eq!(text_of(&value), "node_id=n state=active\nnode_id=m state=-");
        assert_eq!(text_of(&json!(["web", "dns"])), "web, dns");
    }
}
