//! A running fleet and what can be done to it.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::boot::{self, Access};
use crate::cgroup::Cgroup;
use crate::controller::{API_PORT, Content, Controller};
use crate::image::Image;
use crate::logs;
use crate::mounts;
use crate::network::Network;
use crate::node::Node;
use crate::places::{Binaries, FleetName};
use crate::spec::{FleetSpec, Kind, Member};
use crate::timing::Timings;

/// A fleet. It has no open handles: any process can open the same one, and dropping it changes nothing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fleet {
    spec: FleetSpec,
    members: Vec<Member>,
    binaries: Binaries,
    /// What the nodes are made of; none without nodes.
    image: Option<PathBuf>,
    network: Network,
    cgroup: Cgroup,
    pub(crate) access: Option<Access>,
    pub(crate) timings: Timings,
}

impl Fleet {
    /// Boots a fleet, after taking down what may be left of one of that name; on failure its logs are collected
    /// and it is taken down.
    pub fn boot(spec: FleetSpec) -> Result<Self> {
        Self::boot_prepared(spec, |_| Ok(()))
    }

    /// As [`Fleet::boot`], with a step between the making of the members' directories and the first daemon: what is mounted at
    /// a controller's data directory then is where it keeps everything.
    pub fn boot_prepared(spec: FleetSpec, prepare: impl FnOnce(&Self) -> Result<()>) -> Result<Self> {
        let _lock = lock(&spec.name)?;
        take_down(&spec.name)?;
        let mut timings = Timings::default();
        let image = match spec.nodes {
            0 => None,
            _ => Some(timings.measure("node image", Image::ensure)?.path().to_owned()),
        };
        let mut fleet = Self {
            members: spec.members(),
            binaries: Binaries::locate()?,
            image,
            network: Network::of_fleet(spec.name.as_str()),
            cgroup: Cgroup::of_fleet(spec.name.as_str())?,
            access: None,
            timings,
            spec,
        };
        if let Err(error) = boot::boot(&mut fleet, prepare) {
            let kept = fleet.disk()?.with_extension("logs");
            fleet.collect_logs(&kept).context("collecting logs after a failed boot")?;
            take_down(&fleet.spec.name)?;
            return Err(error.context(format!("the fleet did not boot; logs are in {}", kept.display())));
        }
        fleet.save()?;
        Ok(fleet)
    }

    /// The running fleet of that name.
    pub fn open(name: &FleetName) -> Result<Self> {
        let path = description(name);
        let text = fs::read(&path).with_context(|| format!("no fleet {name} is up"))?;
        serde_json::from_slice(&text).with_context(|| path.display().to_string())
    }

    /// Kills and removes everything of the fleet of that name, also of one that died half-way; no fleet is no error.
    pub fn down(name: &FleetName) -> Result<()> {
        let _lock = lock(name)?;
        take_down(name)?;
        fs::remove_file(lock_path(name)).context("the fleet's lock")
    }

    pub(crate) fn save(&self) -> Result<()> {
        let path = description(self.name());
        fs::write(&path, serde_json::to_vec_pretty(self)?).with_context(|| path.display().to_string())
    }

    /// The file that describes the running fleet, written when it had booted.
    pub(crate) fn description(&self) -> PathBuf {
        description(self.name())
    }

    /// The fleet's name.
    pub fn name(&self) -> &FleetName {
        &self.spec.name
    }

    /// All members, controllers first.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The members of one kind, in order.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.kind == kind)
    }

    /// The member of that name.
    pub fn member(&self, name: &str) -> Result<&Member> {
        let found = self.members.iter().find(|member| member.name == name);
        found.with_context(|| format!("the fleet {} has no member {name:?}", self.spec.name))
    }

    /// The time each step of the boot took.
    pub fn timings(&self) -> &Timings {
        &self.timings
    }

    /// The base address of a controller's API, inside the hub.
    pub fn api_url(&self, controller: &str) -> Result<String> {
        Ok(format!("https://{}:{API_PORT}", self.member(controller)?.address))
    }

    /// The file with the first administrator's key.
    pub fn api_key_file(&self) -> Result<&Path> {
        Ok(&self.access()?.api_key_file)
    }

    /// A file with the cluster's certificate authority: the first controller's, or that of another while the first has none.
    pub fn ca_file(&self) -> Result<PathBuf> {
        let first = &self.access()?.ca_file;
        let data =
            self.controller_data(&self.of_kind(Kind::Controller).next().context("no controller")?.name)?;
        let within =
            first.strip_prefix(&data).context("the authority's file is not the first controller's")?;
        let files =
            self.of_kind(Kind::Controller).map(|member| Ok(self.controller_data(&member.name)?.join(within)));
        let files: Vec<PathBuf> = files.collect::<Result<_>>()?;
        Ok(files.iter().find(|file| file.exists()).unwrap_or(first).clone())
    }

    /// What opens the secrets in backups.
    pub fn recovery_key(&self) -> Result<&str> {
        Ok(&self.access()?.recovery_key)
    }

    /// Runs a subcommand of `npanel-controller` that ends by itself, with a controller's configuration; what it prints.
    pub fn on_controller(
        &self,
        name: &str,
        subcommand: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<String> {
        self.controller(self.member(name)?).run(subcommand, arguments, environment)
    }

    /// A controller's data directory.
    pub fn controller_data(&self, name: &str) -> Result<PathBuf> {
        self.controller(self.member(name)?).data()
    }

    /// Has a controller be configured by these tables (TOML) besides, from its next start on.
    pub fn configure(&self, controller: &str, tables: &str) -> Result<()> {
        self.controller(self.member(controller)?).configure(tables)
    }

    /// Has a controller go up to this feature level and no further, from its next start on; `None`: as far as it can.
    pub fn hold_at(&self, controller: &str, level: Option<u32>) -> Result<()> {
        self.controller(self.member(controller)?).hold_at(level)
    }

    /// Has a controller log so much (as `RUST_LOG` says it), from its next start on.
    pub fn log_at(&self, controller: &str, level: &str) -> Result<()> {
        self.controller(self.member(controller)?).log_at(level)
    }

    /// What the state of a controller, which must be down, came to.
    pub fn content(&self, controller: &str) -> Result<Content> {
        self.controller(self.member(controller)?).content()
    }

    pub(crate) fn access(&self) -> Result<&Access> {
        self.access.as_ref().context("this fleet has no controllers")
    }

    /// Whether any process of the member runs (a paused one does).
    pub fn is_up(&self, name: &str) -> Result<bool> {
        Ok(self.cgroup(self.member(name)?).is_populated())
    }

    /// Whether the member is paused.
    pub fn is_paused(&self, name: &str) -> Result<bool> {
        let cgroup = self.cgroup(self.member(name)?);
        Ok(cgroup.is_populated() && cgroup.is_frozen())
    }

    /// The processes of the member by their names, as this machine numbers them.
    pub fn processes(&self, name: &str) -> Result<Vec<(String, i32)>> {
        let ids = self.cgroup(self.member(name)?).processes();
        let named =
            |id: i32| Some((fs::read_to_string(format!("/proc/{id}/comm")).ok()?.trim().to_owned(), id));
        Ok(ids.into_iter().filter_map(named).collect())
    }

    /// SIGKILL to every process of the member at once, as a power cut does.
    pub fn kill(&self, name: &str) -> Result<()> {
        self.cgroup(self.member(name)?).kill()
    }

    /// Every process of the member stands still; connections stay open and silent.
    pub fn pause(&self, name: &str) -> Result<()> {
        self.cgroup(self.member(name)?).freeze(true)
    }

    /// Ends a pause.
    pub fn resume(&self, name: &str) -> Result<()> {
        self.cgroup(self.member(name)?).freeze(false)
    }

    /// Ends the member's processes cleanly; its data stays.
    pub fn stop(&self, name: &str) -> Result<()> {
        let member = self.member(name)?;
        match member.kind {
            Kind::Controller => self.controller(member).stop(),
            Kind::Node => self.node(member).stop(),
        }
    }

    /// Starts a member that is down. A node has booted when this returns; a controller may not be ready yet.
    pub fn start(&self, name: &str) -> Result<()> {
        let member = self.member(name)?;
        if self.is_up(name)? {
            bail!("{name} is up already");
        }
        match member.kind {
            Kind::Controller => self.controller(member).start(),
            Kind::Node => self.node(member).start(),
        }
    }

    /// Makes a controller that was removed from the cluster, and is down, a new one under its old name and address, with the
    /// help of another. What it had is gone. It may not be ready yet when this returns.
    pub fn join_anew(&self, name: &str, by: &str) -> Result<()> {
        boot::join_anew(self, self.member(name)?, self.member(by)?)
    }

    /// The same with a bootstrap token that is there.
    pub fn join_with(&self, name: &str, by: &str, token: &str) -> Result<()> {
        boot::join_with(self, self.member(name)?, self.member(by)?, token)
    }

    /// Stops the member cleanly if it is up and starts it.
    pub fn restart(&self, name: &str) -> Result<()> {
        self.stop(name)?;
        self.start(name)
    }

    /// No packet reaches or leaves the member, without a word to anyone.
    pub fn cut(&self, name: &str) -> Result<()> {
        self.network.cut(&self.member(name)?.name)
    }

    /// The member and the named peers do not hear each other; the member and all others do.
    pub fn cut_from(&self, name: &str, peers: &[&str]) -> Result<()> {
        for peer in peers {
            self.member(peer)?;
        }
        self.network.cut_from(&self.member(name)?.name, peers)
    }

    /// What the one sends does not reach the other; what the other sends does reach it.
    pub fn cut_one_way(&self, from: &str, to: &str) -> Result<()> {
        let (from, to) = (self.member(from)?, self.member(to)?);
        self.network.cut_one_way(&from.name, &to.name)
    }

    /// Ends every cut.
    pub fn heal(&self) -> Result<()> {
        self.network.heal()
    }

    /// Moves the calling thread, and all that it starts from now on, into the hub. Call it before a runtime starts.
    pub fn enter_hub(&self) -> Result<()> {
        self.network.hub().enter()
    }

    /// A command on a member's leg of the network, beside its daemons and none of them: whoever starts it ends it.
    pub fn command_beside(&self, name: &str, program: &Path) -> Result<Command> {
        let member = self.member(name)?;
        Ok(self.network.member(&member.name).command(&program.to_string_lossy()))
    }

    /// Copies every member's logs into a directory, also those of members that are down.
    pub fn collect_logs(&self, directory: &Path) -> Result<()> {
        logs::collect(self, directory)
    }

    pub(crate) fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    pub(crate) fn image(&self) -> Result<&Path> {
        self.image.as_deref().context("this fleet has no nodes")
    }

    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    pub(crate) fn cgroup(&self, member: &Member) -> Cgroup {
        self.cgroup.member(&member.name)
    }

    /// The group of a process that serves the fleet but is no member.
    pub(crate) fn side_cgroup(&self, name: &str) -> Cgroup {
        self.cgroup.member(name)
    }

    pub(crate) fn disk(&self) -> Result<PathBuf> {
        self.spec.name.disk()
    }

    pub(crate) fn member_disk(&self, member: &Member) -> Result<PathBuf> {
        Ok(self.disk()?.join(&member.name))
    }

    pub(crate) fn controller<'a>(&'a self, member: &'a Member) -> Controller<'a> {
        Controller { fleet: self, member }
    }

    pub(crate) fn node<'a>(&'a self, member: &'a Member) -> Node<'a> {
        Node { fleet: self, member }
    }

    pub(crate) fn create_ground(&self) -> Result<()> {
        for directory in [self.name().runtime(), self.disk()?] {
            fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        self.cgroup.create()?;
        self.network.create()?;
        for member in &self.members {
            fs::create_dir_all(self.member_disk(member)?)?;
            if member.kind == Kind::Controller {
                self.controller(member).make_data()?;
            }
            self.network.attach(&member.name, member.address)?;
        }
        Ok(())
    }
}

fn description(name: &FleetName) -> PathBuf {
    name.runtime().join("fleet.json")
}

/// Held while a fleet of this name is made or removed; removed with the fleet.
fn lock(name: &FleetName) -> Result<Flock<File>> {
    let path = lock_path(name);
    fs::create_dir_all(path.parent().context("no runtime directory")?).context("fleets need root")?;
    loop {
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
        // The holder before us may have removed the file that we waited for.
        if fs::metadata(&path).is_ok_and(|now| lock.metadata().is_ok_and(|held| held.ino() == now.ino())) {
            return Ok(lock);
        }
    }
}

fn lock_path(name: &FleetName) -> PathBuf {
    name.runtime().with_extension("lock")
}

fn take_down(name: &FleetName) -> Result<()> {
    let cgroup = Cgroup::of_fleet(name.as_str())?;
    cgroup.kill()?;
    for directory in [name.runtime(), name.disk()?] {
        mounts::unmount_below(&directory)?;
    }
    Network::of_fleet(name.as_str()).remove()?;
    cgroup.remove()?;
    for directory in [name.runtime(), name.disk()?] {
        if directory.exists() {
            fs::remove_dir_all(&directory)
                .with_context(|| format!("cannot remove {}", directory.display()))?;
        }
    }
    Ok(())
}
