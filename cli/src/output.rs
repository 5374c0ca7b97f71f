//! Printing results.

use std::io::{ErrorKind, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::Value;

use crate::{arguments::Format, failure::Failure, row::Row};

/// Prints a list.
pub(crate) fn list<T: Row + Serialize>(format: Format, items: &[T]) -> Result<(), Failure> {
    match format {
        Format::Json => json(items),
        Format::Table => {
            let mut table = plain();
            table.set_header(T::COLUMNS.iter().copied());
            for item in items {
                table.add_row(item.cells().iter().map(|cell| printable(cell)));
            }
            print(&table.trim_fmt())
        }
    }
}

/// Prints one object.
pub(crate) fn object(format: Format, value: &impl Serialize) -> Result<(), Failure> {
    match format {
        Format::Json => json(value),
        Format::Table => {
            let value = serde_json::to_value(value).map_err(|error| Failure::Refused(error.to_string()))?;
            let mut fields: Vec<_> = value.as_object().into_iter().flatten().collect();
            fields.sort_by_key(|(name, _)| place(name));
            let mut table = plain();
            for (name, value) in fields {
                table.add_row([name.clone(), printable(&shown(name, value))]);
            }
            print(&table.trim_fmt())
        }
    }
}

fn json(value: &(impl Serialize + ?Sized)) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Refused(error.to_string()))?;
    print(&text)
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// Prints a line; a reader that has gone away is not an error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Refused(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Who it is comes first, and what is long comes last.
fn place(name: &str) -> usize {
    const FIRST: [&str; 7] = ["id", "name", "username", "action", "type", "status", "uid"];
    const LAST: [&str; 3] = ["assignments", "conditions", "placement"];
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
            let field = |(name, value): (&String, &Value)| match value {
                Value::Array(_) => format!("{name}:\n{}", text_of(value)),
                _ => format!("{name}={}", text_of(value)),
            };
            fields.iter().map(field).collect::<Vec<_>>().join(" ")
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Text without what a terminal would obey: a tenant's text must not move the operator's cursor.
pub(crate) fn printable(text: &str) -> String {
    let visible = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
    text.chars().map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\u{fffd}[2Jb\n");
    }

    #[test]
    fn who_it_is_comes_first_and_what_is_long_last() {
        let mut names = ["conditions", "created_at", "name", "id", "placement", "tenant_id"];
        names.sort_by_key(|name| place(name));
        assert_eq!(names, ["id", "name", "created_at", "tenant_id", "conditions", "placement"]);
        assert_eq!(shown("domains", &Value::Null), "unlimited");
    }

    #[test]
    fn nested_values_are_readable() {
        let value = serde_json::json!([{"node_id": "n", "state": "active"}, {"node_id": "m", "state": null}]);
        assert_eq!(text_of(&value), "node_id=n state=active\nnode_id=m state=-");
        assert_eq!(text_of(&serde_json::json!(["web", "dns"])), "web, dns");
    }
}
