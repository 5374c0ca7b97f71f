//! Starting, stopping and looking at units.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use tokio::{
    sync::{Mutex, broadcast},
    time::timeout,
};
use zbus::{
    Connection,
    zvariant::{OwnedObjectPath, OwnedValue},
};

use super::proxy::{ManagerProxy, UnitPropertiesProxy};

/// Finished jobs that a waiter may lag behind before it has to look at the unit instead.
const JOBS: usize = 1024;

/// Why systemd did not do it.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// It cannot be asked, or refused.
    #[error("systemd: cannot {action} {unit}: {source}")]
    Bus {
        /// What was asked.
        action: &'static str,
        /// Of which unit.
        unit: String,
        /// The answer.
        source: Box<zbus::Error>,
    },
    /// The job ended, but not well.
    #[error("systemd: the job to {action} {unit} ended with '{result}'")]
    Job {
        /// What was asked.
        action: &'static str,
        /// Of which unit.
        unit: String,
        /// How it ended: `failed`, `timeout`, `dependency`, …
        result: String,
    },
    /// The job did not end in time.
    #[error("systemd: the job to {action} {unit} did not end within {deadline:?}")]
    Deadline {
        /// What was asked.
        action: &'static str,
        /// Of which unit.
        unit: String,
        /// The time it had.
        deadline: Duration,
    },
}

/// The state of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitState {
    /// The unit's name.
    pub unit: String,
    /// `active`, `inactive`, `failed`, `activating`, …
    pub active: String,
}

impl UnitState {
    /// Whether it is up.
    pub fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading")
    }
}

/// How and when a service came to its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitEnd {
    /// `success`, `exit-code`, `signal`, `oom-kill`, `start-limit-hit`, …
    pub result: String,
    /// Since when it is as it is, in microseconds since 1970.
    pub since_micros: u64,
}

#[derive(Debug, Clone)]
struct FinishedJob {
    path: OwnedObjectPath,
    result: String,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) connection: Connection,
    pub(super) manager: ManagerProxy<'static>,
    jobs: broadcast::Sender<FinishedJob>,
}

/// systemd, asked over the system bus. Cheap to clone; connects when it is first needed, and again after the
/// connection is lost.
#[derive(Debug, Clone, Default)]
pub struct Systemd {
    session: Arc<Mutex<Option<Session>>>,
}

impl Systemd {
    /// systemd of this machine.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a unit and waits until it is up.
    ///
    /// # Errors
    /// If the job fails or takes longer than `deadline`.
    pub async fn start(&self, unit: &str, deadline: Duration) -> Result<(), SystemdError> {
        let session = self.session("start", unit).await?;
        let jobs = session.jobs.subscribe();
        let job = session.manager.start_unit(unit, "replace").await;
        self.finish("start", unit, deadline, jobs, job).await
    }

    /// Stops a unit and waits until it is down. One that does not exist is down.
    ///
    /// # Errors
    /// If the job fails or takes longer than `deadline`.
    pub async fn stop(&self, unit: &str, deadline: Duration) -> Result<(), SystemdError> {
        let session = self.session("stop", unit).await?;
        let jobs = session.jobs.subscribe();
        match session.manager.stop_unit(unit, "replace").await {
            Err(error) if is_absent(&error) => Ok(()),
            job => self.finish("stop", unit, deadline, jobs, job).await,
        }
    }

    /// Restarts a unit, or starts it, and waits until it is up.
    ///
    /// # Errors
    /// If the job fails or takes longer than `deadline`.
    pub async fn restart(&self, unit: &str, deadline: Duration) -> Result<(), SystemdError> {
        let session = self.session("restart", unit).await?;
        let jobs = session.jobs.subscribe();
        let job = session.manager.restart_unit(unit, "replace").await;
        self.finish("restart", unit, deadline, jobs, job).await
    }

    /// Sends SIGHUP to a unit's main process.
    ///
    /// # Errors
    /// If it does not run.
    pub async fn hang_up(&self, unit: &str) -> Result<(), SystemdError> {
        let session = self.session("signal", unit).await?;
        let done = session.manager.kill_unit(unit, "main", nix::libc::SIGHUP).await;
        self.answer("signal", unit, done).await
    }

    /// Forgets that a unit has failed, or was started too often. One that is not loaded has not.
    ///
    /// # Errors
    /// If systemd cannot be asked.
    pub async fn reset_failed(&self, unit: &str) -> Result<(), SystemdError> {
        let session = self.session("reset", unit).await?;
        match session.manager.reset_failed_unit(unit).await {
            Err(error) if is_absent(&error) => Ok(()),
            done => self.answer("reset", unit, done).await,
        }
    }

    /// Reads all unit files again. Its cost grows with their number: not for an account's change.
    ///
    /// # Errors
    /// If systemd cannot be asked.
    pub async fn reload_units(&self) -> Result<(), SystemdError> {
        let session = self.session("reload", "units").await?;
        let done = session.manager.reload().await;
        self.answer("reload", "units", done).await
    }

    /// Has a unit started at boot. Answers whether that is new.
    ///
    /// # Errors
    /// If there is no such unit.
    pub async fn enable(&self, unit: &str) -> Result<bool, SystemdError> {
        let session = self.session("enable", unit).await?;
        let done = session.manager.enable_unit_files(&[unit], false, false).await;
        Ok(!self.answer("enable", unit, done).await?.1.is_empty())
    }

    /// Has a unit not started at boot. Answers whether that is new.
    ///
    /// # Errors
    /// If systemd cannot be asked.
    pub async fn disable(&self, unit: &str) -> Result<bool, SystemdError> {
        let session = self.session("disable", unit).await?;
        let done = session.manager.disable_unit_files(&[unit], false).await;
        Ok(!self.answer("disable", unit, done).await?.is_empty())
    }

    /// Whether there is a file of that unit.
    ///
    /// # Errors
    /// If systemd cannot be asked.
    pub async fn exists(&self, unit: &str) -> Result<bool, SystemdError> {
        let session = self.session("look for", unit).await?;
        match session.manager.get_unit_file_state(unit).await {
            Err(error) if is_absent(&error) => Ok(false),
            state => self.answer("look for", unit, state).await.map(|_| true),
        }
    }

    /// The state of a unit.
    ///
    /// # Errors
    /// If systemd cannot be asked.
    pub async fn state(&self, unit: &str) -> Result<UnitState, SystemdError> {
        let session = self.session("look at", unit).await?;
        let found = active_state(&session, unit).await;
        let active = self.answer("look at", unit, found).await?;
        Ok(UnitState { unit: unit.to_owned(), active })
    }

    /// How a service came to its state.
    ///
    /// # Errors
    /// If systemd cannot be asked.
    pub async fn end_of(&self, unit: &str) -> Result<UnitEnd, SystemdError> {
        let session = self.session("look at", unit).await?;
        let found = end(&session, unit).await;
        self.answer("look at", unit, found).await
    }

    /// The loaded units whose names match one of the patterns and that are in one of the states; of no states,
    /// in any.
    ///
    /// # Errors
    /// If systemd cannot be asked.
    pub async fn list(&self, states: &[&str], patterns: &[&str]) -> Result<Vec<UnitState>, SystemdError> {
        let session = self.session("list", "units").await?;
        let listed = session.manager.list_units_by_patterns(states, patterns).await;
        let listed = self.answer("list", "units", listed).await?;
        Ok(listed.into_iter().map(|unit| UnitState { unit: unit.0, active: unit.3 }).collect())
    }

    pub(super) async fn session(&self, action: &'static str, unit: &str) -> Result<Session, SystemdError> {
        let mut session = self.session.lock().await;
        if let Some(session) = &*session {
            return Ok(session.clone());
        }
        let opened = open().await.map_err(|source| failed(action, unit, source))?;
        Ok(session.insert(opened).clone())
    }

    pub(super) async fn answer<T>(
        &self,
        action: &'static str,
        unit: &str,
        answer: zbus::Result<T>,
    ) -> Result<T, SystemdError> {
        if matches!(answer, Err(zbus::Error::InputOutput(_))) {
            *self.session.lock().await = None;
        }
        answer.map_err(|source| failed(action, unit, source))
    }

    async fn finish(
        &self,
        action: &'static str,
        unit: &str,
        deadline: Duration,
        mut jobs: broadcast::Receiver<FinishedJob>,
        job: zbus::Result<OwnedObjectPath>,
    ) -> Result<(), SystemdError> {
        let job = self.answer(action, unit, job).await?;
        let result = timeout(deadline, async {
            loop {
                match jobs.recv().await {
                    Ok(finished) if finished.path == job => return Some(finished.result),
                    Ok(_) => {}
                    Err(_) => return None,
                }
            }
        });
        let unit_name = || unit.to_owned();
        match result.await {
            Ok(Some(result)) if result == "done" || result == "skipped" => Ok(()),
            Ok(Some(result)) => Err(SystemdError::Job { action, unit: unit_name(), result }),
            // The signal was missed: too many jobs at once, or the connection was lost.
            Ok(None) => {
                let result = self.state(unit).await?.active;
                let wanted = if action == "stop" { "inactive" } else { "active" };
                if result == wanted {
                    Ok(())
                } else {
                    Err(SystemdError::Job { action, unit: unit_name(), result })
                }
            }
            Err(_) => {
                // Perhaps the connection is dead without anyone having noticed.
                *self.session.lock().await = None;
                Err(SystemdError::Deadline { action, unit: unit_name(), deadline })
            }
        }
    }
}

async fn open() -> zbus::Result<Session> {
    let connection = Connection::system().await?;
    let manager = ManagerProxy::new(&connection).await?;
    let mut removed = manager.receive_job_removed().await?;
    manager.subscribe().await?;
    let (jobs, _) = broadcast::channel(JOBS);
    let sender = jobs.clone();
    // Ends with the connection, whose stream ends then.
    tokio::spawn(async move {
        while let Some(signal) = removed.next().await {
            if let Ok(arguments) = signal.args() {
                let result = arguments.result.to_owned();
                // Nobody may be waiting.
                let _ = sender.send(FinishedJob { path: arguments.job, result });
            }
        }
    });
    Ok(Session { connection, manager, jobs })
}

async fn end(session: &Session, unit: &str) -> zbus::Result<UnitEnd> {
    let path = session.manager.load_unit(unit).await?;
    let properties = UnitPropertiesProxy::builder(&session.connection).path(path)?.build().await?;
    let result = properties.get("org.freedesktop.systemd1.Service", "Result").await?;
    let since = properties.get("org.freedesktop.systemd1.Unit", "StateChangeTimestamp").await?;
    Ok(UnitEnd { result: String::try_from(result)?, since_micros: u64::try_from(since)? })
}

async fn active_state(session: &Session, unit: &str) -> zbus::Result<String> {
    let path = session.manager.load_unit(unit).await?;
    let properties = UnitPropertiesProxy::builder(&session.connection).path(path)?.build().await?;
    let value: OwnedValue = properties.get("org.freedesktop.systemd1.Unit", "ActiveState").await?;
    Ok(String::try_from(value)?)
}

fn failed(action: &'static str, unit: &str, source: zbus::Error) -> SystemdError {
    SystemdError::Bus { action, unit: unit.to_owned(), source: Box::new(source) }
}

fn is_absent(error: &zbus::Error) -> bool {
    matches!(error, zbus::Error::MethodError(name, _, _)
        if matches!(name.as_str(),
            "org.freedesktop.systemd1.NoSuchUnit" | "org.freedesktop.DBus.Error.FileNotFound"))
}
