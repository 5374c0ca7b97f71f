//! Three controllers, and what they are given to hold.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use npanel_client::{Client, Config};
use npanel_fleet::{Fleet, FleetName, FleetSpec, Guard, Kind, until};
use npanel_model::{AccountId, Secret};
use npanel_sdk_types::{ClusterStatus, ControllerRole};
use tokio::runtime::Runtime;

use super::SNAPSHOT_AFTER;
use crate::{accounts, snapshot::Filling};

/// How long controllers may need to start with all that they have.
const PATIENCE: Duration = Duration::from_secs(120);

/// The controllers, and an administrator's view of them.
pub(super) struct Cluster {
    pub(super) fleet: Fleet,
    pub(super) client: Client,
    runtime: Runtime,
    filling: Option<Filling>,
    /// Accounts that there are.
    pub(super) accounts: Vec<AccountId>,
    seed: u64,
    most: u64,
    /// Where the state is filled.
    work: tempfile::TempDir,
    // The last field: the fleet goes down after everything else has gone.
    _guard: Guard,
}

impl Cluster {
    /// Boots three controllers that will have so many accounts at most, and moves the calling thread into their hub.
    pub(super) fn boot(seed: u64, most: u64) -> Result<Self> {
        let name: FleetName = format!("scale-{}", std::process::id()).parse()?;
        let guard = Guard::over(&name)?;
        let fleet = Fleet::boot(FleetSpec { name, controllers: 3, nodes: 0 })?;
        fleet.enter_hub()?;
        // Its threads are born in the hub.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let client = client(&fleet, "c1")?;
        let beside = fleet.controller_data("c1")?;
        let work =
            tempfile::Builder::new().prefix("filling-").tempdir_in(beside.parent().context("no place")?)?;
        Ok(Self {
            fleet,
            client,
            runtime,
            filling: None,
            accounts: Vec::new(),
            seed,
            most,
            work,
            _guard: guard,
        })
    }

    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    pub(super) fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.runtime.spawn(future)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.fleet.of_kind(Kind::Controller).map(|member| member.name.clone()).collect()
    }

    /// A place beneath a controller's own directory.
    pub(super) fn place(&self, controller: &str, within: &str) -> Result<PathBuf> {
        Ok(self.fleet.controller_data(controller)?.join("controller").join(within))
    }

    /// Has all controllers hold so many accounts, and nothing of what was written to them before.
    pub(super) fn fill(&mut self, accounts: u64) -> Result<()> {
        println!("\n== {accounts} accounts");
        // All at once: none of them leads meanwhile, so no log is of a later term than the others'.
        for name in self.names() {
            self.fleet.kill(&name)?;
        }
        let filling = match self.filling.take() {
            Some(filling) => filling,
            None => {
                let work = self.work.path().join("state");
                self.runtime.block_on(Filling::begin(
                    &self.place("c1", "state")?,
                    &work,
                    self.most,
                    self.seed,
                ))?
            }
        };
        let (filling, snapshot) =
            self.runtime.block_on(filling.go_on(accounts, &self.place("c1", "state")?))?;
        let work = self.work.path().join("state");
        self.accounts = accounts::some(&work, accounts::MOST)?;
        if accounts < self.most {
            self.filling = Some(filling);
        } else {
            drop(filling);
            fs::remove_dir_all(&work)?;
        }
        for name in self.names() {
            let shelf = self.place(&name, "snapshots")?;
            empty(&shelf)?;
            let to = shelf.join(snapshot.file_name().context("a snapshot without a name")?);
            // They only read it: what they make their state of is a copy.
            fs::hard_link(&snapshot, &to).with_context(|| format!("cannot link {}", to.display()))?;
            let often = format!("[raft_log]\nsnapshot_at_latest_entries = {SNAPSHOT_AFTER}\n");
            self.fleet.configure(&name, &often)?;
        }
        fs::remove_file(snapshot)?;
        self.start_all()?;
        // What they were filled with is still on its way to the disk, and would be measured with them.
        ensure!(std::process::Command::new("sync").status()?.success(), "the disks could not be synced");
        Ok(())
    }

    /// Starts who is down, and waits until all vote and one leads.
    pub(super) fn start_all(&self) -> Result<()> {
        let begun = Instant::now();
        for name in self.names() {
            if !self.fleet.is_up(&name)? {
                self.fleet.start(&name)?;
            }
        }
        self.whole()?;
        println!("  three controllers stand after {:.1} s", begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// Waits until all controllers vote, and have what the leader has.
    pub(super) fn whole(&self) -> Result<()> {
        until("three controllers that agree", PATIENCE, || Ok(is_whole(&self.status()?).then_some(())))
    }

    /// A client that asks the leader first.
    pub(super) fn client_of_leader(&self) -> Result<Client> {
        client(&self.fleet, &self.leader()?)
    }

    pub(super) fn status(&self) -> Result<ClusterStatus> {
        Ok(self.block_on(self.client.cluster_status())?)
    }

    /// The name of the leader, once there is one.
    pub(super) fn leader(&self) -> Result<String> {
        until("a leader", PATIENCE, || {
            let status = self.status()?;
            let leads = |one: &&npanel_sdk_types::Controller| one.role == ControllerRole::Leader;
            Ok(status.controllers.iter().find(leads).map(|leader| leader.name.clone()))
        })
    }

    /// Prints what controllers have on disk.
    pub(super) fn sizes(&self) -> Result<()> {
        for name in self.names() {
            let mib = |within: &str| Ok::<_, anyhow::Error>(bytes(&self.place(&name, within)?)? >> 20);
            let (state, log, shelf) = (mib("state")?, mib("raft-log")?, mib("snapshots")?);
            println!("{name} on disk: state {state} MiB, log {log} MiB, snapshots {shelf} MiB");
        }
        Ok(())
    }
}

fn is_whole(status: &ClusterStatus) -> bool {
    let votes = |role| matches!(role, ControllerRole::Leader | ControllerRole::Voter);
    let all_vote = status.controllers.len() == 3 && status.controllers.iter().all(|one| votes(one.role));
    all_vote
        && status.controllers.iter().all(|one| one.reachable != Some(false))
        && status.leader_id.is_some()
}

fn client(fleet: &Fleet, first: &str) -> Result<Client> {
    let mut names: Vec<&str> = fleet.of_kind(Kind::Controller).map(|member| member.name.as_str()).collect();
    names.sort_by_key(|name| *name != first);
    let urls = names.into_iter().map(|name| fleet.api_url(name)).collect::<Result<_>>()?;
    let key = fs::read_to_string(fleet.api_key_file()?).context("the administrator's key")?;
    let ca = fs::read(fleet.ca_file()?).context("the cluster's CA")?;
    Ok(Client::new(Config::new(urls, Secret::new(key.trim())).with_ca(ca))?)
}

/// Removes what is in a directory.
fn empty(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    for entry in fs::read_dir(directory)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}

fn bytes(directory: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(directory)? {
        sum += entry?.metadata()?.len();
    }
    Ok(sum)
}
