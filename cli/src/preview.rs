//! What a dry run shows.

use npanel_sdk_types::{
    ChangeKind, ChangePreview, ExceededLimit, Exceeding, NodeAnswer, ObjectChange, ObjectChangeKind,
};

use crate::{
    arguments::Format,
    explanation,
    failure::Failure,
    output,
    tone::{self, Tone},
};

/// A line, and what it is.
type Line = (Tone, String);

pub(crate) fn print(format: Format, preview: &ChangePreview) -> Result<(), Failure> {
    match format {
        Format::Json => output::object(format, preview),
        Format::Table => {
            let in_colour = tone::on_standard_output();
            lines(preview).iter().try_for_each(|(tone, text)| output::print(&tone.written(text, in_colour)))
        }
    }
}

fn lines(preview: &ChangePreview) -> Vec<Line> {
    let mut lines = vec![(Tone::Heading, "Nothing was changed. This would be:".to_owned())];
    let said = |line: String| (Tone::Plain, format!("  {line}"));
    lines.extend(preview.placement.iter().flat_map(explanation::of_placement).map(said));
    lines.extend(preview.objects.iter().flat_map(of_object));
    if preview.objects.is_empty() {
        lines.push((Tone::Plain, "It would be accepted; no node has anything to do for it.".to_owned()));
    }
    lines.extend(preview.exceeding.iter().flat_map(of_exceeding));
    lines.extend(preview.warnings.iter().map(|warning| (Tone::Careful, format!("Warning: {warning}"))));
    lines
}

fn of_exceeding(exceeding: &Exceeding) -> Vec<Line> {
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
    lines.into_iter().map(|line| (Tone::Careful, line)).collect()
}

fn tone(change: ChangeKind) -> Tone {
    match change {
        ChangeKind::Create => Tone::Made,
        ChangeKind::Replace => Tone::Changed,
        ChangeKind::Remove => Tone::Removed,
    }
}

fn of_object(object: &ObjectChange) -> Vec<Line> {
    let (verb, tone_of_object) = match object.change {
        ObjectChangeKind::Apply => ("apply", Tone::Heading),
        ObjectChangeKind::Remove => ("remove", Tone::Removed),
    };
    let (kind, id) = (&object.object_kind, &object.object_id);
    // Names of nodes are for the platform.
    let node = match object.node_name.as_str() {
        "" => object.node_id.to_string(),
        name => name.to_owned(),
    };
    let mut lines = vec![(tone_of_object, format!("{verb} {kind} {id} on {node}"))];
    let mut say = |tone: Tone, text: String| lines.push((tone, format!("    {text}")));
    match object.answer {
        NodeAnswer::Answered => {}
        NodeAnswer::Unreachable => {
            say(Tone::Careful, format!("what it changes is not known: {}", object.message));
        }
        NodeAnswer::NotAsked => {
            say(Tone::Careful, "what it changes is not known: the node was not asked".to_owned());
        }
    }
    for file in &object.files {
        say(tone(file.change), format!("{} {}", file.change.as_str(), file.path));
    }
    for one in &object.resources {
        say(tone(one.change), format!("{} {}", one.change.as_str(), one.resource));
    }
    let units = [
        (Tone::Changed, "reload", &object.reloads),
        (Tone::Made, "start", &object.starts),
        (Tone::Removed, "stop", &object.stops),
    ];
    for (tone, verb, units) in units {
        units.iter().for_each(|unit| say(tone, format!("{verb} {unit}")));
    }
    if !object.reason.is_empty() {
        say(Tone::Removed, format!("the node would refuse it: {} ({})", object.reason, object.message));
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
        let lines: Vec<(Tone, String)> = lines(&preview);
        let tones: Vec<Tone> = lines[1..6].iter().map(|(tone, _)| *tone).collect();
        assert_eq!(tones, [Tone::Heading, Tone::Made, Tone::Changed, Tone::Heading, Tone::Careful]);
        assert_eq!(lines.last().expect("a line").0, Tone::Careful);
        let lines: Vec<String> = lines.into_iter().map(|(_, text)| text).collect();
        assert_eq!(lines[1..4], ["apply domain d on n1", "    create /x", "    reload nginx.service"]);
        assert_eq!(lines[5], "    what it changes is not known: the node is not connected");
        assert_eq!(lines.last().expect("a line"), "Warning: careful");
    }
}
