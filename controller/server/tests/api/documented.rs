//! Whether an answer is one that the OpenAPI document tells of. Every answer in these tests is asked so.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock},
};

use http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::support::Answer;

/// The published document.
pub(crate) fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::from_str(npanel_server::openapi::document()).expect("JSON"))
}

/// What a reference stands for.
pub(crate) fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(link) => {
            document().pointer(link.trim_start_matches('#')).unwrap_or_else(|| panic!("{link} leads nowhere"))
        }
        None => value,
    }
}

/// The operations, each with its path and method.
pub(crate) fn operations() -> impl Iterator<Item = (&'static str, Method, &'static Value)> {
    let paths = document()["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("methods").iter();
        methods.filter_map(|(method, operation)| {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).ok()?;
            operation["operationId"].is_string().then_some((path.as_str(), method, operation))
        })
    })
}

/// What of a value is not as the schema has it.
pub(crate) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    static KNOWN: OnceLock<Mutex<HashMap<String, Arc<Validator>>>> = OnceLock::new();
    let mut known = KNOWN.get_or_init(Mutex::default).lock().expect("nobody panics with it");
    let validator = known.entry(schema.to_string()).or_insert_with(|| {
        let whole = json!({"allOf": [schema], "components": document()["components"]});
        Arc::new(jsonschema::draft202012::new(&whole).expect("a schema"))
    });
    let validator = Arc::clone(validator);
    drop(known);
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn operation(method: &Method, path: &str) -> Option<(&'static str, &'static Value)> {
    let path = path.split('?').next().unwrap_or_default();
    let fits = |template: &str| {
        let (theirs, ours) = (template.split('/'), path.split('/'));
        theirs.clone().count() == ours.clone().count()
            && theirs
                .zip(ours)
                .all(|(theirs, ours)| theirs == ours || theirs.starts_with('{') && !ours.is_empty())
    };
    // A route without parameters goes before one with them.
    let mut all: Vec<_> = operations().filter(|(template, of, _)| of == method && fits(template)).collect();
    all.sort_by_key(|(template, _, _)| template.matches('{').count());
    all.first().map(|(template, _, operation)| (*template, *operation))
}

/// Makes sure that the document tells of the answer.
pub(crate) fn check(method: &Method, path: &str, answer: &Answer) {
    let Some((template, operation)) = operation(method, path) else { return };
    let what = format!("{method} {template} answers {}", answer.status);
    let response = &operation["responses"][answer.status.as_str()];
    assert!(!response.is_null(), "{what}, which is not documented: {}", answer.text);
    let kind = answer.header("content-type").split(';').next().unwrap_or_default();
    let content = &resolved(response)["content"];
    if answer.text.is_empty() {
        return;
    }
    let content = &content[kind];
    assert!(!content.is_null(), "{what} as {kind}, which is not documented");
    let Ok(body) = serde_json::from_str::<Value>(&answer.text) else { return };
    if kind == "application/problem+json" {
        let code = body["code"].as_str().expect("a code");
        assert!(
            !content["examples"][code].is_null(),
            "{what} {code}, which is not documented: {}",
            answer.text
        );
    }
    let faults = faults(&content["schema"], &body);
    assert!(faults.is_empty(), "{what} with what is not as documented: {faults:#?}\n{body:#}");
}
