//! Within v1 the API only grows. `docs/api/v1.txt` holds what callers rely on, a line for each thing: an operation, a parameter, a
//! field and its type, a value of an enumeration, a status. A line that the document has no more is a promise that was broken:
//! something vanished, changed its type, or is asked for that was not before. New lines are added by
//! `NPANEL_GOLDEN=add cargo test --workspace --exclude npanel-e2e --test api -- compatibility`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use serde_json::{Value, json};

use crate::documented;

fn committed() -> PathBuf {
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo names the package whose tests it runs");
    PathBuf::from(package).join("../../docs/api/v1.txt")
}

/// What of one document callers rely on.
struct Promises<'a> {
    schemas: &'a serde_json::Map<String, Value>,
    made: BTreeSet<String>,
}

fn promises(document: &Value) -> BTreeSet<String> {
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let mut promises = Promises { schemas, made: BTreeSet::new() };
    let (mut asked, mut answered) = (BTreeSet::new(), BTreeSet::new());
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let Some(id) = operation["operationId"].as_str() else { continue };
            promises.add(format!("{id}: {} {path}", method.to_uppercase()));
            promises.parameters(id, operation);
            for (kind, content) in entries(&operation["requestBody"]["content"]) {
                promises.add(format!("{id} takes {kind} {}", promises.kind(&content["schema"])));
                promises.reach(&content["schema"], &mut asked);
            }
            for (status, response) in entries(&operation["responses"]) {
                promises.add(format!("{id} answers {status}"));
                for (kind, content) in entries(&response["content"]).filter(|_| status.as_str() < "300") {
                    promises
                        .add(format!("{id} answers {status} {kind} {}", promises.kind(&content["schema"])));
                    promises.reach(&content["schema"], &mut answered);
                }
            }
        }
    }
    for name in asked.union(&answered) {
        promises.schema(name, asked.contains(name), answered.contains(name));
    }
    promises.made
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

impl Promises<'_> {
    fn add(&mut self, promise: String) {
        self.made.insert(promise);
    }

    fn parameters(&mut self, id: &str, operation: &Value) {
        let mut needed = BTreeSet::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let word = |key: &str| parameter[key].as_str().unwrap_or_default();
            let name = format!("{} {}", word("in"), word("name"));
            self.add(format!("{id} takes {name}: {}", self.kind(&parameter["schema"])));
            let values = texts(&self.target(&parameter["schema"])["enum"]);
            let values: Vec<String> =
                values.map(|value| format!("{id} takes {name}: may be {value}")).collect();
            self.made.extend(values);
            if parameter["required"] == json!(true) {
                needed.insert(name);
            }
        }
        // As one line: another that is needed changes it.
        let needed: Vec<String> = needed.into_iter().collect();
        self.add(format!("{id} needs: {}", needed.join(", ")));
    }

    fn named<'v>(&self, schema: &'v Value) -> Option<&'v str> {
        schema["$ref"].as_str()?.rsplit('/').next()
    }

    fn target<'v>(&'v self, schema: &'v Value) -> &'v Value {
        self.named(schema).and_then(|name| self.schemas.get(name)).unwrap_or(schema)
    }

    /// A type in a few words: an object by its name, other things by what they are.
    fn kind(&self, schema: &Value) -> String {
        if let Some(name) = self.named(schema) {
            let target = self.target(schema);
            let is_by_name =
                target["properties"].is_object() || target["allOf"].is_array() || target["enum"].is_array();
            return if is_by_name { name.to_owned() } else { self.kind(target) };
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let mut kinds: Vec<String> = choices.iter().map(|choice| self.kind(choice)).collect();
            kinds.sort();
            return kinds.join(" or ");
        }
        let format = schema["format"].as_str().map(|format| format!("({format})")).unwrap_or_default();
        match &schema["type"] {
            Value::String(kind) if kind == "array" => format!("list of {}", self.kind(&schema["items"])),
            Value::String(kind) => format!("{kind}{format}"),
            Value::Array(_) => format!("{}{format}", texts(&schema["type"]).collect::<Vec<_>>().join(" or ")),
            _ => "anything".to_owned(),
        }
    }

    /// The schemas that one is made of.
    fn reach(&self, schema: &Value, found: &mut BTreeSet<String>) {
        if let Some(name) = self.named(schema)
            && found.insert(name.to_owned())
        {
            self.reach(self.target(schema), found);
        }
        let parts = ["oneOf", "allOf"].iter().flat_map(|key| schema[*key].as_array().into_iter().flatten());
        let fields = entries(&schema["properties"]).map(|(_, field)| field);
        for part in parts.chain(fields).chain(schema.get("items")) {
            self.reach(part, found);
        }
    }

    fn schema(&mut self, name: &str, is_asked: bool, is_answered: bool) {
        let schema = &self.schemas[name];
        for value in texts(&schema["enum"]) {
            self.made.insert(format!("{name} may be {value}"));
        }
        let parts: Vec<&Value> =
            std::iter::once(schema).chain(schema["allOf"].as_array().into_iter().flatten()).collect();
        let fields: BTreeMap<&String, &Value> =
            parts.iter().flat_map(|part| entries(&part["properties"])).collect();
        let needed: BTreeSet<&str> = parts.iter().flat_map(|part| texts(&part["required"])).collect();
        for (field, of) in &fields {
            self.add(format!("{name}.{field}: {}", self.kind(of)));
            for value in texts(&of["enum"]) {
                self.made.insert(format!("{name}.{field} may be {value}"));
            }
        }
        if is_asked && !fields.is_empty() {
            let needed: Vec<&str> = needed.iter().copied().collect();
            self.add(format!("{name} needs: {}", needed.join(", ")));
        }
        if is_answered {
            for field in needed {
                self.add(format!("{name} always has {field}"));
            }
        }
    }
}

#[test]
fn what_callers_rely_on_is_still_there() {
    let now = promises(documented::document());
    let kept = fs::read_to_string(committed()).unwrap_or_default();
    let mut kept: BTreeSet<String> = kept.lines().map(str::to_owned).collect();
    let broken: Vec<&String> = kept.difference(&now).collect();
    assert!(broken.is_empty(), "callers of v1 rely on this, and it is there no more: {broken:#?}");
    if std::env::var("NPANEL_GOLDEN").is_ok_and(|word| word == "add") {
        kept.extend(now.iter().cloned());
        let lines: String = kept.iter().map(|line| format!("{line}\n")).collect();
        fs::write(committed(), lines).expect("written");
    }
    let new: Vec<&String> = now.difference(&kept).collect();
    assert!(new.is_empty(), "this is new, and not in docs/api/v1.txt yet (NPANEL_GOLDEN=add): {new:#?}");
}

/// What is broken by a change of the document.
fn broken_by(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut changed = documented::document().clone();
    change(&mut changed);
    promises(documented::document()).difference(&promises(&changed)).cloned().collect()
}

fn remove(value: &mut Value, key: &str) {
    assert!(value.as_object_mut().expect("an object").remove(key).is_some(), "{key} is not there");
}

#[test]
fn whatever_vanishes_is_noticed() {
    let gone = broken_by(|document| remove(&mut document["paths"]["/v1/plans/{id}"], "delete"));
    assert!(gone.contains(&"plan.delete: DELETE /v1/plans/{id}".to_owned()), "{gone:?}");
    let gone = broken_by(|document| {
        let parameters = &mut document["paths"]["/v1/plans"]["get"]["parameters"];
        parameters.as_array_mut().expect("parameters").retain(|parameter| parameter["name"] != "name");
    });
    assert_eq!(gone, ["plan.list takes query name: string"]);
    let gone =
        broken_by(|document| remove(&mut document["components"]["schemas"]["Plan"]["properties"], "name"));
    assert_eq!(gone, ["Plan.name: string"]);
    let gone = broken_by(|document| {
        let values = &mut document["components"]["schemas"]["NodeStatus"]["enum"];
        values.as_array_mut().expect("values").retain(|value| value != "revoked");
    });
    assert_eq!(gone, ["NodeStatus may be revoked"]);
    let gone = broken_by(|document| remove(&mut document["paths"]["/v1/plans"]["post"]["responses"], "409"));
    assert_eq!(gone, ["plan.create answers 409"]);
}

#[test]
fn what_becomes_needed_or_another_type_is_noticed() {
    let gone = broken_by(|document| {
        let needed = &mut document["components"]["schemas"]["CreatePlan"]["required"];
        needed.as_array_mut().expect("a list").push(json!("memory_mb"));
    });
    assert_eq!(gone, ["CreatePlan needs: disk_mb, name, php_version"]);
    let gone = broken_by(|document| {
        for parameter in document["paths"]["/v1/plans"]["get"]["parameters"].as_array_mut().expect("a list") {
            parameter["required"] = json!(true);
        }
    });
    assert_eq!(gone, ["plan.list needs: "]);
    let gone = broken_by(|document| {
        document["components"]["schemas"]["Plan"]["properties"]["name"] = json!({"type": "integer"});
    });
    assert_eq!(gone, ["Plan.name: string"]);
    let gone = broken_by(|document| {
        let always = &mut document["components"]["schemas"]["Plan"]["required"];
        always.as_array_mut().expect("a list").retain(|field| field != "name");
    });
    assert_eq!(gone, ["Plan always has name"]);
}

#[test]
fn what_is_new_breaks_nothing() {
    let gone = broken_by(|document| {
        let new = json!({"type": "string", "description": "new"});
        document["components"]["schemas"]["Plan"]["properties"]["new"] = new.clone();
        document["components"]["schemas"]["CreatePlan"]["properties"]["new"] = new;
        let values = &mut document["components"]["schemas"]["Status"]["enum"];
        values.as_array_mut().expect("values").push(json!("new"));
    });
    assert_eq!(gone, Vec::<String>::new());
}
