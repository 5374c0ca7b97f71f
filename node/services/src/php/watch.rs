//! Looking after accounts' PHP: what a tenant's crashes have stopped comes back, and what has no work ends.

use std::{
    collections::HashMap,
    path::Path,
    time::{Duration, Instant},
};

use npanel_host::{Layout, Systemd, blocking};
use npanel_model::Uid;

use super::units::{SOCKETS, TARGET, Units};
use crate::ServiceError;

/// Where the control groups of accounts are.
const ACCOUNTS: &str = "/sys/fs/cgroup/acct.slice";
const START: Duration = Duration::from_secs(20);
const STOP: Duration = Duration::from_secs(40);

/// Starts again the sockets that systemd has given up because PHP crashed too often behind them; answers their
/// names. The time between two calls is the longest such an outage lasts, and what slows a crash loop down.
///
/// # Errors
/// If systemd cannot be asked. A socket that does not start does not keep the others down.
pub async fn revive_failed(systemd: &Systemd) -> Result<Vec<String>, ServiceError> {
    let mut revived = Vec::new();
    for failed in systemd.list(&["failed"], &[SOCKETS]).await? {
        let Some(units) = Units::of_name(&failed.unit) else { continue };
        systemd.reset_failed(&units.service).await?;
        systemd.reset_failed(&units.socket).await?;
        match systemd.start(&units.socket, START).await {
            Ok(()) => revived.push(units.socket),
            Err(error) => tracing::warn!(unit = units.socket, %error, "a PHP socket does not start"),
        }
    }
    Ok(revived)
}

/// The accounts whose sockets somebody has stopped. One that has failed is none of them: crashes of a tenant's
/// PHP are not drift, and [`revive_failed`] brings it back. Nor is one that is not to listen at boot either: its
/// account is suspended.
///
/// # Errors
/// If systemd cannot be asked.
pub async fn stopped(systemd: &Systemd) -> Result<Vec<Uid>, ServiceError> {
    let stopped = systemd.list(&["inactive"], &[SOCKETS]).await?;
    let wants = Path::new(Layout::UNITS).join(format!("{TARGET}.wants"));
    let drifted = move || -> Result<Vec<Uid>, ServiceError> {
        let is_wanted = |unit: &str| wants.join(unit).symlink_metadata().is_ok();
        let wanted = stopped.iter().filter(|state| is_wanted(&state.unit));
        Ok(wanted.filter_map(|state| Units::uid_of(&state.unit)).collect())
    };
    blocking(drifted).await
}

/// Remembers since when process managers have had no work.
#[derive(Debug, Default)]
pub struct Idle {
    since: HashMap<String, Instant>,
}

impl Idle {
    /// Looks at all running process managers and stops those that had no worker at any look for `allowed`.
    /// Their sockets start them again. Answers the stopped ones.
    ///
    /// # Errors
    /// If systemd cannot be asked.
    pub async fn stop_idle(
        &mut self,
        systemd: &Systemd,
        allowed: Duration,
    ) -> Result<Vec<String>, ServiceError> {
        let idle = blocking(|| without_workers(Path::new(ACCOUNTS))).await;
        let due = self.due(idle, allowed, Instant::now());
        for service in &due {
            systemd.stop(service, STOP).await?;
        }
        Ok(due)
    }

    fn due(&mut self, idle: Vec<String>, allowed: Duration, now: Instant) -> Vec<String> {
        let since = |service: &String| self.since.get(service).copied().unwrap_or(now);
        let current: HashMap<String, Instant> =
            idle.into_iter().map(|service| (service.clone(), since(&service))).collect();
        let (due, rest) =
            current.into_iter().partition::<HashMap<_, _>, _>(|(_, since)| now - *since >= allowed);
        self.since = rest;
        due.into_keys().collect()
    }
}

/// The services whose control group holds one process: the manager, and no worker. What cannot be read is
/// ending.
fn without_workers(accounts: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for pair in entries(accounts) {
        for account in entries(&pair) {
            for service in entries(&account) {
                let name = service.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let is_service = Units::of_name(name).is_some_and(|units| units.service == name);
                let processes = std::fs::read_to_string(service.join("cgroup.procs"));
                if is_service && processes.is_ok_and(|processes| processes.lines().count() == 1) {
                    found.push(name.to_owned());
                }
            }
        }
    }
    found
}

fn entries(directory: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|e| e.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "npanel-php07@1900000107.service";

    #[test]
    fn only_what_had_no_work_all_the_time_is_due() {
        let (mut idle, start) = (Idle::default(), Instant::now());
        let allowed = Duration::from_secs(300);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(idle.due(vec![ONE.into()], allowed, at(0)), Vec::<String>::new());
        // A worker was seen in between.
        assert_eq!(idle.due(vec![], allowed, at(100)), Vec::<String>::new());
        assert_eq!(idle.due(vec![ONE.into()], allowed, at(200)), Vec::<String>::new());
        assert_eq!(idle.due(vec![ONE.into()], allowed, at(400)), Vec::<String>::new());
        assert_eq!(idle.due(vec![ONE.into()], allowed, at(500)), [ONE]);
        assert_eq!(idle.due(vec![ONE.into()], allowed, at(501)), Vec::<String>::new());
    }

    #[test]
    fn a_group_with_one_process_has_no_work() {
        let place = tempfile::tempdir().expect("a directory");
        let group = |uid: &str, processes: &str| {
            let service = format!("acct-07.slice/acct-07-{uid}.slice/npanel-php07@{uid}.service");
            let directory = place.path().join(service);
            std::fs::create_dir_all(&directory).expect("directories");
            std::fs::write(directory.join("cgroup.procs"), processes).expect("written");
        };
        group("1900000107", "12\n");
        group("1900000207", "12\n13\n");
        group("1900000307", "");
        assert_eq!(without_workers(place.path()), [ONE]);
    }
}
