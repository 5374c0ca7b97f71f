//! `/healthz`, `/readyz` and `/metrics`.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use npanel_converge::Reports;
use npanel_model::Timestamp;
use npanel_pki::IdentityFiles;
use tokio::{net::TcpListener, task::spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::Metrics;
use crate::vitals::Vitals;

/// What health is judged by. That the ledger is loaded shows in that this exists.
#[derive(Clone)]
pub struct Health {
    /// The executor's answers.
    pub vitals: Vitals,
    /// The identity.
    pub identity: IdentityFiles,
    /// The objects.
    pub reports: Arc<Reports>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
}

/// Listens.
///
/// # Errors
/// If the address cannot be listened on.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until `stop`.
///
/// # Errors
/// If the listener breaks.
pub async fn serve(listener: TcpListener, health: Health, stop: CancellationToken) -> io::Result<()> {
    let routes = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health);
    axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    let identity = match health.certificate_expiry().await {
        Some(expiry) if expiry > Timestamp::now() => Ok(()),
        Some(_) => Err("expired"),
        None => Err("none"),
    };
    let executor = if health.vitals.executor_answers() { Ok(()) } else { Err("does not answer") };
    let all = [("ledger", Ok(())), ("executor", executor), ("identity", identity)];
    let lines = all.map(|(part, state)| format!("{part}: {}\n", state.err().unwrap_or("ok")));
    let good = all.iter().all(|(_, state)| state.is_ok());
    (if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, lines.concat())
}

async fn metrics(State(health): State<Health>) -> impl IntoResponse {
    let text = health.metrics.text(&health.reports, health.certificate_expiry().await);
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

impl Health {
    /// Read from the files each time: they change under the daemon when the node enrols again.
    async fn certificate_expiry(&self) -> Option<Timestamp> {
        let files = self.identity.clone();
        let loaded = spawn_blocking(move || files.load()).await.ok()?;
        loaded.ok().flatten().map(|credentials| credentials.not_after())
    }
}
