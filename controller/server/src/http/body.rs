//! Request bodies: JSON of at most 1 MiB, without unknown fields.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE};
use serde::de::{DeserializeOwned, IgnoredAny};

use tokio::time::timeout;

use super::problem::{Failure, Kind};

/// The longest body.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;

/// How deep arrays and objects may lie in each other. The deepest body that a route takes has five levels.
const DEEPEST: usize = 32;

/// A body that is not here by then holds a place that others want: a megabyte in ten seconds is little.
const PATIENCE: Duration = Duration::from_secs(10);

/// A body, parsed and as it came.
pub(crate) struct Body<T> {
    pub(crate) value: T,
    pub(crate) bytes: Bytes,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        if !is_json(request.method(), request.headers()) {
            let detail = "the header Content-Type must be application/json";
            return Err(Failure::new(Kind::UnsupportedMediaType, detail));
        }
        let read = timeout(PATIENCE, Bytes::from_request(request, state)).await.map_err(|_| {
            let detail = format!("the body was not here within {} s", PATIENCE.as_secs());
            Failure::new(Kind::BodyTooSlow, detail)
        })?;
        let bytes = read.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Failure::of_status(StatusCode::PAYLOAD_TOO_LARGE),
            _ => Failure::new(Kind::MalformedBody, "the body could not be read"),
        })?;
        Ok(Self { value: parse(&bytes)?, bytes })
    }
}

/// JSON, or for a change a JSON merge patch (RFC 7396), which is what a change is in any case.
fn is_json(method: &Method, headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
        || method == Method::PATCH && media_type.eq_ignore_ascii_case("application/merge-patch+json")
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    if is_deeper(bytes, DEEPEST) {
        let detail = format!("arrays and objects lie in each other at most {DEEPEST} deep");
        return Err(Failure::new(Kind::InvalidBody, detail));
    }
    // First whether it is JSON at all: a field's error must not hide that the end is missing.
    serde_json::from_slice::<IgnoredAny>(bytes)
        .map_err(|error| Failure::new(Kind::MalformedBody, format!("the body is not JSON: {error}")))?;
    let mut json = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut json)
        .map_err(|error| refused(&error.path().to_string(), &without_place(&error.inner().to_string())))
}

/// Whether more than so many arrays and objects lie in each other. Of what is not JSON it says something, too.
fn is_deeper(bytes: &[u8], most: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            return true;
        }
    }
    false
}

/// What serde says becomes what the caller reads. The types' own errors never repeat secrets.
fn refused(path: &str, detail: &str) -> Failure {
    if path == "." && detail.starts_with("invalid type: ") {
        // Serde's words would repeat the body, which may be a secret that lacks its object.
        return Failure::new(Kind::InvalidBody, "the body is JSON, but not an object");
    }
    let failure = Failure::new(Kind::InvalidBody, detail);
    match (path, named(detail)) {
        (".", None) => failure,
        (".", Some(field)) => failure.at(field),
        // A missing field is reported at the object that it should be in.
        (path, Some(field)) if !path.ends_with(field) => failure.at(format!("{path}.{field}")),
        (path, _) => failure.at(path),
    }
}

fn without_place(text: &str) -> String {
    text.rsplit_once(" at line ").map_or(text, |(text, _)| text).to_owned()
}

/// The field that serde names in "unknown field `x`, ..." and "missing field `x`".
pub(super) fn named(detail: &str) -> Option<&str> {
    let rest = ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|start| detail.strip_prefix(start))?;
    rest.split('`').next()
}

#[cfg(test)]
mod tests {
    use npanel_sdk_types::{CreateDatabaseUser, CreatePlan};

    use super::*;

    const ID: &str = "0190a5d2-0000-7000-8000-000000000001";

    fn refusal<T: DeserializeOwned>(body: &str) -> Failure {
        match parse::<T>(body.as_bytes()) {
            Ok(_) => panic!("{body} was accepted"),
            Err(failure) => failure,
        }
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for body in ["", "{", "{\"name\": }", "nul", "{} {}", "[", "\u{0}"] {
            assert_eq!(refusal::<CreatePlan>(body).kind(), Kind::MalformedBody, "{body:?}");
        }
    }

    #[test]
    fn a_body_is_not_deeper_than_any_route_takes() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_ne!(
            refusal::<CreatePlan>(&nested(DEEPEST)).detail(),
            refusal::<CreatePlan>(&nested(DEEPEST + 1)).detail()
        );
        for body in [nested(DEEPEST + 1), "[".repeat(MAX_BYTES), "{\"a\":".repeat(100_000)] {
            let failure = refusal::<CreatePlan>(&body);
            assert!(failure.kind() == Kind::InvalidBody && failure.detail().contains("deep"), "{failure:?}");
        }
        let flat = format!("[{}]", vec![r#""[{\"[[\\""#; 1000].join(","));
        assert!(!is_deeper(flat.as_bytes(), 1), "what is in a text is not counted");
        assert!(is_deeper(br#"[["\\"],[[]]]"#, 2));
    }

    #[test]
    fn the_field_at_fault_is_named() {
        for (body, field) in [
            (r#"{"name":"p","disk_mb":1,"php_version":"8.2","domans":3}"#, "domans"),
            (r#"{"name":"p","php_version":"8.2"}"#, "disk_mb"),
            (r#"{"name":"P","disk_mb":1,"php_version":"8.2"}"#, "name"),
            (r#"{"name":"p","disk_mb":-1,"php_version":"8.2"}"#, "disk_mb"),
            (r#"{"name":"p","disk_mb":1,"php_version":"../x"}"#, "php_version"),
        ] {
            assert_eq!(refusal::<CreatePlan>(body).field(), Some(field), "{body}");
        }
        let nested = format!(
            r#"{{"account_id":"{ID}","name":"x","grants":[{{"database_id":"{ID}","privileges":"root"}}]}}"#
        );
        assert_eq!(refusal::<CreateDatabaseUser>(&nested).field(), Some("grants[0].privileges"));
        let unknown = format!(
            r#"{{"account_id":"{ID}","name":"x","grants":[{{"database_id":"{ID}","privileges":"all","x":1}}]}}"#
        );
        assert_eq!(refusal::<CreateDatabaseUser>(&unknown).field(), Some("grants[0].x"));
    }

    #[test]
    fn a_password_is_not_repeated() {
        let body = format!(r#"{{"account_id":"{ID}","name":"x","password":["hunter2"]}}"#);
        let failure = refusal::<CreateDatabaseUser>(&body);
        assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
    }

    #[test]
    fn a_password_that_is_the_whole_body_is_not_repeated() {
        for body in [r#""hunter2""#, r#"["hunter2"]"#, "4711"] {
            let failure = refusal::<CreateDatabaseUser>(body);
            let text = format!("{failure:?}");
            assert!(!text.contains("hunter2") && !text.contains("4711"), "{text}");
            assert_eq!(failure.kind(), Kind::InvalidBody);
        }
    }
}
