//! A controller: a process of the built `npanel-controller` with its own directory and namespace.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

use crate::cgroup::Cgroup;
use crate::fleet::Fleet;
use crate::launch::{Launch, reap};
use crate::run::finish;
use crate::spec::Member;
use crate::wait::until;

pub(crate) const API_PORT: u16 = 8443;
pub(crate) const FLEET_PORT: u16 = 8444;
/// Short lives, so that certificates are renewed while tests run, and all have expired after three days.
const NODE_SECONDS: u32 = 600;
const CONTROLLER_SECONDS: u32 = 2 * 24 * 3600;
/// Tests and benchmarks ask as often as they can, all with one key from one address. Unless a test says otherwise.
const NO_RATE_LIMITS: &str = "\n[rate_limits]\nkey_per_second = 0\ntenant_per_second = 0\naddress_per_second = 0\n\
                              failures_per_minute = 0\n";
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// What a controller's state came to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Content {
    /// The last log entry that is applied in it.
    pub index: u64,
    /// Of all of it, in hexadecimal.
    pub sha256: String,
}

/// A controller's place in a fleet; it may be down.
pub(crate) struct Controller<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) member: &'a Member,
}

impl Controller<'_> {
    fn cgroup(&self) -> Cgroup {
        self.fleet.cgroup(self.member)
    }

    pub(crate) fn disk(&self) -> Result<PathBuf> {
        self.fleet.member_disk(self.member)
    }

    fn configuration_file(&self) -> Result<PathBuf> {
        Ok(self.disk()?.join("controller.toml"))
    }

    pub(crate) fn data(&self) -> Result<PathBuf> {
        Ok(self.disk()?.join("data"))
    }

    /// Makes the data directory, empty.
    pub(crate) fn make_data(&self) -> Result<()> {
        let data = self.data()?;
        fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))
    }

    /// Removes everything in the data directory, which may be a file system of its own.
    pub(crate) fn clear_data(&self) -> Result<()> {
        for entry in fs::read_dir(self.data()?)? {
            let entry = entry?;
            let path = entry.path();
            let removed =
                if entry.file_type()?.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.with_context(|| format!("cannot remove {}", path.display()))?;
        }
        // Also after a power cut, the controller that it was does not come back.
        fs::File::open(self.data()?)?.sync_all().context("the data directory")
    }

    /// Writes the configuration of a controller that has not run yet.
    pub(crate) fn install(&self) -> Result<()> {
        let data = self.data()?;
        self.make_data()?;
        let more = fs::read_to_string(self.more_configuration()?).unwrap_or_default();
        let first = fs::read_to_string(self.level_configuration()?).unwrap_or_default();
        let mut text = first + &configuration(self.member, &data.to_string_lossy()) + &more;
        if !more.contains("[rate_limits]") {
            text += NO_RATE_LIMITS;
        }
        fs::write(self.configuration_file()?, text).context("cannot write controller.toml")
    }

    /// What a test adds to the configuration; there may be none.
    fn more_configuration(&self) -> Result<PathBuf> {
        Ok(self.disk()?.join("more.toml"))
    }

    /// Adds tables to the configuration, also of whoever comes after it under its name.
    pub(crate) fn configure(&self, tables: &str) -> Result<()> {
        fs::write(self.more_configuration()?, format!("\n{tables}")).context("cannot write more.toml")?;
        self.install()
    }

    /// What holds it at a feature level, if anything does. Not a table, so it comes first.
    fn level_configuration(&self) -> Result<PathBuf> {
        Ok(self.disk()?.join("level.toml"))
    }

    /// Has it go up to this feature level and no further, as an earlier version does; `None`: as far as it can.
    pub(crate) fn hold_at(&self, level: Option<u32>) -> Result<()> {
        let text = level.map(|level| format!("max_feature_level = {level}\n")).unwrap_or_default();
        fs::write(self.level_configuration()?, text).context("cannot write level.toml")?;
        self.install()
    }

    fn log_level(&self) -> Result<PathBuf> {
        Ok(self.disk()?.join("log-level"))
    }

    /// Says how much its daemon logs, from its next start on.
    pub(crate) fn log_at(&self, level: &str) -> Result<()> {
        fs::write(self.log_level()?, level).context("cannot write log-level")
    }

    /// Makes the cluster; what `init` prints.
    pub(crate) fn init(&self) -> Result<String> {
        self.run("init", &["--output", "json"], &[])
    }

    /// Joins the cluster of the controller at this fleet address.
    pub(crate) fn join(&self, controller: &str, token: &str) -> Result<String> {
        self.run("join", &["--controller", controller], &[("NPANEL_TOKEN", token)])
    }

    /// What its state came to; its daemon must be down.
    pub(crate) fn content(&self) -> Result<Content> {
        let said = self.run("content-hash", &["--output", "json"], &[])?;
        serde_json::from_str(&said).context("the answer of `npanel-controller content-hash`")
    }

    /// Runs a subcommand that ends by itself in this controller's namespace.
    pub(crate) fn run(
        &self,
        subcommand: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<String> {
        let program = self.fleet.binaries().path("npanel-controller")?;
        let mut command = self.fleet.network().member(&self.member.name).command(&program.to_string_lossy());
        command.arg(subcommand).arg("--config").arg(self.configuration_file()?).args(arguments);
        command.envs(environment.iter().copied());
        let finished = finish(&mut command, Duration::from_secs(60))?;
        finished.ok().with_context(|| format!("npanel-controller {subcommand} on {}", self.member.name))
    }

    /// Starts the daemon; it need not be ready when this returns.
    pub(crate) fn start(&self) -> Result<()> {
        let (disk, cgroup) = (self.disk()?, self.cgroup());
        cgroup.remove()?;
        cgroup.create()?;
        let namespace = self.fleet.network().member(&self.member.name);
        let log = disk.join("controller.log");
        let launch =
            Launch { binaries: self.fleet.binaries(), cgroup: &cgroup, netns: Some(&namespace), log: &log };
        let mut command = launch.command()?;
        let usual = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
        command.env("RUST_LOG", fs::read_to_string(self.log_level()?).unwrap_or(usual));
        command.envs(self.fleet.clock_of(self.member)?);
        command.arg(self.fleet.binaries().path("npanel-controller")?);
        command.arg("run").arg("--config").arg(self.configuration_file()?);
        let mut child = command.spawn().context("cannot start the controller")?;
        until("the controller's process", STOP_LIMIT, || {
            Ok((cgroup.is_populated() || child.try_wait()?.is_some()).then_some(()))
        })?;
        reap(child);
        Ok(())
    }

    /// Asks the daemon to end and waits until it has.
    pub(crate) fn stop(&self) -> Result<()> {
        let cgroup = self.cgroup();
        for process in cgroup.processes() {
            // One that has just ended by itself is as good.
            let _ = kill(Pid::from_raw(process), Signal::SIGTERM);
        }
        cgroup.wait_until_empty(STOP_LIMIT).with_context(|| format!("{} does not stop", self.member.name))
    }
}

fn configuration(member: &Member, data: &str) -> String {
    let (name, address) = (&member.name, member.address);
    let data = toml::Value::from(data);
    format!(
        "data_directory = {data}\nname = \"{name}\"\n\n\
         [api]\nlisten = \"0.0.0.0:{API_PORT}\"\nnames = [\"{name}\", \"{address}\", \"localhost\", \"127.0.0.1\"]\n\n\
         [fleet]\nlisten = \"0.0.0.0:{FLEET_PORT}\"\nadvertise = \"{address}:{FLEET_PORT}\"\n\n\
         [telemetry]\nlisten = \"{address}:9470\"\n\n\
         [certificates]\nnode_seconds = {NODE_SECONDS}\ncontroller_seconds = {CONTROLLER_SECONDS}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Kind;

    #[test]
    fn the_configuration_is_toml_whatever_the_directory() {
        let member = Member { name: "c1".to_owned(), address: [10, 88, 0, 1].into(), kind: Kind::Controller };
        let parsed: toml::Table = configuration(&member, "/a \"quoted\"\\dir").parse().unwrap();
        assert_eq!(parsed["data_directory"].as_str(), Some("/a \"quoted\"\\dir"));
        assert_eq!(parsed["fleet"]["advertise"].as_str(), Some("10.88.0.1:8444"));
    }
}
