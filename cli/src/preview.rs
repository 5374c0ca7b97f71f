//! What a dry run shows.

use npanel_sdk_types::{ChangePreview, ExceededLimit, Exceeding, NodeAnswer, ObjectChange, ObjectChangeKind};

use crate::{arguments::Format, explanation, failure::Failure, output};

pub(crate) fn print(format: Format, preview: &ChangePreview) -> Result<(), Failure> {
    match format {
        Format::Json => output::object(format, preview),
        Format::Table => output::print(&output::printable(&lines(preview).join("\n"))),
    }
}

fn lines(preview: &ChangePreview) -> Vec<String> {
    let mut lines = vec!["Nothing was changed. This would be:".to_owned()];
    let said = |line: String| format!("  {line}");
    lines.extend(preview.placement.iter().flat_map(explanation::of_placement).map(said));
    lines.extend(preview.objects.iter().flat_map(of_object));
    if preview.objects.is_empty() {
        lines.push("It would be accepted; no node has anything to do for it.".to_owned());
    }
    lines.extend(preview.exceeding.iter().flat_map(of_exceeding));
    lines.extend(preview.warnings.iter().map(|warning| format!("Warning: {warning}")));
    lines
}

fn of_exceeding(exceeding: &Exceeding) -> Vec<String> {
    let mut lines = vec![format!(
        "Accounts that would have more than the plan allows, and keep it: {}",
        exceeding.accounts
    )];
    let said = |one: &ExceededLimit| {
        format!("    {} has {} {} (the plan would allow {})", one.username, one.used, one.limit, one.allowed)
    };
    lines.extend(exceeding.first.iter().map(said));
    if exceeding.accounts > 100 {
        lines.push(format!("    and {} more", exceeding.accounts - 100));
    }
    lines
}

fn of_object(object: &ObjectChange) -> Vec<String> {
    let verb = match object.change {
        ObjectChangeKind::Apply => "apply",
        ObjectChangeKind::Remove => "remove",
    };
    let (kind, id) = (&object.object_kind, &object.object_id);
    // Names of nodes are for the platform.
    let node = match object.node_name.as_str() {
        "" => object.node_id.to_string(),
        name => name.to_owned(),
    };
    let mut lines = vec![format!("{verb} {kind} {id} on {node}")];
    let mut say = |text: String| lines.push(format!("    {text}"));
    match object.answer {
        NodeAnswer::Answered => {}
        NodeAnswer::Unreachable => say(format!("what it changes is not known: {}", object.message)),
        NodeAnswer::NotAsked => say("what it changes is not known: the node was not asked".to_owned()),
    }
    object.files.iter().for_each(|file| say(format!("{} {}", file.change.as_str(), file.path)));
    object.resources.iter().for_each(|one| say(format!("{} {}", one.change.as_str(), one.resource)));
    for (verb, units) in [("reload", &object.reloads), ("start", &object.starts), ("stop", &object.stops)] {
        units.iter().for_each(|unit| say(format!("{verb} {unit}")));
    }
    if !object.reason.is_empty() {
        say(format!("the node would refuse it: {} ({})", object.reason, object.message));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_is_said_and_not_left_out() {
        let object = |answer: &str| {
            json!({"object_kind": "domain", "object_id": "d", "node_id": "0190a5d2-0000-7000-8000-000000000003",
                "node_name": "n1", "generation": 2, "change": "apply", "answer": answer,
                "files": [{"path": "/x", "change": "create"}], "resources": [], "reloads": ["nginx.service"], "reason": "",
                "message": "the node is not connected"})
        };
        let preview =
            json!({"objects": [object("answered"), object("unreachable")], "warnings": ["careful"]});
        let preview: ChangePreview = serde_json::from_value(preview).expect("a preview");
        let lines = lines(&preview);
        assert_eq!(lines[1..4], ["apply domain d on n1", "    create /x", "    reload nginx.service"]);
        assert_eq!(lines[5], "    what it changes is not known: the node is not connected");
        assert_eq!(lines.last().expect("a line"), "Warning: careful");
    }
}
