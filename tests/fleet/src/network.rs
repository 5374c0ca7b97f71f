//! The fleet's own network: a hub namespace with a bridge, and a namespace per member with one leg on it.
//!
//! Partitions are rules in the hub's bridge, outside the members: a node may rewrite its own packet filter as it
//! likes and stays cut off, and a cut also drops address resolution, as a pulled cable would.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};
use serde::{Deserialize, Serialize};

use crate::run::{command, finish, pipe_of, system};

const IP: &str = "/usr/sbin/ip";
const NFT: &str = "/usr/sbin/nft";
const NSENTER: &str = "/usr/bin/nsenter";

/// The address of the test driver in the hub.
pub(crate) const DRIVER: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 254);

/// The rules of the bridge: whole members cut off, pairs that do not hear each other, and pairs of whom the second does not
/// hear the first, but for who has which address: without that, soon neither would hear the other.
const RULES: &str = "table bridge fleet {
  set cut { type ifname; }
  set pairs { type ifname . ifname; }
  set deaf { type ifname . ifname; }
  chain forward {
    type filter hook forward priority 0;
    iifname @cut drop; oifname @cut drop; iifname . oifname @pairs drop; ether type ip iifname . oifname @deaf drop;
  }
  chain input { type filter hook input priority 0; iifname @cut drop; }
  chain output { type filter hook output priority 0; oifname @cut drop; }
}
";

/// A named network namespace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Namespace(String);

impl Namespace {
    pub(crate) fn named(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.0)
    }

    fn create(&self) -> Result<()> {
        system(IP, ["netns", "add", &self.0])?;
        system(IP, ["-n", &self.0, "link", "set", "lo", "up"])?;
        Ok(())
    }

    fn remove(&self) -> Result<()> {
        if self.path().exists() {
            system(IP, ["netns", "delete", &self.0])?;
        }
        Ok(())
    }

    /// Moves the calling thread, and threads it starts from now on, into this namespace.
    pub(crate) fn enter(&self) -> Result<()> {
        let file = File::open(self.path()).with_context(|| format!("no network namespace {}", self.0))?;
        setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("cannot enter {}", self.0))
    }

    /// A command that runs in this namespace.
    pub(crate) fn command(&self, program: &str) -> std::process::Command {
        let mut command = command(NSENTER);
        command.arg(format!("--net={}", self.path().display())).arg("--").arg(program);
        command
    }
}

/// The hub and the names derived from the fleet's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Network {
    fleet: String,
}

impl Network {
    pub(crate) fn of_fleet(fleet: &str) -> Self {
        Self { fleet: fleet.to_owned() }
    }

    pub(crate) fn hub(&self) -> Namespace {
        Namespace::named(format!("npanel.{}.hub", self.fleet))
    }

    pub(crate) fn member(&self, name: &str) -> Namespace {
        Namespace::named(format!("npanel.{}.{name}", self.fleet))
    }

    /// Makes the hub with its bridge, the driver's address and empty partition rules.
    pub(crate) fn create(&self) -> Result<()> {
        let hub = self.hub();
        hub.create()?;
        system(IP, ["-n", &hub.0, "link", "add", "br0", "type", "bridge"])?;
        system(IP, ["-n", &hub.0, "addr", "add", &format!("{DRIVER}/24"), "dev", "br0"])?;
        system(IP, ["-n", &hub.0, "link", "set", "br0", "up"])?;
        self.rules(RULES)
    }

    /// Gives a member its namespace and a leg named `host0` on the bridge.
    pub(crate) fn attach(&self, name: &str, address: Ipv4Addr) -> Result<()> {
        let (hub, namespace) = (self.hub(), self.member(name));
        namespace.create()?;
        let port = port(name);
        let peer = ["peer", "name", "host0", "netns", &namespace.0];
        system(IP, ["-n", &hub.0, "link", "add", &port, "type", "veth"].iter().chain(&peer))?;
        system(IP, ["-n", &hub.0, "link", "set", &port, "master", "br0", "up"])?;
        system(IP, ["-n", &namespace.0, "addr", "add", &format!("{address}/24"), "dev", "host0"])?;
        system(IP, ["-n", &namespace.0, "link", "set", "host0", "up"])?;
        Ok(())
    }

    /// Nothing reaches or leaves the member any more, silently.
    pub(crate) fn cut(&self, name: &str) -> Result<()> {
        self.rules(&format!("add element bridge fleet cut {{ {} }}\n", quoted(name)))
    }

    /// The member and each of the named peers no longer hear each other, all others do.
    pub(crate) fn cut_from(&self, name: &str, peers: &[&str]) -> Result<()> {
        let mut rules = String::new();
        for peer in peers {
            let (one, other) = (quoted(name), quoted(peer));
            writeln!(rules, "add element bridge fleet pairs {{ {one} . {other}, {other} . {one} }}")?;
        }
        self.rules(&rules)
    }

    /// What the one sends does not reach the other.
    pub(crate) fn cut_one_way(&self, from: &str, to: &str) -> Result<()> {
        self.rules(&format!("add element bridge fleet deaf {{ {} . {} }}\n", quoted(from), quoted(to)))
    }

    /// Ends every partition.
    pub(crate) fn heal(&self) -> Result<()> {
        self.rules("flush set bridge fleet cut\nflush set bridge fleet pairs\nflush set bridge fleet deaf\n")
    }

    fn rules(&self, text: &str) -> Result<()> {
        let mut nft = self.hub().command(NFT);
        nft.args(["-f", "-"]).stdin(pipe_of(text)?);
        finish(&mut nft, Duration::from_secs(10))?.ok().context("nft").map(drop)
    }

    /// Removes every namespace of the fleet, also of members nobody remembers.
    pub(crate) fn remove(&self) -> Result<()> {
        let prefix = format!("npanel.{}.", self.fleet);
        for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&prefix) {
                Namespace::named(name).remove()?;
            }
        }
        Ok(())
    }
}

/// The bridge's port of a member; interface names have at most 15 characters.
fn port(member: &str) -> String {
    format!("v-{member}")
}

fn quoted(member: &str) -> String {
    format!("\"{}\"", port(member))
}
