//! A request, made of an operation and what was typed.

use npanel_client::{Method, Request, RequestBody};
use serde_json::Value;

use super::{
    Operation,
    read::{Body, Place},
};
use crate::failure::Failure;

/// The request that calls an operation with these parameters and this body.
pub(crate) fn request(
    operation: &Operation,
    given: &[(String, String)],
    body: Option<Value>,
) -> Result<Request, Failure> {
    if let Some(other) = operation.answers.iter().find(|kind| *kind != "application/json") {
        return Err(Failure::usage(format!(
            "{} answers with {other}, which is no JSON: take the command that is made for it (npanel --help)",
            operation.name
        )));
    }
    refuse_unknown(operation, given)?;
    let mut request = Request::new(operation.method.clone(), operation.path.clone());
    for parameter in &operation.parameters {
        let name = parameter.name.as_str();
        let Some((_, value)) = given.iter().find(|(given, _)| given == name) else {
            if parameter.required {
                return Err(missing(operation, given));
            }
            continue;
        };
        match parameter.place {
            Place::Path => {
                request.path = request.path.replace(&format!("{{{name}}}"), &segment(name, value)?);
            }
            Place::Query => request.query.push((name.to_owned(), value.clone())),
            Place::Header => request.headers.push((name.to_owned(), value.clone())),
            Place::Cookie => {}
        }
    }
    request.body = sent(operation, body)?;
    request.is_anonymous = operation.is_anonymous;
    Ok(request)
}

/// The same, of a list whose pages are to be followed.
pub(crate) fn paged(operation: &Operation, given: &[(String, String)]) -> Result<Request, Failure> {
    if operation.method != Method::GET || !operation.takes("after") || !operation.takes("limit") {
        return Err(Failure::usage(format!("{} has no pages that --all could follow", operation.name)));
    }
    if given.iter().any(|(name, _)| name == "after") {
        return Err(Failure::usage("--all begins with the first page: leave after= out"));
    }
    request(operation, given, None)
}

fn refuse_unknown(operation: &Operation, given: &[(String, String)]) -> Result<(), Failure> {
    for (at, (name, _)) in given.iter().enumerate() {
        if !operation.takes(name) {
            let known: Vec<&str> = operation.parameters.iter().map(|one| one.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Failure::usage(format!(
                "{} has no parameter {name:?}; it has {known}",
                operation.name
            )));
        }
        if given[..at].iter().any(|(before, _)| before == name) {
            return Err(Failure::usage(format!("the parameter {name:?} is given twice")));
        }
    }
    Ok(())
}

fn missing(operation: &Operation, given: &[(String, String)]) -> Failure {
    let is_missing = |name: &String| !given.iter().any(|(given, _)| given == name);
    let required = operation.parameters.iter().filter(|one| one.required).map(|one| &one.name);
    let wanted: Vec<String> =
        required.filter(|name| is_missing(name)).map(|name| format!("--param {name}=…")).collect();
    Failure::usage(format!("{} needs {}", operation.name, wanted.join(" ")))
}

fn sent(operation: &Operation, body: Option<Value>) -> Result<Option<RequestBody>, Failure> {
    match (&operation.body, body) {
        (None, Some(_)) => Err(Failure::usage(format!("{} takes no body", operation.name))),
        (Some(Body { is_required: true, fields, .. }), None) => {
            let with = if fields.is_empty() {
                "such as '{}'".to_owned()
            } else {
                format!("with {}", fields.join(", "))
            };
            Err(Failure::usage(format!("{} needs a --body, {with}", operation.name)))
        }
        (Some(Body { is_form: true, .. }), Some(body)) => form(&body).map(Some),
        (_, body) => Ok(body.map(RequestBody::Json)),
    }
}

/// A form, from an object of texts.
fn form(body: &Value) -> Result<RequestBody, Failure> {
    let refused = || Failure::usage("the body of a form is an object whose values are texts");
    let fields = body.as_object().ok_or_else(refused)?;
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    fields.iter().map(text).collect::<Option<_>>().map(RequestBody::Form).ok_or_else(refused)
}

/// A value as a part of a path: it stays one part, whatever is in it.
fn segment(name: &str, value: &str) -> Result<String, Failure> {
    // These are resolved away even if they are encoded.
    if ["", ".", ".."].contains(&value) {
        return Err(Failure::usage(format!("{value:?} cannot be the parameter {name:?}")));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte);
    let written =
        |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    Ok(value.bytes().map(written).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::read::tests::committed;

    fn given(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
        parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    fn asked(name: &str, parameters: &[(&str, &str)], body: Option<Value>) -> Result<Request, Failure> {
        request(committed().find(name).expect("an operation"), &given(parameters), body)
    }

    fn refusal(name: &str, parameters: &[(&str, &str)], body: Option<Value>) -> String {
        match asked(name, parameters, body) {
            Err(Failure::Usage(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_typed_is_put_where_it_belongs() {
        let parameters = [("id", "b"), ("if-match", "\"5\""), ("zone_id", "a/b?c#d"), ("wait", "converged")];
        let request = asked("dns.update_record", &parameters, Some(json!({"ttl": 60}))).expect("a request");
        assert_eq!(
            (request.method, request.path.as_str()),
            (Method::PATCH, "/v1/zones/a%2Fb%3Fc%23d/record-sets/b")
        );
        assert_eq!(request.query, given(&[("wait", "converged")]));
        assert_eq!(request.headers, given(&[("if-match", "\"5\"")]));
        assert_eq!(request.body, Some(RequestBody::Json(json!({"ttl": 60}))));
    }

    #[test]
    fn every_operation_that_answers_in_json_can_be_called() {
        let document = committed();
        let mut others = Vec::new();
        for operation in document.operations() {
            if operation.answers.iter().any(|kind| kind != "application/json") {
                others.push(operation.name.as_str());
                continue;
            }
            let required = operation.parameters.iter().filter(|parameter| parameter.required);
            let parameters: Vec<_> = required.map(|one| (one.name.clone(), "x".to_owned())).collect();
            let request = request(operation, &parameters, operation.body.as_ref().map(|_| json!({})));
            let request = request.unwrap_or_else(|error| panic!("{}: {error}", operation.name));
            assert!(!request.path.contains(['{', '}']), "{}", request.path);
        }
        others.sort_unstable();
        assert_eq!(others, ["account.export", "cluster.backup", "event.list", "tenant.export"]);
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        assert_eq!(refusal("dns.get_record", &[("id", "x")], None), "dns.get_record needs --param zone_id=…");
        let unknown = refusal("me.get", &[("id", "x")], None);
        assert!(unknown.starts_with("me.get has no parameter \"id\"; it has consistency"), "{unknown}");
        assert!(
            refusal("me.get", &[("consistency", "stale"), ("consistency", "stale")], None).contains("twice")
        );
        let body = refusal("domain.create", &[], None);
        assert!(body.starts_with("domain.create needs a --body, with account_id, name"), "{body}");
        assert_eq!(refusal("me.get", &[], Some(json!({}))), "me.get takes no body");
        assert!(refusal("event.list", &[], None).contains("text/event-stream"));
    }

    #[test]
    fn a_parameter_does_not_leave_its_part_of_the_path() {
        for value in ["", ".", ".."] {
            assert!(refusal("account.get", &[("id", value)], None).contains("cannot be"), "{value}");
        }
        let request = asked("account.get", &[("id", "../tenants")], None).expect("a request");
        assert_eq!(request.path, "/v1/accounts/..%2Ftenants");
    }

    #[test]
    fn a_form_is_made_of_an_object_of_texts() {
        let request = asked("session.token", &[], Some(json!({"grant_type": "client_credentials"})));
        let form = RequestBody::Form(given(&[("grant_type", "client_credentials")]));
        let request = request.expect("a request");
        assert!(request.is_anonymous, "what has credentials of its own is asked without the client's");
        assert_eq!(request.body, Some(form));
        assert!(!asked("me.get", &[], None).expect("a request").is_anonymous);
        assert!(refusal("session.token", &[], Some(json!({"grant_type": 1}))).contains("texts"));
    }

    #[test]
    fn only_a_list_has_pages_to_follow() {
        let document = committed();
        let of = |name: &str, parameters: &[(&str, &str)]| {
            paged(document.find(name).expect("an operation"), &given(parameters))
        };
        assert!(of("account.list", &[("suspended", "true")]).is_ok());
        assert!(of("dns.list_records", &[("zone_id", "x")]).is_ok());
        for (name, parameters) in [("account.get", &[("id", "x")][..]), ("account.list", &[("after", "x")])] {
            assert!(matches!(of(name, parameters), Err(Failure::Usage(_))), "{name}");
        }
    }
}
