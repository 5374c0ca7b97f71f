//! The OpenAPI document is complete: all that is in it is described, bounded and shown by example.

use http::Method;
use serde_json::{Map, Value};

use crate::documented::{document, faults, operations, resolved};

fn fields(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let parts = schema["allOf"].as_array().into_iter().flatten();
    std::iter::once(schema).chain(parts).flat_map(|part| part["properties"].as_object().into_iter().flatten())
}

fn is_described(value: &Value) -> bool {
    let says = |value: &Value| value["description"].as_str().is_some_and(|text| !text.trim().is_empty());
    says(value) || value["oneOf"].as_array().is_some_and(|all| all.iter().any(says))
}

#[test]
fn every_schema_and_every_field_is_described() {
    let mut missing = Vec::new();
    for (name, schema) in document()["components"]["schemas"].as_object().expect("schemas") {
        let parts = schema["allOf"].as_array().into_iter().flatten();
        if !is_described(schema) && !parts.into_iter().any(is_described) {
            missing.push(name.clone());
        }
        missing.extend(
            fields(schema)
                .filter(|(_, field)| !is_described(field))
                .map(|(field, _)| format!("{name}.{field}")),
        );
    }
    assert!(missing.is_empty(), "without a description: {missing:#?}");
}

/// Names what has no bounds: texts without a form or a length, numbers without a least or a most, lists without an end.
fn find_unbounded(at: &str, schema: &'static Value, found: &mut Vec<String>) {
    if let Some(link) = schema["$ref"].as_str() {
        let name = link.rsplit('/').next().unwrap_or_default();
        return find_unbounded(&format!("{at}({name})"), resolved(schema), found);
    }
    for key in ["oneOf", "allOf"] {
        for part in schema[key].as_array().into_iter().flatten() {
            find_unbounded(at, part, found);
        }
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        find_unbounded(&format!("{at}.{name}"), field, found);
    }
    let has = |keys: &[&str]| keys.iter().any(|key| !schema[key].is_null());
    let is = |kind: &str| match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|one| one == kind),
        one => one == kind,
    };
    let is_bounded = !is("string") || has(&["maxLength", "enum", "const"]);
    let is_bounded = is_bounded && (!is("integer") || has(&["minimum"]) && has(&["maximum"]));
    let is_bounded = is_bounded && (!is("array") || has(&["maxItems"]));
    if !is_bounded {
        found.push(at.to_owned());
    }
    if is("array") {
        find_unbounded(&format!("{at}[]"), &schema["items"], found);
    }
}

#[test]
fn all_that_a_request_may_say_has_bounds() {
    let mut found = Vec::new();
    for (_, _, operation) in operations() {
        let id = operation["operationId"].as_str().expect("an id");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let at = format!("{id} {}", parameter["name"].as_str().expect("a name"));
            assert!(is_described(parameter), "{at} is not described");
            find_unbounded(&at, &parameter["schema"], &mut found);
        }
        for (_, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            find_unbounded(id, &content["schema"], &mut found);
        }
    }
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "without bounds: {found:#?}");
}

fn contents(of: &'static Value) -> impl Iterator<Item = (&'static String, &'static Value)> {
    resolved(of)["content"].as_object().into_iter().flatten()
}

fn examples(content: &'static Value) -> Vec<&'static Value> {
    let named: Option<&'static Map<String, Value>> = content["examples"].as_object();
    let named = named.into_iter().flat_map(Map::values).map(|example| &resolved(example)["value"]);
    named.chain(content.get("example")).collect()
}

#[test]
fn every_body_and_every_answer_has_examples_that_are_as_it_says() {
    let (mut wrong, mut tried) = (Vec::new(), 0);
    let mut look = |what: &str, content: &'static Value| {
        let examples = examples(content);
        if examples.is_empty() {
            wrong.push(format!("{what}: no example"));
        }
        for example in examples {
            tried += 1;
            wrong.extend(faults(&content["schema"], example).iter().map(|fault| format!("{what}: {fault}")));
        }
    };
    for (_, _, operation) in operations() {
        let id = operation["operationId"].as_str().expect("an id");
        for (kind, content) in contents(&operation["requestBody"]) {
            look(&format!("{id} takes {kind}"), content);
        }
        for (status, response) in operation["responses"].as_object().expect("responses") {
            for (kind, content) in contents(response).filter(|(kind, _)| kind.ends_with("json")) {
                look(&format!("{id} answers {status} {kind}"), content);
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 1000, "only {tried} examples were found");
}

#[test]
fn every_operation_lists_its_errors_by_status_and_problem() {
    for (path, method, operation) in operations() {
        let id = operation["operationId"].as_str().expect("an id");
        let responses = operation["responses"].as_object().expect("responses");
        assert!(!responses.contains_key("default"), "{id} answers anything");
        let mut expected = vec!["400", "401", "403", "422", "429", "500", "503"];
        expected.extend(path.contains("id}").then_some("404"));
        // What makes a credential is no write of what the fleet is to be.
        let is_write = method != Method::GET && operation["security"].is_null();
        expected.extend(is_write.then_some("409"));
        expected.extend(operation["requestBody"].is_object().then_some("415"));
        for status in expected {
            assert!(responses.contains_key(status), "{id} does not tell of {status}");
        }
        for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
            let problems = &resolved(response)["content"]["application/problem+json"]["examples"];
            let problems = problems.as_object().unwrap_or_else(|| panic!("{id} {status} names no problem"));
            for (code, example) in problems {
                let value = &resolved(example)["value"];
                assert_eq!(value["status"].to_string(), *status, "{id} {code}");
                assert_eq!(value["code"], *code, "{id}");
            }
        }
    }
}

#[test]
fn every_answer_tells_of_the_rates() {
    for (_, _, operation) in operations() {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            for name in ["ratelimit", "ratelimit-policy"] {
                let header = resolved(&resolved(response)["headers"][name]);
                assert!(
                    is_described(&header["schema"]),
                    "{} {status} does not tell of {name}",
                    operation["operationId"]
                );
            }
        }
    }
}
