//! What surrounds every request: its id, its trace span, its metrics, its deadline, and problems for errors.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request},
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use npanel_model::RequestId;
use npanel_sdk_types::{PROBLEM_MEDIA_TYPE, REQUEST_ID_HEADER};
use tracing::Instrument;

use super::{
    client_address::Client,
    problem::{Failure, Kind},
};
use crate::{
    rates::{RATE_LIMIT_HEADER, RATE_LIMIT_POLICY_HEADER, Shown},
    telemetry::Metrics,
};

/// What takes so long is worth telling.
const SLOW: Duration = Duration::from_secs(1);
/// How long a request may take, waiting for the fleet not counted.
const DEADLINE: Duration = Duration::from_secs(30);
/// The longest that a request may wait for the fleet, beyond that.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Where a backup is made: how long that takes depends on how large the state is, and on the line to a bucket.
const BACKUP: &str = "/v1/cluster/backup";
const BACKUP_DEADLINE: Duration = Duration::from_secs(3600 + 600);

/// Gives the request its id and span, and makes a problem of every error.
pub(super) async fn context<F: Future<Output = Response>>(
    metrics: &Metrics,
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    // The route, not the path: metrics must not grow with ids, nor logs with what strangers type.
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let client = Client::of(&request).map(|client| client.to_string());
    let shown = Shown::default();
    let span = tracing::info_span!(
        "request",
        request_id = %id,
        %method,
        route,
        client = client.unwrap_or_default(),
        caller = tracing::field::Empty
    );
    request.extensions_mut().insert(id);
    request.extensions_mut().insert(shown.clone());
    let response = next(request).instrument(span.clone()).await;
    let mut response = span.in_scope(|| with_problem(response, id));
    if let Ok(value) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    if let Some([policy, standing]) = shown.said().cloned() {
        response.headers_mut().insert(RATE_LIMIT_POLICY_HEADER, policy);
        response.headers_mut().insert(RATE_LIMIT_HEADER, standing);
    }
    let status = response.status();
    let elapsed = started.elapsed();
    metrics.count(&method, route, status, elapsed);
    span.in_scope(|| tell(status, elapsed));
    response
}

/// What went well and soon is told at `debug` only: it is counted, and writes are in the audit.
fn tell(status: StatusCode, elapsed: Duration) {
    if status.is_client_error() || status.is_server_error() || elapsed >= SLOW {
        tracing::info!(status = status.as_u16(), ?elapsed, "answered");
    } else {
        tracing::debug!(status = status.as_u16(), ?elapsed, "answered");
    }
}

/// The caller's id if it is one of ours in form, else a new one.
fn request_id(headers: &HeaderMap) -> RequestId {
    let given = headers.get(REQUEST_ID_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
    given.unwrap_or_else(RequestId::generate)
}

/// An error in the form that another standard has for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByAnotherStandard;

fn with_problem(mut response: Response, id: RequestId) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let is_problem = |value: &HeaderValue| value.as_bytes() == PROBLEM_MEDIA_TYPE.as_bytes();
    match response.extensions_mut().remove::<Failure>() {
        Some(failure) => failure.answer(id),
        None if response.extensions().get::<ByAnotherStandard>().is_some() => response,
        None if response.headers().get(CONTENT_TYPE).is_some_and(is_problem) => response,
        None => {
            let mut answer = Failure::of_status(status).answer(id);
            if let Some(allow) = response.headers_mut().remove(http::header::ALLOW) {
                answer.headers_mut().insert(http::header::ALLOW, allow);
            }
            answer
        }
    }
}

/// Ends a request that takes too long.
pub(super) async fn deadline<F: Future<Output = Response>>(
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let is_backup = request.uri().path() == BACKUP;
    let waits = request.uri().query().is_some_and(|query| query.contains("wait="));
    let limit = match (waits, is_backup) {
        (_, true) => BACKUP_DEADLINE,
        (true, false) => DEADLINE + LONGEST_WAIT,
        (false, false) => DEADLINE,
    };
    tokio::time::timeout(limit, next(request)).await.unwrap_or_else(|_| {
        let detail = format!(
            "the request took longer than {} s; a write may still happen: repeat it with the same \
             Idempotency-Key",
            limit.as_secs()
        );
        Failure::new(Kind::TimedOut, detail).into_response()
    })
}

/// What a panic becomes. Its message is in the log by the panic hook.
pub(super) async fn caught(next: impl Future<Output = Response>) -> Response {
    let panicked = |_| Failure::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response();
    AssertUnwindSafe(next).catch_unwind().await.unwrap_or_else(panicked)
}
