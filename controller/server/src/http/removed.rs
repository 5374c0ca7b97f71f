//! What is left of the API when the controller was removed from the cluster: one answer to everything.

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use http::header::AUTHORIZATION;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;

use super::{
    context,
    problem::{Failure, Kind},
    problem_pages,
};
use crate::telemetry::Metrics;

/// The API of a controller that was removed, as a service.
pub fn removed_router(metrics: Metrics) -> Router {
    Router::new()
        .route("/problems/{code}", axum::routing::get(problem_pages::page))
        .fallback(|| async {
            Failure::new(Kind::Removed, "ask another controller: what this one has is old")
        })
        .layer(middleware::from_fn_with_state(metrics, in_context))
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION]))
}

async fn in_context(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    context::context(&metrics, request, |request| next.run(request)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use tower::ServiceExt;

    #[tokio::test]
    async fn every_route_says_that_the_controller_was_removed() {
        for (method, path) in
            [("GET", "/v1/accounts"), ("POST", "/v1/tenants"), ("GET", "/"), ("GET", "/v1/cluster")]
        {
            let request = http::Request::builder().method(method).uri(path).body(axum::body::Body::empty());
            let answer = removed_router(Metrics::new()).oneshot(request.expect("a request")).await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{method} {path}");
            assert!(!answer.headers().contains_key("retry-after"), "there is nothing to wait for");
            let body = axum::body::to_bytes(answer.into_body(), 4096).await.expect("a body");
            let problem: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(problem["code"], "controller_removed");
        }
    }
}
