//! Many things made of a file.

use std::{fs, path::PathBuf};

use clap::Args;
use npanel_client::{BulkCreatable, Wait};
use npanel_sdk_types::{BulkItem, MOST_IN_BULK};
use serde::{Serialize, de::DeserializeOwned};

use crate::{arguments::WaitArguments, failure::Failure, output, row::Row, session::Session};

/// What is to be made.
#[derive(Debug, Args)]
pub(crate) struct BulkArguments {
    /// A file with a JSON object in each line, as the API takes one by itself.
    #[arg(long, value_name = "FILE")]
    from_file: PathBuf,
    #[command(flatten)]
    wait: WaitArguments,
}

/// What became of a line.
#[derive(Debug, Serialize)]
struct Line {
    line: usize,
    status: u16,
    id: Option<String>,
    problem: Option<String>,
}

impl Row for Line {
    const COLUMNS: &[&str] = &["LINE", "STATUS", "ID", "PROBLEM"];

    fn cells(&self) -> Vec<String> {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        vec![self.line.to_string(), self.status.to_string(), text(&self.id), text(&self.problem)]
    }
}

/// Makes what the file says, each line by itself, and says what became of each. It fails if any did.
pub(crate) async fn create<T>(session: &Session, of: BulkArguments) -> Result<(), Failure>
where
    T: BulkCreatable,
    T::Create: DeserializeOwned,
{
    let name = of.from_file.display().to_string();
    let text =
        fs::read_to_string(&of.from_file).map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let items: Vec<(usize, T::Create)> = read(&name, &text)?;
    let wait = of.wait.timeout().map_or(Wait::No, Wait::Converged);
    let mut made = Vec::with_capacity(items.len());
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() {
        let (lines, part): (Vec<usize>, Vec<T::Create>) = items.by_ref().take(MOST_IN_BULK).unzip();
        let answer = session.client.create_bulk::<T>(part, wait).await?;
        made.extend(lines.into_iter().zip(answer.items).map(|(line, item)| told(line, item)));
    }
    output::list(session.format, &made)?;
    let failed = made.iter().filter(|line| line.problem.is_some()).count();
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Refused(format!("{failed} of {} were not made", made.len()))),
    }
}

/// The objects by their lines; empty lines are none.
fn read<C: DeserializeOwned>(name: &str, text: &str) -> Result<Vec<(usize, C)>, Failure> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let read = |(number, line): (usize, &str)| {
        let object = serde_json::from_str(line);
        // Before anything is made: a file with a fault is mended as a whole.
        object
            .map(|object| (number, object))
            .map_err(|error| Failure::usage(format!("{name}, line {number}: {error}")))
    };
    lines.map(read).collect()
}

fn told<T: BulkCreatable>(line: usize, item: BulkItem<T>) -> Line {
    Line {
        line,
        status: item.status,
        id: item.object.map(|object| object.id().to_string()),
        problem: item.problem.map(|problem| problem.detail),
    }
}

#[cfg(test)]
mod tests {
    use npanel_sdk_types::CreateDatabase;

    use super::*;

    #[test]
    fn a_line_that_is_none_is_named_before_anything_is_made() {
        let good = r#"{"account_id": "0190a5d2-0000-7000-8000-000000000001", "name": "shop"}"#;
        let items: Vec<(usize, CreateDatabase)> = read("x", &format!("{good}\n\n{good}\n")).expect("two");
        assert_eq!(items.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3]);
        let refused = read::<CreateDatabase>("x", &format!("{good}\n{{\"name\": 1}}")).expect_err("a fault");
        assert!(matches!(refused, Failure::Usage(text) if text.starts_with("x, line 2: ")));
    }
}
