//! A controller that was removed from the cluster: it tells clients so, and does nothing else, for ever.
//!
//! When it learns of it, it remembers it and ends, and with it every connection. Started again, it does not end, which
//! would have the service manager start it again and again, nor does it open the fleet's port.

use std::time::Duration;

use anyhow::bail;
use npanel_consensus::Cluster;
use npanel_model::ControllerId;
use npanel_pki::{LiveCredentials, tls};
use tokio::{task::JoinSet, time::sleep};

use super::files::Files;
use super::run::{listen, notify_ready, told_to_stop};
use crate::{
    config::Config,
    http,
    telemetry::{self, Metrics},
};

/// So that whoever asked this very controller for its removal gets an answer.
const FAREWELL: Duration = Duration::from_secs(1);

/// Returns, with an error, when this controller was removed.
pub(super) async fn leave(cluster: &Cluster, files: &Files) -> anyhow::Result<()> {
    if cluster.removed().wait_for(|removed| *removed).await.is_err() {
        return std::future::pending().await;
    }
    files.mark_removed()?;
    sleep(FAREWELL).await;
    bail!("this controller was removed from the cluster")
}

/// Runs until it is told to stop.
pub(super) async fn run(config: &Config, id: ControllerId, api: &LiveCredentials) -> anyhow::Result<()> {
    let metrics = Metrics::new();
    let mut parts: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let listener = listen(config.telemetry_listen).await?;
    let router = telemetry::removed_router(metrics.clone());
    parts.spawn(async move { Ok(telemetry::serve(router, listener, std::future::pending()).await?) });
    let listener = listen(config.api_listen).await?;
    let (router, api_tls) = (http::removed_router(metrics), tls::api_server(api)?);
    parts.spawn(async move {
        Ok(http::serve(router, http::connections(), listener, api_tls, http::IDLE, std::future::pending())
            .await?)
    });
    tracing::error!(
        controller = %id,
        name = %config.name,
        "this controller was removed from the cluster and only says so; stop it, or move its directory away and join anew"
    );
    notify_ready();
    let stopped = told_to_stop()?;
    tokio::select! {
        () = stopped => Ok(()),
        Some(ended) = parts.join_next() => ended?,
    }
}
