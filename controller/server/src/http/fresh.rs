//! `If-None-Match` of a read: 304 for who has the newest already (RFC 9110, 13.1.2).
//!
//! Only of what changes with its revision alone. An account's entity tag stays while its nodes work on it, so that nobody
//! loses the right to write it; who polls it for its status must see every answer.

use axum::{extract::Request, response::Response};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ETAG, IF_NONE_MATCH},
};

/// On an answer that shows nothing but what its entity tag stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steady;

pub(crate) async fn answer_unchanged<F: Future<Output = Response>>(
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let known = (request.method() == Method::GET).then(|| request.headers().clone());
    let response = next(request).await;
    let Some((headers, tag)) = known.as_ref().zip(response.headers().get(ETAG)) else { return response };
    let is_steady = response.status() == StatusCode::OK && response.extensions().get::<Steady>().is_some();
    if !is_steady || !names(headers, tag) {
        return response;
    }
    let mut unchanged = Response::new(axum::body::Body::empty());
    *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
    unchanged.headers_mut().insert(ETAG, tag.clone());
    unchanged
}

/// Compared weakly, as a read does: whether a tag is called weak does not matter.
fn names(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let tag = tag.to_str().unwrap_or_default();
    let values = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    let mut known = values.flat_map(|value| value.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}
