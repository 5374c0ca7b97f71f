//! The daemon without privileges.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use npanel_converge::{Bulletin, Clock, Engine, Settings, Troubles};
use npanel_executor::Client;
use npanel_ledger::{Ledger, StoreError};
use npanel_model::Timestamp;
use npanel_pki::IdentityFiles;
use sd_notify::NotifyState;
use tokio::{
    sync::watch,
    task::{JoinSet, spawn_blocking},
    time::interval,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Config,
    dial::Dial,
    diallers::Diallers,
    leftovers::Leftovers,
    owner, release,
    renew::Renewer,
    roster::Roster,
    service::NodeService,
    telemetry::{self, Health, Metrics},
    vitals::Vitals,
};

/// How long a removal is remembered after nothing is left, so that a late message cannot undo it. Longer than
/// any controller could be away and come back with an old state without the epoch being raised.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// How often what is remembered for too long is forgotten.
const UPKEEP: Duration = Duration::from_secs(24 * 3600);

/// How often a ledger that could not be written is tried.
const PROBE: Duration = Duration::from_secs(5);

/// Why the daemon ends.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The ledger cannot be opened.
    #[error("cannot open the ledger")]
    Ledger(#[from] StoreError),
    /// Whose the ledger is cannot be told or written down.
    #[error("it cannot be told whose the ledger is")]
    Owner(#[source] io::Error),
    /// The telemetry's address.
    #[error("cannot listen on {address}")]
    Telemetry {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A part of the daemon has a fault.
    #[error("a part of the daemon ended by itself")]
    PartEnded,
}

/// Tells the service manager that the daemon is ready. Nobody may be listening.
pub(crate) fn notify_ready() {
    drop(sd_notify::notify(false, &[NotifyState::Ready]));
}

/// Runs until `stop`.
///
/// # Errors
/// If the ledger or the telemetry's port cannot be opened, or a part of the daemon has a fault.
pub async fn run(config: &Config, stop: CancellationToken) -> Result<(), AgentError> {
    let telemetry = telemetry::bind(config.telemetry)
        .await
        .map_err(|source| AgentError::Telemetry { address: config.telemetry, source })?;
    let identity = IdentityFiles::new(config.identity_directory());
    let ledger = Arc::new(open_ledger(config, identity.clone()).await?);
    let metrics = Arc::new(Metrics::new());
    metrics.quarantined(ledger.quarantined().len());
    let bulletin = Bulletin::default();
    let executor = Client::new(&config.executor_socket);
    let vitals = Vitals::new(executor.clone(), &config.roles);
    let (renewed, renewals) = watch::channel(0);
    let (turning_away, turned_away) = watch::channel(0);
    let issuing = watch::Sender::<Vec<u8>>::default();
    let roster = Arc::new(Roster::open(&config.data_directory, identity.clone()));
    let released = release::released(&config.data_directory);
    let (engine, handle) = Engine::new(
        Arc::clone(&ledger),
        executor,
        Arc::clone(&metrics),
        bulletin.clone(),
        Clock::system(),
        Settings { roles: config.roles.clone(), released },
    );
    let mut leftovers =
        Leftovers::new(Arc::clone(&ledger), vitals.clone(), &config.roles, &config.data_directory);
    let service = NodeService {
        ledger: Arc::clone(&ledger),
        bulletin: bulletin.clone(),
        engine: handle.clone(),
        vitals: vitals.clone(),
        roles: config.roles.clone().into(),
        address: config.address,
        issuing: issuing.clone(),
        roster: Arc::clone(&roster),
        place: config.place.clone(),
    };
    tracing::info!(objects = ledger.len(), fence = %ledger.fence(), "the ledger is loaded");

    until_stopped(stop.clone(), leftovers.first_look()).await;
    let mut parts = JoinSet::new();
    parts.spawn(engine.run(stop.clone()));
    parts.spawn(until_stopped(stop.clone(), leftovers.watch()));
    let dial = Dial {
        name: config.name.clone(),
        identity: identity.clone(),
        data_directory: config.data_directory.clone(),
        service,
        roster: Arc::clone(&roster),
        metrics: Arc::clone(&metrics),
        renewals,
        turned_away: turning_away,
    };
    let diallers = Diallers { configured: config.controllers.clone(), dial };
    parts.spawn(diallers.run(stop.clone()));
    let renewer = Renewer {
        controllers: config.controllers.clone(),
        name: config.name.clone(),
        identity: identity.clone(),
        issuing: issuing.subscribe(),
        roster,
        turned_away,
        renewed,
    };
    parts.spawn(renewer.run(stop.clone()));
    let another = owner::until_another(config.data_directory.clone(), identity.clone());
    parts.spawn(until_stopped(stop.clone(), another));
    let health = Health { vitals: vitals.clone(), identity, reports: bulletin.reports, metrics };
    parts.spawn(serve_telemetry(telemetry, health, stop.clone()));
    parts.spawn(until_stopped(stop.clone(), async move { vitals.keep_reading().await }));
    parts.spawn(until_stopped(stop.clone(), watch_ledger(Arc::clone(&ledger), bulletin.troubles)));
    parts.spawn(until_stopped(stop.clone(), keep_up(ledger)));
    let data_directory = config.data_directory.clone();
    let releases = async move { release::watch(&data_directory, &handle).await };
    parts.spawn(until_stopped(stop.clone(), releases));
    notify_ready();
    wait(parts, &stop).await
}

/// The ledger, if it is this node's; a new one otherwise.
async fn open_ledger(config: &Config, identity: IdentityFiles) -> Result<Ledger, AgentError> {
    let (data, directory) = (config.data_directory.clone(), config.ledger_directory());
    let open = move || {
        owner::set_aside_anothers(&data, &directory, &identity).map_err(AgentError::Owner)?;
        Ok(Ledger::open(&directory)?)
    };
    spawn_blocking(open).await.map_err(|_| AgentError::PartEnded)?
}

/// Every part runs until the daemon stops; one that ends before has a fault, and a restart is the way out.
async fn wait(mut parts: JoinSet<()>, stop: &CancellationToken) -> Result<(), AgentError> {
    while let Some(ended) = parts.join_next().await {
        if !stop.is_cancelled() {
            tracing::error!(panicked = ended.is_err(), "a part of the daemon ended by itself");
            stop.cancel();
            return Err(AgentError::PartEnded);
        }
    }
    Ok(())
}

async fn until_stopped(stop: CancellationToken, part: impl Future<Output = ()>) {
    tokio::select! {
        () = part => {}
        () = stop.cancelled() => {}
    }
}

async fn serve_telemetry(listener: tokio::net::TcpListener, health: Health, stop: CancellationToken) {
    if let Err(error) = telemetry::serve(listener, health, stop).await {
        tracing::error!(error = &error as &dyn std::error::Error, "the telemetry failed");
    }
}

/// Tries again and again to write a ledger that could not be written: when there is room again, the node says so
/// by itself, and its leader offers anew what was not accepted.
async fn watch_ledger(ledger: Arc<Ledger>, troubles: Arc<Troubles>) {
    let mut looks = interval(PROBE);
    loop {
        looks.tick().await;
        if !troubles.is_ledger_unwritable() {
            continue;
        }
        let ledger = Arc::clone(&ledger);
        match spawn_blocking(move || ledger.probe()).await {
            Ok(probed) => troubles.note_ledger(probed.is_ok()),
            Err(_) => return,
        }
    }
}

async fn keep_up(ledger: Arc<Ledger>) {
    let mut days = interval(UPKEEP);
    loop {
        days.tick().await;
        let ledger = Arc::clone(&ledger);
        let now = Timestamp::now();
        let before = Timestamp::from_millis(now.as_millis() - REMEMBERED.as_millis() as i64);
        match spawn_blocking(move || ledger.forget_removed(before)).await {
            Ok(Ok(forgotten)) => tracing::debug!(forgotten, "removals forgotten"),
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "removals cannot be forgotten");
            }
            Err(_) => return,
        }
    }
}
