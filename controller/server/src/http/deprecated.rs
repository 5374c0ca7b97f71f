//! Routes that are to go: their answers say since when they should not be used any more, from when on they may not be there, and
//! where it is written what to use instead (RFC 9745, RFC 8594).
//!
//! A route is deprecated by what its operation says: `extensions(("x-deprecated-since" = json!("2026-11-30T00:00:00Z")),
//! ("x-sunset" = json!("2027-11-30T00:00:00Z")), ("x-deprecated-link" = json!("/docs#account.list")))`. The document marks it, and the
//! answers have the headers, by themselves.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header::LINK};
use npanel_model::Timestamp;
use utoipa::openapi::{Deprecated, OpenApi, path::Operation};

use crate::auth::operations;

/// What the operation of a deprecated route has, and from when on it is so.
pub(crate) const SINCE: &str = "x-deprecated-since";
/// From when on the route may be gone.
const SUNSET: &str = "x-sunset";
/// Where it is said what takes its place.
const MORE: &str = "x-deprecated-link";

/// Which routes are deprecated, and the headers that say so.
#[derive(Debug, Clone, Default)]
pub(super) struct Deprecations(Arc<HashMap<(Method, String), HeaderMap>>);

impl Deprecations {
    /// Reads them from the document that the routes make up.
    pub(super) fn of(document: &OpenApi) -> Self {
        let mut all = HashMap::new();
        for (path, item) in &document.paths.paths {
            for (method, operation) in operations(item) {
                all.extend(headers(operation).map(|headers| ((method, path.clone()), headers)));
            }
        }
        Self(Arc::new(all))
    }

    /// Themselves, if there are any.
    pub(super) fn some(self) -> Option<Self> {
        (!self.0.is_empty()).then_some(self)
    }
}

/// Marks an operation that says since when it is deprecated.
pub(crate) fn mark(operation: &mut Operation) {
    if said(operation, SINCE).is_some() {
        operation.deprecated = Some(Deprecated::True);
    }
}

fn said<'a>(operation: &'a Operation, key: &str) -> Option<&'a str> {
    operation.extensions.as_ref()?.get(key)?.as_str()
}

fn headers(operation: &Operation) -> Option<HeaderMap> {
    let time = |key| said(operation, key)?.parse::<jiff::Timestamp>().ok().map(Timestamp::from);
    let since = time(SINCE)?;
    let mut headers = HeaderMap::new();
    let mut put = |name, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(name, value);
        }
    };
    // A date of structured fields (RFC 9651).
    put(HeaderName::from_static("deprecation"), format!("@{}", since.as_millis() / 1000));
    if let Some(sunset) = time(SUNSET) {
        put(HeaderName::from_static("sunset"), http_date(sunset));
    }
    if let Some(link) = said(operation, MORE) {
        put(LINK, format!("<{link}>; rel=\"deprecation\"; type=\"text/html\""));
    }
    Some(headers)
}

/// As HTTP writes it (RFC 9110, 5.6.7).
fn http_date(time: Timestamp) -> String {
    jiff::Timestamp::from(time).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Adds the headers to whatever the route answers.
pub(super) async fn tell(State(all): State<Deprecations>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    let mut response = next.run(request).await;
    if let Some(headers) = path.and_then(|path| all.0.get(&(method, path))) {
        for (name, value) in headers {
            response.headers_mut().append(name, value.clone());
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware};
    use tower::ServiceExt;
    use utoipa_axum::{router::OpenApiRouter, routes};

    use super::*;

    /// What is to go.
    #[utoipa::path(get, path = "/v1/old/{id}", operation_id = "account.get",
        params(("id" = String, Path, description = "Which")),
        extensions(("x-deprecated-since" = json!("2023-06-30T23:59:59Z")), ("x-sunset" = json!("2027-11-30T10:00:00Z")),
            ("x-deprecated-link" = json!("/docs#account.get"))),
        responses((status = 204, description = "Nothing")))]
    async fn old() -> http::StatusCode {
        http::StatusCode::NO_CONTENT
    }

    /// What stays.
    #[utoipa::path(get, path = "/v1/new", operation_id = "account.list",
        responses((status = 204, description = "Nothing")))]
    async fn new() -> http::StatusCode {
        http::StatusCode::NO_CONTENT
    }

    async fn ask(path: &str) -> HeaderMap {
        let (routes, document) =
            OpenApiRouter::new().routes(routes!(old)).routes(routes!(new)).split_for_parts();
        let all = Deprecations::of(&document).some().expect("one is deprecated");
        let router: Router = routes.layer(middleware::from_fn_with_state(all, tell));
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        router.oneshot(request).await.expect("an answer").headers().clone()
    }

    #[tokio::test]
    async fn a_route_that_is_to_go_says_since_when_until_when_and_what_instead() {
        let headers = ask("/v1/old/1").await;
        // The example of RFC 9745.
        assert_eq!(headers["deprecation"], "@1688169599");
        assert_eq!(headers["sunset"], "Tue, 30 Nov 2027 10:00:00 GMT");
        assert_eq!(headers["link"], "</docs#account.get>; rel=\"deprecation\"; type=\"text/html\"");
    }

    #[tokio::test]
    async fn a_route_that_stays_says_nothing() {
        let headers = ask("/v1/new").await;
        assert!(
            ["deprecation", "sunset", "link"].iter().all(|name| !headers.contains_key(*name)),
            "{headers:?}"
        );
    }

    #[test]
    fn the_document_marks_what_is_to_go() {
        let (_, mut document) = OpenApiRouter::<()>::new().routes(routes!(old)).split_for_parts();
        let item = document.paths.paths.get_mut("/v1/old/{id}").expect("the path");
        let operation = item.get.as_mut().expect("the operation");
        mark(operation);
        assert!(operation.deprecated == Some(Deprecated::True));
    }
}
