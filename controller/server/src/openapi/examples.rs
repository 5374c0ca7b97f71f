//! Examples of all that is sent and answered, made of the examples that the fields' schemas have.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::openapi::{
    Components, Content, OpenApi, Ref, RefOr, Response,
    example::{Example, ExampleBuilder},
};

use super::operations_mut;

/// Where a schema is: what a reference to it begins with.
const SCHEMAS: &str = "#/components/schemas/";

/// Gives every body and every answer an example. Where a field has none, there is none: a test says so.
pub(super) fn add(document: &mut OpenApi) {
    let mut components = document.components.take().unwrap_or_default();
    let schemas = serde_json::to_value(&components.schemas).expect("schemas are JSON");
    let mut examples = Examples { schemas, shared: BTreeMap::new() };
    for (_, _, operation) in operations_mut(document) {
        if let Some(RefOr::T(body)) = &mut operation.request_body {
            examples.give(&mut body.content);
        }
        for response in operation.responses.responses.values_mut() {
            if let RefOr::T(response) = response {
                give(&mut examples, response);
            }
        }
    }
    take_over(&mut components, examples.shared);
    document.components = Some(components);
}

fn give(examples: &mut Examples, response: &mut Response) {
    examples.give(&mut response.content);
}

fn take_over(components: &mut Components, shared: BTreeMap<String, Value>) {
    for (name, value) in shared {
        let example: Example = ExampleBuilder::new().value(Some(value)).build();
        components.examples.insert(name, example.into());
    }
}

struct Examples {
    schemas: Value,
    /// By the names of the schemas.
    shared: BTreeMap<String, Value>,
}

impl Examples {
    fn give<'a, M>(&mut self, contents: &'a mut M)
    where
        &'a mut M: IntoIterator<Item = (&'a String, &'a mut RefOr<Content>)>,
    {
        for (_, content) in contents {
            let RefOr::T(content) = content else { continue };
            if !content.examples.is_empty() || content.example.is_some() {
                continue;
            }
            let Some(schema) = content.schema.as_ref().and_then(|schema| serde_json::to_value(schema).ok())
            else {
                continue;
            };
            let choices = match schema.get("oneOf").and_then(Value::as_array) {
                Some(choices) => choices.clone(),
                None => vec![schema],
            };
            for choice in choices {
                let name =
                    choice.get("$ref").and_then(Value::as_str).and_then(|link| link.strip_prefix(SCHEMAS));
                let Some(value) = example(&self.schemas, &choice) else { continue };
                let Some(name) = name else {
                    content.example = Some(value);
                    continue;
                };
                self.shared.insert(name.to_owned(), value);
                let link = Ref::new(format!("#/components/examples/{name}"));
                content.examples.insert(name.to_owned(), RefOr::Ref(link));
            }
        }
    }
}

/// An example of what a schema describes, if all of its parts have one.
fn example(schemas: &Value, schema: &Value) -> Option<Value> {
    let own = schema.get("example").or_else(|| schema.get("default"));
    if let Some(own) = own.or_else(|| schema.get("examples").or_else(|| schema.get("enum"))?.get(0)) {
        return Some(own.clone());
    }
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return example(schemas, schemas.get(name.strip_prefix(SCHEMAS)?)?);
    }
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        let is_null = |choice: &&Value| choice.get("type") == Some(&json!("null"));
        return example(schemas, choices.iter().find(|choice| !is_null(choice))?);
    }
    if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
        let mut all = Map::new();
        for part in parts {
            let Value::Object(fields) = example(schemas, part)? else { return None };
            all.extend(fields);
        }
        return Some(Value::Object(all));
    }
    match kind(schema)? {
        "object" => {
            let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            let of_field = |(name, field): (&String, &Value)| Some((name.clone(), example(schemas, field)?));
            Some(Value::Object(fields.map(of_field).collect::<Option<_>>()?))
        }
        "array" => Some(json!([example(schemas, schema.get("items")?)?])),
        "boolean" => Some(json!(true)),
        "integer" => Some(json!(schema.get("minimum").and_then(Value::as_i64).unwrap_or(0).max(1))),
        _ => None,
    }
}

/// The type, of one that may be `null` the other.
fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        kind => kind.as_str(),
    }
}
