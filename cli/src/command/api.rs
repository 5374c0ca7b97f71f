//! `npanel api`.

use std::io::Read;

use clap::Args;
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::Value;

use crate::{
    arguments::Format,
    document::{self, Document, Operation},
    failure::Failure,
    output,
    row::Row,
    session::Session,
};

#[derive(Debug, Args)]
pub(crate) struct Api {
    /// The operation, as the API's document calls it, such as account.create; without one, all are listed.
    operation: Option<String>,
    /// A parameter of the path, the query or the headers. Repeatable.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter, requires = "operation")]
    parameters: Vec<(String, String)>,
    /// The body: a file, - for standard input, or the JSON itself, which others on this machine can see.
    #[arg(long, value_name = "FILE|-|JSON", requires = "operation")]
    body: Option<String>,
    /// Follow a list's pages, and print all items in one array.
    #[arg(long, requires = "operation", conflicts_with = "body")]
    all: bool,
}

/// A line of the list of operations.
#[derive(Debug, Serialize)]
struct Listed {
    operation: String,
    method: String,
    path: String,
    summary: String,
}

impl Row for Listed {
    const COLUMNS: &[&str] = &["OPERATION", "WHAT IT DOES"];
    fn cells(&self) -> Vec<String> {
        vec![self.operation.clone(), self.summary.clone()]
    }
}

/// Calls any operation, as the document of the controller that answers describes it.
pub(crate) async fn run(api: Api, session: &Session, dry_run: bool) -> Result<(), Failure> {
    let document = Document::read(&session.client.document().await?)?;
    let Some(name) = &api.operation else { return list(session.format, &document) };
    let operation = document.find(name)?;
    if dry_run && !operation.can_be_foreseen() {
        return Err(Failure::usage(format!("{name} has no dry run")));
    }
    let answer = if api.all {
        let request = document::paged(operation, &api.parameters)?;
        Value::Array(session.client.call_paged(&request)?.try_collect().await?)
    } else {
        let body = api.body.as_deref().map(body).transpose()?;
        session.client.call(&document::request(operation, &api.parameters, body)?).await?
    };
    if answer.is_null() { Ok(()) } else { output::object(Format::Json, &answer) }
}

fn list(format: Format, document: &Document) -> Result<(), Failure> {
    let listed = |operation: &Operation| Listed {
        operation: operation.name.clone(),
        method: operation.method.to_string(),
        path: operation.path.clone(),
        summary: operation.summary.clone(),
    };
    output::list(format, &document.operations().iter().map(listed).collect::<Vec<_>>())
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("a parameter is NAME=VALUE (got {text:?})")),
    }
}

/// The body that `text` is, or says the place of.
fn body(text: &str) -> Result<Value, Failure> {
    let (place, json) = match text.trim_start() {
        "-" => ("standard input", read_all()),
        json if json.starts_with(['{', '[']) => ("--body", Ok(json.to_owned())),
        _ => (text, std::fs::read_to_string(text)),
    };
    let json = json.map_err(|error| Failure::usage(format!("the body: {place}: {error}")))?;
    serde_json::from_str(&json)
        .map_err(|error| Failure::usage(format!("the body: {place}: no JSON: {error}")))
}

fn read_all() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_json_or_the_file_that_holds_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("body.json");
        std::fs::write(&file, "{\"a\": 1}").expect("written");
        assert_eq!(body(file.to_str().expect("text")).expect("a body"), json!({"a": 1}));
        assert_eq!(body(" {\"a\": 2}").expect("a body"), json!({"a": 2}));
        for wrong in ["{\"a\"", "/nowhere/body.json"] {
            let refused = body(wrong).expect_err("no body").to_string();
            assert!(refused.starts_with("the body: "), "{refused}");
        }
    }

    #[test]
    fn a_parameter_has_a_name() {
        assert_eq!(parameter("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(parameter("a="), Ok(("a".into(), String::new())));
        assert!(parameter("=b").is_err() && parameter("a").is_err());
    }
}
