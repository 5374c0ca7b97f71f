//! `/v1/node-events`.

use axum::{Json, extract::State};
use npanel_sdk_types::{EventDifference, NodeEvent, Page};
use npanel_state::{EventFilter, EventPage};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{app::App, list::List, node_events_query::NodeEventsQuery, problem::Failure};
use crate::auth::Caller;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

fn shown(row: npanel_state::Event) -> NodeEvent {
    let difference = |one: npanel_state::EventDifference| EventDifference {
        what: one.what,
        expected: one.expected,
        found: one.found,
    };
    NodeEvent {
        id: row.id,
        time: row.time,
        reason: row.reason,
        message: row.message,
        differences: row.differences.into_iter().map(difference).collect(),
        object_kind: row.object_kind,
        object_id: uuid::Uuid::from_slice(&row.object_id).map(|id| id.to_string()).unwrap_or_default(),
        account_id: row.account_id,
        tenant_id: row.tenant_id,
        node_id: row.node_id,
    }
}

/// List what happened on nodes by itself, newest first.
#[utoipa::path(get, path = "/v1/node-events", operation_id = "node_event.list", tag = "node-events",
    params(NodeEventsQuery), responses((status = 200, description = "Some of them", body = Page<NodeEvent>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    List { query, paging }: List<NodeEventsQuery>,
) -> Result<Json<Page<NodeEvent>>, Failure> {
    let filter = EventFilter {
        node_id: query.node_id,
        account_id: query.account_id,
        object_kind: query.object_kind,
        object_id: query.object_id.map(|id| id.as_bytes().to_vec()),
        reason: query.reason,
        since: query.since,
    };
    let rows = paging.rows();
    let before = rows.after.and_then(|place| place.try_into().ok()).map(u64::from_be_bytes);
    let page = EventPage { before, limit: rows.limit };
    let rows = app.reader().events(caller.tenant_id, &filter, page).await?;
    Ok(paging.page(rows, |row| row.position.to_be_bytes().to_vec(), shown))
}
