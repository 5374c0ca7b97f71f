//! The routes, and what every request passes through.

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use tower::ServiceBuilder;
use tower_http::{limit::RequestBodyLimitLayer, sensitive_headers::SetSensitiveRequestHeadersLayer};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::{
    accounts,
    admission::{self, Admission},
    api_keys,
    app::{App, Services},
    audit, backups,
    body::MAX_BYTES,
    ca,
    client_address::TrustedProxies,
    cluster, consistency, context, controllers, cron, database_users, databases,
    deprecated::{Deprecations, tell},
    device, docs, domains, entrance, events, exports, fresh, identity_providers, me, node_events, nodes,
    oauth, oauth_device, operations, placements, plans,
    problem::Failure,
    problem_pages, record_sets, secrets, sessions, tenants, tokens, unread, users, webhooks, zones,
};
use crate::{
    auth::{Gate, RouteActions, authorise},
    openapi,
    rates::Rates,
    telemetry::Metrics,
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
        .merge(users::routes())
        .merge(me::routes())
        .merge(sessions::routes())
        .merge(oauth::routes())
        .merge(oauth_device::routes())
        .merge(identity_providers::routes())
        .merge(operations::routes())
        .merge(webhooks::routes())
        .merge(node_events::routes())
        .merge(events::routes())
        .merge(audit::routes())
        .merge(exports::routes())
        .merge(cluster::routes())
        .merge(controllers::routes())
        .merge(backups::routes())
        .merge(ca::routes())
        .merge(secrets::routes())
}

/// The bare document that the routes make up.
pub(crate) fn document_of(api: OpenApiRouter<App>) -> (Router<App>, OpenApi) {
    api.split_for_parts()
}

/// The API as a service.
pub fn router(services: Services) -> Router {
    let (routes, document) = document_of(api());
    let deprecations = Deprecations::of(&document).some();
    let rates = services.rates.clone();
    let gate = Gate::new(services.agreement.clone(), RouteActions::of(&document), rates.clone());
    let metrics = services.metrics.clone();
    let agreement = services.agreement.clone();
    let requests = services.requests.clone();
    metrics.bound("requests", {
        let requests = requests.clone();
        move || requests.usage()
    });
    let admission = Admission { rates: rates.clone(), requests };
    let surroundings = Arc::new(Surroundings { metrics, rates, proxies: services.proxies.clone() });
    routes
        // Within the gate: strangers make no work for the leader.
        .route_layer(middleware::from_fn_with_state(agreement, consistency::keep))
        .route_layer(middleware::from_fn_with_state(admission, admission::admit))
        .route_layer(middleware::from_fn_with_state(gate, authorise))
        .route("/v1/openapi.json", axum::routing::get(published))
        .merge(docs::routes())
        .merge(device::routes())
        .route("/problems/{code}", axum::routing::get(problem_pages::page))
        .method_not_allowed_fallback(|| async { Failure::method_not_allowed() })
        .fallback(|| async { Failure::of_status(http::StatusCode::NOT_FOUND) })
        .with_state(App::new(services))
        .layer(
            // One layer of the router's: each boxes every route, and is copied with it for every request.
            ServiceBuilder::new()
                .option_layer(deprecations.map(|all| middleware::from_fn_with_state(all, tell)))
                .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION]))
                .layer(middleware::from_fn_with_state(surroundings, surround))
                .layer(RequestBodyLimitLayer::new(MAX_BYTES))
                .layer(DefaultBodyLimit::max(MAX_BYTES)),
        )
}

/// What that needs.
struct Surroundings {
    metrics: Metrics,
    rates: Rates,
    proxies: TrustedProxies,
}

/// What every request passes through, from the outside in.
async fn surround(State(at): State<Arc<Surroundings>>, mut request: Request, next: Next) -> Response {
    at.proxies.note(&mut request);
    let within_time = |request| context::deadline(request, |request| next.run(request));
    let if_newer = |request| fresh::answer_unchanged(request, within_time);
    let let_in = |request| entrance::enter(&at.rates, request, if_newer);
    let read_up = |request| context::caught(unread::read_rest(request, let_in));
    context::context(&at.metrics, request, read_up).await
}

/// The OpenAPI document. Like the pages of problems, it needs no API key; so it is made once, and not for whoever asks.
async fn published() -> impl IntoResponse {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| openapi::document().into());
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone())
}
