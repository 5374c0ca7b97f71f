//! What the document says of each operation.

use std::collections::{BTreeMap, BTreeSet};

use npanel_client::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::failure::Failure;

/// The document. It is the controller's, which may be newer than this program.
#[derive(Debug)]
pub(crate) struct Document {
    operations: Vec<Operation>,
}

/// An operation: its name is the action's.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) summary: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<Body>,
    /// Whether it needs no credential, because it makes one.
    pub(crate) is_anonymous: bool,
    /// The media types of its answers, other than problems.
    pub(crate) answers: BTreeSet<String>,
}

/// Something that an operation takes beside its body.
#[derive(Debug, Deserialize)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    #[serde(rename = "in")]
    pub(crate) place: Place,
    #[serde(default)]
    pub(crate) required: bool,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    Path,
    Query,
    Header,
    Cookie,
}

/// What is sent.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) is_form: bool,
    pub(crate) is_required: bool,
    /// The fields that it must have.
    pub(crate) fields: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    operation_id: String,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    parameters: Vec<Value>,
    request_body: Option<Value>,
    /// What it needs, if that is not what all need: any one of these.
    security: Option<Vec<BTreeMap<String, Vec<String>>>>,
    #[serde(default)]
    responses: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct WrittenBody {
    #[serde(default)]
    required: bool,
    content: BTreeMap<String, Value>,
}

impl Document {
    pub(crate) fn read(text: &Value) -> Result<Self, Failure> {
        let not_understood =
            |what: String| Failure::Refused(format!("the controller's document was not understood: {what}"));
        let paths = text["paths"].as_object().ok_or_else(|| not_understood("it has no paths".to_owned()))?;
        let mut operations = Vec::new();
        for (path, item) in paths {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let Some(method) = known(method) else { continue };
                let read = Operation::read(text, method, path, operation);
                operations.push(read.map_err(|error| not_understood(format!("{path}: {error}")))?);
            }
        }
        operations.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { operations })
    }

    /// All operations, by their names.
    pub(crate) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operation of that name.
    pub(crate) fn find(&self, name: &str) -> Result<&Operation, Failure> {
        self.operations.iter().find(|operation| operation.name == name).ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Failure {
        let noun = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let alike: Vec<&str> = self
            .operations
            .iter()
            .filter(|operation| noun(&operation.name) == noun(name))
            .map(|operation| operation.name.as_str())
            .collect();
        let there_are = match alike.as_slice() {
            [] => "npanel api lists them".to_owned(),
            alike => format!("there are {}", alike.join(", ")),
        };
        Failure::usage(format!("there is no operation {name:?}: {there_are}"))
    }
}

/// A path's item has more than methods.
fn known(method: &str) -> Option<Method> {
    match method {
        "get" => Some(Method::GET),
        "post" => Some(Method::POST),
        "put" => Some(Method::PUT),
        "patch" => Some(Method::PATCH),
        "delete" => Some(Method::DELETE),
        _ => None,
    }
}

impl Operation {
    fn read(text: &Value, method: Method, path: &str, operation: &Value) -> serde_json::Result<Self> {
        let written = Written::deserialize(operation)?;
        let parameter = |parameter: &Value| Parameter::deserialize(resolved(text, parameter));
        let body = written.request_body.as_ref().map(|body| Body::read(text, resolved(text, body)));
        let succeeds = |(status, _): &(&String, &Value)| status.starts_with('2');
        let media_types = |(_, response)| {
            resolved(text, response)["content"].as_object().into_iter().flat_map(|content| content.keys())
        };
        Ok(Self {
            name: written.operation_id,
            summary: first_sentence(&written.summary),
            method,
            path: path.to_owned(),
            parameters: written.parameters.iter().map(parameter).collect::<Result<_, _>>()?,
            body: body.transpose()?,
            is_anonymous: written.security.is_some_and(|any| any.iter().all(BTreeMap::is_empty)),
            answers: written.responses.iter().filter(succeeds).flat_map(media_types).cloned().collect(),
        })
    }

    /// Whether a dry run of it does nothing. Where none is foreseen, it would be done.
    pub(crate) fn can_be_foreseen(&self) -> bool {
        self.method == Method::GET || self.takes("dry_run")
    }

    pub(crate) fn takes(&self, name: &str) -> bool {
        self.parameters.iter().any(|parameter| parameter.name == name)
    }
}

impl Body {
    fn read(text: &Value, body: &Value) -> serde_json::Result<Self> {
        let written = WrittenBody::deserialize(body)?;
        let is_form = !written.content.contains_key("application/json");
        let schema = written.content.values().next().map(|content| resolved(text, &content["schema"]));
        let required = schema.and_then(|schema| schema["required"].as_array()).into_iter().flatten();
        let fields = required.filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(Self { is_form, is_required: written.required, fields })
    }
}

/// What is said elsewhere in the document is looked up there.
fn resolved<'a>(text: &'a Value, value: &'a Value) -> &'a Value {
    let place = value["$ref"].as_str().and_then(|place| place.strip_prefix('#'));
    place.and_then(|place| text.pointer(place)).unwrap_or(value)
}

fn first_sentence(summary: &str) -> String {
    let line = summary.replace('\n', " ");
    line.split_once(". ").map_or(line.as_str(), |(first, _)| first).trim_end_matches('.').to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn committed() -> Document {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi.json"));
        let text: Value = serde_json::from_str(&text.expect("openapi.json")).expect("JSON");
        Document::read(&text).expect("a document")
    }

    #[test]
    fn every_action_of_the_api_is_an_operation() {
        let document = committed();
        assert!(document.operations().len() > 100, "{}", document.operations().len());
        let created = document.find("account.create").expect("an operation");
        assert_eq!((created.method.as_str(), created.path.as_str()), ("POST", "/v1/accounts"));
        assert_eq!(created.summary, "Make a hosting account, with its first domain if one is named");
        assert_eq!(created.body.as_ref().expect("a body").fields[..2], ["tenant_id", "plan_id"]);
        assert!(document.find("session.token").expect("one").body.as_ref().expect("a body").is_form);
    }

    #[test]
    fn what_makes_a_credential_has_no_dry_run() {
        let document = committed();
        let foreseen = |name| document.find(name).expect("an operation").can_be_foreseen();
        assert!(foreseen("account.create") && foreseen("account.get"));
        assert!(!foreseen("session.create") && !foreseen("session.token"));
    }

    #[test]
    fn an_unknown_operation_is_told_which_there_are() {
        let document = committed();
        let told = |name| document.find(name).expect_err("unknown").to_string();
        assert!(
            told("domain.make").contains("there is no operation \"domain.make\": there are domain.create,")
        );
        assert!(told("xyz").ends_with("npanel api lists them"), "{}", told("xyz"));
    }

    #[test]
    fn what_is_said_elsewhere_in_the_document_is_looked_up_there() {
        let text = json!({
            "paths": {"/v1/x/{id}": {"summary": "x", "get": {
                "operationId": "x.get", "parameters": [{"$ref": "#/components/parameters/Id"}],
                "responses": {"200": {"$ref": "#/components/responses/Archive"}, "404": {"content": {"text/html": {}}}}}}},
            "components": {"parameters": {"Id": {"name": "id", "in": "path", "required": true}},
                "responses": {"Archive": {"content": {"application/x-tar": {}}}}}});
        let document = Document::read(&text).expect("a document");
        let operation = document.find("x.get").expect("an operation");
        assert!(operation.takes("id") && operation.parameters[0].required);
        assert_eq!(operation.answers.iter().collect::<Vec<_>>(), ["application/x-tar"]);
    }
}
