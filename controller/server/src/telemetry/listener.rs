//! The telemetry listener.

use std::{io, sync::Arc};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header::CONTENT_TYPE};
use npanel_pki::LiveCredentials;
use npanel_state::QueryError;
use tokio::net::TcpListener;

use super::Metrics;
use crate::{
    agreement::Agreement,
    http::{Presence, node_status},
};

/// The text format that Prometheus asks for.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the telemetry listener looks at.
#[derive(Clone)]
pub struct Telemetry {
    /// The replicated state.
    pub agreement: Arc<dyn Agreement>,
    /// Which nodes are connected.
    pub presence: Arc<dyn Presence>,
    /// What was counted.
    pub metrics: Metrics,
    /// This controller's own certificates.
    pub own: OwnCertificates,
}

/// The certificates that a controller shows.
#[derive(Debug, Clone)]
pub struct OwnCertificates {
    /// To the fleet.
    pub fleet: LiveCredentials,
    /// To clients of the API.
    pub api: LiveCredentials,
}

/// The telemetry routes as a service.
pub fn router(telemetry: Telemetry) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(telemetry)
}

/// The telemetry routes of a controller that was removed from the cluster: it runs, and is never ready.
pub fn removed_router(metrics: Metrics) -> Router {
    let ready = || async { (StatusCode::SERVICE_UNAVAILABLE, "removed from the cluster\n") };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(|| async move { exposed(&metrics) }))
}

/// Serves telemetry until `stop` ends.
///
/// # Errors
/// If the listener is broken.
pub async fn serve(
    router: Router,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

/// Ready: there is a leader, and the cluster's state is here.
async fn ready(State(telemetry): State<Telemetry>) -> Response {
    let waiting = |what: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("{what}\n")).into_response();
    if telemetry.agreement.status().leader_id.is_none() {
        return waiting("no leader is known");
    }
    match telemetry.agreement.reader().cluster().await {
        Ok(Some(_)) => "ready\n".into_response(),
        Ok(None) => waiting("the cluster's state is not here yet"),
        Err(error) => {
            tracing::error!(%error, "the state cannot be read");
            waiting("the state cannot be read")
        }
    }
}

async fn metrics(State(telemetry): State<Telemetry>) -> Response {
    telemetry.metrics.agreement(&telemetry.agreement.status());
    if let Err(error) = count_nodes(&telemetry).await {
        tracing::error!(%error, "the nodes cannot be counted");
    }
    let own = &telemetry.own;
    let expiry =
        [("fleet", &own.fleet), ("api", &own.api)].map(|(of, shown)| (of, shown.current().not_after()));
    telemetry.metrics.certificates(expiry);
    exposed(&telemetry.metrics)
}

fn exposed(metrics: &Metrics) -> Response {
    match metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn count_nodes(telemetry: &Telemetry) -> Result<(), QueryError> {
    let nodes = telemetry.agreement.reader().all_nodes().await?;
    let status = |node: &npanel_state::Node| {
        node_status(telemetry.presence.of(node.id), !node.address.is_empty(), node.revocation.is_some())
    };
    telemetry.metrics.nodes(nodes.iter().map(status));
    let soonest = telemetry.agreement.reader().first_node_expiry().await?;
    telemetry.metrics.certificates(soonest.map(|expiry| ("nodes_soonest", expiry)));
    let authorities = telemetry.agreement.reader().authorities().await?;
    let soonest = authorities.iter().map(|authority| authority.not_after).min();
    telemetry.metrics.certificates(soonest.map(|expiry| ("authorities_soonest", expiry)));
    Ok(())
}
