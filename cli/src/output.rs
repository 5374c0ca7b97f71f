//! Printing results.

use std::io::{ErrorKind, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::{arguments::Format, failure::Failure, row::Row, summary::summary};

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

/// Prints one object: a summary of it, or all of it as JSON.
pub(crate) fn object(format: Format, value: &impl Serialize) -> Result<(), Failure> {
    match format {
        Format::Json => json(value),
        Format::Table => {
            let value = serde_json::to_value(value).map_err(|error| Failure::Refused(error.to_string()))?;
            let mut table = plain();
            for (name, value) in summary(&value) {
                table.add_row([name, printable(&value)]);
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
}
