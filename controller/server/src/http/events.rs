//! `/v1/events`: the change feed, as server-sent events.

use std::convert::Infallible;

use axum::{body::Body, extract::State, response::Response};
use futures::StreamExt;
use http::{
    HeaderMap, HeaderValue,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use npanel_sdk_types::Event;
use npanel_state::FeedGone;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    app::App,
    events_query::EventsQuery,
    listening::{Listener, PARTS_AHEAD, ROWS},
    problem::{Failure, Kind},
    query::Query,
    serve::Stopping,
};
use crate::auth::Caller;

/// The header by which a client that lost its connection says which event it had last.
const LAST_EVENT_ID: &str = "last-event-id";

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(follow))
}

/// Follow what changes: events of what the key's tenant and those beneath it own, as server-sent events, from any
/// controller, without an end. An event whose `id` is a number ends what there is of that index: who reads on after it
/// misses nothing and gets nothing twice. `heartbeat` says that all up to its index was told; it comes at first, and every
/// 15 seconds. `gone` ends a stream that has fallen behind what is kept.
#[utoipa::path(get, path = "/v1/events", operation_id = "event.list", tag = "events", params(EventsQuery,
    ("last-event-id" = Option<npanel_sdk_types::schema::Revision>, Header, description = "The last `id` of an earlier stream: its events follow")),
    responses((status = 200, description = "The events", content_type = "text/event-stream", body = Event),
        (status = 410, description = "The events after that index are kept no longer")))]
async fn follow(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<EventsQuery>,
    stopping: Option<axum::Extension<Stopping>>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let place = app.listeners().enter(caller.tenant_id, caller.credential)?;
    let after = last_event_id(&headers)?.or(query.after);
    app.agreement.catch_up().await;
    let after = after.unwrap_or_else(|| app.reader().applied_index());
    require_reached(&app, after).await?;
    let scope = (!caller.is_platform).then_some(caller.tenant_id);
    let first = app.reader().feed(scope, after, ROWS).await?.map_err(|gone| too_old(after, gone))?;
    let (parts, body) = mpsc::channel(PARTS_AHEAD);
    let listener = Listener::new(app, caller, query.types, after, place);
    tokio::spawn(listener.run(first, parts, stopping.map(|stopping| stopping.0)));
    let body = Body::from_stream(ReceiverStream::new(body).map(Ok::<_, Infallible>));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let index = value.to_str().ok().and_then(|text| text.parse().ok());
    index.map(Some).ok_or_else(|| {
        Failure::new(Kind::InvalidHeader, "a Last-Event-ID is an index that this API gave")
            .at("Last-Event-ID")
    })
}

/// Refuses an index that no log has come to: it is of another cluster, or of a state before one that was restored.
async fn require_reached(app: &App, after: u64) -> Result<(), Failure> {
    if after <= app.reader().applied_index() {
        return Ok(());
    }
    app.agreement.linearize().await?;
    let applied = app.reader().applied_index();
    if after <= applied {
        return Ok(());
    }
    let detail = format!(
        "there is no index {after} yet (the log is at {applied}): read what there is, and go on from there"
    );
    Err(Failure::new(Kind::EventsGone, detail))
}

fn too_old(after: u64, gone: FeedGone) -> Failure {
    let detail = format!(
        "the events up to {} are kept no longer (got after {after}): read what there is, and go on from there",
        gone.gone_index
    );
    Failure::new(Kind::EventsGone, detail)
}
