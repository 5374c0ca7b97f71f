//! The routes, and what every request passes through.

use axum::{Router, extract::DefaultBodyLimit, middleware, response::IntoResponse};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use tower_http::{
    catch_panic::CatchPanicLayer, limit::RequestBodyLimitLayer,
    sensitive_headers::SetSensitiveRequestHeadersLayer,
};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::{
    accounts, api_keys,
    app::{App, Services},
    audit,
    body::MAX_BYTES,
    ca, cluster, consistency, context, cron, database_users, databases, domains, events, fresh, node_events,
    nodes, operations, placements, plans,
    problem::Failure,
    problem_pages, record_sets, tenants, tokens, unread, webhooks, zones,
};
use crate::{
    auth::{Gate, RouteActions, authorise},
    openapi,
};

/// Every route, with its part of the OpenAPI document.
pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(tenants::routes())
        .merge(plans::routes())
        .merge(accounts::routes())
        .merge(domains::routes())
        .merge(databases::routes())
        .merge(database_users::routes())
        .merge(zones::routes())
        .merge(record_sets::routes())
        .merge(cron::routes())
        .merge(nodes::routes())
        .merge(placements::routes())
        .merge(tokens::routes())
        .merge(api_keys::routes())
        .merge(operations::routes())
        .merge(webhooks::routes())
        .merge(node_events::routes())
        .merge(events::routes())
        .merge(audit::routes())
        .merge(cluster::routes())
        .merge(ca::routes())
}

/// The bare document that the routes make up.
pub(crate) fn document_of(api: OpenApiRouter<App>) -> (Router<App>, OpenApi) {
    api.split_for_parts()
}

/// The API as a service.
pub fn router(services: Services) -> Router {
    let (routes, document) = document_of(api());
    let gate = Gate::new(services.agreement.clone(), RouteActions::of(&document));
    let metrics = services.metrics.clone();
    let agreement = services.agreement.clone();
    routes
        // Within the gate: strangers make no work for the leader.
        .route_layer(middleware::from_fn_with_state(agreement, consistency::keep))
        .route_layer(middleware::from_fn_with_state(gate, authorise))
        .route("/v1/openapi.json", axum::routing::get(published))
        .route("/problems/{code}", axum::routing::get(problem_pages::page))
        .method_not_allowed_fallback(|| async { Failure::method_not_allowed() })
        .fallback(|| async { Failure::of_status(http::StatusCode::NOT_FOUND) })
        .with_state(App::new(services))
        .layer(middleware::from_fn(fresh::answer_unchanged))
        .layer(middleware::from_fn(context::deadline))
        .layer(DefaultBodyLimit::max(MAX_BYTES))
        .layer(RequestBodyLimitLayer::new(MAX_BYTES))
        .layer(middleware::from_fn(unread::read_rest))
        .layer(CatchPanicLayer::custom(context::panicked))
        .layer(middleware::from_fn_with_state(metrics, context::context))
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION]))
}

/// The OpenAPI document. Like the pages of problems, it needs no API key.
async fn published() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], openapi::document())
}
