//! `npanel-controller run`: the daemon.
//!
//! What runs inside: the member of the cluster, the fleet's port, the leader's loops (idle unless this
//! controller leads), the keeper of its certificates, the API and telemetry. The first that ends takes the process with it; the service manager
//! starts it again. So it is when the cluster has removed this controller: what is started then is [`removed`].

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use npanel_cloud::{Courier, Outgoing};
use npanel_consensus::Cluster;
use npanel_pki::{Identity, tls};
use npanel_reconcile::{Liveness, NodeConnections, Placing, Reconciler};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

use super::{agreement::Member, dial::FleetDial, files::Files, keeper::Keeper, presence::Connected, removed};
use crate::{
    authorities::Authorities,
    config::Config,
    fleet::{self, FleetListener, FleetParts},
    http::{self, Services},
    own_addresses::FleetsOwn,
    rates::Rates,
    telemetry::{self, Metrics, OwnCertificates, Telemetry},
};

/// Runs the controller until it is told to stop.
///
/// # Errors
/// If it cannot start, or a part of it fails.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let files = Files::of(&config.data_directory);
    let credentials = files.credentials()?;
    let files = files.unlock_patiently(&config.machine_key).await?;
    let secrets = files.secrets()?;
    let Identity::Controller(id) = credentials.id().identity else {
        bail!("the identity in {} is not a controller's", files.root().display());
    };
    let authorities = Authorities::new(secrets, config.lifetimes)?;
    let keeper = Keeper::open(
        credentials.id().identity,
        files.clone(),
        authorities.clone(),
        credentials,
        config.api_names.clone(),
    )?;
    if files.is_removed() {
        return removed::run(&config, id, &keeper.api).await;
    }
    let api_tls = tls::api_server(&keeper.api)?;
    let connections = NodeConnections::default();
    let liveness = Liveness::default();
    let cluster = Cluster::start(
        id,
        files.root(),
        Arc::new(FleetDial::new(&keeper.fleet)?),
        Arc::new(
            Placing::new(liveness.clone())
                .asking(connections.clone(), authorities.keys())
                .keeping(config.raft_log)
                .up_to(config.max_feature_level),
        ),
    )
    .await?;

    let mut parts: JoinSet<anyhow::Result<()>> = JoinSet::new();
    // What lets requests at work finish when it is told to stop, for a while.
    let mut serving: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let (stop, stopped) = watch::channel(false);
    let until_stopped = || {
        let mut stopped = stopped.clone();
        async move {
            // An error means that the sender is gone, which is a stop, too.
            let _ = stopped.wait_for(|stop| *stop).await;
        }
    };

    let strangers = fleet::strangers();
    let fleet = FleetListener::bind(
        config.fleet_listen,
        FleetParts {
            cluster: cluster.clone(),
            connections: connections.clone(),
            credentials: keeper.fleet.clone(),
            authorities: authorities.clone(),
            strangers: strangers.clone(),
        },
    )
    .await?;
    parts.spawn(async move { match fleet.serve().await {} });

    let (announcing, issuing) = watch::channel(Vec::new());
    let own = OwnCertificates { fleet: keeper.fleet.clone(), api: keeper.api.clone() };
    parts.spawn({
        let cluster = cluster.clone();
        async move {
            keeper.run(cluster, announcing).await;
            Ok(())
        }
    });

    let fleets_own = FleetsOwn::new(cluster.state().clone());
    let outgoing = Outgoing::new(config.outside.clone(), Arc::new(fleets_own))?;
    let reconciler = Reconciler::new(cluster.clone(), connections.clone(), liveness, authorities.keys())
        .announcing(issuing)
        .anchoring(config.anchor.clone())
        .telling(Courier::new(outgoing.clone()));
    parts.spawn(async move {
        reconciler.run().await;
        Ok(())
    });

    let presence = Arc::new(Connected::default());
    parts.spawn({
        let presence = Arc::clone(&presence);
        async move {
            presence.follow(connections).await;
            Ok(())
        }
    });

    let agreement = Arc::new(Member(cluster.clone()));
    let metrics = Metrics::new();
    let telemetry =
        Telemetry { agreement: agreement.clone(), presence: presence.clone(), metrics: metrics.clone(), own };
    let listener = listen(config.telemetry_listen).await?;
    parts.spawn({
        let stop = until_stopped();
        async move { Ok(telemetry::serve(telemetry::router(telemetry), listener, stop).await?) }
    });

    metrics.bound("proposals", {
        let cluster = cluster.clone();
        move || cluster.admissions().proposals
    });
    metrics.bound("dry_runs", {
        let cluster = cluster.clone();
        move || cluster.admissions().foresights
    });
    metrics.bound("strangers", move || strangers.usage());
    let connections = http::connections();
    metrics.bound("connections", {
        let connections = connections.clone();
        move || connections.usage()
    });
    let (requests, backups) = (http::requests(), config.backups.clone());
    let services = Services {
        agreement,
        presence,
        authorities,
        backups,
        metrics,
        requests,
        rates: Rates::new(config.rate_limits),
        proxies: config.trusted_proxies.clone(),
        outgoing,
        public_address: config.public_address(),
    };
    let listener = listen(config.api_listen).await?;
    serving.spawn({
        let stop = until_stopped();
        async move {
            Ok(http::serve(http::router(services), connections, listener, api_tls, http::IDLE, stop).await?)
        }
    });

    parts.spawn({
        let cluster = cluster.clone();
        async move { removed::leave(&cluster, &files).await }
    });

    parts.spawn({
        let cluster = cluster.clone();
        async move {
            cluster.stopped().await;
            bail!("this controller takes no part in the cluster any more; what its disk holds is read when it is started again")
        }
    });

    tracing::info!(controller = %id, name = %config.name, "running");
    notify_ready();
    let ended = tokio::select! {
        ended = parts.join_next() => ended,
        ended = serving.join_next() => ended,
        () = told_to_stop()? => None,
    };
    let result = match ended {
        None => Ok(()),
        Some(part) => part
            .context("a part of the controller panicked")?
            .and_then(|()| bail!("a part of the controller ended")),
    };
    stop.send_replace(true);
    while let Some(ended) = serving.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "the API did not stop cleanly");
        }
    }
    parts.shutdown().await;
    cluster.shutdown().await?;
    result
}

pub(super) async fn listen(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Tells the service manager, if there is one.
pub(super) fn notify_ready() {
    if let Err(error) = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]) {
        tracing::warn!(%error, "the service manager could not be told that the controller is ready");
    }
}

/// Tells the service manager, if there is one, that the start takes so much longer, and why.
pub(super) fn notify_waiting(why: &str, time: Duration) {
    let more = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    let states = [sd_notify::NotifyState::ExtendTimeoutUsec(more), sd_notify::NotifyState::Status(why)];
    // Who is not told gives up on this start at some time, and begins another.
    let _ = sd_notify::notify(false, &states);
}

pub(super) fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
